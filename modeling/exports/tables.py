"""What can be taken out, by name. Rows come in chunks, so that memory does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

CHUNK_ROWS = 2_000

Row = Sequence[Any]


@dataclass(frozen=True)
class Column:
    """`kind`: text, integer, number, boolean or time."""

    name: str
    kind: str = "text"


@dataclass(frozen=True)
class Options:
    is_pseudonymous: bool = False
    feature_set: str = ""


@dataclass(frozen=True)
class Table:
    """
    Attributes
    ----------
    columns, rows, count
        Of an export with these options. Rows come as chunks, aligned with the columns; `count` is for the progress bar.
    """

    name: str
    words: str
    about: str
    columns: Callable[[Options], tuple[Column, ...]]
    rows: Callable[[Options], Iterator[list[Row]]]
    count: Callable[[Options], int]


def chunks(rows: QuerySet[Any, Any], *, key: str = "pk") -> Iterator[list[Any]]:
    """All rows of a `values_list` whose first value is `key`, in its order.

    A query for each chunk: a cursor that stays open would keep SQLite from writing meanwhile, be it the job's own progress.
    """
    last = 0
    while chunk := list(rows.filter(**{f"{key}__gt": last}).order_by(key)[:CHUNK_ROWS]):
        yield chunk
        last = chunk[-1][0]


def texts(*names: str) -> Iterable[Column]:
    return (Column(name) for name in names)
