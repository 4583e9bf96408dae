"""Figures in sentences."""

import math
from collections.abc import Iterator, Mapping

from modeling.core.estimates import Estimate
from modeling.core.lab.comparison import HeldOut

# A difference of that many standard errors is one that chance rarely makes (about one time in twenty).
CLEAR_STANDARD_ERRORS = 2.0


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
    """Which contender has the lowest macro-MAE, and of each whether it differs clearly from the reference."""
    best = min(found, key=lambda name: found[name].macro_mae.value)
    yield f"Lowest macro-MAE: {best} with {in_words(found[best].macro_mae)} levels."
    for name, held_out in found.items():
        if name != reference:
            yield f"{name} against {reference}: {difference_in_words(held_out.macro_mae_less(found[reference]))}."
