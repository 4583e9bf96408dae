"""How well annotators agree, beyond chance. Pure numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotations.label_pairs import Floats, Indices, LabelPairs, label_pairs

N_BOOTSTRAP = 400


class Interval(NamedTuple):
    """A figure, and what it might be of other tracks like these; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class AgreementMatrix:
    """How every two annotators agree on the tracks they share; symmetric, shape (n_annotators, n_annotators).

    Attributes
    ----------
    kappa : float <= 1
        As `weighted_kappa`; NaN where undefined, and with oneself.
    mae : float >= 0
        Mean absolute difference, in levels; NaN where no track is shared, and with oneself.
    n_shared : int
        Tracks; 0 with oneself.
    """

    kappa: Floats
    mae: Floats
    n_shared: Indices


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
    kinds, n_of_kind = _kinds_of_tracks(*_checked(track_index, annotator_index, level))
    return _alpha(kinds, n_of_kind)


def alpha_interval(
    track_index: ArrayLike,
    annotator_index: ArrayLike,
    level: ArrayLike,
    *,
    coverage: float = 0.95,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
) -> Interval:
    """`ordinal_alpha` with the percentiles of what it is for tracks drawn again with replacement.

    Drawing tracks keeps together what annotators said of the same music. Only tracks with two annotations or more are
    drawn, and of them only how many have the same levels matters, so that it takes a second with 300,000 annotations. With
    one such track, nothing is known of others: no interval.
    """
    kinds, n_of_kind = _kinds_of_tracks(*_checked(track_index, annotator_index, level))
    draws = _draws(n_of_kind, n_bootstrap, seed)
    return _interval(_alpha(kinds, n_of_kind), (_alpha(kinds, drawn) for drawn in draws), coverage)


