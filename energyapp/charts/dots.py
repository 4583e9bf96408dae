"""A value with its interval in each row: who differs by more than chance is seen by what the bars cross."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from energyapp.charts.scale import Axis, nice_ticks, require_finite
from energyapp.charts.svg import drawing, no_data, tag, text, titled

WIDTH, STEP = 430.0, 24.0
LEFT, RIGHT, TOP, BOTTOM = 130.0, 14.0, 10.0, 38.0
LONGEST_NAME = 17


@dataclass(frozen=True)
class Dot:
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    href: str | None = None


def dots(rows: Sequence[Dot], *, x_label: str, label: str, middle: float | None = None) -> SafeString:
    """A dot for each row in the order they come in, and a bar for its interval where it is known.

    Parameters
    ----------
    middle
        An upright line, for instance at 0 where rows are differences.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    if not rows:
        return no_data(width=WIDTH, height=120, label=label)
    bounds = [bound for row in rows for bound in (row.value, row.low, row.high) if bound is not None]
    bounds += [] if middle is None else [middle]
    require_finite(bounds, "values")
    bottom = TOP + len(rows) * STEP
    x = Axis(nice_ticks(min(bounds), max(bounds), max_ticks=6), start=LEFT, end=WIDTH - RIGHT)
    return drawing(
        *(tag("line", class_="gridline", x1=at, x2=at, y1=TOP, y2=bottom) for _, at in x.labelled()),
        "" if middle is None else tag("line", class_="middle", x1=x(middle), x2=x(middle), y1=TOP, y2=bottom),
        *(text(written, x=at, y=bottom + 15) for written, at in x.labelled()),
        text(x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=bottom + 33),
        *(_row(row, x, TOP + (i + 0.5) * STEP) for i, row in enumerate(rows)),
        width=WIDTH,
        height=bottom + BOTTOM,
        label=f"{label}: {x_label} of {len(rows)}, from {min(row.value for row in rows):.2f} to "
        f"{max(row.value for row in rows):.2f}",
        class_="dots",
        has_links=any(row.href for row in rows),
    )


def _row(row: Dot, x: Axis, y: float) -> SafeString:
    shown = row.name if len(row.name) <= LONGEST_NAME else f"{row.name[: LONGEST_NAME - 1]}…"
    known = row.low is not None and row.high is not None
    between = f" ({row.low:.2f} to {row.high:.2f})" if known else ""
    return titled(
        f"{row.name}: {row.value:.2f}{between}".replace("-", "−"),
        tag("rect", class_="hit", x=0, y=y - STEP / 2, width=WIDTH, height=STEP),
        text(shown, x=0, y=y + 4, anchor="start", class_=""),
        tag("line", class_="whisker", x1=x(row.low or 0), x2=x(row.high or 0), y1=y, y2=y) if known else "",
        tag("circle", class_="dot", cx=x(row.value), cy=y, r=4),
        href=row.href,
    )
