"""Pages of the queue that begin after a row, not after a number of rows: what others decide meanwhile moves none out of sight."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import F

from annotations.review.queue import QueueFilter, to_id

PAGE_SIZE = 25


class Cursor(NamedTuple):
    """A row that a page begins after, or ends before."""

    suspicion: float
    pk: int

    def __str__(self) -> str:
        return f"{self.suspicion!r},{self.pk}"

    @classmethod
    def from_text(cls, text: str) -> "Cursor | None":
        suspicion, _, pk = text.partition(",")
        try:
            cursor = cls(float(suspicion), to_id(pk))
        except ValueError:
            return None
        return cursor if math.isfinite(cursor.suspicion) and cursor.pk else None


@dataclass(frozen=True)
class Page:
    """Some rows of the queue, where they are in it, and how many labels are in each state."""

    rows: list[Cursor]
    n_earlier: int
    counts: Counter[str]
    n_rows: int

    @property
    def start(self) -> int:
        return self.n_earlier + 1

    @property
    def end(self) -> int:
        return self.n_earlier + len(self.rows)

    @property
    def next(self) -> Cursor | None:
        """What the next page begins after."""
        return self.rows[-1] if self.end < self.n_rows else None

    @property
    def previous(self) -> Cursor | None:
        return self.rows[0] if self.n_earlier else None


def page_of(chosen: QueueFilter, query: Mapping[str, str]) -> Page:
    """The page that an address asks for; the first where there is nothing (more) to see.

    Rows and counts come from one look at all labels under the filter: to find where a page begins and what comes before it,
    the database has to say of each anyway in which state it is.
    """
    labels = list(
        chosen.in_any_state().with_state().order_by("-suspicion", "pk").values_list("suspicion", "pk", F("state"))
    )
    rows = [(suspicion, pk) for suspicion, pk, state in labels if state == chosen.state]
    start = _start(query, rows)
    page = list(map(Cursor._make, rows[start : start + PAGE_SIZE]))
    return Page(page, start, Counter(state for *_, state in labels), len(rows))


def _start(query: Mapping[str, str], rows: list[tuple[float, int]]) -> int:
    if cursor := Cursor.from_text(query.get("after", "")):
        start = bisect_right(rows, _place(cursor), key=_place)
        return start if start < len(rows) else 0
    if cursor := Cursor.from_text(query.get("before", "")):
        return max(0, bisect_left(rows, _place(cursor), key=_place) - PAGE_SIZE)
    return 0


def _place(row: tuple[float, int]) -> tuple[float, int]:
    """What the queue is sorted by."""
    suspicion, pk = row
    return -suspicion, pk
