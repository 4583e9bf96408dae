"""Figures in sentences."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from modeling.core.estimates import Estimate
from modeling.core.lab.comparison import HeldOut
from modeling.core.metrics import LEVELS, Levels

# A difference of that many standard errors is one that chance rarely makes (about one time in twenty).
CLEAR_STANDARD_ERRORS = 2.0
# In one sentence; of more only their number is said.
MAX_NAMES = 3


def in_words(estimate: Estimate) -> str:
    """
    >>> in_words(Estimate(0.9312, 0.0441))
    '0.93 ± 0.04'
    """
    return f"{estimate.value:.2f}" if math.isnan(estimate.se) else f"{estimate.value:.2f} ± {estimate.se:.2f}"


def percent(estimate: Estimate) -> str:
    """
    >>> percent(Estimate(0.7312, 0.021))
    '73 ± 2 %'
    """
    return f"{estimate.value * 100:.0f} ± {estimate.se * 100:.0f} %"


def verdict(difference: Estimate) -> str:
    """Of a difference of errors, below 0 better.

    >>> verdict(Estimate(-0.1, 0.04)), verdict(Estimate(0.1, 0.06))
    ('better', 'not clearly different')
    """
    if not abs(difference.value) > CLEAR_STANDARD_ERRORS * difference.se:
        return "not clearly different"
    return "better" if difference.value < 0 else "worse"


def difference_in_words(difference: Estimate) -> str:
    """
    >>> difference_in_words(Estimate(-0.1, 0.04))
    '-0.10 ± 0.04 (better)'
    """
    return f"{difference.value:+.2f} ± {difference.se:.2f} ({verdict(difference)})"


def better_or_not(found: Mapping[str, HeldOut], reference: str) -> Iterator[str]:
    """Which contender has the lowest macro-MAE and who is as good, and of each whether it differs clearly from the reference."""
    best = min(found, key=lambda name: found[name].macro_mae.value)
    constant = best_constant(found[best].truth)
    no_better = [name for name, held_out in found.items() if held_out.macro_mae.value >= constant]
    if best in no_better:
        yield f"Nothing was learnt: all err as much as one level for all tracks does ({constant:.2f}), or more."
    yield f"Lowest macro-MAE: {best} with {in_words(found[best].macro_mae)} levels{_as_good(found, best)}."
    for name, held_out in found.items():
        if name != reference:
            yield f"{name} against {reference}: {difference_in_words(held_out.macro_mae_less(found[reference]))}."
    if no_better and best not in no_better:
        yield f"Learnt nothing, as one level for all tracks does as well ({constant:.2f}): {', '.join(no_better)}."


def best_constant(truth: Levels) -> float:
    """The macro-MAE of always saying the same level, the one with which it is lowest.

    >>> best_constant(np.array([1, 1, 1, 5, 9]))
    2.6666666666666665
    """
    there = np.unique(truth)
    return min(float(np.abs(there - level).mean()) for level in LEVELS)


def _as_good(found: Mapping[str, HeldOut], best: str) -> str:
    others = [name for name in found if name != best]
    near = [name for name in others if verdict(found[name].macro_mae_less(found[best])) == "not clearly different"]
    if not others:
        return ""
    if not near:
        return ", clearly below the others" if len(others) > 1 else ", clearly below the other"
    if len(near) == len(others) > MAX_NAMES:
        return f"; none of the other {len(others)} is clearly different"
    if len(near) > MAX_NAMES:
        return f"; {len(near)} of the other {len(others)} are not clearly different"
    return f"; not clearly different: {', '.join(near)}"
