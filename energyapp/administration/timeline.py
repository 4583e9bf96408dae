"""One time line of who did what, out of every table that remembers it. Nothing is stored twice.

Each source is asked for a page by time and id, and the pages are merged: a page costs as many small queries as there are
sources, however long history is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Q

from annotations.models import User
from energyapp.administration.sources import SOURCES, Entry

PAGE_SIZE = 40


class Cursor(NamedTuple):
    """The entry that a page begins after."""

    at: dt.datetime
    rank: int
    pk: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()},{self.rank},{self.pk}"

    @classmethod
    def from_text(cls, text: str) -> Cursor | None:
        at, _, place = text.partition(",")
        try:
            rank, pk = map(int, place.split(","))
            moment = dt.datetime.fromisoformat(at)
            is_whole = moment.tzinfo is not None and 0 < pk < 2**63
            return cls(moment.astimezone(dt.UTC), rank, pk) if is_whole else None
        except (ValueError, OverflowError):  # OverflowError: in UTC it would be before all time
            return None


@dataclass(frozen=True)
class Asked:
    """What of history is wanted."""

    kinds: frozenset[str]
    person: User | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def page(self, after: Cursor | None, size: int = PAGE_SIZE) -> list[Entry]:
        """The newest that are older than the cursor."""
        wanted = ((rank, source) for rank, source in enumerate(SOURCES) if source.kind in self.kinds)
        found = [entry for rank, source in wanted for entry in self._of(rank, after, size)]
        return sorted(found, key=lambda entry: (entry.at, -entry.rank, entry.pk), reverse=True)[:size]

    def all(self) -> Iterator[Entry]:
        """Everything, page by page."""
        after = None
        while page := self.page(after, size=500):
            yield from page
            after = cursor_at(page[-1])

    def _of(self, rank: int, after: Cursor | None, size: int) -> list[Entry]:
        source = SOURCES[rank]
        rows = source.rows().filter(self._times(source.at))
        if self.person:
            rows = rows.filter(source.of(self.person))
        if after:
            # Of two at the same moment the one of the earlier source comes first, and the newer of one source.
            at_once = {source.at: after.at}
            rows = rows.filter(
                Q(**{f"{source.at}__lt": after.at})
                | (
                    Q(**at_once, pk__lt=after.pk)
                    if rank == after.rank
                    else Q(**at_once)
                    if rank > after.rank
                    else Q(pk=None)
                )
            )
        return source.entries(rank, list(rows.order_by(f"-{source.at}", "-pk")[:size]))

    def _times(self, at: str) -> Q:
        since = Q(**{f"{at}__gte": self.since}) if self.since else Q()
        return since & (Q(**{f"{at}__lt": self.until}) if self.until else Q())


def cursor_at(entry: Entry) -> Cursor:
    return Cursor(entry.at, entry.rank, entry.pk)
