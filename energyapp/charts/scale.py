"""Axes: where the ticks are, how they are written, and where a value lands on the drawing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STEPS = (1, 2, 5)


def nice_ticks(low: float, high: float, *, max_ticks: int = 7) -> list[float]:
    """Round numbers, evenly spaced, the first at or below `low` and the last at or above `high`.

    The step is the smallest of 1, 2 or 5 times a power of ten that needs no more than `max_ticks` ticks.

    Parameters
    ----------
    low, high : float
        The range to cover, low <= high. A single value is given room of a tenth of itself on either side.
    max_ticks : int
        At least 3: two ticks cannot cover a range that crosses a round number, whatever the step.

    Raises
    ------
    ValueError
        If a bound is not finite, the bounds are in the wrong order, or max_ticks is less than 3.

    Examples
    --------
    >>> nice_ticks(0.83, 1.92)
    [0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low > high or max_ticks < 3:
        raise ValueError(f"need finite low <= high and max_ticks >= 3, found {low=}, {high=}, {max_ticks=}")
    if low == high:
        room = abs(low) / 10 or 1.0
        low, high = low - room, high + room
    exponent = math.floor(math.log10((high - low) / max_ticks))
    while True:
        for multiple in STEPS:
            # The power of ten as a fraction: 3 * 0.1 is not 0.3, but 3 / 10 is.
            step = multiple * 10**exponent if exponent >= 0 else multiple / 10**-exponent
            # A bound that rounding has moved a hair off its tick must not cost another tick.
            first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
            if last - first + 1 <= max_ticks:
                return [round(i * step, max(0, -exponent)) for i in range(first, last + 1)]
        exponent += 1


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """The ticks written with as many decimals as their step needs, and a true minus sign.

    >>> tick_labels([-0.5, 0.0, 0.5]), tick_labels([0.0, 20.0])
    (['−0.5', '0.0', '0.5'], ['0', '20'])
    """
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick:.{decimals}f}".replace("-", "−") for tick in ticks]


def require_finite(values: Iterable[float], what: str) -> None:
    """Raise ValueError if a value is NaN or infinite: SVG would silently drop the whole path."""
    if wrong := [value for value in values if not math.isfinite(value)]:
        raise ValueError(f"{what} must be finite, found {wrong[0]}")


@dataclass(frozen=True)
class Axis:
    """Maps the range of the ticks to drawing units; `start` may lie after `end`, as on a y axis."""

    ticks: Sequence[float]
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """
        >>> Axis([0, 5, 10], start=100, end=0)(2.5)
        75.0
        """
        share = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return self.start + share * (self.end - self.start)

    def labelled(self) -> list[tuple[str, float]]:
        """(text, position) of each tick."""
        return [(label, self(tick)) for label, tick in zip(tick_labels(self.ticks), self.ticks, strict=True)]
