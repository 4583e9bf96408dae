"""Raising flags: whoever doubts a label says so here. One transaction, safe to repeat."""

from collections.abc import Iterable, Mapping
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


# Annotation id -> what holds of it.
Standing = Mapping[int, Decision]


@transaction.atomic
def raise_flags(accusations: Iterable[Accusation], *, source: str) -> int:
    """Raise these flags in place of every flag that nobody has decided about yet.

    What was decided is not shown again, and its flags stay as they are; a label that was kept is raised again by a reason
    much stronger than any was then. A flag that is raised again keeps its address: a lead may have it open. Returns how many
    labels wait for a decision.
    """
    # Lock before looking for decisions: leads make them meanwhile, and a flag with one must not go. In the order of ids, as
    # those do who decide about many.
    has_history = Exists(Decision.objects.filter(flag=OuterRef("pk")))
    present = list(Flag.objects.select_for_update().order_by("pk").defer("evidence"))
    standing = {
        decision.flag.annotation_id: decision for decision in Decision.objects.standing().select_related("flag")
    }
    flags = {
        (accusation.annotation_id, accusation.reason): Flag(
            annotation_id=accusation.annotation_id,
            reason=accusation.reason,
            expected_level=accusation.expected_level,
            suspicion=accusation.suspicion,
            evidence=accusation.evidence,
            source=source,
        )
        for accusation in accusations
        if _is_news(accusation, standing)
    }
    gone = Flag.objects.filter(
        pk__in=[
            flag.pk for flag in present if _is_news(flag, standing) and (flag.annotation_id, flag.reason) not in flags
        ]
    )
    gone.filter(has_history).update(is_withdrawn=True, suspicion=0)
    gone.filter(~has_history).delete()
    Flag.objects.bulk_create(
        flags.values(),
        update_conflicts=True,
        unique_fields=["annotation", "reason"],
        update_fields=["expected_level", "suspicion", "evidence", "source", "is_withdrawn"],
    )
    return Flag.objects.open().strongest().count()


def _is_news(doubt: Accusation | Flag, standing: Standing) -> bool:
    """Whether nothing is decided about the label, or too little for this doubt."""
    decision = standing.get(doubt.annotation_id)
    if decision is None:
        return True
    if decision.verdict != Decision.Verdict.KEEP or decision.suspicion is None:
        return False
    return doubt.suspicion > decision.suspicion + NEW_EVIDENCE
