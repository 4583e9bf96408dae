"""Raising flags: whoever doubts a label says so here. One transaction, safe to repeat."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from annotations.models import Flag


@dataclass(frozen=True)
class Accusation:
    """One reason to hear an annotation again, as found by whoever looks for such reasons."""

    annotation_id: int
    reason: Flag.Reason
    expected_level: float
    suspicion: float
    evidence: dict[str, Any]


@transaction.atomic
def raise_flags(accusations: Iterable[Accusation], *, source: str) -> int:
    """Raise these flags in place of every flag that nobody has decided about yet.

    A flag with a decision stays as it is: what was decided is not shown again. One that is raised again keeps its
    address: a lead may have it open. Returns how many wait for a decision.
    """
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
    }
    # Lock before looking for decisions: leads make them meanwhile, and a flag with one must not go.
    present = {
        (flag.annotation_id, flag.reason): flag.pk for flag in Flag.objects.select_for_update().defer("evidence")
    }
    decided = set(Flag.objects.exclude(decisions=None).values_list("annotation_id", "reason"))
    withdrawn = present.keys() - flags.keys() - decided
    Flag.objects.filter(pk__in=[present[key] for key in withdrawn]).delete()
    Flag.objects.bulk_create(
        [flag for key, flag in flags.items() if key not in decided],
        update_conflicts=True,
        unique_fields=["annotation", "reason"],
        update_fields=["expected_level", "suspicion", "evidence", "source"],
    )
    return Flag.objects.open().count()
