"""A report as its page needs it: cells as text, matrices and charts as drawings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from django.utils.safestring import SafeString

from energyapp.charts import Curve, bars, confusion_matrix, curves
from modeling.core.estimates import Estimate
from modeling.core.lab.report import Cell, Chart, Column, Matrix, Report, Table
from modeling.core.lab.text import cell_text
from modeling.models import Experiment

# Longer ones would run into the next cell of a matrix.
MAX_NAME = 4
DRAWN: dict[str, Callable[..., SafeString]] = {"line": curves, "bar": bars}
Written = Literal["per cent", "count"]


@dataclass(frozen=True)
class ShownCell:
    """A figure and, apart from it, its standard error."""

    column: Column
    text: str
    se: str = ""


@dataclass(frozen=True)
class ShownTable:
    """A row is its cells, and whether it is the one to point out."""

    table: Table
    rows: list[tuple[list[ShownCell], bool]]

    @property
    def has_thesis(self) -> bool:
        return any(column.from_thesis for column in self.table.columns)

    @property
    def helps(self) -> list[Column]:
        """The columns that say something of themselves: below the table, as phones and keyboards have no tooltips."""
        return [column for column in self.table.columns if column.help]


@dataclass(frozen=True)
class ShownMatrix:
    """The drawing, and the counts with the label of each row."""

    matrix: Matrix
    drawing: SafeString
    rows: list[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class ShownChart:
    """The drawing, and every point of it: series, x, y."""

    chart: Chart
    drawing: SafeString
    rows: list[tuple[str, str, str]]


def report_of(experiment: Experiment) -> Report | None:
    """The report, where this version of the program can read it."""
    try:
        return Report.from_json(experiment.report)
    except (ValueError, LookupError, TypeError, AttributeError):  # another format, or the right one with other parts
        return None


def shown_table(table: Table) -> ShownTable:
    """Every cell as text."""
    rows = [
        ([_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)], i == table.best)
        for i, row in enumerate(table.rows)
    ]
    return ShownTable(table, rows)


def _cell(cell: Cell, column: Column) -> ShownCell:
    text = cell_text(cell, column)
    if not isinstance(cell, Estimate):
        return ShownCell(column, text)
    value, _, se = text.partition(" ± ")
    return ShownCell(column, value, se)


def shown_matrix(matrix: Matrix, written: Written) -> ShownMatrix:
    """Rows are labels. Long names of levels are numbered on the drawing; the table beside it has them in full."""
    short = matrix.labels if max(map(len, matrix.labels)) <= MAX_NAME else None
    drawing = confusion_matrix(matrix.counts, label=matrix.title, row_name="label", names=short, written=written)
    return ShownMatrix(matrix, drawing, list(zip(matrix.labels, matrix.counts, strict=True)))


def shown_chart(chart: Chart) -> ShownChart:
    """The chart drawn, and its points as a table."""
    series = [Curve(each.name, each.x, each.y, each.se) for each in chart.series]
    drawing = DRAWN[chart.kind](
        series, x_label=chart.x_label, y_label=chart.y_label, label=chart.title, x_names=chart.x_names
    )
    rows = [
        (each.name, chart.x_names[int(x)] if chart.x_names else f"{x:g}", f"{y:.3g} ± {se:.2g}" if se else f"{y:.3g}")
        for each in series
        for x, y, se in each.points()
    ]
    return ShownChart(chart, drawing, rows)
