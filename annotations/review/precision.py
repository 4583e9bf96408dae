"""How often each reason to doubt a label has been right so far."""

from typing import NamedTuple

from django.db.models import F

from annotations.models import Decision, Flag

# The last of each reason: what finds suspects changes, and so does how good it is.
N_LAST = 50
# Of all reasons together, from the newest on: of a rare one fewer are found, and the words say how many.
N_LOOKED_THROUGH = 1000


class Precision(NamedTuple):
    """Of the last decisions about flags with one reason, where the lead had listened."""

    n_confirmed: int = 0
    n_decided: int = 0

    def __str__(self) -> str:
        if not self.n_decided:
            return "none decided yet"
        last = f"the last {self.n_decided}" if self.n_decided == N_LAST else f"{self.n_decided}"
        return f"{self.n_confirmed} of {last} confirmed"


def is_confirmed(*, verdict: str, level: int | None, labelled: int) -> bool:
    """Whether a decision says that the label was wrong: it was changed to another level, or dropped."""
    return verdict == Decision.Verdict.DROP or (verdict == Decision.Verdict.CHANGE and level != labelled)


def precision_by_reason() -> dict[str, Precision]:
    """Reason -> precision. Confirmed: the label was changed to another level, or dropped. To exclude a track says nothing."""
    verdicts = [Decision.Verdict.KEEP, Decision.Verdict.CHANGE, Decision.Verdict.DROP]
    decided = Flag.objects.filter(
        standing__verdict__in=verdicts,
        standing__blind_level__isnull=False,
        # Nothing stood by it any more when the lead decided.
        is_withdrawn=False,
        # What was found afterwards the lead has not been shown.
        created_at__lte=F("standing__created_at"),
    )
    newest = decided.order_by("-standing_id")[:N_LOOKED_THROUGH]
    found = dict.fromkeys(Flag.Reason.values, Precision())
    for reason, verdict, level, labelled in newest.values_list(
        "reason", "standing__verdict", "standing__level", "annotation__level"
    ):
        n_confirmed, n_decided = found[reason]
        if n_decided < N_LAST:
            was_right = is_confirmed(verdict=verdict, level=level, labelled=labelled)
            found[reason] = Precision(n_confirmed + was_right, n_decided + 1)
    return found
