"""Figures in sentences."""

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
    return f"{estimate.value:.2f} ± {estimate.se:.2f}"


def better_or_not(found: Mapping[str, HeldOut], reference: str) -> Iterator[str]:
    """Which contender has the lowest macro-MAE, and of each whether it differs clearly from the reference."""
    best = min(found, key=lambda name: found[name].macro_mae.value)
    yield f"Lowest macro-MAE: {best} with {in_words(found[best].macro_mae)} levels."
    for name, held_out in found.items():
        if name == reference:
            continue
        gain = held_out.macro_mae_less(found[reference])
        clear = abs(gain.value) > CLEAR_STANDARD_ERRORS * gain.se
        verdict = ("better" if gain.value < 0 else "worse") if clear else "not clearly different"
        yield f"{name} against {reference}: {gain.value:+.2f} ± {gain.se:.2f} ({verdict})."
