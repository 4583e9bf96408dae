"""What an experiment answers: tables, confusion matrices and curves, with all that is needed to make it again.

A report is data, the same for the page, the command, CSV and JSON; it knows nothing of how it is drawn.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.estimates import Estimate
from modeling.core.metrics import LEVELS

# What a column holds: words; a count; levels (errors, scores); a share 0..1; a plain number; seconds.
Kind = Literal["text", "count", "levels", "share", "number", "seconds"]
Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    kind : Kind
    help : str
        One sentence for who does not know the term.
    from_thesis : bool
        The thesis's figure, on its own data: beside ours, not to be compared digit by digit.
    """

    name: str
    kind: Kind = "levels"
    help: str = ""
    from_thesis: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells; an `Estimate` is shown with its standard error, None as empty.

    Attributes
    ----------
    best : int or None
        The row to point out.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    best: int | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"found a row of {len(row)} cells in {self.title!r}; expected {len(self.columns)}")


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: row t, column p counts the tracks labelled t and predicted p.

    Attributes
    ----------
    counts : n_levels rows of n_levels
        Summed over repeats, so a track counts once for each.
    labels : n_levels
    """

    title: str
    counts: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...] = tuple(str(level) for level in LEVELS)

    def __post_init__(self) -> None:
        if {len(self.counts), *map(len, self.counts)} != {len(self.labels)}:
            raise ValueError(f"found {len(self.labels)} labels in {self.title!r}; expected as many rows and columns")

    @property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Each row divided by its sum; a row without tracks is all 0."""
        return tuple(tuple(n / max(sum(row), 1) for n in row) for row in self.counts)


@dataclass(frozen=True)
class Series:
    """Points of one curve; `se` is empty where there are no standard errors."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    se: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or len(self.se) not in (0, len(self.y)):
            raise ValueError(f"found {len(self.x)} x, {len(self.y)} y and {len(self.se)} se of {self.name!r}")


@dataclass(frozen=True)
class Chart:
    """Curves (or bars) over a common axis. Every number of it stands in a table too.

    Attributes
    ----------
    kind : `line` or `bar`
    x_names : names of x = 0, 1, 2... where the axis is not of numbers
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    kind: Literal["line", "bar"] = "line"
    x_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        places = {x for series in self.series for x in series.x}
        if self.kind not in ("line", "bar") or (self.x_names and not places <= set(range(len(self.x_names)))):
            raise ValueError(f"found a {self.kind} of {sorted(places)} in {self.title!r}; expected x to have names")


