"""Which ended jobs a page shows: a filter, and pages that begin after a row, so that jobs that end meanwhile move none out of sight."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from energyapp.jobs.kinds import KINDS
from energyapp.jobs.models import Job, JobQuerySet

PAGE_SIZE = 25
ENDS = {Job.Status.SUCCEEDED: "done", Job.Status.FAILED: "failed", Job.Status.CANCELLED: "cancelled"}
NOBODY = "nobody"
MAX_DIGITS = 18  # of an id: more than the database can look for
# Of each part of a filter: its menu, what one of it is called, and whether what an address says is one.
_PARTS: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "kind": ("Kind", "kind of job", KINDS.__contains__),
    "state": ("Outcome", "outcome", ENDS.__contains__),
    "by": ("Asked by", "such person", lambda text: text == NOBODY or _to_id(text)),
}


@dataclass(frozen=True)
class JobFilter:
    """By kind, end and who asked; "" is any."""

    kind: str = ""
    state: str = ""
    by: str = ""
    # What of an address does not exist, a sentence each.
    corrections: list[str] = field(default_factory=list, compare=False)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> JobFilter:
        """What an address says. What does not exist is left out, and said in `corrections`."""
        values: dict[str, str] = {}
        corrections = []
        for name, (_, what, is_one) in _PARTS.items():
            text = query.get(name, "").replace("\0", "")
            if text and not is_one(text):
                corrections.append(f"There is no {what} “{text[:40]}”: all show.")
            else:
                values[name] = text
        return cls(**values, corrections=corrections)

    @property
    def query_string(self) -> str:
        return urlencode({name: getattr(self, name) for name in _PARTS if getattr(self, name)})

    def jobs(self) -> JobQuerySet:
        jobs = Job.objects.ended()
        if self.kind:
            jobs = jobs.filter(kind=self.kind)
        if self.state:
            jobs = jobs.filter(status=self.state)
        if self.by == NOBODY:
            return jobs.filter(requested_by=None)
        return jobs.filter(requested_by=_to_id(self.by)) if self.by else jobs

    def selects(self) -> list[dict[str, Any]]:
        """The choices there are, with the chosen one."""
        askers = get_user_model().objects.filter(pk__in=Job.objects.values("requested_by")).order_by("username")
        choices: dict[str, list[tuple[str, str]]] = {
            "kind": [(name, kind.words) for name, kind in KINDS.items()],
            "state": [(str(status), words) for status, words in ENDS.items()],
            "by": [(str(user.pk), str(user)) for user in askers] + [(NOBODY, "nobody: by itself")],
        }
        return [
            {"name": name, "words": _PARTS[name][0], "options": options, "chosen": getattr(self, name)}
            for name, options in choices.items()
        ]


class Cursor(NamedTuple):
    """A job that a page begins after, or ends before."""

    finished_at: dt.datetime
    pk: int

    @classmethod
    def of(cls, job: Job) -> Cursor:
        assert job.finished_at is not None
        return cls(job.finished_at, job.pk)

    def __str__(self) -> str:
        return f"{self.finished_at.isoformat()},{self.pk}"

    @classmethod
    def from_text(cls, text: str) -> Cursor | None:
        at, _, pk = text.partition(",")
        try:
            finished_at = parse_datetime(at)
            is_whole = finished_at is not None and finished_at.tzinfo is not None and _to_id(pk)
            return cls(finished_at.astimezone(dt.UTC), _to_id(pk)) if finished_at and is_whole else None
        except (ValueError, OverflowError):  # OverflowError: in UTC it would be before all time
            return None


@dataclass(frozen=True)
class Page:
    rows: list[Job]
    previous: str = ""
    next: str = ""


def page_of(chosen: JobFilter, query: Mapping[str, str]) -> Page:
    """The page that an address asks for; the first where it asks for none, or for nonsense."""
    jobs = chosen.jobs().select_related("requested_by").defer("error")
    if before := Cursor.from_text(query.get("before", "")):
        newer = jobs.filter(_beyond(before, "gt")).order_by("finished_at", "pk")
        rows, has_more = _cut(newer)
        return _page(rows[::-1], chosen, has_newer=has_more, has_older=True)
    after = Cursor.from_text(query.get("after", ""))
    rows, has_more = _cut(jobs.filter(_beyond(after, "lt")) if after else jobs)
    return _page(rows, chosen, has_newer=after is not None, has_older=has_more)


def _cut(jobs: JobQuerySet) -> tuple[list[Job], bool]:
    rows = list(jobs[: PAGE_SIZE + 1])
    return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE


def _beyond(cursor: Cursor, side: str) -> Q:
    is_further = Q(**{f"finished_at__{side}": cursor.finished_at})
    return is_further | Q(finished_at=cursor.finished_at, **{f"pk__{side}": cursor.pk})


def _page(rows: list[Job], chosen: JobFilter, *, has_newer: bool, has_older: bool) -> Page:
    def address(name: str, job: Job) -> str:
        return f"?{chosen.query_string}&{urlencode({name: str(Cursor.of(job))})}"

    if not rows:
        return Page([])
    return Page(
        rows,
        previous=address("before", rows[0]) if has_newer else "",
        next=address("after", rows[-1]) if has_older else "",
    )


def _to_id(text: str) -> int:
    """0, which no row has, for what is no id."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else 0
