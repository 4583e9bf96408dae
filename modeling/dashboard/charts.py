"""The charts of the dashboard, from facts: runs over time, labels, flags, pace. By name, which is also their address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from annotations.annotators.pace import RECENT_DAYS
from annotations.models import LEVELS, Flag
from energyapp.charts import Column, Dot, Point, Table, dots, level_histogram, line_with_band
from modeling.dashboard.chart import Chart
from modeling.dashboard.facts import Facts, age_of
from modeling.dashboard.over_time import labels_over_time
from modeling.models import TrainingRun

NOT_COUNTED = (
    "Not counted yet. A worker counts labels within a minute of the first one; is one running? (Locally: make run.)"
)
NO_RUN = "No run yet: after the first training this shows how it went."
RARE, LACKING = 0.5, 0.8
"""Below so many times an equal share a level is rare; below so many times its share of the predictions labels lack it."""


def url_of(name: str) -> str:
    return reverse("dashboard_csv", args=[name])


# ---- Runs


def macro_mae(facts: Facts) -> Chart:
    columns = [
        Column("Run"),
        Column("Trained"),
        Column("Recipe"),
        Column("Labels", "count"),
        Column("Tracks", "count"),
        *(Column(name, "number") for name in ("Macro-MAE, out-of-fold", "from", "to")),
        *(Column(name, "number") for name in ("Macro-MAE, slice", "from", "to")),
    ]
    rows = [
        [
            str(run),
            timezone.localdate(run.job.finished_at) if run.job.finished_at else None,
            run.recipe,
            run.n_annotations,
            run.n_tracks,
            *_with_interval(run, "out_of_fold", "macro_mae"),
            *_with_interval(run, "slice", "macro_mae"),
        ]
        for run in facts.runs
    ]
    return Chart(
        "macro_mae",
        "Macro-MAE by run",
        Table(columns, rows, [reverse("run", args=[run.pk]) for run in facts.runs]),
        url_of("macro_mae"),
        note="lower is better · band: 95 % bootstrap · dashed: evaluation slice · below: labels",
        drawings=(_trend(facts.runs, "macro_mae", label="Macro-MAE by run", has_notes=True),) if rows else (),
        missing="" if rows else NO_RUN,
    )


def hits(facts: Facts) -> Chart:
    """MAE, and the shares within one and two levels."""
    names = ("MAE, out-of-fold", "from", "to", "MAE, slice", "from", "to", "Within 1", "Within 2")
    rows = [
        [
            str(run),
            *_with_interval(run, "out_of_fold", "mae"),
            *_with_interval(run, "slice", "mae"),
            *(run.results["out_of_fold"].get(name) for name in ("within_1", "within_2")),
        ]
        for run in facts.runs
    ]
    known = [run for run in facts.runs if {"mae", "within_1", "within_2"} <= run.results["out_of_fold"].keys()]
    within = (
        line_with_band(
            [_point(run, "out_of_fold", "within_1") for run in known],
            second=[_point(run, "out_of_fold", "within_2") for run in known],
            second_label="within 2",
            label="Share of tracks within one level, by run",
        )
        if known
        else ""
    )
    return Chart(
        "hits",
        "MAE, and within one and two levels",
        Table([Column("Run"), *(Column(name, "number") for name in names)], rows),
        url_of("hits"),
        note="above: MAE, dashed the slice · below: shares of the out-of-fold tracks, higher is better",
        drawings=(_trend(known, "mae", label="MAE by run"), within) if known else (),
        missing="" if known else NO_RUN,
    )


def _trend(runs: Sequence[TrainingRun], metric: str, *, label: str, has_notes: bool = False) -> str:
    return line_with_band(
        [_point(run, "out_of_fold", metric, note=short(run.n_annotations or 0) if has_notes else "") for run in runs],
        second=[_point(run, "slice", metric) if metric in run.results.get("slice", {}) else None for run in runs],
        second_label="evaluation slice",
        label=label,
    )


def _point(run: TrainingRun, part: str, metric: str, *, note: str = "") -> Point:
    value, low, high = _with_interval(run, part, metric)
    return Point(str(run.pk), value or 0.0, low, high, reverse("run", args=[run.pk]), note)


def _with_interval(run: TrainingRun, part: str, metric: str) -> tuple[float | None, float | None, float | None]:
    """None for what runs of earlier versions, or without tracks of the slice, do not know."""
    metrics = run.results.get(part, {})
    low, high = metrics.get(f"{metric}_interval", (None, None))
    return metrics.get(metric), low, high


def short(n: int) -> str:
    """
    >>> short(940), short(9448), short(42_754)
    ('940', '9.4k', '43k')
    """
    return str(n) if n < 1000 else f"{n / 1000:.1f}k" if n < 10_000 else f"{n / 1000:.0f}k"


# ---- Labels


def coverage(facts: Facts) -> Chart:
    """Which levels are rare: against ten equal shares, and against what the model in use says of the whole library."""
    counts = facts.labelled["levels"]["all"] if facts.labelled else [0] * len(LEVELS)
    total, n_predicted = sum(counts), sum(facts.predicted)
    rows = [
        _level_row(level, n, n / total if total else None, predicted / n_predicted if n_predicted else None)
        for level, n, predicted in zip(LEVELS, counts, facts.predicted, strict=True)
    ]
    rare = [str(level) for level, _, _, times, *_ in rows if times is not None and times < RARE]
    lacking = [str(level) for level, *_, times in rows if times is not None and times < LACKING]
    columns = [Column("Level", "level"), Column("Labels", "count", has_bar=True), Column("Share", "number")]
    columns += [Column("× equal share", "number"), Column("Predicted share", "number"), Column("× predicted", "number")]
    return Chart(
        "coverage",
        "Coverage of levels",
        Table(columns, rows),
        url_of("coverage"),
        note="labels that stand" + (" · outline: predictions of the whole library" if n_predicted else ""),
        drawings=(level_histogram(counts, outline=facts.predicted if n_predicted else None, label="Labels by level"),)
        if total
        else (),
        caption=_coverage_words(rare, lacking, has_model=bool(n_predicted)),
        missing="" if total else NOT_COUNTED if facts.n_labels else "No label yet.",
        as_of=facts.as_of,
    )


def _level_row(level: int, n: int, share: float | None, predicted: float | None) -> list[Any]:
    of_equal = None if share is None else share * len(LEVELS)
    return [level, n, share, of_equal, predicted, share / predicted if share is not None and predicted else None]


def _coverage_words(rare: list[str], lacking: list[str], *, has_model: bool) -> str:
    said = [f"Rare, with less than half of an equal share: level {', '.join(rare)}." if rare else "No level is rare."]
    if not has_model:
        said.append("With a model in use this is held against what it predicts of the whole library.")
    elif lacking:
        said.append(f"Fewer labels than the library's predictions would have: level {', '.join(lacking)}.")
    return " ".join(said)


def agreement(facts: Facts) -> Chart:
    found = facts.labelled["agreement"] if facts.labelled else {"alpha": [None] * 3, "kappa": [None] * 3}
    rows = [
        ["Alpha, of Krippendorff", *found["alpha"]],
        ["Kappa, weighted, mean of pairs", *found["kappa"]],
    ]
    known = [row for row in rows if row[1] is not None]
    why = found.get("why_undefined") if facts.labelled else None if facts.n_labels else "Nobody has labelled yet."
    return Chart(
        "agreement",
        "Agreement of annotators",
        Table([Column("Measure"), *(Column(name, "number") for name in ("Value", "from", "to"))], known),
        url_of("agreement"),
        note="1: all say the same · 0: no more than by chance · bars: 95 %",
        drawings=(
            dots([Dot(name.split(",")[0], *values) for name, *values in known], x_label="agreement", label="Agreement"),
        )
        if known
        else (),
        caption=f"Of {found['n_shared']:,} tracks that several people labelled." if facts.labelled else "",
        missing="" if known else why or NOT_COUNTED,
        as_of=facts.as_of,
    )


def throughput(facts: Facts) -> Chart:
    """As a table: what labelling brings, and when it is done."""
    recent = facts.labelled["pace"]["recent"] if facts.labelled else {}
    left = facts.outstanding
    rows: list[list[Any]] = [
        [f"Labels in the last {RECENT_DAYS} days", recent.get("n")],
        ["Labels a day", _rounded(facts.a_day)],
        ["Labels an hour of labelling", recent.get("an_hour")],
        ["Seconds a label, half take less", recent.get("seconds")],
        ["Tracks that lack labels", left.n_tracks],
        ["Labels they lack", left.n_labels],
        ["At this pace done by", facts.done_by],
    ]
    return Chart(
        "throughput",
        "Throughput",
        Table([Column("What"), Column("Value")], [[name, _written(value)] for name, value in rows]),
        url_of("throughput"),
        note="an hour of labelling has no gap of more than five minutes",
        caption="" if facts.a_day else f"Nobody has labelled here in the last {RECENT_DAYS} days, so there is no pace.",
        as_of=facts.as_of,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


# ---- Review


def flags(facts: Facts) -> Chart:
    ages = age_of(facts.open_flags, now=timezone.now())
    most_first = sorted(ages.items(), key=lambda each: -sum(each[1]))
    rows = [[Flag.Reason(reason).label, sum(ns), *ns] for reason, ns in most_first]
    columns = [Column("Reason"), Column("Open", "count", has_bar=True)]
    columns += [Column(name, "count") for name in ("A day", "A week", "A month", "Longer")]
    queue = reverse("review_queue")
    return Chart(
        "flags",
        "Open flags by reason and age",
        Table(columns, rows, [f"{queue}?{urlencode({'reason': reason})}" for reason, _ in most_first]),
        url_of("flags"),
        note="a label may have several reasons · age: at most",
        missing="" if rows else "No flag waits for you.",
    )


CHARTS: Mapping[str, Callable[[Facts], Chart]] = {
    "macro_mae": macro_mae,
    "hits": hits,
    "coverage": coverage,
    "labels_by_week": lambda facts: labels_over_time(facts, unit="week"),
    "labels_by_day": lambda facts: labels_over_time(facts, unit="day"),
    "agreement": agreement,
    "throughput": throughput,
    "flags": flags,
}
