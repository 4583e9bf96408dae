"""Replays of strategies as tables, charts and savings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modeling.core.estimates import Estimate, mean
from modeling.core.lab.comparison import OnProgress
from modeling.core.lab.report import Cell, Chart, Column, Series, Table
from modeling.core.lab.savings import CURVE, RANDOM, Choice, Saving, Standing, savings_table, standings_table
from modeling.core.metrics import Floats
from modeling.core.replay import Curves

# The error of random at these places along its curve is what others are asked to reach. Sentences speak of the second: at the
# end, where little is left to choose from, all are nearly alike.
PLACES = (1 / 3, 2 / 3, 1.0)
SAID = 1
# Lines that a drawing tells apart.
MAX_LINES = 6


def others(curves: Curves) -> list[str]:
    """All but random, the one with the lowest area first."""
    return [name for name in _best_first(curves) if name != RANDOM]


def _best_first(curves: Curves) -> list[str]:
    return sorted(curves.error, key=lambda name: curves.area_less(name).value)


def choice(curves: Curves) -> Choice:
    """Which strategy the repeats speak for."""
    return Choice.of({name: _area_less(curves, name) for name in others(curves)})


def _area_less(curves: Curves, name: str) -> Floats:
    """Of each repeat, (n_repeats,)."""
    return (curves.error[name] - curves.error[RANDOM]).mean(axis=1)


def tables(curves: Curves, of: str = "", chosen: Choice | None = None) -> tuple[Table, Table, Table]:
    """How each strategy did, what it would have saved, and the curves. `of` goes behind their titles."""
    standings = [_standing(curves, name, chosen) for name in _best_first(curves)]
    savings = [saving(curves, name, n) for name in others(curves) for n in _sizes(curves)]
    return standings_table(standings, chosen, of), savings_table(savings, of), _curve_table(curves, of)


def _standing(curves: Curves, name: str, chosen: Choice | None) -> Standing:
    end = mean(curves.error[name][:, -1])
    if name == RANDOM:
        return Standing(name, None, end, None, None)
    end_less = mean((curves.error[name] - curves.error[RANDOM])[:, -1])
    judged = chosen.judged if chosen and name == chosen.candidate else None
    return Standing(name, curves.area_less(name), end, end_less, judged)


def _sizes(curves: Curves) -> list[int]:
    """Labels of random whose error others are to reach."""
    return [int(curves.sizes[round(place * (len(curves.sizes) - 1))]) for place in PLACES]


def saving(curves: Curves, name: str, n: int | None = None) -> Saving:
    """Of random's `n` labels; without, of those that sentences speak of."""
    n = n or _sizes(curves)[SAID]
    found = curves.labels_to_equal(name, n), *curves.labels_to_equal_interval(name, n)
    needed, low, high = (round(labels) if np.isfinite(labels) else None for labels in found)
    return Saving(name, n, needed, low, high)


def _curve_table(curves: Curves, of: str) -> Table:
    columns = [Column("labels", "count"), *(Column(name) for name in curves.error)]
    height = [list(map(Estimate, curves.mean(name), curves.se(name))) for name in curves.error]
    rows: list[tuple[Cell, ...]] = [(int(n), *at_size) for n, *at_size in zip(curves.sizes, *height, strict=True)]
    return Table(
        CURVE + of, tuple(columns), tuple(rows), "macro-MAE on tracks of artists that nothing was learnt from."
    )


def chart(curves: Curves, of: str = "") -> Chart:
    """Random and the best of the others."""
    series = [
        Series(name, *(tuple(map(float, each)) for each in (curves.sizes, curves.mean(name), curves.se(name))))
        for name in (RANDOM, *others(curves)[: MAX_LINES - 1])
    ]
    return Chart(CURVE + of, "Labels", "macro-MAE", tuple(series))


def part_of(on_progress: OnProgress, start: float, end: float) -> Callable[[float, str], None]:
    """Progress of a part that goes from one share of the whole to another."""
    return lambda share, message: on_progress(start + share * (end - start), message)