def weighted_kappa(a: ArrayLike, b: ArrayLike) -> float:
    """Cohen's kappa with quadratic weights: how far two annotators agree on levels, beyond chance.

        kappa = 1 - sum of squared differences / what it would be if one's levels were dealt to the tracks at random

    Unlike a correlation it falls when one of the two labels higher, or uses less of the scale.

    Parameters
    ----------
    a, b : shape (n_tracks,), float
        Two annotators' levels of the same tracks.

    Returns
    -------
    float
        1 is the same level everywhere, 0 is chance. NaN without tracks, and where both gave one and the same level only.

    Raises
    ------
    ValueError
        If shapes differ.

    References
    ----------
    Cohen, "Weighted kappa", Psychological Bulletin 1968.

    Examples
    --------
    >>> weighted_kappa([1, 2, 3], [1, 2, 3]), weighted_kappa([1, 3], [3, 1])
    (1.0, -1.0)
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"found shapes {first.shape} and {second.shape}; expected twice the same (n_tracks,)")
    found, by_chance = _disagreement(first, second, np.sum)
    return float(_beyond_chance(found, by_chance))


def mean_kappa_interval(
    track_index: ArrayLike,
    annotator_index: ArrayLike,
    level: ArrayLike,
    *,
    coverage: float = 0.95,
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
) -> Interval:
    """The mean `weighted_kappa` over every two annotators who share tracks, its interval by drawing tracks.

    Two annotators count by the disagreement that chance would give them: by the tracks they share, and by how much these
    differ. So those whose kappa is undefined count nothing. In what chance would give, the two means of two annotators stay
    what they are when tracks are drawn: of a few shared tracks drawn with replacement, too few are different ones.
    """
    pairs = label_pairs(*_checked(track_index, annotator_index, level))
    found, by_chance = _disagreement_of_tracks(pairs)

    def mean_kappa(times: NDArray) -> float:
        return float(_beyond_chance(times @ found, times @ by_chance))

    each_once = np.ones(len(found), np.int64)
    return _interval(mean_kappa(each_once), map(mean_kappa, _draws(each_once, n_bootstrap, seed)), coverage)


def agreement_matrix(track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike) -> AgreementMatrix:
    """Of every two annotators; rows and columns in the order of their sorted identifiers."""
    pairs = label_pairs(*_checked(track_index, annotator_index, level))
    n, difference = pairs.sums(np.ones(len(pairs.pair))), pairs.sums(np.abs(pairs.first_level - pairs.second_level))
    kappa = _beyond_chance(*_disagreement(pairs.first_level, pairs.second_level, pairs.sums))
    mae = np.where(n > 0, difference / np.maximum(n, 1), np.nan)
    return AgreementMatrix(pairs.matrix(kappa), pairs.matrix(mae), pairs.matrix(n).astype(np.int64))


def why_undefined(track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike) -> str | None:
    """Why there is no alpha, no mean kappa or no interval of them, in a sentence; None where there is all."""
    tracks, annotators, annotation = _checked(track_index, annotator_index, level)
    pairs = label_pairs(tracks, annotators, annotation)
    if not len(pairs.pair):
        return "No track has labels by two annotators."
    if len(levels := np.unique([pairs.first_level, pairs.second_level])) == 1:
        return f"All labels of tracks with two or more are level {levels[0]:g}: agreement cannot be told from one answer only."
    if len(np.unique(pairs.track)) == 1:
        return "Only one track has labels by two annotators, which says nothing of other tracks."
    if not _disagreement(pairs.first_level, pairs.second_level, pairs.sums)[1].any():
        return "No two annotators gave the tracks they share more than one level, so kappa is undefined."
    return None


def _checked(track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike) -> tuple[Indices, Indices, NDArray]:
    """Tracks and annotators numbered in the order of their identifiers, and the levels."""
    tracks, annotators, annotation = (np.asarray(values) for values in (track_index, annotator_index, level))
    if annotation.ndim != 1 or not tracks.shape == annotators.shape == annotation.shape:
        found = [tracks.shape, annotators.shape, annotation.shape]
        raise ValueError(f"found shapes {found}; expected three times the same (n_annotations,)")
    annotation = annotation.astype(float)
    if not np.isfinite(annotation).all():
        raise ValueError("found a level that is not finite; expected numbers")
    track, annotator = (np.unique(values, return_inverse=True)[1] for values in (tracks, annotators))
    n_pairs = len(np.unique(track * (annotator.max(initial=0) + 1) + annotator))
    if n_pairs != len(tracks):
        raise ValueError(
            f"found {len(tracks)} annotations by {n_pairs} pairs of track and annotator; expected one each"
        )
    return track, annotator, annotation


def _kinds_of_tracks(tracks: Indices, annotators: Indices, annotation: Floats) -> tuple[Floats, Indices]:
    """Tracks with two annotations or more by how often they got each level: (n_kinds, n_levels), and tracks of each kind."""
    paired = np.bincount(tracks, minlength=1)[tracks] > 1
    levels, value = np.unique(annotation[paired], return_inverse=True)
    _, track = np.unique(tracks[paired], return_inverse=True)
    n_tracks = track.max(initial=-1) + 1
    counts = np.bincount(track * len(levels) + value, minlength=n_tracks * len(levels)).reshape(n_tracks, len(levels))
    kinds, n_of_kind = np.unique(counts, axis=0, return_counts=True)
    return kinds.astype(float), n_of_kind


def _alpha(kinds: Floats, n_of_kind: NDArray) -> float:
    coincidences = _coincidences(kinds, n_of_kind)
    totals = coincidences.sum(axis=1)
    distance = _ordinal_distance(totals)
    expected = totals @ distance @ totals
    if expected == 0:
        return float("nan")
    return float(1 - (totals.sum() - 1) * np.sum(coincidences * distance) / expected)


def _coincidences(kinds: Floats, n_of_kind: NDArray) -> Floats:
    """How often each pair of levels meets on a track; a track with m annotations counts m in all."""
    share = kinds * (n_of_kind / (kinds.sum(axis=1) - 1))[:, None]
    # An annotation is no partner of itself: hence the diagonal less one pair each.
    return share.T @ kinds - np.diag(share.sum(axis=0))


def _ordinal_distance(totals: Floats) -> Floats:
    """Squared number of annotations from the middle of one level to the middle of another."""
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2


def _disagreement(a: Floats, b: Floats, total: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """Squared differences in all, as found and by chance; `total` sums over tracks, perhaps for every two annotators."""
    n = np.maximum(total(np.ones(len(a))), 1)
    return total((a - b) ** 2), total(a**2 + b**2) - 2 * total(a) * total(b) / n


def _disagreement_of_tracks(pairs: LabelPairs) -> tuple[Floats, Floats]:
    """Of each track with two labels, what its pairs add to both sums of `_disagreement`, the means of annotators given."""
    a, b = pairs.first_level, pairs.second_level
    n = np.maximum(pairs.sums(np.ones(len(a))), 1)
    mean_a, mean_b = ((pairs.sums(level) / n)[pairs.pair] for level in (a, b))
    by_chance = (a - mean_b) ** 2 + (b - mean_a) ** 2 - (mean_a - mean_b) ** 2
    _, track = np.unique(pairs.track, return_inverse=True)
    found, expected = (np.bincount(track, values).astype(np.float64) for values in ((a - b) ** 2, by_chance))
    return found, expected


def _beyond_chance(found: ArrayLike, by_chance: ArrayLike) -> Floats:
    # Sums of squares of levels are exact, their quotients are not: less than this is none at all.
    defined = np.asarray(by_chance) > 1e-6
    return np.where(defined, 1 - np.asarray(found) / np.where(defined, by_chance, 1), np.nan)


def _draws(n_of_each: Indices, n_bootstrap: int, seed: int) -> Iterator[Indices]:
    """How often each is among as many drawn with replacement; nothing where one drawn is all there is."""
    n, rng = int(n_of_each.sum()), np.random.default_rng(seed)
    for _ in range(n_bootstrap if n > 1 else 0):
        if len(n_of_each) == n:  # counting draws is the same in law, and takes a third of the time
            yield np.bincount(rng.integers(n, size=n), minlength=n)
        else:
            yield rng.multinomial(n, n_of_each / n)


def _interval(value: float, drawn: Iterator[float], coverage: float) -> Interval:
    """Draws for which the figure is undefined say nothing."""
    if not 0 < coverage < 1:
        raise ValueError(f"found a coverage of {coverage}; expected a share between 0 and 1")
    known = [] if np.isnan(value) else [each for each in drawn if not np.isnan(each)]
    if not known:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - coverage) / 2, (1 + coverage) / 2])
    return Interval(value, float(low), float(high))
