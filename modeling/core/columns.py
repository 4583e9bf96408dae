"""What a column of a feature set is: a name, a meaning, a unit, and whose definition it follows. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "own"
"""The source of columns whose definition is their description and nothing else."""


@dataclass(frozen=True)
class Column:
    """One number of a feature set."""

    name: str
    description: str
    unit: str
    source: str
    """The function or the standard whose definition this follows; OWN where there is none."""


def mean_and_spread(name: str, what: str, unit: str, source: str) -> tuple[Column, Column]:
    return (
        Column(f"{name}_mean", f"{what}, mean over frames", unit, source),
        Column(f"{name}_std", f"{what}, spread", unit, source),
    )
