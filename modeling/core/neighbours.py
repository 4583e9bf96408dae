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
        Rows of X; -1 where there are no more of other groups.
    similarity : shape (n_asked, n), float
        Cosine of standardised features, -1..1; 1 is the same direction. NaN where there are no more.
    """

    indices: NDArray[np.intp]
    similarity: Floats


def nearest(X: ArrayLike, rows: ArrayLike, *, groups: ArrayLike | None = None, n: int = 5) -> Neighbours:
    """The `n` rows most similar to each of `rows`, itself (and its group) excluded.

    Cosine of standardised features: the mean track is the origin, so that similar means "differs from the mean in the
    same way", however strongly, and no feature counts for more because of its unit. Constant features count for
    nothing.

    Parameters
    ----------
    X : shape (n_tracks, n_features), float
        Finite.
    rows : shape (n_asked,), int
        Rows of X to look from.
    groups : shape (n_tracks,), optional
        Artists: rows of the asked row's own group are no neighbours.
    n : int
        At most n_tracks - 1 are returned. Of equally similar rows the first come first.

    Raises
    ------
    ValueError
        If X is not a finite matrix, `n` is below 1, a row is outside X, or groups are not one for each track.

    Examples
    --------
    >>> nearest([[0.0, 0.0], [0.1, 0.0], [5.0, 1.0], [5.0, 5.0]], [0], n=2).indices
    array([[1, 2]])
    """
    features = checked_matrix(X)
    asked = np.asarray(rows, dtype=np.intp).reshape(-1)
    if n < 1 or (asked.size and (asked.min() < 0 or asked.max() >= len(features))):
        raise ValueError(f"found n {n} and rows {asked}; expected n >= 1 and rows 0..{len(features) - 1}")
    group = _numbered(np.arange(len(features)) if groups is None else groups, len(features))
    units = _unit_rows(features)
    n_found = min(n, len(features) - 1)
    indices, similarity = np.empty((len(asked), n_found), np.intp), np.empty((len(asked), n_found))
    step = max(1, CHUNK_CELLS // len(features))
    for start in range(0, len(asked), step):
        chunk = slice(start, start + step)
        cosine = units[asked[chunk]] @ units.T
        cosine[group[asked[chunk], None] == group] = -np.inf
        indices[chunk], similarity[chunk] = _largest(cosine, n_found)
    absent = np.isneginf(similarity)
    indices[absent], similarity[absent] = -1, np.nan
    return Neighbours(indices, np.clip(similarity, -1.0, 1.0))


def _numbered(groups: ArrayLike, n_rows: int) -> NDArray[np.int32]:
    number = np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int32)
    if number.shape != (n_rows,):
        raise ValueError(f"found groups of shape {number.shape}; expected ({n_rows},), one for each track")
    return number


def _unit_rows(features: Matrix) -> NDArray[np.float32]:
    units = standardised(features, *mean_and_scale(features))
    for part in chunks(len(units)):
        length = np.linalg.norm(units[part], axis=1, keepdims=True)
        units[part] /= np.where(length > 0, length, 1.0)
    return units


def _largest(cosine: Matrix, n: int) -> tuple[NDArray[np.intp], Matrix]:
    """Columns and values of the `n` largest of each row, which are overwritten.

    Of 50,000 columns five maxima take a tenth of the time that one partition does.
    """
    row, columns = np.arange(len(cosine)), np.empty((len(cosine), n), np.intp)
    values = np.empty((len(cosine), n), cosine.dtype)
    for rank in range(n):
        columns[:, rank] = cosine.argmax(axis=1)
        values[:, rank] = cosine[row, columns[:, rank]]
        cosine[row, columns[:, rank]] = -np.inf
    return columns, values
