"""The charts of two runs side by side, of one held-out part: by name, which is also their address."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from annotations.models import LEVELS, User
from energyapp.charts import Column, Dot, Table, confusion_matrix, difference_matrix, dots
from modeling.core.comparison import Change
from modeling.dashboard.chart import Chart
from modeling.dashboard.comparison import Shared, moved_most
from modeling.models import TrainingRun

WORDS = {
    "macro_mae": "Macro-MAE",
    "mae": "MAE",
    "accuracy": "Right",
    "within_1": "Within 1",
    "within_2": "Within 2",
    "coverage": "In 90 % interval",
    "interval_width": "Width of it",
}
HIGHER_IS_BETTER = {"accuracy", "within_1", "within_2"}
IS_NEITHER = {"coverage", "interval_width"}
N_DRAWN = 20


@dataclass(frozen=True)
class Pair:
    """Two runs, and what they share of one part."""

    a: TrainingRun
    b: TrainingRun
    part: str
    shared: Shared
    user: User

    def csv_url(self, chart: str) -> str:
        asked = urlencode({"a": self.a.pk, "b": self.b.pk, "part": self.part})
        return f"{reverse('compare_csv', args=[chart])}?{asked}"

    @property
    def columns(self) -> list[Column]:
        return [
            *(Column(str(run).capitalize(), "number") for run in (self.a, self.b)),
            Column("Change", "signed"),
            Column("± of it", "number"),
            Column("from", "signed"),
            Column("to", "signed"),
            Column("So"),
        ]


def measures(pair: Pair) -> Chart:
    found = pair.shared.both.measures() | dict(pair.shared.intervals)
    rows = [[WORDS[name], *_cells(change, name)] for name, change in found.items()]
    return Chart(
        "measures",
        "All measures",
        Table([Column("Measure"), *pair.columns], rows),
        pair.csv_url("measures"),
        note=f"{pair.shared.n:,} tracks by {pair.shared.n_artists:,} artists · ±: one standard error · from, to: 95 %",
        caption="Changes are of paired differences, tracks of an artist erring together. Macro-MAE and MAE are in levels, and "
        "less is better; the others are shares of tracks, and more is better. Of intervals 0.90 is right, and narrow is better.",
    )


def by_level(pair: Pair) -> Chart:
    found = [(f"Level {level}", change) for level, change in pair.shared.both.by_level()]
    return _split("by_level", "MAE by level", found, pair)


def by_genre(pair: Pair) -> Chart:
    found = pair.shared.both.by_group(pair.shared.genres)
    return _split("by_genre", "MAE by genre", found, pair)


def _split(name: str, title: str, found: Sequence[tuple[str, Change]], pair: Pair) -> Chart:
    drawn = [_dot(each, change) for each, change in found[:N_DRAWN]]
    columns = [Column(title.removeprefix("MAE by ").capitalize()), Column("Tracks", "count"), *pair.columns]
    return Chart(
        name,
        title,
        Table(columns, [[each, change.n, *_cells(change, "mae")] for each, change in found]),
        pair.csv_url(name),
        note="left of the middle is better · bars: 95 %",
        drawings=(dots(drawn, x_label="change of MAE, in levels", label=title, middle=0),) if drawn else (),
        caption="Of twenty rows, one lies clear of the middle by chance alone." if drawn else "",
        missing="" if drawn else "No track of both has a genre.",
    )


def _dot(name: str, change: Change) -> Dot:
    known = math.isfinite(change.se)
    return Dot(name, change.change, change.low if known else None, change.high if known else None)


def _cells(change: Change, name: str) -> list[Any]:
    said = "–" if name in IS_NEITHER else "no clear difference"
    if change.is_clear and name not in IS_NEITHER:
        said = "better" if (change.change > 0) == (name in HIGHER_IS_BETTER) else "worse"
    return [change.before, change.after, change.change, change.se, change.low, change.high, said]


# ---- Matrices


def matrix_a(pair: Pair) -> Chart:
    return _matrix("matrix_a", pair.a, pair.shared.both.matrices()[0], pair)


def matrix_b(pair: Pair) -> Chart:
    return _matrix("matrix_b", pair.b, pair.shared.both.matrices()[1], pair)


def _matrix(name: str, run: TrainingRun, counts: list[list[int]], pair: Pair) -> Chart:
    title = f"Confusion matrix of {run}"
    return Chart(
        name,
        title,
        _counts(counts),
        pair.csv_url(name),
        note="% of each label",
        drawings=(confusion_matrix(counts, label=title, row_name="label"),),
    )


def matrix_difference(pair: Pair) -> Chart:
    before, after = pair.shared.both.matrices()
    change = [[b - a for a, b in zip(*rows, strict=True)] for rows in zip(before, after, strict=True)]
    return Chart(
        "matrix_difference",
        "Their difference",
        _counts(change),
        pair.csv_url("matrix_difference"),
        note=f"tracks more (+) or fewer (−) of {pair.b}",
        drawings=(difference_matrix(before, after, label="Difference of the confusion matrices"),),
    )


def _counts(counts: list[list[int]]) -> Table:
    columns = [Column("Label", "level"), *(Column(f"Predicted {level}", "count") for level in LEVELS)]
    return Table(columns, [[level, *row] for level, row in zip(LEVELS, counts, strict=True)])


# ---- Tracks


def moved(pair: Pair) -> Chart:
    found, n_covered = moved_most(pair.shared, pair.user)
    columns = [Column("Track"), Column("Artist"), Column("Level", "level")]
    columns += [Column(str(run).capitalize(), "level") for run in (pair.a, pair.b)]
    columns += [Column("Score", "number"), Column("then", "number"), Column("Change", "signed"), Column("So")]
    rows = [
        [
            str(each.track),
            each.track.artist,
            *(each.truth, each.before, each.after),
            *(each.score_before, each.score_after, each.change),
            each.verdict,
        ]
        for each in found
    ]
    return Chart(
        "moved",
        "Tracks that moved most",
        Table(columns, rows, [reverse("track", args=[each.track.pk]) for each in found]),
        pair.csv_url("moved"),
        note="by the score, before it is rounded to a level",
        caption=f"{n_covered} more that moved as far are not shown: you are still to hear them." if n_covered else "",
        missing="" if rows else "You are still to hear each of them.",
    )


CHARTS: Mapping[str, Callable[[Pair], Chart]] = {
    "measures": measures,
    "by_level": by_level,
    "by_genre": by_genre,
    "matrix_a": matrix_a,
    "matrix_b": matrix_b,
    "matrix_difference": matrix_difference,
    "moved": moved,
}
