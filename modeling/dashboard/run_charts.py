"""The charts of one held-out part of a run: where the model is wrong, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlencode

from django.urls import reverse

from annotations.annotators.people import names_of
from annotations.models import LEVELS, User
from energyapp.charts import Column, Dot, Table, confusion_matrix, dots, level_histogram
from modeling.core.comparison import Z
from modeling.dashboard.chart import Chart
from modeling.models import TrainingRun

N_DRAWN = 20
"""Annotators with most labels: more rows are read in the table."""

Cells = Literal["shares", "counts"]


@dataclass(frozen=True)
class Part:
    """One held-out part of a run that has it, and what stands in the cells of its matrix."""

    run: TrainingRun
    name: str
    cells: Cells = "shares"
    known_names: Mapping[int, str] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, Any]:
        return self.run.results[self.name]

    @cached_property
    def url(self) -> str:
        return reverse("run", args=[self.run.pk])

    def csv_url(self, chart: str) -> str:
        return f"{reverse('run_csv', args=[self.run.pk, chart])}?{urlencode({'part': self.name})}"

    @cached_property
    def names(self) -> dict[str, str]:
        """Of the annotators whose labels it was held against, by id as it is written in the metrics."""
        ids = {int(row["annotator"]) for row in self.metrics.get("by_annotator", [])}
        if not ids <= self.known_names.keys():
            people = User.objects.only("username", "first_name", "last_name", "alias").filter(pk__in=ids)
            return {str(pk): name for pk, name in names_of(people).items()}
        return {str(pk): self.known_names[pk] for pk in ids}


def matrix(part: Part) -> Chart:
    counts = part.metrics["confusion_matrix"]
    tracks = reverse("run_tracks", args=[part.run.pk])
    drawing = confusion_matrix(
        counts,
        label="Confusion matrix",
        href=lambda true, predicted: f"{tracks}?part={part.name}&true={true}&predicted={predicted}",
        row_name="label",
        written="count" if part.cells == "counts" else "per cent",
    )
    columns = [Column("Label", "level"), *(Column(f"Predicted {level}", "count") for level in LEVELS)]
    return Chart(
        "matrix",
        "Confusion matrix",
        Table(columns, [[level, *row] for level, row in zip(LEVELS, counts, strict=True)]),
        part.csv_url("matrix"),
        note=("tracks" if part.cells == "counts" else "% of each label") + " · choose a cell for its tracks",
        drawings=(drawing,),
    )


def by_level(part: Part) -> Chart:
    names = {"n": "Tracks", "mae": "MAE", "accuracy": "Recall", "within_1": "Within 1", "within_2": "Within 2"}
    # Runs of earlier versions do not know what their intervals are worth.
    names |= {"coverage": "In 90 %", "interval_width": "Width"} if "coverage" in part.metrics else {}
    columns = [Column("Level", "level")]
    columns += [Column(name, "count" if key == "n" else "number") for key, name in names.items()]
    rows = [[row["level"], *(row.get(key) for key in names)] for row in part.metrics["by_level"]]
    rows.append(["All", *(part.metrics.get(key) for key in names)])
    return Chart(
        "by_level",
        "By level",
        Table(columns, rows),
        part.csv_url("by_level"),
        note="recall: share of its tracks predicted right",
        caption="In 90 %: share of labels inside the interval that should hold nine of ten, and its width in levels."
        if "coverage" in names
        else "",
    )


def by_genre(part: Part) -> Chart:
    rows = sorted(part.metrics.get("by_genre", []), key=lambda row: row["mae"])
    columns = [Column("Genre"), Column("MAE", "number", has_bar=True), Column("Macro-MAE", "number")]
    return Chart(
        "by_genre",
        "By genre",
        Table(
            [*columns, Column("Tracks", "count")],
            [[row["name"], row["mae"], row.get("macro_mae"), row["n"]] for row in rows],
        ),
        part.csv_url("by_genre"),
        note="best first",
        missing="" if rows else "No track of this part has a genre. Genres come with imported tables.",
    )


def by_annotator(part: Part) -> Chart:
    """How far the model is from each: a lower error than the others' is no praise of a person, nor a higher one blame."""
    rows = part.metrics.get("by_annotator", [])
    names = [part.names.get(row["annotator"], "somebody") for row in rows]
    links = [reverse("annotator", args=[row["annotator"]]) for row in rows]
    columns = [Column("Annotator"), Column("Labels", "count"), Column("MAE", "number"), Column("± MAE", "number")]
    columns += [Column("Model above them", "signed"), Column("± that", "number")]
    values = [
        [name, *(row[key] for key in ("n", "mae", "mae_se", "bias", "bias_se"))]
        for name, row in zip(names, rows, strict=True)
    ]
    return Chart(
        "by_annotator",
        "By annotator",
        Table(columns, values, links),
        part.csv_url("by_annotator"),
        note="from the model to their labels · bars: 95 %",
        drawings=(dots(_dots(rows[:N_DRAWN], names, links), x_label="MAE in levels", label="MAE by annotator"),)
        if rows
        else (),
        caption=f"The {N_DRAWN} with most labels; the table has all {len(rows)}." if len(rows) > N_DRAWN else "",
        missing=_why_nobody(part),
    )


def _dots(rows: list[dict[str, Any]], names: list[str], links: list[str]) -> list[Dot]:
    return [
        Dot(name, row["mae"], *_interval(row["mae"], row["mae_se"]), link)
        for row, name, link in zip(rows, names, links, strict=False)
    ]


def _interval(value: float, se: float | None) -> tuple[float | None, float | None]:
    return (None, None) if se is None else (max(0.0, value - Z * se), value + Z * se)


def _why_nobody(part: Part) -> str:
    if "by_annotator" not in part.metrics:
        return f"{str(part.run).capitalize()} was made by an earlier version, which did not measure this. Train again."
    return "" if part.metrics["by_annotator"] else "Nobody's labels of these tracks count for training."


def distribution(part: Part) -> Chart:
    counts = part.metrics["confusion_matrix"]
    labels, predicted = [sum(row) for row in counts], [sum(column) for column in zip(*counts, strict=True)]
    columns = [Column("Level", "level"), Column("Labels", "count"), Column("Predictions", "count")]
    return Chart(
        "distribution",
        "Tracks by level",
        Table(columns, list(zip(LEVELS, labels, predicted, strict=True))),
        part.csv_url("distribution"),
        note="outline: predictions",
        drawings=(level_histogram(labels, outline=predicted, label="Tracks by level"),),
    )


CHARTS: Mapping[str, Callable[[Part], Chart]] = {
    "matrix": matrix,
    "by_level": by_level,
    "by_genre": by_genre,
    "by_annotator": by_annotator,
    "distribution": distribution,
}
