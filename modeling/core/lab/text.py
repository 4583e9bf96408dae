"""A report as plain text, for a terminal."""

import math
from collections.abc import Iterator

from modeling.core.estimates import Estimate
from modeling.core.lab.report import Cell, Column, Kind, Matrix, Report, Table

DECIMALS: dict[Kind, int] = {"levels": 3, "share": 2, "number": 3, "seconds": 1}


def report_text(report: Report) -> str:
    """Conclusions, tables, matrices, notes, provenance."""
    findings, about = report.findings, report.provenance
    parts = [f"{report.title}: {report.question}", *findings.conclusions]
    parts += ["\n" + table_text(table) for table in findings.tables]
    parts += ["\n" + matrix_text(matrix) for matrix in findings.matrices]
    parts += ["", *(f"Note: {note}." for note in findings.notes)]
    parts += [
        f"{about.n_tracks} tracks, {about.n_artists} artists; options {dict(about.options)}; data {about.data_digest[:16]};"
        f" code {about.code_version}; {about.seconds:.0f} s"
    ]
    return "\n".join(parts)


def table_text(table: Table) -> str:
    """Columns as wide as their widest cell, figures to the right."""
    cells = [[column.name for column in table.columns]]
    cells += [[cell_text(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_aligned(row, widths, table.columns)).rstrip() for row in cells]
    return "\n".join([table.title, *lines, *([table.caption] if table.caption else [])])


def cell_text(cell: Cell, column: Column) -> str:
    """As people read it: `0.93 ± 0.04`."""
    if cell is None:
        return ""
    if isinstance(cell, Estimate):
        digits = DECIMALS.get(column.kind, 3)
        value = f"{cell.value:.{digits}f}"
        return value if math.isnan(cell.se) else f"{value} ± {cell.se:.{digits}f}"
    if isinstance(cell, float):
        return f"{cell:.{DECIMALS.get(column.kind, 3)}f}"
    return f"{cell:,}" if isinstance(cell, int) and column.kind == "count" else str(cell)


def matrix_text(matrix: Matrix) -> str:
    """Counts; labels down, predictions across."""
    rows = [["", *matrix.labels]]
    rows += [[label, *map(str, counts)] for label, counts in zip(matrix.labels, matrix.counts, strict=True)]
    width = max(len(cell) for row in rows for cell in row)
    return "\n".join([f"{matrix.title} (labels down, predictions across)", *(_row(row, width) for row in rows)])


def _row(row: list[str], width: int) -> str:
    return " ".join(f"{cell:>{width}}" for cell in row)


def _aligned(row: list[str], widths: list[int], columns: tuple[Column, ...]) -> Iterator[str]:
    for cell, width, column in zip(row, widths, columns, strict=True):
        yield f"{cell:<{width}}" if column.kind == "text" else f"{cell:>{width}}"
