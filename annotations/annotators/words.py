"""What a report's numbers mean, in sentences and in the few words of a chip."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils import dateformat, timezone

from annotations.annotators.measures import MIN_LABELS, N_LEVELS
from annotations.templatetags.signed import signed

LARGE_BIAS = 1.0
"""In levels. The thesis calls an error of one level acceptable; a habit of more than that wants a talk."""

NARROW = 0.7
"""Of the scale that others use; sure only where the interval does not reach 1."""

FOLLOWS_NOTHING = 0.3
"""A scale below this says hardly more about the music than a die."""

LARGE_NOISE = 2.0
"""In levels: two is where the thesis's small error ends."""

LARGE_ERROR = 1.5
"""Levels between two answers to the same track, or between an answer and gold, on average."""

MANY_TOO_FAST = 0.2

Z = 1.96  # of a 95 % interval


class Concern(NamedTuple):
    """A reason to talk to somebody."""

    chip: str
    tone: str  # "bad" or "warn": a class of the chip
    why: str


def concerns(entry: dict[str, Any]) -> list[Concern]:
    """What of one annotator's measures stands out."""
    return list(_concerns(entry))


def _concerns(entry: dict[str, Any]) -> Iterator[Concern]:
    bias, scale, noise = (entry[name]["value"] for name in ("bias", "scale", "noise"))
    if bias is not None and abs(bias) >= LARGE_BIAS:
        yield Concern(f"biased {'high' if bias > 0 else 'low'}", "bad", f"by {signed(bias, 2)} levels")
    if scale is not None and scale < FOLLOWS_NOTHING:
        yield Concern("follows nothing", "bad", f"scale {scale:.2f}: the labels hardly follow the music")
    elif scale is not None and scale < NARROW and interval(entry["scale"])[1] < 1:
        yield Concern("narrow", "warn", f"scale {scale:.2f}: less of the scale than others use")
    if noise is not None and noise >= LARGE_NOISE:
        yield Concern("noisy", "warn", f"labels scatter by {noise:.1f} levels")
    if (repeats := entry["repeats"]["value"]) is not None and repeats >= LARGE_ERROR:
        yield Concern("inconsistent", "warn", f"{repeats:.1f} levels between two answers to the same track")
    if (gold := entry["gold"]["value"]) is not None and gold >= LARGE_ERROR:
        yield Concern("misses gold", "warn", f"{gold:.1f} levels from what leads agreed on")
    if (too_fast := entry["too_fast"]["value"]) is not None and too_fast >= MANY_TOO_FAST:
        yield Concern("hurried", "warn", f"{100 * too_fast:.0f} % of the answers too fast")
    if change := entry["drift"]["change"]:
        yield Concern("changed", "warn", f"since {day(change['since'])}")


def interval(figure: dict[str, Any]) -> tuple[float, float]:
    """95 %; the value alone where its standard error is not known."""
    spread = Z * (figure["se"] or 0)
    return figure["value"] - spread, figure["value"] + spread


def too_few(figure: dict[str, Any], what: str) -> str:
    """
    >>> too_few({"n": 1}, "label"), too_few({"n": 0}, "repeat")
    ('Too few to tell: 1 label, 10 are needed.', 'Too few to tell: 0 repeats, 10 are needed.')
    """
    return f"Too few to tell: {_counted(figure['n'], what)}, {MIN_LABELS} are needed."


def bias(entry: dict[str, Any]) -> str:
    if (value := entry["bias"]["value"]) is None:
        return too_few(entry["bias"], "label")
    low, high = interval(entry["bias"])
    between = f"{signed(value, 2)} levels, 95 % between {signed(low, 2)} and {signed(high, 2)}"
    if not entry["n_shared"]:
        return f"Nobody else has labelled these tracks, so this is against the mean of all labels: {between}."
    if low <= 0 <= high:
        return f"Labels neither higher nor lower than others, as far as can be told: {between}."
    return f"Labels {'higher' if value > 0 else 'lower'} than others do of the same tracks: {between}."


