"""The tracks that sound most like a track: evidence for a reviewer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.chunks import Matrix, chunks, mean_and_scale, standardised
from modeling.core.metrics import Floats
from modeling.core.ridge import checked_matrix

CHUNK_CELLS = 8_000_000  # similarities held at a time: 32 MB


class Neighbours(NamedTuple):
    """Of each asked row its nearest rows, nearest first.

    Attributes
    ----------
    indices : shape (n_asked, n), int
        Rows of X.
    similarity : shape (n_asked, n), float
        Cosine of standardised features, -1..1; 1 is the same direction.
    """

    indices: NDArray[np.intp]
    similarity: Floats


def nearest(X: ArrayLike, rows: ArrayLike, *, n: int = 5) -> Neighbours:
    """The `n` rows most similar to each of `rows`, itself excluded.

    Cosine of standardised features: the mean track is the origin, so that similar means "differs from the mean in the
    same way", however strongly, and no feature counts for more because of its unit. Constant features count for
    nothing.

    Parameters
    ----------
    X : shape (n_tracks, n_features), float
        Finite.
    rows : shape (n_asked,), int
        Rows of X to look from.
    n : int
        At most n_tracks - 1 are returned. Of equally similar rows the first come first.

    Raises
    ------
    ValueError
        If X is not a finite matrix, `n` is below 1, or a row is outside X.

    Examples
    --------
    >>> nearest([[0.0, 0.0], [0.1, 0.0], [5.0, 1.0], [5.0, 5.0]], [0], n=2).indices
    array([[1, 2]])
    """
    features = checked_matrix(X)
    asked = np.asarray(rows, dtype=np.intp).reshape(-1)
    if n < 1 or (asked.size and (asked.min() < 0 or asked.max() >= len(features))):
        raise ValueError(f"found n {n} and rows {asked}; expected n >= 1 and rows 0..{len(features) - 1}")
    units = _unit_rows(features)
    n_found = min(n, len(features) - 1)
    indices, similarity = np.empty((len(asked), n_found), np.intp), np.empty((len(asked), n_found))
    step = max(1, CHUNK_CELLS // len(features))
    for start in range(0, len(asked), step):
        chunk = slice(start, start + step)
        cosine = units[asked[chunk]] @ units.T
        cosine[np.arange(len(cosine)), asked[chunk]] = -np.inf
        indices[chunk] = _largest(cosine, n_found)
        similarity[chunk] = np.take_along_axis(cosine, indices[chunk], axis=1)
    return Neighbours(indices, np.clip(similarity, -1.0, 1.0))


def _unit_rows(features: Matrix) -> NDArray[np.float32]:
    units = standardised(features, *mean_and_scale(features))
    for part in chunks(len(units)):
        length = np.linalg.norm(units[part], axis=1, keepdims=True)
        units[part] /= np.where(length > 0, length, 1.0)
    return units


def _largest(cosine: Matrix, n: int) -> NDArray[np.intp]:
    """Columns of the `n` largest of each row; a full sort of 50,000 columns would take ten times as long."""
    if n == 0:
        return np.empty((len(cosine), 0), np.intp)
    candidates = np.sort(np.argpartition(-cosine, n - 1, axis=1)[:, :n], axis=1)
    order = np.argsort(-np.take_along_axis(cosine, candidates, axis=1), axis=1, kind="stable")
    return np.take_along_axis(candidates, order, axis=1)
