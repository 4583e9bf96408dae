"""Raising flags: whoever doubts a label says so here. One transaction, safe to repeat."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from annotations.models import Decision, Flag
from annotations.models.flags import NEW_EVIDENCE


@dataclass(frozen=True)
class Accusation:
    """One reason to hear an annotation again, as found by whoever looks for such reasons."""

    annotation_id: int
    reason: Flag.Reason
    expected_level: float
    suspicion: float
    evidence: dict[str, Any]


# Annotation id -> what a lead has decided about it, and how suspicious it was then.
Standing = Mapping[int, tuple[str, float | None]]


@transaction.atomic
def raise_flags(accusations: Iterable[Accusation], *, source: str) -> int:
    """Raise these flags in place of every flag that nobody has decided about yet.

    What was decided is not shown again, and its flags stay as they are; a label that was kept is raised again by a reason
    much stronger than any was then. A flag that is raised again keeps its address: a lead may have it open. Returns how many
    labels wait for a decision.
    """
    # Lock before looking for decisions: leads make them meanwhile, and a flag with one must not go. In the order of ids, as
    # those do who decide about many.
    present = list(Flag.objects.select_for_update().order_by("pk").defer("evidence"))
    decided = Flag.objects.exclude(standing=None).values_list("annotation", "standing__verdict", "standing__suspicion")
    standing = {label: (verdict, suspicion) for label, verdict, suspicion in decided}
    flags = {
        (accusation.annotation_id, accusation.reason): Flag(**vars(accusation), source=source)
        for accusation in accusations
        if _is_news(accusation, standing)
    }
    undecided = [flag for flag in present if _is_news(flag, standing)]
    _withdraw([flag.pk for flag in undecided if (flag.annotation_id, flag.reason) not in flags])
    Flag.objects.bulk_create(
        flags.values(),
        update_conflicts=True,
        unique_fields=["annotation", "reason"],
        update_fields=["expected_level", "suspicion", "evidence", "source", "is_withdrawn"],
    )
    return Flag.objects.open().strongest().count()


def _withdraw(flags: Collection[int]) -> None:
    """What leads have said about a flag, and taken back or said of less, stays, and so does the flag."""
    gone = Flag.objects.filter(pk__in=flags)
    has_history = Exists(Decision.objects.filter(flag=OuterRef("pk")))
    gone.filter(has_history).update(is_withdrawn=True, suspicion=0)
    gone.filter(~has_history).delete()


def _is_news(doubt: Accusation | Flag, standing: Standing) -> bool:
    """Whether nothing is decided about the label, or too little for this doubt."""
    if doubt.annotation_id not in standing:
        return True
    verdict, suspicion = standing[doubt.annotation_id]
    return verdict == Decision.Verdict.KEEP and suspicion is not None and doubt.suspicion > suspicion + NEW_EVIDENCE
