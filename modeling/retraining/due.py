"""Is a training due by itself, and why: a pure function of facts. Who asks for it is `modeling.retraining.automatic`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.utils import dateformat

from modeling.models import RetrainingRules

Schedule = RetrainingRules.Schedule
DAYS_OF_A_WEEK = 7


@dataclass(frozen=True)
class Facts:
    """What decides, all of it as of now.

    Attributes
    ----------
    last_asked_at
        When the newest training was asked for, by whomever and however it ended. None before the first.
    n_labels, n_decisions
        How many have come since it was asked for: a training that failed had its chance, and the next waits for as many again.
    anything_new
        Whether the newest model would learn anything that it does not know: the clock alone is no reason.
    """

    now: dt.datetime
    zone: ZoneInfo
    rules: RetrainingRules
    is_training: bool
    last_asked_at: dt.datetime | None
    n_labels: int
    n_decisions: int
    anything_new: bool


@dataclass(frozen=True)
class Due:
    """The reason that a training gets; empty where none is due. And what people read, in a sentence."""

    reason: str
    sentence: str


def due(facts: Facts) -> Due:
    """The first of the triggers that holds: labels, decisions, the clock."""
    if facts.is_training:
        return Due("", "A training is under way; what comes meanwhile counts for the next.")
    for n, wanted, what in _counts(facts):
        if wanted and n >= wanted:
            return _because(f"after {n} new {what}{'s' if n > 1 else ''}")
    if (slot := last_slot(facts.rules, facts.now, facts.zone)) and slot > _nothing_before(facts):
        if facts.anything_new:
            return _because("by the schedule")
        return Due("", f"Its time has come, but nothing has changed since the newest run. {_outlook(facts)}".strip())
    return Due("", _outlook(facts) or "Nothing trains by itself: the rules leave it to people.")


def _because(reason: str) -> Due:
    return Due(reason, f"A training is due, {reason}: it is asked for within a minute.")


def _counts(facts: Facts) -> list[tuple[int, int | None, str]]:
    rules = facts.rules
    return [
        (facts.n_labels, rules.after_labels, "label"),
        (facts.n_decisions, rules.after_decisions, "decision"),
    ]


def _nothing_before(facts: Facts) -> dt.datetime:
    """An hour that passed before the newest training, or before these rules, is no reason any more."""
    asked = [facts.last_asked_at] if facts.last_asked_at else []
    return max([facts.rules.created_at, *asked])


def _outlook(facts: Facts) -> str:
    """What is still to come before a training is due; nothing where no rule asks for any."""
    said = [f"{n} of {wanted} new {what}s" for n, wanted, what in _counts(facts) if wanted]
    if slot := next_slot(facts.rules, facts.now, facts.zone):
        said.append(f"by the clock {dateformat.format(slot.astimezone(facts.zone), 'l j M, H:i')}")
    return f"The next training by itself: {' or '.join(said)}." if said else ""


# ---- The clock


def last_slot(rules: RetrainingRules, now: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    """When the schedule last asked for a training, in UTC; None where there is no schedule."""
    return max((slot for slot in _slots(rules, now, zone) if slot <= now), default=None)


def next_slot(rules: RetrainingRules, now: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    return min((slot for slot in _slots(rules, now, zone) if slot > now), default=None)


def _slots(rules: RetrainingRules, now: dt.datetime, zone: ZoneInfo) -> list[dt.datetime]:
    """Those of a week before and after. In UTC: of two times in one zone Python compares what clocks show, and an hour
    that clocks show twice, or never, is still one moment."""
    if rules.schedule == Schedule.OFF:
        return []
    today = now.astimezone(zone).date()
    days = [today + dt.timedelta(days=offset) for offset in range(-DAYS_OF_A_WEEK, DAYS_OF_A_WEEK + 1)]
    return [
        dt.datetime.combine(day, dt.time(rules.hour), tzinfo=zone).astimezone(dt.UTC)
        for day in days
        if rules.schedule == Schedule.DAILY or day.weekday() == rules.weekday
    ]
