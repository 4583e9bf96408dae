"""How far labels of the same track lie apart, and what that leaves of an error that nobody could avoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.decisions import MacroMaeThresholds, round_to_level
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats, Levels, macro_mae

# Labels are whole: rounding adds this much variance to what people hear, in levels^2 (Sheppard).
ROUNDING_VARIANCE = 1 / 12


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """label = level of the track + bias of the person + noise, rounded.

    Attributes
    ----------
    sd : float
        Of the noise, in levels, before rounding.
    people : shape (n_people,), str
    bias : shape (n_people,), float
        In levels; the mean over labels of tracks with several is 0.
    n_degrees : int
        How many independent differences that was estimated from.
    """

    sd: float
    people: NDArray[np.str_]
    bias: Floats
    n_degrees: int

    @classmethod
    def of(cls, annotations: Annotations) -> LabelNoise | None:
        """From the tracks with several labels, by least squares with a level for each track and a bias for each person.

        None where no difference is left once biases are taken out.

        >>> noise = LabelNoise.of(Annotations([0, 0, 1, 1, 2, 2], ["a", "b"] * 3, [3, 5, 4, 6, 6, 8]))
        >>> noise.people, noise.bias, noise.sd  # b hears two levels more than a, and they never differ otherwise
        (array(['a', 'b'], dtype='<U1'), array([-1.,  1.]), 0.0)
        """
        several = np.bincount(annotations.track, minlength=1)[annotations.track] > 1
        people, person = np.unique(annotations.annotator, return_inverse=True)
        track, level = np.unique(annotations.track[several], return_inverse=True)[1], annotations.level[several]
        if not len(track):
            return None
        given_by = np.zeros((len(track), len(people)))
        given_by[np.arange(len(track)), person[several]] = 1
        within = _less_track_means(np.column_stack([level, given_by]), track)
        bias, _, rank, _ = np.linalg.lstsq(within[:, 1:], within[:, 0], rcond=1e-9)
        n_degrees = int(len(track) - (track.max() + 1) - rank)
        if n_degrees < 1:
            return None
        variance = float(np.sum((within[:, 0] - within[:, 1:] @ bias) ** 2)) / n_degrees
        bias = np.where(given_by.any(axis=0), bias - (given_by @ bias).mean(), 0.0)
        return cls(
            float(np.sqrt(max(variance - ROUNDING_VARIANCE, 0.0))), people, np.asarray(bias, float).round(12), n_degrees
        )

    def bias_of(self, annotator: NDArray[np.str_]) -> Floats:
        """Of each label's person."""
        return self.bias[np.searchsorted(self.people, annotator)]

    @property
    def bias_sd(self) -> float:
        """Of the biases of those who share tracks."""
        return float(self.bias.std())


def _less_track_means(values: Floats, track: NDArray[np.int64]) -> Floats:
    """Each row less the mean of its track's rows."""
    total = np.zeros((track.max() + 1, values.shape[1]))
    np.add.at(total, track, values)
    return values - (total / np.bincount(track)[:, None])[track]


def noise_free_levels(annotations: Annotations, noise: LabelNoise, n_tracks: int) -> Floats:
    """A guess of the tracks' levels without noise, (n_tracks,), NaN without labels: as spread as such levels would be.

    The means of debiased labels, drawn to their mean so that their variance is what is left of it without the noise.
    """
    debiased = annotations.level - noise.bias_of(annotations.annotator)
    n = np.bincount(annotations.track, minlength=n_tracks)
    mean = np.bincount(annotations.track, debiased, minlength=n_tracks) / np.where(n, n, np.nan)
    known = n > 0
    noise_variance = float(np.mean((noise.sd**2 + ROUNDING_VARIANCE) / n[known]))
    variance = float(mean[known].var())
    shrunk = np.sqrt(max(variance - noise_variance, 0.0) / variance) if variance else 0.0
    return np.clip(mean[known].mean() + shrunk * (mean - mean[known].mean()), MIN_LEVEL, MAX_LEVEL)


@dataclass(frozen=True)
class Ceiling:
    """macro-MAE, in levels, that a predictor of the level without noise would seem to have, rounded and by the best cuts.

    The labels that it is judged by are single ones, or the median of those each track has.
    """

    single: float
    single_by_cuts: float
    median: float
    median_by_cuts: float


def ceiling(annotations: Annotations, noise: LabelNoise, level: Floats, rng: np.random.Generator, n: int) -> Ceiling:
    """The mean of n sets of simulated labels, by the same people of the same tracks; cuts are placed on a further set."""
    rounded, found = round_to_level(np.where(np.isnan(level), MIN_LEVEL, level)), list[list[float]]()
    track = annotations.track
    labelled = np.unique(track)
    cuts: list[MacroMaeThresholds] = []
    for _ in range(n + 1):
        heard = level[track] + noise.bias_of(annotations.annotator) + rng.normal(0, noise.sd, len(track))
        single = round_to_level(heard)
        median = medians(track, single)[labelled]
        if not cuts:
            cuts = [MacroMaeThresholds().fit(level[track], single), MacroMaeThresholds().fit(level[labelled], median)]
            continue
        found.append(
            [
                macro_mae(single, rounded[track]),
                macro_mae(single, cuts[0].predict(level[track])),
                macro_mae(median, rounded[labelled]),
                macro_mae(median, cuts[1].predict(level[labelled])),
            ]
        )
    return Ceiling(*np.mean(found, axis=0).tolist())


def medians(track: NDArray[np.int64], level: Levels) -> Levels:
    """The median level of each track 0..max, halves up; 0 of a track without labels.

    >>> medians(np.array([0, 0, 2, 2, 2]), np.array([3, 6, 7, 2, 7]))
    array([5, 0, 7])
    """
    order = np.lexsort((level, track))
    n = np.bincount(track)
    start = np.concatenate([[0], np.cumsum(n)[:-1]])
    in_order = np.append(level[order], 0)
    low, high = in_order[start + np.maximum(n - 1, 0) // 2], in_order[np.minimum(start + n // 2, len(level))]
    return np.where(n > 0, np.floor((low + high) / 2 + 0.5), 0).astype(np.int64)


def median_of_others(annotations: Annotations) -> Levels:
    """Of each label the median of the track's other labels, (n_labels,), halves up; 0 where there are none."""
    found = np.zeros(len(annotations.level), np.int64)
    order = np.argsort(annotations.track, kind="stable")
    for of_track in np.split(order, np.flatnonzero(np.diff(annotations.track[order])) + 1):
        for label in of_track if len(of_track) > 1 else ():
            others = annotations.level[of_track[of_track != label]]
            found[label] = int(np.floor(np.median(others) + 0.5))
    return found
