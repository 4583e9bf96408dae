"""Pages of the queue that begin after a row, not after a number of rows: what others decide meanwhile moves none out of sight."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, F

from annotations.models import Flag, FlagQuerySet
from annotations.models.flags import State
from annotations.review.queue import QueueFilter, after, before, to_id

PAGE_SIZE = 25


class Cursor(NamedTuple):
    """A row that a page begins after, or ends before."""

    suspicion: float
    pk: int

    def __str__(self) -> str:
        return f"{self.suspicion!r},{self.pk}"

    @classmethod
    def of(cls, flag: Flag) -> "Cursor":
        return cls(flag.suspicion, flag.pk)

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

    flags: list[Flag]
    counts: dict[State, int]
    n_earlier: int
    n_rows: int

    @property
    def start(self) -> int:
        return self.n_earlier + 1

    @property
    def end(self) -> int:
        return self.n_earlier + len(self.flags)

    @property
    def next(self) -> Cursor | None:
        """What the next page begins after."""
        return Cursor.of(self.flags[-1]) if self.end < self.n_rows else None

    @property
    def previous(self) -> Cursor | None:
        return Cursor.of(self.flags[0]) if self.n_earlier else None


def page_of(chosen: QueueFilter, query: Mapping[str, str], *, to_show: Callable[[FlagQuerySet], FlagQuerySet]) -> Page:
    """The page that an address asks for; the first where there is nothing (more) to see. `to_show` adds what rows show."""
    flags = list(to_show(chosen.first(_asked_for(query, chosen.flags()), PAGE_SIZE)))
    # Nothing is left there, or above less than a page: then it is the first page, and that is full.
    if len(flags) < (PAGE_SIZE if "before" in query else 1):
        flags = list(to_show(chosen.first(chosen.flags(), PAGE_SIZE)))
    states = chosen.in_any_state().with_state().order_by().values(now=F("state"))
    if flags:
        counted = states.annotate(n=Count("pk"), earlier=Count("pk", filter=before(*Cursor.of(flags[0]))))
    else:
        counted = states.annotate(n=Count("pk"))
    found = {row["now"]: row for row in counted}
    here = found.get(chosen.state, {})
    return Page(
        flags=flags,
        counts={state: found.get(state, {}).get("n", 0) for state in State},
        n_earlier=here.get("earlier", 0),
        n_rows=here.get("n", 0),
    )


def _asked_for(query: Mapping[str, str], rows: FlagQuerySet) -> FlagQuerySet:
    if cursor := Cursor.from_text(query.get("after", "")):
        return rows.filter(after(*cursor))
    if cursor := Cursor.from_text(query.get("before", "")):
        return rows.filter(before(*cursor)).reverse()
    return rows
