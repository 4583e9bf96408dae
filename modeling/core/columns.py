"""What a column of a feature set is: a name, a meaning, a unit, and whose definition it follows. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "own"
"""The source of columns whose definition is their description and nothing else."""


@dataclass(frozen=True)
class Limits:
    """Which numbers a column may hold."""

    low: float
    high: float
    whole: bool = False

    def allow(self, number: float) -> bool:
        """NaN is in no range.

        >>> Limits(0, 1).allow(0.5), Limits(0, 1).allow(float("nan")), Limits(0, 11, whole=True).allow(0.5)
        (True, False, False)
        """
        return self.low <= number <= self.high and not (self.whole and number % 1)

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Column:
    """One number of a feature set."""

    name: str
    description: str
    unit: str
    source: str
    """The function or the standard whose definition this follows; OWN where there is none."""

    limits: Limits | None = None
    """Of numbers that come from elsewhere; None for any."""


def mean_and_spread(name: str, what: str, unit: str, source: str) -> tuple[Column, Column]:
    return (
        Column(f"{name}_mean", f"{what}, mean over frames", unit, source),
        Column(f"{name}_std", f"{what}, spread", unit, source),
    )
