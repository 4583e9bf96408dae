"""A value over a sequence of runs, with its interval as a band."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from energyapp.charts.scale import Axis, nice_ticks, require_finite
from energyapp.charts.svg import drawing, join, no_data, tag, text, titled

WIDTH, HEIGHT = 560.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 14.0, 36.0
# Of the text on phones, where it is largest (charts.css): labels are thinned so that they do not touch even there.
LETTER_WIDTH = 9.5
LABEL_GAP = 10.0
NOTE = 19.0  # height of a second line of labels


@dataclass(frozen=True)
class Point:
    """One run: its value and, where known, the interval around it."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    href: str | None = None
    note: str = ""  # under its label


def line_with_band(
    points: Sequence[Point],
    *,
    second: Sequence[Point | None] | None = None,
    second_label: str = "",
    label: str,
    target: float | None = None,
    target_label: str = "target",
    change: tuple[int, str] | None = None,
) -> SafeString:
    """A line through the points in the order given, the band of their intervals, and a dashed second series.

    Parameters
    ----------
    points : Sequence[Point]
        One point is a dot with its interval; of many, only so many labels are written as fit.
    second : Sequence[Point | None], optional
        As long as `points`: what to compare each with, None where there is nothing.
    second_label : str
        Written at the last point of the second series.
    target : float, optional
        A dashed horizontal line, in the unit of the values; `target_label` is written on it with the value, unless empty.
    change : (int, str), optional
        An upright line before the point of this index, and what is written beside it.

    Raises
    ------
    ValueError
        If a number is not finite, or `second` is not as long as `points`.
    """
    if second is not None and len(second) != len(points):
        raise ValueError(f"second must be as long as points ({len(points)}), found {len(second)}")
    if not points:
        return no_data(width=WIDTH, height=HEIGHT, label=label)
    others = [(i, point) for i, point in enumerate(second or []) if point is not None]
    y = _y_axis([*points, *(point for _, point in others)], target)
    xs = _positions(len(points))
    return drawing(
        *(_gridline(written, at) for written, at in y.labelled()),
        _band(points, xs, y),
        *([] if target is None else _target(target, target_label, y)),
        *([] if change is None else _change(*change, xs)),
        *_second(others, second_label, xs, y),
        tag("path", class_="series", d=_path([(x, y(p.value)) for x, p in zip(xs, points, strict=True)])),
        *_dots(points, xs, y),
        *_x_labels(points, xs),
        _callout(points[-1], xs, y),
        width=WIDTH,
        height=HEIGHT + (NOTE if any(point.note for point in points) else 0),
        label=f"{label}: from {points[0].value:.2f} to {points[-1].value:.2f}",
        class_="line wide",
        has_links=any(point.href for point in points),
    )


def _y_axis(points: Sequence[Point], target: float | None) -> Axis:
    bounds = [bound for p in points for bound in (p.value, p.low, p.high) if bound is not None]
    bounds += [] if target is None else [target]
    require_finite(bounds, "values")
    return Axis(nice_ticks(min(bounds), max(bounds)), start=HEIGHT - BOTTOM, end=TOP)


def _positions(n: int) -> list[float]:
    """Evenly spread over the width; a single point in the middle."""
    if n == 1:
        return [(LEFT + WIDTH - RIGHT) / 2]
    inset = 8.0  # so that the first dot clears the axis
    step = (WIDTH - RIGHT - LEFT - 2 * inset) / (n - 1)
    return [LEFT + inset + i * step for i in range(n)]


def _gridline(written: str, at: float) -> SafeString:
    line = tag("line", class_="gridline", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at)
    return join([line, text(written, x=LEFT - 8, y=at + 4, anchor="end")])


def _path(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)


