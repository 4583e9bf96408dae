"""Has an annotator's bias changed? A change point in what they said less what was expected, in the order they said it.

Pure numpy. What is tested is that order has nothing to do with the residuals. Tracks handed out in an order that follows
the errors of what is expected (one genre after the other, by a model that overrates one of them) break it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FALSE_ALARM_RATE = 0.01
"""How often anybody at all is said to have changed where nobody has. Every training asks again."""

MIN_LABELS = 30
"""With fewer, a change by one noise is found once in five times."""

MIN_LABELS_A_SIDE = 10

MIN_CHANGE = 0.5
"""Levels. A smaller one moves fewer than half of the labels, however surely it is there."""


@dataclass(frozen=True)
class Change:
    """Where somebody's bias changed.

    Attributes
    ----------
    index
        Of the first residual after the change.
    before, after
        The median residual on each side, in levels.
    p_value
        How probable a change as clear as this is where there is none.
    """

    index: int
    before: float
    after: float
    p_value: float


def find_changes(
    annotator_index: ArrayLike, residual: ArrayLike, *, false_alarm_rate: float = FALSE_ALARM_RATE
) -> Mapping[int, Change]:
    """The annotators whose bias has changed, by index, each with the clearest change.

    The false alarm rate is that of all annotators together: it is shared out among those who have MIN_LABELS.

    Parameters
    ----------
    annotator_index, residual : shape (n_annotations,), int and float
        **In the order of time.** The residual is the label less what was expected, in levels; NaN where nothing was.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    annotator, residuals = np.asarray(annotator_index), np.asarray(residual, dtype=float)
    if annotator.shape != residuals.shape or residuals.ndim != 1:
        raise ValueError(f"found shapes {annotator.shape} and {residuals.shape}; expected twice (n_annotations,)")
    known = np.isfinite(residuals)
    annotator, residuals = annotator[known], residuals[known]
    people, n_labels = np.unique(annotator, return_counts=True)
    # Of nobody the parts are one, and empty.
    in_turn = np.split(residuals[np.argsort(annotator, kind="stable")], np.cumsum(n_labels)[:-1])
    asked = {int(who): own for who, own in zip(people, in_turn, strict=False) if len(own) >= MIN_LABELS}
    found = {who: clearest_change(own) for who, own in asked.items()}
    return {
        who: change
        for who, change in found.items()
        if change.p_value < false_alarm_rate / len(asked) and abs(change.after - change.before) >= MIN_CHANGE
    }


def clearest_change(residual: ArrayLike) -> Change:
    """Where one annotator's residuals, in the order of time, differ most between before and after: Pettitt's test.

    By ranks, so that single mistakes, however large, count for little. With R_i the rank of residual i:

        K = max over k of |sum over i <= k of (2 R_i - n - 1)|,    p = 2 exp(-6 K^2 / (n^3 + n^2))

    Ties, and a place that must leave MIN_LABELS_A_SIDE, make false alarms rarer than p says.

    Raises
    ------
    ValueError
        If there are fewer than 2 x MIN_LABELS_A_SIDE residuals, or one is not finite.

    References
    ----------
    Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 1979.

    Examples
    --------
    >>> clearest_change([0.0] * 20 + [1.0] * 20).index
    20
    """
    residuals = np.asarray(residual, dtype=float)
    n = len(residuals)
    if n < 2 * MIN_LABELS_A_SIDE or not np.isfinite(residuals).all():
        raise ValueError(f"found {n} residuals; expected {2 * MIN_LABELS_A_SIDE} or more, all finite")
    difference = np.abs(np.cumsum(2 * _ranks(residuals) - n - 1))
    index = MIN_LABELS_A_SIDE + int(np.argmax(difference[MIN_LABELS_A_SIDE - 1 : n - MIN_LABELS_A_SIDE]))
    p_value = 2 * np.exp(-6 * difference[index - 1] ** 2 / (n**3 + n**2))
    before, after = (float(np.median(side)) for side in (residuals[:index], residuals[index:]))
    return Change(index, before, after, min(1.0, float(p_value)))


def _ranks(values: Floats) -> Floats:
    """1 for the smallest; equal values share the mean of their ranks.

    >>> _ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, n_equal = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(n_equal) - (n_equal - 1) / 2)[place]
