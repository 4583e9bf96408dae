"""What was last found out about annotators: made by a worker, stored as one row, read by the pages."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone

from annotations.annotators import together
from annotations.annotators.measures import measure
from annotations.annotators.pace import pace
from annotations.annotators.reading import read_labels
from annotations.models import Annotation, AnnotatorReport, Decision, Reference, ReviewRules
from annotations.review.outline import level_counts
from annotations.review.precision import is_confirmed

VERSION = 3
"""Of the content. A report of another version is made anew, and no page reads it."""

THE_ONE = 1


def newest() -> AnnotatorReport | None:
    """What pages show; None before the first was made by this version. To be read, not changed: it is kept between requests."""
    made_at = AnnotatorReport.objects.filter(pk=THE_ONE).values_list("made_at", flat=True).first()
    return _read(made_at) if made_at else None


@lru_cache(maxsize=1)
def _read(made_at: datetime) -> AnnotatorReport | None:
    """Kept, because of a thousand annotators it is more than a megabyte, and to parse that takes as long as the rest of a page."""
    return AnnotatorReport.objects.filter(pk=THE_ONE, made_at=made_at, content__version=VERSION).first()


def refresh() -> bool:
    """Make the report, if anything it is made of has changed since the last: whether it had.

    What it knows of is asked first: a label that comes while it reads is either in it, or makes the next one differ.
    """
    known = _known()
    if (last := newest()) and last.content["known"] == known:
        return False
    return _store(known, {"version": VERSION, "known": known, **make()})


def is_current() -> bool:
    last = newest()
    return last is not None and last.content["known"] == _known()


def make() -> dict[str, Any]:
    """The content, from every label there is; `annotators` by their number of labels, most first."""
    rules = ReviewRules.objects.current()
    empty = {"annotators": [], "n_labels": 0, "too_fast_s": rules.too_fast_s}
    if (read := read_labels()) is None:
        return empty
    labels, ids = read
    seconds = labels.answered_s[np.isfinite(labels.answered_s)]
    matrix, partners = together.matrix_and_partners(labels, ids)
    decided, confirmed = _flags_decided()
    measured = measure(labels, too_fast_s=rules.too_fast_s)
    annotators = [
        {"id": pk, **of_one, "partners": with_whom, "flags": {"n": decided[pk], "confirmed": confirmed[pk]}}
        for pk, of_one, with_whom in zip(ids, measured, partners, strict=True)
    ]
    return {
        **empty,
        "annotators": sorted(annotators, key=lambda each: (-each["n_labels"], each["id"])),
        "n_labels": len(labels.current.level),
        "median_s": round(float(np.median(seconds)), 2) if len(seconds) else None,
        "repeats": _over_all(labels.level - labels.before),
        "agreement": together.overall(labels),
        "matrix": matrix,
        "groups": together.groups(labels, ids),
        "levels": level_counts(),
        "pace": pace(labels, ids, now=timezone.now()),
    }


def _known() -> dict[str, Any]:
    """Numbers that change whenever anything does that the report tells of."""
    gold = Reference.objects.filter(use=Reference.Use.GOLD).order_by("track").values_list("track", "level")
    return {
        # With their number: of two transactions the later id can come to light first.
        "annotations": list(Annotation.objects.aggregate(newest=Max("pk"), n=Count("pk")).values()),
        "decisions": list(Decision.objects.aggregate(newest=Max("pk"), n=Count("pk")).values()),
        "gold": sha256(json.dumps(list(gold)).encode()).hexdigest(),
        "too_fast_s": ReviewRules.objects.current().too_fast_s,
    }


@transaction.atomic
def _store(known: dict[str, Any], content: dict[str, Any]) -> bool:
    """Of two that were made at once the one that knows more stays."""
    newest_annotation, newest_decision = known["annotations"][0] or 0, known["decisions"][0] or 0
    last = AnnotatorReport.objects.select_for_update().defer("content").filter(pk=THE_ONE).first()
    if last and (last.newest_annotation, last.newest_decision) > (newest_annotation, newest_decision):
        return False
    AnnotatorReport.objects.update_or_create(
        pk=THE_ONE,
        defaults={
            "made_at": timezone.now(),
            "newest_annotation": newest_annotation,
            "newest_decision": newest_decision,
            "content": content,
        },
    )
    return True


def _flags_decided() -> tuple[Counter[int], Counter[int]]:
    """By annotator: how many of their flagged labels leads have heard and decided on, and how many of these they changed
    or left out."""
    heard = Decision.objects.standing().filter(
        blind_level__isnull=False,
        verdict__in=[Decision.Verdict.KEEP, Decision.Verdict.CHANGE, Decision.Verdict.DROP],
    )
    decided, confirmed = Counter[int](), Counter[int]()
    for annotator, labelled, verdict, level in heard.values_list(
        "flag__annotation__annotator", "flag__annotation__level", "verdict", "level"
    ):
        decided[annotator] += 1
        confirmed[annotator] += is_confirmed(verdict=verdict, level=level, labelled=labelled)
    return decided, confirmed


def _over_all(differences: Any) -> dict[str, Any]:
    known = np.abs(differences[np.isfinite(differences)])
    return {"n": len(known), "value": round(float(known.mean()), 3) if len(known) else None}