def _band(points: Sequence[Point], xs: Sequence[float], y: Axis) -> SafeString:
    """The intervals, joined where neighbours have one; an interval alone is a bar as wide as a dot."""
    known = [(x, p.low, p.high) for x, p in zip(xs, points, strict=True) if p.low is not None and p.high is not None]
    if len(known) == 1:
        x, low, high = known[0]
        known = [(x - 4, low, high), (x + 4, low, high)]
    if not known:
        return join([])
    upper = [(x, y(high)) for x, _, high in known]
    lower = [(x, y(low)) for x, low, _ in reversed(known)]
    return tag("path", class_="band", d=_path(upper + lower) + "Z")


def _target(target: float, label: str, y: Axis) -> list[SafeString]:
    at = y(target)
    line = tag("line", class_="target", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at)
    return [line, text(f"{label} {target:g}", x=LEFT + 4, y=at - 5, anchor="start", class_="") if label else join([])]


def _change(index: int, label: str, xs: Sequence[float]) -> list[SafeString]:
    """Between two points, or at the first; written towards the side that has more room."""
    at = (xs[max(index, 1) - 1] + xs[index]) / 2
    is_left = at < WIDTH / 2
    line = tag("line", class_="target", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM)
    return [
        line,
        text(label, x=at + (5 if is_left else -5), y=TOP + 8, anchor="start" if is_left else "end", class_=""),
    ]


def _second(others: Sequence[tuple[int, Point]], label: str, xs: Sequence[float], y: Axis) -> list[SafeString]:
    if not others:
        return []
    corners = [(xs[i], y(point.value)) for i, point in others]
    title = label or "for comparison"
    dots = [
        titled(f"{title}, {point.label}: {point.value:.2f}", tag("circle", class_="mark second", cx=x, cy=at, r=2.5))
        for (_, point), (x, at) in zip(others, corners, strict=True)
    ]
    name = text(label, x=corners[-1][0], y=corners[-1][1] - 8, anchor="end", class_="") if label else join([])
    return [tag("path", class_="series second", d=_path(corners)), *dots, name]


def _dots(points: Sequence[Point], xs: Sequence[float], y: Axis) -> list[SafeString]:
    """Each point in a column of its own over the whole height, which is easier to hit than the dot."""
    column = min(60.0, xs[1] - xs[0]) if len(xs) > 1 else 60.0
    radius = 4.0 if column > 12 else 2.5
    plot = {"y": TOP, "height": HEIGHT - BOTTOM - TOP}
    return [
        titled(
            _title(point),
            tag("rect", class_="hit", x=x - column / 2, width=column, **plot),
            tag("circle", class_="dot", cx=x, cy=y(point.value), r=radius),
            href=point.href,
        )
        for x, point in zip(xs, points, strict=True)
    ]


def _title(point: Point) -> str:
    if point.low is None or point.high is None:
        return f"{point.label}: {point.value:.2f}"
    return f"{point.label}: {point.value:.2f} ({point.low:.2f} to {point.high:.2f})"


def _x_labels(points: Sequence[Point], xs: Sequence[float]) -> list[SafeString]:
    """Every n-th label counted from the newest, which is the one people look for."""
    needed = max(len(written) for p in points for written in (p.label, p.note)) * LETTER_WIDTH + LABEL_GAP
    every = math.ceil(needed / (xs[1] - xs[0])) if len(xs) > 1 else 1
    last = len(points) - 1
    shown = [(x, p) for i, (x, p) in enumerate(zip(xs, points, strict=True)) if (last - i) % every == 0]
    return [
        *(text(p.label, x=x, y=HEIGHT - 8) for x, p in shown),
        *(text(p.note, x=x, y=HEIGHT - 8 + NOTE, class_="") for x, p in shown if p.note),
    ]


def _callout(point: Point, xs: Sequence[float], y: Axis) -> SafeString:
    """The newest value, above its dot, or below it where the dot touches the top; beside it when it is the only one."""
    at = y(point.value)
    if len(xs) == 1:
        return text(f"{point.value:.2f}", x=xs[0] + 12, y=at + 4, anchor="start", class_="callout")
    return text(
        f"{point.value:.2f}", x=xs[-1] + 4, y=at - 14 if at > TOP + 20 else at + 22, anchor="end", class_="callout"
    )
