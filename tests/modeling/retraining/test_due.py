"""When a training is due by itself: a table of facts, and clocks that are changed twice a year."""

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from modeling.models import RetrainingRules
from modeling.retraining.due import Facts, due, last_slot, next_slot

BERLIN, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=UTC)
# A Wednesday.
NOON = dt.datetime(2026, 6, 10, 12, tzinfo=UTC)
LAST_WEEK = NOON - dt.timedelta(days=7)


def rules(**values):
    return RetrainingRules(created_at=LONG_AGO, **values)


def facts(now=NOON, zone=UTC, last_asked_at=LAST_WEEK, **values):
    usual = {"rules": rules(), "is_training": False, "n_labels": 0, "n_decisions": 0, "anything_new": True}
    return Facts(now=now, zone=zone, last_asked_at=last_asked_at, **usual | values)


DAILY = rules(schedule="daily", hour=3)
COUNTS = rules(after_labels=50, after_decisions=10)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (facts(), ""),
        (facts(n_labels=10_000, n_decisions=10_000), ""),
        (facts(rules=COUNTS, n_labels=49), ""),
        (facts(rules=COUNTS, n_labels=50), "after 50 new labels"),
        (facts(rules=COUNTS, n_labels=57, n_decisions=20), "after 57 new labels"),
        (facts(rules=COUNTS, n_decisions=10), "after 10 new decisions"),
        (facts(rules=rules(after_labels=1), n_labels=1), "after 1 new label"),
        (facts(rules=COUNTS, n_labels=50, is_training=True), ""),
        (facts(rules=DAILY), "by the schedule"),
        (facts(rules=DAILY, is_training=True), ""),
        (facts(rules=DAILY, anything_new=False), ""),
        (facts(rules=DAILY, last_asked_at=None), "by the schedule"),
        # Asked for at four, by whomever: the next is tomorrow's.
        (facts(rules=DAILY, last_asked_at=NOON.replace(hour=4)), ""),
        (facts(rules=DAILY, last_asked_at=NOON.replace(hour=2)), "by the schedule"),
        # After three days without a worker one training is enough, and it is asked for.
        (facts(rules=DAILY, last_asked_at=NOON - dt.timedelta(days=3)), "by the schedule"),
        # An hour that had passed when the rules were made is none of theirs.
        (facts(rules=RetrainingRules(schedule="daily", hour=3, created_at=NOON.replace(hour=11))), ""),
        (
            facts(rules=rules(schedule="weekly", weekday=2, hour=3), last_asked_at=NOON.replace(hour=2)),
            "by the schedule",
        ),
        (facts(rules=rules(schedule="weekly", weekday=3, hour=3), last_asked_at=NOON.replace(day=9)), ""),
        (
            facts(rules=rules(schedule="weekly", weekday=2, hour=12), last_asked_at=NOON.replace(hour=2)),
            "by the schedule",
        ),
        (facts(rules=rules(schedule="weekly", weekday=2, hour=13), last_asked_at=NOON.replace(day=4)), ""),
    ],
)
def test_a_training_is_due_for_the_first_reason_that_holds(known, reason):
    found = due(known)

    assert found.reason == reason
    assert found.sentence
    assert ("is due" in found.sentence) == bool(reason)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (facts(), "Nothing trains by itself: the rules leave it to people."),
        (facts(rules=COUNTS, n_labels=12), "12 of 50 new labels or 0 of 10 new decisions"),
        (facts(rules=DAILY, last_asked_at=NOON), "by the clock Thursday 11 Jun, 03:00"),
        (facts(rules=DAILY, anything_new=False), "nothing has changed since the newest run"),
        (facts(is_training=True), "A training is under way"),
    ],
)
def test_people_read_what_is_still_to_come(known, said):
    assert said in due(known).sentence


def asked_for(first_day, schedule, zone=BERLIN):
    """When trainings are asked for, were the rules looked at every ten minutes of three days and a half."""
    now = dt.datetime.combine(first_day, dt.time(), tzinfo=zone).astimezone(UTC)
    known, asked = facts(rules=schedule, now=now, zone=zone, last_asked_at=now), []
    for _ in range(3 * 144 + 72):
        now += dt.timedelta(minutes=10)
        if due(known := replace(known, now=now)).reason:
            asked.append(now)
            known = replace(known, last_asked_at=now)
    return [moment.astimezone(zone) for moment in asked]


@pytest.mark.parametrize("hour", [1, 2, 3])
@pytest.mark.parametrize("first_day", [dt.date(2026, 3, 28), dt.date(2026, 10, 24)])
def test_the_clock_asks_once_a_day_also_on_days_of_23_and_of_25_hours(first_day, hour):
    asked = asked_for(first_day, rules(schedule="daily", hour=hour))

    # An hour that no clock shows (29 March, two o'clock) is the one after it; one that clocks show twice is the first.
    skipped = first_day.month == 3 and hour == 2
    assert [moment.day - first_day.day for moment in asked] == [0, 1, 2, 3]
    assert [moment.hour for moment in asked] == [hour, hour + 1 if skipped else hour, hour, hour]
    assert [moment.fold for moment in asked] == [0, 0, 0, 0]


def test_the_clock_is_that_of_the_installation():
    at_three = rules(schedule="daily", hour=3)

    assert last_slot(at_three, NOON, BERLIN) == dt.datetime(2026, 6, 10, 1, tzinfo=UTC)
    assert next_slot(at_three, NOON, BERLIN) == dt.datetime(2026, 6, 11, 1, tzinfo=UTC)
    assert last_slot(at_three, NOON, UTC) == dt.datetime(2026, 6, 10, 3, tzinfo=UTC)
    assert last_slot(rules(), NOON, UTC) is next_slot(rules(), NOON, UTC) is None
