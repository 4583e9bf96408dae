"""The shapes of several distributions, one above the other, each overlapping the one before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from django.utils.safestring import SafeString

from energyapp.charts.scale import require_finite
from energyapp.charts.svg import drawing, no_data, tag, text, titled

WIDTH, STEP = 430.0, 27.0
LEFT, RIGHT, TOP, BOTTOM = 122.0, 8.0, 34.0, 24.0
USUAL, TALLEST = 27.0, 58.0  # heights: half of the ridges are lower than the first, none higher than the second
LONGEST_NAME = 16
N_POINTS = 56
BANDWIDTH = 0.6  # of the smoothing, in levels: less, and ten levels would be ten hills


@dataclass(frozen=True)
class Ridge:
    name: str
    counts: Sequence[float]  # of each level, from 1
    href: str | None = None


def ridges(rows: Sequence[Ridge], *, label: str) -> SafeString:
    """A smoothed line for each row, all of the same area, on one axis of levels. Rows keep the order they come in.

    Raises
    ------
    ValueError
        If a row has no counts, another number of levels than the first, or a count that is negative or not finite.
    """
    if not rows:
        return no_data(width=WIDTH, height=120, label=label)
    _check(rows)
    n_levels = len(rows[0].counts)
    shapes = [density(row.counts) for row in rows]
    peaks = [max(shape) for shape in shapes]
    unit = min(USUAL / median(peaks), TALLEST / max(peaks))
    height = TOP + len(rows) * STEP + BOTTOM
    bottom = height - BOTTOM
    ticks = [(level, _x(level, n_levels)) for level in range(1, n_levels + 1)]
    return drawing(
        *(tag("line", class_="gridline", x1=at, x2=at, y1=TOP - 10, y2=bottom) for _, at in ticks),
        *(text(level, x=at, y=bottom + 16) for level, at in ticks),
        *(
            _ridge(row, shape, unit, TOP + (i + 1) * STEP)
            for i, (row, shape) in enumerate(zip(rows, shapes, strict=True))
        ),
        width=WIDTH,
        height=height,
        label=f"{label}: mean level of " + ", ".join(f"{row.name} {mean_level(row.counts):.1f}" for row in rows),
        class_="ridges",
        has_links=any(row.href for row in rows),
    )


def mean_level(counts: Sequence[float]) -> float:
    """
    >>> mean_level([0, 1, 1])
    2.5
    """
    return sum(level * count for level, count in enumerate(counts, start=1)) / sum(counts)


def density(counts: Sequence[float]) -> list[float]:
    """At N_POINTS from half a level below the scale to half a level above it; the counts' share, spread about each level."""
    total, n = sum(counts), len(counts)
    points = [0.5 + n * i / (N_POINTS - 1) for i in range(N_POINTS)]
    return [
        sum(c * math.exp(-0.5 * ((x - level) / BANDWIDTH) ** 2) for level, c in enumerate(counts, start=1) if c) / total
        for x in points
    ]


def _check(rows: Sequence[Ridge]) -> None:
    for row in rows:
        require_finite(row.counts, "counts")
        if len(row.counts) != len(rows[0].counts) or min(row.counts, default=-1) < 0 or not sum(row.counts):
            raise ValueError(
                f"found counts {list(row.counts)} of {row.name}; expected {len(rows[0].counts)}, >= 0, not all zero"
            )


def _x(level: float, n_levels: int) -> float:
    return LEFT + (level - 0.5) / n_levels * (WIDTH - LEFT - RIGHT)


def _ridge(row: Ridge, shape: Sequence[float], unit: float, base: float) -> SafeString:
    n = len(row.counts)
    corners = "L".join(
        f"{_x(0.5 + n * i / (N_POINTS - 1), n):.1f} {base - value * unit:.1f}" for i, value in enumerate(shape)
    )
    start, end = _x(0.5, n), _x(n + 0.5, n)
    name = row.name if len(row.name) <= LONGEST_NAME else f"{row.name[: LONGEST_NAME - 1]}…"
    return titled(
        f"{row.name}: mean level {mean_level(row.counts):.1f} of {sum(row.counts):g} labels",
        tag("path", class_="ridge", d=f"M{start:.1f} {base:.1f}L{corners}L{end:.1f} {base:.1f}"),
        text(name, x=0, y=base - 4, anchor="start", class_=""),
        href=row.href,
    )
