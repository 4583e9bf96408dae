"""The tables that remember who did what, each with its words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from annotations.models import AnnotatorExclusion, Decision, User
from energyapp.administration.rules import RULES, Rules
from energyapp.audit.models import AuditEntry
from energyapp.jobs.models import Job, JobLine
from modeling.models import Promotion

# Name -> what it holds.
KINDS = {
    "people": "people and access",
    "settings": "settings",
    "models": "models in use",
    "training": "left out of training",
    "jobs": "jobs",
    "decisions": "decisions on labels",
}
# Decisions are daily work, many a day: shown when asked for.
USUAL = frozenset(KINDS) - {"decisions"}


@dataclass(frozen=True)
class Entry:
    """A line of the time line."""

    at: dt.datetime
    rank: int
    pk: int
    kind: str
    by: str
    what: str
    href: str = ""


@dataclass(frozen=True)
class Source:
    """One table: which rows, when, who, and what they say."""

    kind: str
    rows: Callable[[], QuerySet[Any]]
    say: Callable[[Sequence[Any]], Iterable[tuple[str, str]]]
    """Words and an address (or "") for each of these rows."""
    at: str = "created_at"
    by: str = "changed_by"
    of: Callable[[User], Q] = lambda person: Q(changed_by=person)
    """Those by, or about, a person."""

    def entries(self, rank: int, rows: list[Any]) -> list[Entry]:
        said = self.say(rows) if rows else []
        return [
            Entry(getattr(row, self.at), rank, row.pk, self.kind, _name(getattr(row, self.by, None)), what, href)
            for row, (what, href) in zip(rows, said, strict=True)
        ]


def _name(user: User | None) -> str:
    return user.display_name if user else ""


def _of_rules(rules: Rules) -> Source:
    def say(rows: Sequence[Any]) -> Iterable[tuple[str, str]]:
        return [(f"{rules.title}. {said}", reverse(rules.page)) for said in rules.said(rows)]

    return Source("settings", lambda: rules.model.objects.select_related("changed_by"), say)


def _administrative(rows: Sequence[AuditEntry]) -> Iterable[tuple[str, str]]:
    for entry in rows:
        detail = ", ".join(f"{name}: {_words(value)}" for name, value in entry.detail.items())
        yield f"{entry.action.capitalize()}: {entry.subject}" + (f" ({detail})" if detail else ""), ""


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _promotions(rows: Sequence[Promotion]) -> Iterable[tuple[str, str]]:
    for promotion in rows:
        by_itself = "" if promotion.promoted_by_id else ", by itself"
        yield f"Run {promotion.run_id} was put to use{by_itself}", reverse("run", args=[promotion.run_id])


def _exclusions(rows: Sequence[AnnotatorExclusion]) -> Iterable[tuple[str, str]]:
    for said in rows:
        done = "left out of training" if said.is_excluded else "taken back into training"
        note = f": “{said.note}”" if said.note else ""
        yield f"{said.annotator.display_name} was {done}{note}", reverse("annotator", args=[said.annotator_id])


def _jobs_asked(rows: Sequence[Job]) -> Iterable[tuple[str, str]]:
    return [(f"{job.words} (job {job.pk}) was asked for", reverse("job", args=[job.pk])) for job in rows]


def _jobs_stopped_and_begun_again(rows: Sequence[JobLine]) -> Iterable[tuple[str, str]]:
    return [
        (
            f"{line.job.words} (job {line.job_id}) {_DONE[line.text.split()[0]]}. {line.text}",
            reverse("job", args=[line.job_id]),
        )
        for line in rows
    ]


# By the first word of what a job's log says of it: one that is begun again is not called off any more, but had been.
_DONE = {"Cancelled": "was called off", "Asked": "was begun again"}


def _decisions(rows: Sequence[Decision]) -> Iterable[tuple[str, str]]:
    """Without levels: who reads this may still have to hear the track."""
    for decision in rows:
        track = decision.flag.annotation.track
        verdict = "A decision was undone" if decision.undoes_id else f"Decided: {decision.get_verdict_display()}"
        yield f"{verdict} ({track})", reverse("review", args=[decision.flag_id])


SOURCES = [
    Source(
        "people",
        lambda: AuditEntry.objects.select_related("by"),
        _administrative,
        by="by",
        of=lambda person: Q(by=person) | Q(subject=person.username),
    ),
    *map(_of_rules, RULES),
    Source(
        "models",
        lambda: Promotion.objects.select_related("promoted_by"),
        _promotions,
        by="promoted_by",
        of=lambda person: Q(promoted_by=person),
    ),
    Source(
        "training",
        lambda: AnnotatorExclusion.objects.select_related("decided_by", "annotator"),
        _exclusions,
        by="decided_by",
        of=lambda person: Q(decided_by=person) | Q(annotator=person),
    ),
    Source(
        "jobs",
        lambda: Job.objects.exclude(requested_by=None).select_related("requested_by"),
        _jobs_asked,
        by="requested_by",
        of=lambda person: Q(requested_by=person),
    ),
    Source(
        "jobs",
        lambda: JobLine.objects.filter(
            Q(text__startswith="Cancelled by ") | Q(text__startswith="Asked for again by ")
        ).select_related("job"),
        _jobs_stopped_and_begun_again,
        at="at",
        by="",  # a log keeps the name in its words only
        of=lambda person: (
            Q(text__startswith=f"Cancelled by {person.display_name},")
            | Q(text=f"Asked for again by {person.display_name}.")
        ),
    ),
    Source(
        "decisions",
        lambda: Decision.objects.select_related("decided_by", "flag__annotation__track"),
        _decisions,
        by="decided_by",
        of=lambda person: Q(decided_by=person),
    ),
]
