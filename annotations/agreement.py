"""How well annotators agree, beyond chance."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ordinal_alpha(track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike) -> float:
    """Krippendorff's alpha with the ordinal distance.

        alpha = 1 - observed disagreement / expected disagreement

    Observed: over pairs of annotations of the same track. Expected: over all pairs of annotations that have a
    partner. The distance of two levels is the number of annotations between them (their own counted half), squared:
    it asks only for an order, not for equal steps. Tracks with one annotation say nothing about agreement and are
    left out; annotators may label different tracks.

    Parameters
    ----------
    track_index, annotator_index : shape (n_annotations,), int
        Any identifiers.
    level : shape (n_annotations,), number
        One annotation for each track and annotator.

    Returns
    -------
    float
        1 is perfect agreement, 0 is what chance would give, below 0 is systematic disagreement; .8 is commonly asked
        for, .667 the least for tentative conclusions (Krippendorff). NaN where it is undefined: no track has two
        annotations, or all annotations that count are the same level, so that agreement cannot be told from having
        one answer only.

    Raises
    ------
    ValueError
        If shapes differ, a level is not finite, or an annotator has two annotations of a track: pass the current one
        only.

    References
    ----------
    Krippendorff, "Computing Krippendorff's Alpha-Reliability", University of Pennsylvania 2011.

    Examples
    --------
    >>> ordinal_alpha([0, 0, 1, 1], [0, 1, 0, 1], [2, 2, 7, 7])
    1.0
    """
    tracks, annotators, annotation = (np.asarray(values) for values in (track_index, annotator_index, level))
    if annotation.ndim != 1 or not tracks.shape == annotators.shape == annotation.shape:
        found = [tracks.shape, annotators.shape, annotation.shape]
        raise ValueError(f"found shapes {found}; expected three times the same (n_annotations,)")
    if not annotation.size:
        return float("nan")
    if not np.isfinite(annotation).all():
        raise ValueError("found a level that is not finite; expected numbers")
    pairs = np.unique(np.column_stack([tracks, annotators]), axis=0)
    if len(pairs) != len(tracks):
        raise ValueError(
            f"found {len(tracks)} annotations by {len(pairs)} pairs of track and annotator; expected one each"
        )

    coincidences = _coincidences(tracks, annotation)
    totals = coincidences.sum(axis=1)
    distance = _ordinal_distance(totals)
    n = totals.sum()
    expected = totals @ distance @ totals
    if n < 2 or expected == 0:
        return float("nan")
    return float(1 - (n - 1) * np.sum(coincidences * distance) / expected)


def _coincidences(tracks: NDArray, annotation: NDArray) -> NDArray[np.float64]:
    """How often each pair of levels meets on a track; a track with m annotations counts m in all."""
    levels, value = np.unique(annotation, return_inverse=True)
    _, track = np.unique(tracks, return_inverse=True)
    counts = np.zeros((track.max() + 1, len(levels)))
    np.add.at(counts, (track, value), 1)
    per_track = counts.sum(axis=1)
    paired = counts[per_track > 1]
    share = paired / (per_track[per_track > 1] - 1)[:, None]
    # An annotation is no partner of itself: hence the diagonal less one pair each.
    return share.T @ paired - np.diag(share.sum(axis=0))


def _ordinal_distance(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared number of annotations from the middle of one level to the middle of another."""
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2
