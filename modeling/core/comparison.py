"""Two models held against each other on the same cases: the difference is known better than either figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.estimates import mean_over_strata
from modeling.core.metrics import Floats, Levels, confusion_matrix

Z = 1.96
"""Standard errors to either side of a 95 % interval."""


class Change(NamedTuple):
    """A figure before and after, the difference, and how far chance alone moves that: NaN where one case says nothing of it."""

    n: int
    before: float
    after: float
    change: float
    se: float

    @property
    def low(self) -> float:
        """Of the 95 % interval of the difference."""
        return self.change - Z * self.se

    @property
    def high(self) -> float:
        return self.change + Z * self.se

    @property
    def is_clear(self) -> bool:
        """Whether chance alone would bring less than this nineteen times in twenty."""
        return self.se > 0 and not self.low <= 0 <= self.high


def paired(was: ArrayLike, now: ArrayLike, *, strata: ArrayLike, clusters: ArrayLike) -> Change:
    """The mean over strata of each one's mean, of the same cases twice; those of one cluster err together.

    Parameters
    ----------
    was, now, strata, clusters : shape (n_cases,)

    Examples
    --------
    >>> paired([0.0, 2.0, 0.0, 2.0], [0.0, 1.0, 0.0, 2.0], strata=[5, 5, 9, 9], clusters=list("abcd"))
    Change(n=4, before=1.0, after=0.75, change=-0.25, se=0.25)
    """
    before, after = np.asarray(was, dtype=float), np.asarray(now, dtype=float)
    found = mean_over_strata(after - before, strata, clusters)
    figures = [mean_over_strata(each, strata).value for each in (before, after)]
    return Change(len(before), figures[0], figures[1], found.value, found.se if len(before) > 1 else math.nan)


def carefully_paired(was: ArrayLike, now: ArrayLike, *, strata: ArrayLike, clusters: ArrayLike) -> Change:
    """`paired`, whose standard error also allows for strata of few cases: the larger of its own and that of one spread."""
    found = paired(was, now, strata=strata, clusters=clusters)
    difference = np.asarray(now, dtype=float) - np.asarray(was, dtype=float)
    return found._replace(se=max(found.se, se_of_one_spread(difference, strata))) if found.n > 1 else found


def se_of_one_spread(difference: ArrayLike, strata: ArrayLike) -> float:
    """The standard error of the mean over strata if cases of all strata spread alike.

    A level with one track says nothing of how its tracks spread, and counts a tenth. Where it is taken not to spread at all, of
    two equal models one in twelve is called better (50 tracks); with the larger of both standard errors it is one in forty.
    """
    values = np.asarray(difference, dtype=float)
    _, stratum, n = np.unique(np.asarray(strata), return_inverse=True, return_counts=True)
    mean = np.bincount(stratum, values) / n
    n_free = max(1, len(values) - len(n))
    variance = float(np.sum((values - mean[stratum]) ** 2)) / n_free
    return float(np.sqrt(variance * np.sum(1 / n))) / len(n)


Counted = Callable[[NDArray[np.int64]], Floats]

# By measure: what a prediction that is so many levels off counts, and whether every level counts alike.
MEASURES: Mapping[str, tuple[Counted, bool]] = {
    "macro_mae": (lambda off: off.astype(float), True),
    "mae": (lambda off: off.astype(float), False),
    "accuracy": (lambda off: (off == 0).astype(float), False),
    "within_1": (lambda off: (off <= 1).astype(float), False),
    "within_2": (lambda off: (off <= 2).astype(float), False),
}


@dataclass(frozen=True, eq=False)
class Both:
    """What two models say of the same tracks, neither having learnt from them; all (n_tracks,).

    Attributes
    ----------
    truth, before, after : int
        Levels.
    artists
        Tracks of an artist err together.
    """

    truth: Levels
    before: Levels
    after: Levels
    artists: NDArray[Any]

    def rows(self, index: NDArray[Any]) -> Both:
        """Of the tracks at these positions, or where a mask is true."""
        return Both(self.truth[index], self.before[index], self.after[index], self.artists[index])

    def measures(self) -> dict[str, Change]:
        """
        >>> both = Both(np.array([5, 5, 9, 9]), np.array([5, 7, 9, 7]), np.array([5, 6, 9, 7]), np.array(list("abcd")))
        >>> found = both.measures()
        >>> found["macro_mae"].change, found["within_1"].before, found["within_1"].after
        (-0.25, 0.5, 0.75)
        """
        return {
            name: self._change(counted, self.truth if by_level else None)
            for name, (counted, by_level) in MEASURES.items()
        }

    def mae(self) -> Change:
        return self._change(MEASURES["mae"][0], None)

    def by_level(self) -> list[tuple[int, Change]]:
        """MAE of the tracks of each level that occurs, lowest first."""
        return [(int(level), self.rows(self.truth == level).mae()) for level in np.unique(self.truth)]

    def by_group(self, groups_of_each: Sequence[Iterable[str]]) -> list[tuple[str, Change]]:
        """MAE of each genre, most tracks first; a track counts once in each of its genres."""
        rows: dict[str, list[int]] = {}
        for row, names in enumerate(groups_of_each):
            for name in set(names):
                rows.setdefault(name, []).append(row)
        found = [(name, self.rows(np.array(own)).mae()) for name, own in rows.items()]
        return sorted(found, key=lambda each: (-each[1].n, each[0]))

    def matrices(self) -> tuple[list[list[int]], list[list[int]]]:
        """Confusion matrices, before and after, of the same tracks."""
        before, after = (confusion_matrix(self.truth, said).tolist() for said in (self.before, self.after))
        return before, after

    def _change(self, counted: Counted, strata: Levels | None) -> Change:
        was, now = (counted(np.abs(said - self.truth)) for said in (self.before, self.after))
        return carefully_paired(
            was, now, strata=np.zeros_like(self.truth) if strata is None else strata, clusters=self.artists
        )


def paired_change(truth: ArrayLike, *, before: ArrayLike, after: ArrayLike, artists: ArrayLike) -> dict[str, float]:
    """Macro-MAE before and after, the difference (less than 0: better), and its standard error, in levels.

    The standard error is that of the paired differences, tracks of an artist erring together.

    Parameters
    ----------
    truth, before, after : shape (n_tracks,), int
        Levels.
    artists : shape (n_tracks,)

    Examples
    --------
    >>> paired_change([5, 5, 9, 9], before=[5, 7, 9, 7], after=[5, 6, 9, 7], artists=list("abcd"))
    {'before': 1.0, 'after': 0.75, 'change': -0.25, 'se': 0.25}
    """
    levels = np.asarray(truth)
    was, now = (np.abs(np.asarray(said) - levels) for said in (before, after))
    _, *known, se = paired(was, now, strata=levels, clusters=artists)
    # Kept as JSON, which has no NaN.
    return dict(zip(("before", "after", "change"), known, strict=True)) | {"se": 0.0 if math.isnan(se) else se}