def scale(entry: dict[str, Any]) -> str:
    if (value := entry["scale"]["value"]) is None:
        return too_few(entry["scale"], "label")
    low, high = interval(entry["scale"])
    low = max(low, 0.0)
    between = f"{value:.2f}, 95 % between {low:.2f} and {high:.2f}"
    if low <= 1 <= high:
        return f"Spreads labels as others do, as far as can be told: {between}."
    return (
        f"Spreads labels {'wider' if value > 1 else 'less'} than others: where these say a level more, this person says"
        f" {value:.2f} more (95 % between {low:.2f} and {high:.2f})."
    )


def noise(entry: dict[str, Any]) -> str:
    if (value := entry["noise"]["value"]) is None:
        return too_few(entry["noise"], "label")
    low, high = interval(entry["noise"])
    return f"Without bias and scale, labels still scatter by {value:.2f} levels, 95 % between {max(low, 0):.2f} and {high:.2f}."


def error(entry: dict[str, Any]) -> str:
    if (value := entry["error"]["value"]) is None:
        return (
            too_few(entry["error"], "shared track") if entry["n_shared"] else "Nobody else has labelled these tracks."
        )
    return f"{value:.2f}{_give_or_take(entry['error'])} levels from the mean of the others, over {entry['n_shared']:,} shared tracks."


def repeats(entry: dict[str, Any]) -> str:
    if (value := entry["repeats"]["value"]) is None:
        return too_few(entry["repeats"], "repeat")
    return f"{value:.2f}{_give_or_take(entry['repeats'])} levels between two answers to the same track, {entry['repeats']['n']:,} times."


def gold(entry: dict[str, Any]) -> str:
    if (value := entry["gold"]["value"]) is None:
        return too_few(entry["gold"], "gold track")
    return (
        f"{value:.2f}{_give_or_take(entry['gold'])} levels from what leads agreed on, with its sign"
        f" {signed(entry['gold_bias']['value'], 2)}, over {entry['gold']['n']:,} gold tracks."
    )


def speed(entry: dict[str, Any], too_fast_s: float) -> str:
    if (value := entry["seconds"]["value"]) is None:
        return f"{too_few(entry['seconds'], 'timed answer')} Imported labels have no time."
    share = 100 * entry["too_fast"]["value"]
    return f"{value:.1f} s for half of the answers; {share:.0f} % came in under {too_fast_s:g} s."


def used_range(entry: dict[str, Any]) -> str:
    low, high = entry["range"]
    return f"Nine in ten labels lie from {low} to {high}: {high - low + 1} of {N_LEVELS} levels."


def flags(entry: dict[str, Any]) -> str:
    n, confirmed = entry["flags"]["n"], entry["flags"]["confirmed"]
    if not n:
        return "Leads have not yet decided about any flagged label of theirs."
    return f"Leads listened to {_counted(n, 'flagged label')} and changed or left out {confirmed}."


def drift(entry: dict[str, Any]) -> str:
    if change := entry["drift"]["change"]:
        return (
            f"Changed: against what was expected of each track, labels lay {signed(change['before'], 2)} levels off before"
            f" {day(change['since'])}, and {signed(change['after'], 2)} in the {change['n_after']:,} since."
        )
    if entry["drift"]["blocks"]:
        return "No change that is larger than chance."
    return "Too few labels of tracks that others labelled too, given here over time. Of imported ones no time is known."


def day(seconds: int, written: str = "j M Y") -> str:
    """Of a moment in seconds since 1970, where the installation is."""
    return dateformat.format(timezone.localtime(datetime.fromtimestamp(seconds, UTC)), written)


def _give_or_take(figure: dict[str, Any]) -> str:
    return f" ± {figure['se']:.2f}" if figure["se"] is not None else ""


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
