"""Several series over one axis, as lines with bands of their standard errors, or as bars beside one another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from energyapp.charts.scale import Axis, nice_ticks, require_finite
from energyapp.charts.svg import drawing, join, no_data, tag, text, titled

WIDTH, HEIGHT = 560.0, 274.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 38.0, 44.0
Y_NAME = 16.0  # above the axis: upright beside it, it would lie on the numbers of a phone, and a long one be cut
N_DOTS = 12  # a longer series without standard errors is a computed line: dots would say that each was measured
N_LOOKS = 6  # .look-1 to .look-6 in charts.css: a colour and a way to dash
LEGEND_LINE, LETTER_WIDTH, SAMPLE_WIDTH = 18.0, 6.4, 34.0
PHONE_GROWTH = 1.8  # text of a wide drawing, and what the letters of some fonts take


@dataclass(frozen=True)
class Curve:
    """One series. A y of None is a gap; `se` is empty, or as long as y."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    se: Sequence[float | None] = ()

    def points(self) -> list[tuple[float, float, float]]:
        """(x, y, standard error or 0) where there is a value."""
        errors = self.se or [None] * len(self.y)
        return [(x, y, se or 0.0) for x, y, se in zip(self.x, self.y, errors, strict=True) if y is not None]


def curves(
    series: Sequence[Curve], *, x_label: str, y_label: str, label: str, x_names: Sequence[str] = ()
) -> SafeString:
    """A line for each series, within the band of one standard error to either side; computed lines lie below measured ones.

    Parameters
    ----------
    x_names : optional
        What x = 0, 1, 2... stand for, where the axis is not of numbers.

    Raises
    ------
    ValueError
        If a number is not finite, or a series has not as many y (or standard errors) as x.
    """
    if not (known := _known(series)):
        return no_data(width=WIDTH, height=HEIGHT, label=label)
    xs = [x for _, points in known for x, _, _ in points]
    x_ticks = list(range(len(x_names))) if len(x_names) > 1 else nice_ticks(min(xs), max(xs))
    x, y = Axis(x_ticks, start=LEFT + 8, end=WIDTH - RIGHT - 8), _y_axis(known, from_zero=False)
    return _frame(
        [
            (name, tag("line", class_=f"series {_look(look)}", x1=0, x2=26, y1=-4, y2=-4))
            for look, (name, _) in enumerate(known)
        ],
        *_y_gridlines(y),
        *(
            join(_curve(look, name, points, x, y))
            for look, (name, points) in sorted(enumerate(known), key=lambda each: not _is_computed(each[1][1]))
        ),
        *(_x_names(x_names, [x(i) for i in range(len(x_names))]) if x_names else _x_numbers(x)),
        x_label=x_label,
        y_label=y_label,
        label=label,
    )


