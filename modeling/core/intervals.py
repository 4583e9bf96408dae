"""Intervals around a score that hold the label with a stated probability, on every level and not only on average.

An interval of constant width around the score holds 90 % of all labels, but only 72 % of those at level 9: scores are
drawn to the middle, so at the ends they err to one side. Here each level is asked instead: which scores do tracks of this
level get? The interval holds the levels that the score would not surprise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.decisions import round_to_level
from modeling.core.metrics import LEVELS, Floats

# How far, in levels, a track's residual speaks for other levels. Rare levels borrow from their neighbours; a track one
# level away counts a third. Real labels, 90 %: worst level .88 (.80 with 2 levels, about .88 with 0.5 to 1).
BORROWING_LEVELS = 0.7


@dataclass(frozen=True, eq=False)
class ConformalIntervals:
    """Label-conditional conformal intervals from out-of-fold residuals.

    For each level k, residuals score - label of the tracks near k, weighted by a Gaussian of the distance to k, give the
    two quantiles between which the stated share lies: `[k + low(k), k + high(k)]` are the scores that level k expects.
    Both ends are made ascending in k and joined by straight lines; the interval of a score is where it lies between them.

    Quantiles are taken a little further out, by the factor (1 + 1 / n) that makes conformal intervals valid with few tracks;
    n is how many tracks, by their weights, speak for the level. With the number of all tracks the worst level of 150
    simulated ones held .74 of its labels, so it is .89. Beyond the levels that were seen the residuals of the nearest speak.

    Attributes
    ----------
    score, label : shape (n_tracks,), float, in levels
        Out-of-fold scores, and the labels.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, 4.5 (label-conditional Mondrian predictors).

    Examples
    --------
    >>> known = np.repeat(np.arange(1.0, 11), 50)
    >>> noise = np.tile(np.linspace(-1, 1, 50), 10)
    >>> lower, upper = ConformalIntervals(known + noise, known).around([5.0], coverage=0.9)
    >>> lower.round(1), upper.round(1)
    (array([4.1]), array([5.9]))
    """

    score: Floats
    label: Floats

    def __post_init__(self) -> None:
        if self.score.shape != self.label.shape or self.score.ndim != 1 or not self.score.size:
            raise ValueError(
                f"found {self.score.shape} scores and {self.label.shape} labels; expected twice (n_tracks,), not empty"
            )

    def around(self, score: ArrayLike, *, coverage: float) -> tuple[Floats, Floats]:
        """(lower, upper) in levels, within [1, 10], each of the shape of the score; ValueError unless 0 < coverage < 1."""
        if not 0 < coverage < 1:
            raise ValueError(f"coverage is {coverage}; expected a share between 0 and 1")
        expected = np.array([level + self._residuals_around(level, coverage) for level in LEVELS])
        low, high = np.maximum.accumulate(expected, axis=0).T
        of_tracks = np.asarray(score, dtype=float)
        return np.interp(of_tracks, high, LEVELS), np.interp(of_tracks, low, LEVELS)

    def _residuals_around(self, level: int, coverage: float) -> Floats:
        """The quantiles (low, high) of the residuals of tracks near this level."""
        distance = np.abs(self.label - level)
        # Less the smallest: a level far from all that were seen would have no weight at all.
        weight = np.exp(-(distance**2 - distance.min() ** 2) / (2 * BORROWING_LEVELS**2))
        n_speaking = weight.sum() ** 2 / np.sum(weight**2)  # Kish's effective number
        outside = max(0.0, 1 - coverage * (1 + 1 / n_speaking)) / 2
        residual = self.score - self.label
        order = np.argsort(residual)
        share_below = np.cumsum(weight[order]) / weight.sum()
        at = np.searchsorted(share_below, [outside, 1 - outside]).clip(max=len(order) - 1)
        return residual[order[at]]


@dataclass(frozen=True)
class Coverage:
    """How often intervals hold the label: of all tracks, and by level (tracks, share); widths in levels."""

    share: float
    mean_width: float
    by_level: dict[int, tuple[int, float]]

    def worst_level(self, *, at_least: int = 20) -> float:
        """The lowest share among levels with that many tracks; NaN where there is none."""
        return min((share for n, share in self.by_level.values() if n >= at_least), default=float("nan"))


def coverage(y: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Coverage:
    """What intervals are worth on tracks they were not made from.

    >>> coverage([3, 3, 8], [2, 4, 7], [4, 5, 9])
    Coverage(share=0.6666666666666666, mean_width=1.6666666666666667, by_level={3: (2, 0.5), 8: (1, 1.0)})
    """
    label, low, high = (np.asarray(values, dtype=float) for values in (y, lower, upper))
    if not label.shape == low.shape == high.shape or label.ndim != 1 or not label.size:
        raise ValueError(f"found shapes {label.shape}, {low.shape} and {high.shape}; expected three times (n_tracks,)")
    level, holds = round_to_level(label), (low <= label) & (label <= high)
    by_level = {int(k): (int(np.sum(level == k)), float(holds[level == k].mean())) for k in np.unique(level)}
    return Coverage(float(holds.mean()), float(np.mean(high - low)), by_level)
