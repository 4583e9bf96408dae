"""Text in files that spreadsheets open, which run what looks like a formula. And back, so that nothing is lost on the way."""

from __future__ import annotations

import re
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