def bars(
    series: Sequence[Curve],
    *,
    x_label: str,
    y_label: str,
    label: str,
    x_names: Sequence[str] = (),
    max_names: int | None = None,
) -> SafeString:
    """A group of bars for each x, one for each series, with whiskers of one standard error. As `curves` otherwise.

    Parameters
    ----------
    max_names
        So many names are written in full, counted from the last; the others are told by the bars' titles.
    """
    if not (known := _known(series)):
        return no_data(width=WIDTH, height=HEIGHT, label=label)
    places = sorted({x for _, points in known for x, _, _ in points})
    y = _y_axis(known, from_zero=True)
    step = (WIDTH - RIGHT - LEFT) / len(places)
    width = min(40.0, 0.8 * step / len(known))
    middle = {place: LEFT + (i + 0.5) * step for i, place in enumerate(places)}
    names = [x_names[int(place)] if x_names else f"{place:g}" for place in places]
    return _frame(
        [
            (name, tag("rect", class_=f"block {_look(look)}", x=14, y=-10, width=12, height=12))
            for look, (name, _) in enumerate(known)
        ],
        *_y_gridlines(y),
        *(
            _bar(
                look,
                f"{name}, {names[places.index(at)]}",
                middle[at] + (look - len(known) / 2) * width,
                width,
                value,
                se,
                y,
            )
            for look, (name, points) in enumerate(known)
            for at, value, se in points
        ),
        tag("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=y(0), y2=y(0)),
        *(
            _x_names(names, list(middle.values()))
            if max_names is None
            else _some_names(names, list(middle.values()), max_names)
        ),
        x_label=x_label,
        y_label=y_label,
        label=label,
    )


Points = list[tuple[float, float, float]]


def _known(series: Sequence[Curve]) -> list[tuple[str, Points]]:
    known = [(curve.name, points) for curve in series if (points := curve.points())]
    require_finite((number for _, points in known for point in points for number in point), "values")
    return known


def _y_axis(known: Sequence[tuple[str, Points]], *, from_zero: bool) -> Axis:
    bounds = [y + side * se for _, points in known for _, y, se in points for side in (-1, 1)]
    bounds += [0.0] if from_zero else []
    return Axis(nice_ticks(min(bounds), max(bounds)), start=HEIGHT - BOTTOM, end=TOP)


def _frame(
    legend: Sequence[tuple[str, SafeString]], *parts: SafeString, x_label: str, y_label: str, label: str
) -> SafeString:
    lines, height = _legend(legend) if len(legend) > 1 else ([], 0.0)
    return drawing(
        *parts,
        text(x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6),
        text(y_label, x=0, y=Y_NAME, anchor="start"),
        *lines,
        width=WIDTH,
        height=HEIGHT + height,
        label=f"{label}: {y_label} by {x_label} of {', '.join(name for name, _ in legend)}",
        class_="curves wide",
        has_links=False,
    )


def _legend(entries: Sequence[tuple[str, SafeString]]) -> tuple[list[SafeString], float]:
    """Samples with names, in as many lines as they need; and the height of these."""
    parts, x, y = list[SafeString](), LEFT, HEIGHT + LEGEND_LINE
    for name, sample in entries:
        width = SAMPLE_WIDTH + len(name) * LETTER_WIDTH * PHONE_GROWTH + 8
        if x > LEFT and x + width > WIDTH:
            x, y = LEFT, y + LEGEND_LINE
        parts.append(tag("g", sample, transform=f"translate({x:.1f} {y:.1f})"))
        parts.append(text(name, x=x + SAMPLE_WIDTH, y=y, anchor="start", class_=""))
        x += width
    return parts, y - HEIGHT + 6


def _curve(look: int, name: str, points: Points, x: Axis, y: Axis) -> Iterator[SafeString]:
    if len(points) > 1 and any(se for _, _, se in points):
        upper = [(x(at), y(value + se)) for at, value, se in points]
        lower = [(x(at), y(value - se)) for at, value, se in reversed(points)]
        yield tag("path", class_=f"band {_look(look)}", d=_path(upper + lower) + "Z")
    yield tag("path", class_=f"series {_look(look)}", d=_path([(x(at), y(value)) for at, value, _ in points]))
    for at, value, se in [] if _is_computed(points) else points:
        dot = tag("circle", class_=f"dot {_look(look)}", cx=x(at), cy=y(value), r=3)
        yield titled(f"{name}, {at:g}: {_with_error(value, se)}", dot)


def _is_computed(points: Points) -> bool:
    return len(points) > N_DOTS and not any(se for _, _, se in points)


def _bar(look: int, title: str, left: float, width: float, value: float, se: float, y: Axis) -> SafeString:
    top, bottom = sorted((y(value), y(0)))
    middle = left + width / 2
    whisker = tag("line", class_="whisker", x1=middle, x2=middle, y1=y(value - se), y2=y(value + se)) if se else ""
    shape = tag(
        "rect", class_=f"block {_look(look)}", x=left + 1, y=top, width=max(width - 2, 1.0), height=bottom - top
    )
    return titled(f"{title}: {_with_error(value, se)}", shape, whisker)


def _y_gridlines(y: Axis) -> Iterator[SafeString]:
    for written, at in y.labelled():
        yield tag("line", class_="gridline", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at)
        yield text(written, x=LEFT - 8, y=at + 4, anchor="end")


def _x_numbers(x: Axis) -> list[SafeString]:
    return [text(written, x=at, y=HEIGHT - BOTTOM + 17) for written, at in x.labelled()]


def _some_names(names: Sequence[str], places: Sequence[float], at_most: int) -> list[SafeString]:
    every = math.ceil(len(names) / at_most)
    shown = list(zip(names, places, strict=True))[::-1][::every]
    return [text(name, x=at, y=HEIGHT - BOTTOM + 17) for name, at in shown]


def _x_names(names: Sequence[str], places: Sequence[float]) -> list[SafeString]:
    """As many as have room; cut where one alone has not."""
    if not places:
        return []
    room = (WIDTH - LEFT - RIGHT) / len(places) / LETTER_WIDTH
    every = max(1, round(3 / room + 0.49))
    longest = max(3, int(room * every))
    shown = (
        (name if len(name) <= longest else f"{name[: longest - 1]}…", at)
        for name, at in zip(names, places, strict=True)
    )
    return [text(name, x=at, y=HEIGHT - BOTTOM + 17) for i, (name, at) in enumerate(shown) if i % every == 0]


def _with_error(value: float, se: float) -> str:
    return f"{value:.2f} ± {se:.2f}" if se else f"{value:.2f}"


def _look(i: int) -> str:
    return f"look-{1 + i % N_LOOKS}"


def _path(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
