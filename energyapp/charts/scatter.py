"""One value against another, a dot a thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from energyapp.charts.scale import Axis, nice_ticks, require_finite
from energyapp.charts.svg import drawing, no_data, tag, text, titled

WIDTH, HEIGHT = 560.0, 264.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 12.0, 36.0, 44.0
Y_NAME = 16.0  # above the axis: upright beside it, it would lie on the numbers of a phone


@dataclass(frozen=True)
class ScatterPoint:
    label: str
    x: float
    y: float
    href: str | None = None
    highlighted: bool = False


def scatter(points: Sequence[ScatterPoint], *, x_label: str, y_label: str, label: str) -> SafeString:
    """A dot for each point; the highlighted ones are drawn last, so that no other hides them.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    require_finite([number for point in points for number in (point.x, point.y)], "x and y")
    if not points:
        return no_data(width=WIDTH, height=HEIGHT, label=label)
    x = Axis(nice_ticks(*_range([point.x for point in points])), start=LEFT, end=WIDTH - RIGHT)
    y = Axis(nice_ticks(*_range([point.y for point in points])), start=HEIGHT - BOTTOM, end=TOP)
    n_highlighted = sum(point.highlighted for point in points)
    return drawing(
        *(tag("line", class_="gridline", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at) for _, at in y.labelled()),
        *(text(written, x=LEFT - 8, y=at + 4, anchor="end") for written, at in y.labelled()),
        *(text(written, x=at, y=HEIGHT - BOTTOM + 17) for written, at in x.labelled()),
        *(_dot(point, x, y, x_label, y_label) for point in sorted(points, key=lambda point: point.highlighted)),
        text(x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6),
        text(y_label, x=0, y=Y_NAME, anchor="start"),
        width=WIDTH,
        height=HEIGHT,
        label=f"{label}: {len(points)} points, {n_highlighted} highlighted",
        class_="scatter wide",
        has_links=any(point.href for point in points),
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _dot(point: ScatterPoint, x: Axis, y: Axis, x_label: str, y_label: str) -> SafeString:
    class_, radius = ("point highlighted", 4) if point.highlighted else ("point", 3)
    circle = tag("circle", class_=class_, cx=x(point.x), cy=y(point.y), r=radius)
    title = f"{point.label}: {y_label} {point.y:.2f}, {x_label} {point.x:.2f}"
    return titled(title, circle, href=point.href)
