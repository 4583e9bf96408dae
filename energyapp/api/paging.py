"""Pages that begin after a row, not after a number of rows: what is added meanwhile moves nothing out of sight or in twice."""

import base64
import binascii
import json
import math
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.utils.urls import replace_query_param

from energyapp.api.fields import BIGGEST_ID

PAGE_SIZE = 100
MAX_PAGE_SIZE = 200
BAD_CURSOR = "This is no cursor of ours: take the whole of “next” from the page before, or leave it out to begin anew."


def page_of(rows: QuerySet, *, order: tuple[str, ...], query: dict[str, Any], url: str) -> tuple[list[Any], str | None]:
    """The rows that an address asks for, and the address of those that come next.

    Parameters
    ----------
    order
        Names of number columns, "-" before those that fall; together they tell any two rows apart.
    """
    if text := query.get("cursor"):
        rows = rows.filter(_after(_read(text, len(order)), order))
    n_rows = query.get("limit", PAGE_SIZE)
    # One more than the page shows tells whether there is another.
    found = list(rows.order_by(*order)[: n_rows + 1])
    if len(found) <= n_rows:
        return found, None
    last = [getattr(found[n_rows - 1], name.removeprefix("-")) for name in order]
    return found[:n_rows], replace_query_param(url, "cursor", _write(last))


def _after(values: list[float], order: tuple[str, ...]) -> Q:
    """Rows that come later: of the first column, or of the next where that is the same, and so on."""
    name, value = order[0], values[0]
    column, comes_after = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
    later = Q(**{f"{column}__{comes_after}": value})
    if len(order) == 1:
        return later
    # The first condition alone, for the index.
    return Q(**{f"{column}__{comes_after}e": value}) & (later | _after(values[1:], order[1:]))


def _write(values: list[float]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _read(text: str, n_values: int) -> list[float]:
    try:
        values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise ValidationError({"cursor": [BAD_CURSOR]}) from None
    if not isinstance(values, list) or len(values) != n_values or not all(map(_is_number, values)):
        raise ValidationError({"cursor": [BAD_CURSOR]})
    return values


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= BIGGEST_ID and math.isfinite(value)
