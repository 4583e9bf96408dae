"""Text in files that spreadsheets open, which run what looks like a formula. And back, so that nothing is lost on the way."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), behind any apostrophes.
_FORMULA = re.compile(r"'*(?:\s*[=+\-@]|[\t\r\n])")


def defused(cell: Any) -> Any:
    """A text that would be run as a formula with an apostrophe before it; anything else as it is.

    >>> defused("=1+1"), defused(-1.5), defused("'Allo 'Allo")
    ("'=1+1", -1.5, "'Allo 'Allo")
    """
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def as_it_was(cell: str) -> str:
    """What `defused` was given.

    >>> as_it_was("'=1+1"), as_it_was(defused("'=1+1")), as_it_was("'Allo 'Allo")
    ('=1+1', "'=1+1", "'Allo 'Allo")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_lines(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """As CSV, a line at a time, with nothing in it that a spreadsheet would run.

    >>> list(csv_lines(["title", "level"], [["=1+1", 7]]))
    ['title,level\\r\\n', "'=1+1,7\\r\\n"]
    """
    writer = csv.writer(_Echo())
    yield writer.writerow(map(defused, head))
    for row in rows:
        yield writer.writerow(map(defused, row))


class _Echo:
    """What the writer of CSV writes to: gives each line back."""

    def write(self, line: str) -> str:
        return line
