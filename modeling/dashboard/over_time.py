"""Labels over time, by annotator: all together, and a row of small bars for each of those with most."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Literal

from django.urls import reverse
from django.utils import timezone

from annotations.annotators.pace import RECENT_DAYS
from energyapp.charts import Column, Curve, Table, bars, spark_bars
from modeling.dashboard.chart import Chart
from modeling.dashboard.facts import Facts

N_WEEKS = 52
MAX_NAMES = 7
N_PEOPLE = 12
"""More rows would not be read; the others are one column of the table."""

Unit = Literal["day", "week"]


def labels_over_time(facts: Facts, *, unit: Unit) -> Chart:
    periods = _periods(facts, unit)
    counts = _counts(facts, unit, periods)
    people = [person for person, _ in _totals(counts).most_common(N_PEOPLE)]
    others = counts.keys() - set(people)
    series = {facts.names.get(person, "somebody"): counts[person] for person in people}
    rows_drawn = _small_multiples({name: [of[period] for period in periods] for name, of in series.items()}, unit)
    if others:
        series[f"{len(others)} others"] = sum((counts[person] for person in others), Counter())
    total = sum(counts.values(), Counter())
    columns = [Column(unit.capitalize()), Column("All", "count"), *(Column(name, "count") for name in series)]
    rows = [[period, total[period], *(of[period] for of in series.values())] for period in periods]
    name = f"labels_by_{unit}"
    return Chart(
        name,
        f"Labels by {unit}",
        Table(columns, rows),
        reverse("dashboard_csv", args=[name]),
        note="as they were given, each time" if unit == "day" else "weeks begin on Monday",
        drawings=(_all(total, periods, unit),) if total else (),
        rows=rows_drawn,
        caption=_untimed(facts),
        missing="" if total else _why_nothing(facts),
        as_of=facts.as_of,
    )


def _periods(facts: Facts, unit: Unit) -> list[date]:
    """Without gaps up to today: a week without labels says something too."""
    today = timezone.localdate()
    if unit == "day":
        return [today - timedelta(days=ago) for ago in reversed(range(RECENT_DAYS))]
    weeks = facts.labelled["pace"]["weeks"] if facts.labelled else []
    this_week = today - timedelta(days=today.weekday())
    first = date.fromisoformat(weeks[0][0]) if weeks else this_week
    n = min(N_WEEKS, max(1, (this_week - first).days // 7 + 1))
    return [this_week - timedelta(weeks=ago) for ago in reversed(range(n))]


def _counts(facts: Facts, unit: Unit, periods: list[date]) -> dict[int, Counter[date]]:
    shown, counts = set(periods), dict[int, Counter[date]]()
    for written, person, n in facts.labelled["pace"][f"{unit}s"] if facts.labelled else []:
        if (period := date.fromisoformat(written)) in shown:
            counts.setdefault(person, Counter())[period] += n
    return counts


def _totals(counts: dict[int, Counter[date]]) -> Counter[int]:
    return Counter({person: of.total() for person, of in counts.items()})


def _all(total: Counter[date], periods: list[date], unit: Unit) -> str:
    values = [float(total[period]) for period in periods]
    names = [f"{period:%-d %b}" for period in periods]
    return bars(
        [Curve("Labels", range(len(periods)), values)],
        x_label=unit,
        y_label="labels",
        label=f"Labels by {unit}",
        x_names=names,
        max_names=MAX_NAMES,
    )


def _small_multiples(series: dict[str, list[int]], unit: Unit) -> tuple[tuple[str, str, str], ...]:
    """(name, bars, number): all on one scale, so that rows can be compared."""
    largest = max((n for values in series.values() for n in values), default=0)
    return tuple(
        (name, spark_bars(values, maximum=largest, label=f"{name}, labels by {unit}"), f"{sum(values):,}")
        for name, values in series.items()
    )


def _untimed(facts: Facts) -> str:
    n = facts.labelled["pace"]["n_untimed"] if facts.labelled else 0
    return f"Without {n:,} imported labels, of which nobody knows when they were given." if n else ""


def _why_nothing(facts: Facts) -> str:
    if not facts.n_labels:
        return "No label yet: annotators find tracks under Annotate."
    return (
        "Nobody has labelled here in this time."
        if facts.labelled
        else ("Not counted yet: a worker does so within a minute of the first label.")
    )
