"""Bars of how often each level was used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.utils.safestring import SafeString

from energyapp.charts.scale import require_finite
from energyapp.charts.svg import drawing, join, tag, text, titled

N_COLOURS = 10  # .bar-1 to .bar-10 in charts.css
TOP = 4.0  # room for the outline's stroke
LABELS = 17.0  # height of the line of numbers under the bars
GAP = 3.0  # between two bars


@dataclass(frozen=True)
class Size:
    width: float
    height: float  # of the bars, without the numbers below


SIZES = {"normal": Size(360, 150), "mini": Size(150, 46)}


def level_histogram(
    counts: Sequence[float],
    *,
    outline: Sequence[float] | None = None,
    label: str,
    size: Literal["normal", "mini"] = "normal",
    hrefs: Sequence[str | None] | None = None,
) -> SafeString:
    """Bars numbered from 1, in the colours of the scale.

    Parameters
    ----------
    counts : shape (n_levels,), >= 0
        The height of each bar: counts or probabilities.
    outline : shape (n_levels,), >= 0, optional
        A distribution to compare with, drawn as a line scaled to the same area as the bars.
    label : str
        What is counted; the numbers are added to it for screen readers.
    hrefs : shape (n_levels,), optional
        Where a click on each bar leads. The full height of a column is clickable, so that rare levels can be hit.

    Raises
    ------
    ValueError
        If there are no counts, one is negative or not finite, or the lengths differ.
    """
    _check(counts, outline, hrefs)
    area = SIZES[size]
    pool = _to_area_of(counts, outline) if outline is not None else []
    highest = max(*counts, *pool, 0.0)
    unit = (area.height - TOP) / highest if highest else 0.0
    links = hrefs if hrefs is not None else [None] * len(counts)
    columns = (_column(i, counts, unit, area, href) for i, href in enumerate(links))
    return drawing(
        *columns,
        _outline(pool, unit, area) if pool else "",
        tag("line", class_="axis", x1=0, x2=area.width, y1=area.height, y2=area.height),
        width=area.width,
        height=area.height + LABELS,
        label=f"{label}: " + ", ".join(f"{i}: {_written(count)}" for i, count in enumerate(counts, start=1)),
        class_=f"histogram {size}",
        has_links=any(links),
    )


def _check(counts: Sequence[float], outline: Sequence[float] | None, hrefs: Sequence[str | None] | None) -> None:
    if not len(counts):
        raise ValueError("a histogram needs at least one count, found none")
    for name, other in (("outline", outline), ("hrefs", hrefs)):
        if other is not None and len(other) != len(counts):
            raise ValueError(f"{name} must be as long as counts ({len(counts)}), found {len(other)}")
    for name, values in (("counts", counts), ("outline", outline if outline is not None else [])):
        require_finite(values, name)
        if any(value < 0 for value in values):
            raise ValueError(f"{name} must be >= 0, found {min(values)}")


def _to_area_of(counts: Sequence[float], outline: Sequence[float]) -> list[float]:
    """The outline scaled so that it sums to what the counts sum to; as it is where either is all zero."""
    factor = sum(counts) / sum(outline) if sum(counts) and sum(outline) else 1.0
    return [value * factor for value in outline]


def _column(i: int, counts: Sequence[float], unit: float, area: Size, href: str | None) -> SafeString:
    step = area.width / len(counts)
    height = counts[i] * unit
    hit = tag("rect", class_="hit", x=i * step, y=0, width=step, height=area.height) if href is not None else ""
    colour = _colour(i, len(counts))
    bar = tag(
        "rect",
        class_=f"bar bar-{colour}",
        x=i * step + GAP / 2,
        y=area.height - height,
        width=step - GAP,
        height=height,
        rx=min(2.0, height / 2),
    )
    number = text(i + 1, x=(i + 0.5) * step, y=area.height + 13)
    return join([titled(f"{i + 1}: {_written(counts[i])}", hit, bar, href=href), number])


def _colour(i: int, n: int) -> int:
    """The colour of bar i of n, 1 to N_COLOURS, spread over the whole ramp whatever n is.

    >>> [_colour(i, 10) for i in range(10)], [_colour(i, 3) for i in range(3)]
    ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [1, 6, 10])
    """
    return 1 + int(i * (N_COLOURS - 1) / max(1, n - 1) + 0.5)


def _outline(pool: Sequence[float], unit: float, area: Size) -> SafeString:
    step = area.width / len(pool)
    corners = (f"L{i * step:.1f} {area.height - v * unit:.1f}H{(i + 1) * step:.1f}" for i, v in enumerate(pool))
    return tag("path", class_="outline", d="M" + "".join(corners).removeprefix("L"))


def _written(count: float) -> str:
    """Whole counts without decimals, shares with two.

    >>> _written(12.0), _written(0.125)
    ('12', '0.12')
    """
    return f"{count:.0f}" if float(count).is_integer() else f"{count:.2f}"
