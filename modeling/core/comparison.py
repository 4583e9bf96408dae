"""Two models held against each other on the same cases: the difference is known better than either figure."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.estimates import mean_over_strata

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
