"""Signs that figures are too good to be true, said in every report.

What is held out is known to a model all the same where a feature is the label in disguise, where the same track is there
twice, or where labels were used before tracks were held out. The first two can be seen in the tracks; all of them show as
errors below what labels allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.dataset import Dataset
from modeling.core.estimates import Estimate

# No single feature of real music comes near: loudness, the best we know, has about 0.7.
MAX_RANK_CORRELATION = 0.98
MIN_TRACKS_FOR_RANKS = 10
# Levels. Labels of real music are that uncertain: a perfect model of the mean of ten raters would seem to err by as much.
LABEL_NOISE = 0.7
# Names of columns in one sentence.
MAX_NAMES = 5


def in_tracks(dataset: Dataset, *, by_artist: bool = True) -> tuple[str, ...]:
    """Sentences about what tracks themselves give away; none where nothing does.

    Parameters
    ----------
    dataset
        NaN where a track lacks a value.
    by_artist
        Whether all tracks of an artist are held out together.
    """
    held_together = dataset.groups if by_artist else np.arange(len(dataset.y))
    return (
        *_labels_in_disguise(dataset),
        *_known_artists(dataset, by_artist=by_artist),
        *_twice("the same uri", dataset.uris, held_together),
        *_twice("exactly the same features", _feature_rows(dataset), held_together),
    )


def in_error(macro_mae: Estimate) -> tuple[str, ...]:
    """A sentence where held-out tracks are predicted better than their labels allow."""
    if macro_mae.value + 2 * macro_mae.se >= LABEL_NOISE:
        return ()
    return (
        f"suspect: a held-out macro-MAE of {macro_mae.value:.2f} is below what labels people give allow (about {LABEL_NOISE});"
        " look for features made from labels, copies of tracks, or resampling before tracks are held out",
    )


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's, ties at their mean rank; 0 where either is constant.

    >>> rank_correlation([1.0, 2.0, 4.0], [3.0, 5.0, 9.0])
    1.0
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(x), rankdata(y)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=1).prod())
    return float(np.round(ranks[0] @ ranks[1] / spread, 12)) if spread else 0.0


def _labels_in_disguise(dataset: Dataset) -> Iterator[str]:
    names = dataset.columns or [f"column {number}" for number in range(dataset.X.shape[1])]
    found = [name for name, column in zip(names, dataset.X.T, strict=True) if _is_label(column, dataset.y)]
    if found:
        more = f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else ""
        yield (
            f"suspect: {', '.join(found[:MAX_NAMES])}{more} alone orders tracks as their labels do (rank correlation above"
            f" {MAX_RANK_CORRELATION}): probably made from them; without it figures would be worse"
        )


def _is_label(column: NDArray[np.float32], y: NDArray[np.float64]) -> bool:
    there = np.isfinite(column)
    enough = there.sum() >= MIN_TRACKS_FOR_RANKS
    return bool(enough and abs(rank_correlation(column[there], y[there])) > MAX_RANK_CORRELATION)


def _known_artists(dataset: Dataset, *, by_artist: bool) -> Iterator[str]:
    _, artist, n_tracks = np.unique(dataset.groups, return_inverse=True, return_counts=True)
    n_of_several = int((n_tracks[artist] > 1).sum())
    if n_of_several and not by_artist:
        yield (
            f"tracks are held out one by one: {n_of_several} of {len(dataset.y)} are by artists with several, whom models may"
            " know, so figures flatter them for artists they do not"
        )


def _twice(what: str, key: NDArray[np.generic], held_together: NDArray[np.generic]) -> Iterator[str]:
    """Tracks of the same key (empty: none) of which one may be held out while another is learnt from."""
    there = key != key.dtype.type()
    _, of_key = np.unique(key[there], return_inverse=True)
    _, together = np.unique(held_together[there], return_inverse=True)
    pairs = np.unique(np.stack([of_key, together], axis=1), axis=0)
    apart = np.bincount(pairs[:, 0], minlength=1) > 1
    if n_tracks := int(apart[of_key].sum()):
        yield f"suspect: {n_tracks} tracks have {what} as another that may be learnt from while they are held out"


def _feature_rows(dataset: Dataset) -> NDArray[np.str_]:
    """A digest of each track's features; empty of a track without any."""
    rows = np.ascontiguousarray(dataset.X)
    digests = ["" if np.isnan(row).all() else blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows]
    return np.array(digests, np.str_)