@dataclass(frozen=True)
class Findings:
    """What an experiment's `run` found.

    Attributes
    ----------
    conclusions
        Sentences with their figures, computed from them, the most important first.
    notes
        What was handled otherwise than asked or left out, and what the figures do not say.
    """

    conclusions: tuple[str, ...]
    tables: tuple[Table, ...]
    matrices: tuple[Matrix, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """What it takes to make the same numbers again."""

    experiment: str
    options: Mapping[str, Any]
    n_tracks: int
    n_artists: int
    n_annotations: int
    feature_sets: tuple[str, ...]
    data_digest: str
    code_version: str
    versions: Mapping[str, str]
    started_at: str
    seconds: float


@dataclass(frozen=True)
class Report:
    """An experiment's findings, and where they come from."""

    title: str
    question: str
    provenance: Provenance
    findings: Findings
    format: int = field(default=1)

    def to_json(self) -> str:
        """All of it. Same data, code and options: the same text but for times."""
        return json.dumps(_plain(asdict(_estimates_marked(self))), ensure_ascii=False, allow_nan=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what `to_json` wrote; ValueError where another version of this program wrote it."""
        stored = json.loads(text)
        if not isinstance(stored, dict) or stored.get("format") != 1:
            raise ValueError("found a report of another version; expected format 1: run the experiment again")
        findings = stored["findings"]
        return cls(
            title=stored["title"],
            question=stored["question"],
            provenance=Provenance(
                **stored["provenance"] | {"feature_sets": tuple(stored["provenance"]["feature_sets"])}
            ),
            findings=Findings(
                conclusions=tuple(findings["conclusions"]),
                tables=tuple(map(_table, findings["tables"])),
                matrices=tuple(
                    Matrix(each["title"], tuple(map(tuple, each["counts"])), tuple(each["labels"]))
                    for each in findings["matrices"]
                ),
                charts=tuple(map(_chart, findings["charts"])),
                notes=tuple(findings["notes"]),
            ),
        )

    def to_csv(self) -> str:
        """Conclusions, tables, matrices and notes, one under the other, an empty line between; standard errors in own columns."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        about = asdict(self.provenance)
        writer.writerow([_harmless(self.title)])
        writer.writerows(
            [name, _harmless(json.dumps(value) if isinstance(value, dict | tuple) else value)]
            for name, value in about.items()
        )
        writer.writerows([[], *([_harmless(sentence)] for sentence in self.findings.conclusions)])
        for table in self.findings.tables:
            writer.writerows([[], [_harmless(table.title)], *table_rows(table)])
        for matrix in self.findings.matrices:
            labels = [_harmless(label) for label in matrix.labels]
            head = [_harmless(f"{matrix.title}: labelled \\ predicted"), *labels]
            body = ([label, *counts] for label, counts in zip(labels, matrix.counts, strict=True))
            writer.writerows([[], head, *body])
        writer.writerows([[], *(["note", _harmless(note)] for note in self.findings.notes)])
        return out.getvalue()


def table_rows(table: Table) -> Iterator[list[str | int | float]]:
    """A head and rows in which every figure has its own cell: NAME, and NAME (se) where a column holds estimates."""
    has_se = [any(isinstance(row[i], Estimate) for row in table.rows) for i in range(len(table.columns))]
    yield [
        _harmless(name)
        for column, se in zip(table.columns, has_se, strict=True)
        for name in ([column.name, f"{column.name} (se)"] if se else [column.name])
    ]
    for row in table.rows:
        yield [value for cell, se in zip(row, has_se, strict=True) for value in _csv_cells(cell, with_se=se)]


def with_column(table: Table, column: Column, cells: Sequence[Cell], *, after: str) -> Table:
    """The table with one more column, to the right of the one of that name."""
    at = [each.name for each in table.columns].index(after) + 1
    rows = tuple((*row[:at], cell, *row[at:]) for row, cell in zip(table.rows, cells, strict=True))
    return replace(table, columns=(*table.columns[:at], column, *table.columns[at:]), rows=rows)


def matrix(title: str, counts: ArrayLike, labels: Sequence[str] = ()) -> Matrix:
    """A Matrix from an array of counts."""
    rows = tuple(tuple(int(n) for n in row) for row in np.asarray(counts))
    return Matrix(title, rows, tuple(labels)) if labels else Matrix(title, rows)


def _csv_cells(cell: Cell, *, with_se: bool) -> list[str | int | float]:
    value = "" if cell is None else cell.value if isinstance(cell, Estimate) else cell
    value = _harmless(value)
    return [value, cell.se if isinstance(cell, Estimate) else ""] if with_se else [value]


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula with a quote before it; all else as it is."""
    runs = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if runs else value


def _estimates_marked(report: Report) -> Report:
    """asdict() would make a list of an Estimate, which is a tuple."""
    tables = tuple(
        replace(
            table,
            rows=tuple(
                tuple({"value": cell.value, "se": cell.se} if isinstance(cell, Estimate) else cell for cell in row)  # type: ignore[misc]
                for row in table.rows
            ),
        )
        for table in report.findings.tables
    )
    return replace(report, findings=replace(report.findings, tables=tables))


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's, NaN and infinity, which JSON has not, as null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _table(stored: dict[str, Any]) -> Table:
    columns = tuple(Column(**column) for column in stored["columns"])
    rows = tuple(tuple(_cell(cell) for cell in row) for row in stored["rows"])
    return Table(stored["title"], columns, rows, stored["caption"], stored["best"])


def _cell(stored: Any) -> Cell:
    if not isinstance(stored, dict):
        return stored
    return Estimate(*(float("nan") if stored[name] is None else stored[name] for name in ("value", "se")))


def _chart(stored: dict[str, Any]) -> Chart:
    series = tuple(Series(each["name"], *(tuple(each[axis]) for axis in ("x", "y", "se"))) for each in stored["series"])
    return Chart(**stored | {"series": series, "x_names": tuple(stored["x_names"])})
