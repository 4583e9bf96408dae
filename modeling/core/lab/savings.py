"""What a replay of strategies says: which one to trust, and how many labels each would have saved.

Written into reports by the experiment and read out of them by the web process: loads nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import ClassVar

from modeling.core.estimates import Estimate, mean
from modeling.core.lab.report import Cell, Column, Table
from modeling.core.metrics import Floats

RANDOM = "random"
# Labels known before a strategy is asked for the first time; and with fewer batches after them there is no curve.
START, MIN_BATCHES = 20, 3
# Of the tracks that are not held out. Where nearly all are known in the end, all strategies have chosen the same.
MOST_SHARE, HELD_SHARE = 0.75, 0.3
# A strategy is recommended where it beats chance by more than this, on repeats that it was not chosen by. Repeats share tracks:
# what is clear so is clear of this library, not of all music.
CLEAR_STANDARD_ERRORS = 2.0
RULE = (
    "the strategy with the lowest area under the curve in every second repeat is judged by the others, and recommended only if"
    f" there its area is below random's by more than {CLEAR_STANDARD_ERRORS:g} standard errors: the best of several looks better"
    " than it is where it was chosen. All repeats are of the same tracks, so this speaks of them and of what is like them"
)
STANDINGS, SAVINGS, CURVE = "Strategies", "Labels needed to be as good as random", "Error by number of labels"
# Behind the titles of what is about second opinions: whose they were.
SIMULATED, REAL = ", opinions of simulated annotators", ", your annotators' opinions"


def tracks_needed(batch: int, start: int = START) -> int:
    """Labelled tracks that can be played back in batches of this size.

    >>> tracks_needed(20)
    153
    """
    return math.ceil((start + MIN_BATCHES * batch) / MOST_SHARE / (1 - HELD_SHARE))


@dataclass(frozen=True)
class Choice:
    """The strategy that did best in some repeats, and its area under the curve less random's in the others (below 0 is better)."""

    candidate: str
    judged: Estimate

    @classmethod
    def of(cls, area_less: Mapping[str, Floats]) -> Choice:
        """From the area less random's in each repeat, (n_repeats,), by strategy.

        >>> import numpy as np
        >>> lucky = np.array([-0.9, 0.2, -0.8, 0.1, -0.9, 0.2])  # in those repeats alone that it is chosen by
        >>> choice = Choice.of({"lucky": lucky, "steady": np.full(6, -0.3)})
        >>> choice.candidate, choice.recommended
        ('lucky', 'random')
        """
        candidate = min(area_less, key=lambda name: float(area_less[name][::2].mean()))
        return cls(candidate, mean(area_less[candidate][1::2]))

    @property
    def recommended(self) -> str:
        return self.candidate if is_clear(self.judged) and self.judged.value < 0 else RANDOM


def is_clear(difference: Estimate) -> bool:
    """Whether chance alone rarely makes so large a difference; never where nothing is known of chance.

    >>> is_clear(Estimate(-0.1, 0.04)), is_clear(Estimate(-0.1, float("nan")))
    (True, False)
    """
    return abs(difference.value) > CLEAR_STANDARD_ERRORS * difference.se


@dataclass(frozen=True)
class Standing:
    """How one strategy did; differences are paired by repeat, below 0 better, and None of random itself.

    Attributes
    ----------
    area_less : mean height of the curve less that of random's, in levels
    error, error_less : at the last size
    judged : area less random's in the repeats that the candidate was not chosen by; None of all others
    """

    strategy: str
    area_less: Estimate | None
    error: Estimate
    error_less: Estimate | None
    judged: Estimate | None

    COLUMNS: ClassVar = (
        Column("Strategy", "text"),
        Column("area less random", help="Mean height of the curve less that of random's; below 0 is better."),
        Column("error at the end", help="macro-MAE with the most labels that were tried."),
        Column("less random", help="Paired difference at the end; below 0 is better."),
        Column("area, judged", help="Of the candidate: its area less random's in the repeats it was not chosen by."),
    )


@dataclass(frozen=True)
class Saving:
    """How many labels a strategy needs for the error that random reaches with `n_random`.

    Attributes
    ----------
    needed, low, high : labels, with an interval of 95 %; None where more would be needed than were tried
    """

    strategy: str
    n_random: int
    needed: int | None
    low: int | None
    high: int | None

    COLUMNS: ClassVar = (
        Column("Strategy", "text"),
        Column("random's labels", "count"),
        Column("labels needed", "count", help="For the same error. Empty: more than were tried."),
        Column("from", "count"),
        Column("to", "count"),
        Column("saved", "share", help="Of random's labels; below 0 it costs labels."),
    )

    @property
    def saved_share(self) -> float | None:
        """Of random's labels; below 0 it costs labels."""
        return None if self.needed is None else 1 - self.needed / self.n_random

    @property
    def in_words(self) -> str:
        """
        >>> Saving("k_center", 200, 150, 130, None).in_words
        '150 labels where random needed 200 (25 % fewer; 95 % interval: 130 to more than were tried)'
        """
        if self.needed is None:
            return f"more labels than were tried where random needed {self.n_random:,}"
        share = 100 * (1 - self.needed / self.n_random)
        low, high = (f"{n:,}" if n is not None else "more than were tried" for n in (self.low, self.high))
        return (
            f"{self.needed:,} labels where random needed {self.n_random:,} ({abs(share):.0f} % {'fewer' if share >= 0 else 'more'};"
            f" 95 % interval: {low} to {high})"
        )


def standings_table(rows: Sequence[Standing], chosen: Choice | None, of: str = "") -> Table:
    """What is recommended, if anything was to be chosen, is pointed out."""
    best = [row.strategy for row in rows].index(chosen.recommended) if chosen else None
    caption = f"The rule: {RULE}." if chosen else ""
    return Table(STANDINGS + of, Standing.COLUMNS, tuple(_cells(row) for row in rows), caption, best=best)


def savings_table(rows: Sequence[Saving], of: str = "") -> Table:
    caption = (
        "The error that random reaches with so many labels, and where each other curve reaches it; 95 % intervals are of repeats"
        " drawn anew. Curves are first made to fall."
    )
    return Table(SAVINGS + of, Saving.COLUMNS, tuple((*astuple(row), row.saved_share) for row in rows), caption)


def recommended_in(table: Table) -> str:
    """The strategy that `standings_table` points out."""
    return str(table.rows[table.best or 0][0])


def standings_of(table: Table) -> list[Standing]:
    return [Standing(*row) for row in table.rows]  # type: ignore[arg-type]


def savings_of(table: Table) -> list[Saving]:
    return [Saving(*row[:5]) for row in table.rows]  # type: ignore[arg-type]


def _cells(row: Standing) -> tuple[Cell, ...]:
    # astuple() would make something else of an Estimate, which is a tuple.
    return tuple(getattr(row, each.name) for each in fields(row))
