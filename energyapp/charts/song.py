"""A song part by part: how energetic each is, which is most, and where each begins."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.safestring import SafeString

from energyapp.charts.scale import Axis, require_finite
from energyapp.charts.svg import drawing, join, tag, text, titled

WIDTH, HEIGHT = 560.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 30.0, 8.0, 22.0, 26.0
LOWEST, HIGHEST = 1.0, 10.0
TIME_STEPS_S = (30, 60, 120, 300, 600, 1200, 3600)
MAX_TIMES = 7
GAP = 2.0
# What lies over the bars, which are to be hit all the same.
BEHIND = {"pointer_events": "none"}


def song_curve(
    scores: Sequence[float],
    *,
    part_s: float,
    duration_s: float,
    label: str,
    loudest: tuple[float, float] | None = None,
    whole: tuple[float, float, float] | None = None,
) -> SafeString:
    """A bar for each part, as high as its score and in the colour of its level; each leads to #part-SECONDS.

    Parameters
    ----------
    scores : in levels, at least one
        Of parts of `part_s` seconds, of which the last may be shorter.
    loudest : (start, end) in seconds, optional
        Shaded, over the bars.
    whole : (score, lower, upper), optional
        What is said of the song as a whole: a dashed line within its interval.

    Raises
    ------
    ValueError
        If there is no score, or a number is not finite.
    """
    if not scores:
        raise ValueError("a song needs at least one part, found none")
    require_finite([*scores, part_s, duration_s, *(loudest or ()), *(whole or ())], "scores and times")
    x = Axis([0.0, max(duration_s, part_s * (len(scores) - 1) + 1)], start=LEFT, end=WIDTH - RIGHT)
    y = Axis([LOWEST, HIGHEST], start=HEIGHT - BOTTOM, end=TOP)
    best = max(range(len(scores)), key=scores.__getitem__)
    return drawing(
        *(_gridline(level, y) for level in (1, 4, 7, 10)),
        *(_part(i, score, i == best, part_s, x, y) for i, score in enumerate(scores)),
        _loudest(loudest, x) if loudest else "",
        *(_whole(whole, y) if whole else ()),
        *(text(clock(at), x=x(at), y=HEIGHT - 8) for at in _times(x.ticks[-1])),
        width=WIDTH,
        height=HEIGHT,
        label=f"{label}: {len(scores)} parts, most energetic from {clock(best * part_s)} with {scores[best]:.1f}",
        class_="song wide",
        has_links=True,
    )


def clock(seconds: float) -> str:
    """
    >>> clock(5), clock(754.6)
    ('0:05', '12:34')
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _gridline(level: int, y: Axis) -> SafeString:
    at = y(level)
    line = tag("line", class_="gridline", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at)
    return join([line, text(level, x=LEFT - 8, y=at + 4, anchor="end")])


def _loudest(loudest: tuple[float, float], x: Axis) -> SafeString:
    start, end = (x(at) for at in loudest)
    return titled(
        f"Loudest part: {clock(loudest[0])} to {clock(loudest[1])}",
        tag(
            "rect",
            class_="meter-rest",
            x=start,
            y=TOP - 8,
            width=max(end - start, 2),
            height=HEIGHT - BOTTOM - TOP + 8,
            **BEHIND,
        ),
    )


def _part(i: int, score: float, is_best: bool, part_s: float, x: Axis, y: Axis) -> SafeString:
    start, end = x(i * part_s), min(x((i + 1) * part_s), WIDTH - RIGHT)
    shown = min(max(score, LOWEST), HIGHEST)
    top, bottom = y(shown), HEIGHT - BOTTOM
    bar = tag(
        "rect",
        class_=f"bar bar-{round(shown)}",
        x=start + GAP / 2,
        y=top,
        width=max(end - start - GAP, 1.0),
        height=max(bottom - top, 1.0),
    )
    hit = tag("rect", class_="hit", x=start, y=TOP, width=end - start, height=bottom - TOP)
    title = f"From {clock(i * part_s)}: {score:.1f}{', the most energetic part' if is_best else ''}"
    callout = text(f"{score:.1f}", x=(start + end) / 2, y=top - 6, class_="callout") if is_best else ""
    return titled(title, hit, bar, callout, href=f"#part-{i * part_s:g}")


def _whole(whole: tuple[float, float, float], y: Axis) -> list[SafeString]:
    score, lower, upper = (min(max(level, LOWEST), HIGHEST) for level in whole)
    span = {"x": LEFT, "width": WIDTH - RIGHT - LEFT, "y": y(upper), "height": max(y(lower) - y(upper), 1.0)}
    line = tag("line", class_="target", x1=LEFT, x2=WIDTH - RIGHT, y1=y(score), y2=y(score), **BEHIND)
    return [tag("rect", class_="band", **span, **BEHIND), line]


def _times(duration_s: float) -> list[float]:
    step = next((step for step in TIME_STEPS_S if duration_s / step <= MAX_TIMES), TIME_STEPS_S[-1])
    return [float(at) for at in range(0, int(duration_s) + 1, step)]
