"""The numbers behind a drawing: a table beside it for who cannot see it, and CSV for who wants to go on with them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from django.utils.safestring import SafeString, mark_safe

from energyapp.charts.bars import value_bar
from energyapp.charts.svg import join, tag
from energyapp.spreadsheets import defused

NOTHING = "–"
END = "</td>"
CSV_DECIMALS = 6

Kind = Literal["text", "count", "number", "signed", "level"]


@dataclass(frozen=True)
class Column:
    """What stands in a column, and how it is written. Without a kind it is text; of numbers so many decimals are shown.

    Attributes
    ----------
    has_bar
        A bar beside each number, the largest of the column being as long as a bar gets.
    """

    name: str
    kind: Kind = "text"
    n_decimals: int = 2
    has_bar: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of values as they are: None is a value that nobody knows.

    Attributes
    ----------
    hrefs : a row each, optional
        Where its first cell leads.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    hrefs: Sequence[str | None] = field(default=())

    def __post_init__(self) -> None:
        if wrong := [row for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(f"found a row of {len(wrong[0])} cells; expected {len(self.columns)}")
        if self.hrefs and len(self.hrefs) != len(self.rows):
            raise ValueError(f"found {len(self.hrefs)} links; expected one a row, {len(self.rows)}")

    def html(self) -> SafeString:
        """The first cell of each row names it. Drawn here and not by a template: of 600 cells that takes a tenth of the time."""
        largest = [self._largest(number) if column.has_bar else 0.0 for number, column in enumerate(self.columns)]
        heads = (tag("th", column.name, scope="col", class_=_class(column)) for column in self.columns)
        hrefs = self.hrefs or [None] * len(self.rows)
        # Opened once a column and not for each of its cells, of which a page has more than a thousand.
        opened = [tag("td", "", class_=_class(column)).removesuffix(END) for column in self.columns]
        rows = (tag("tr", *self._cells(row, href, largest, opened)) for row, href in zip(self.rows, hrefs, strict=True))
        return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows, ""), class_="table")

    def csv(self) -> str:
        """A line of names, a line a row; what a spreadsheet would run as a formula is defused."""
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow([defused(column.name) for column in self.columns])
        writer.writerows([[defused(_raw(value)) for value in row] for row in self.rows])
        return written.getvalue()

    def _largest(self, number: int) -> float:
        return max((abs(row[number]) for row in self.rows if _is_known(row[number])), default=0.0)

    def _cells(
        self, row: Sequence[Any], href: str | None, largest: Sequence[float], opened: Sequence[str]
    ) -> Iterator[SafeString]:
        for number, (column, value) in enumerate(zip(self.columns, row, strict=True)):
            shown = _shown(column, value)
            if not number:
                yield tag("th", tag("a", shown, href=href) if href else shown, scope="row", class_="name")
                continue
            if largest[number] and _is_known(value):
                shown = join([shown, " ", value_bar(abs(value), maximum=largest[number])])
            yield mark_safe(f"{opened[number]}{join([shown])}{END}")


def _class(column: Column) -> str | None:
    if column.kind in ("text", "level"):
        return None
    return "right number with-bar" if column.has_bar else "right number"


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _shown(column: Column, value: Any) -> SafeString | str:
    if not _is_known(value):
        return NOTHING
    return WRITTEN[column.kind](value, column.n_decimals)


def signed(value: float, n_decimals: int = 1) -> str:
    """A difference as it is set in print: always with its sign, unless it rounds to nothing.

    >>> signed(0.44), signed(-3.81), signed(-0.04), signed(-0.04, 2)
    ('+0.4', '−3.8', '0.0', '−0.04')
    """
    rounded = round(value, n_decimals)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.{n_decimals}f}"


def _level(value: int, _: int) -> SafeString:
    return tag("span", str(value), class_=f"level level-{value}")


WRITTEN: Mapping[Kind, Callable[[Any, int], SafeString | str]] = {
    "text": lambda value, _: f"{value:%d %b %Y}" if isinstance(value, date) else str(value),
    "count": lambda value, _: f"{value:,}",
    "number": lambda value, n_decimals: f"{value:.{n_decimals}f}",
    "signed": signed,
    "level": _level,
}


def _raw(value: Any) -> Any:
    if not _is_known(value):
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return round(value, CSV_DECIMALS) if isinstance(value, float) else value
