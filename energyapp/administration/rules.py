"""What people set on pages: three tables of rules, each with its page, its newest row and its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery

from annotations.guiding.forms import RulesForm
from annotations.models import LabellingRules, ReviewRules
from annotations.review.rules import ReviewRulesForm
from modeling.models import RetrainingRules


class Rules(NamedTuple):
    """One of the tables. Labels of its columns are those of the page that sets them."""

    title: str
    model: Any  # rows have changed_by and created_at, and are only added to
    page: str
    permission: str
    labels: dict[str, str]

    def now(self) -> list[tuple[str, str]]:
        """Each setting and its value."""
        current = self.model.objects.current()
        return [(label, _word(current, name)) for name, label in self.labels.items()]

    def differences(self, old: Any, new: Any) -> Iterator[str]:
        for name, label in self.labels.items():
            if getattr(old, name) != getattr(new, name):
                yield f"{label}: {_word(old, name)} → {_word(new, name)}"

    def said(self, rows: Sequence[Any]) -> list[str]:
        """What each of these rows changed of the one before it; the first of all changed the defaults."""
        before = self.model.objects.filter(pk__lt=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        known = self.model.objects.filter(pk__in=[row.pk for row in rows]).annotate(before=Subquery(before))
        previous = dict(known.values_list("pk", "before"))
        old = self.model.objects.in_bulk([pk for pk in previous.values() if pk])
        return [
            "; ".join(self.differences(old.get(previous[row.pk]) or self.model(), row)) or "set the defaults"
            for row in rows
        ]


def _labels(form: Any) -> dict[str, str]:
    return {name: form.base_fields[name].label or name for name in form.Meta.fields}


def _word(row: Any, name: str) -> str:
    value = getattr(row, name)
    if hasattr(row, f"get_{name}_display"):
        return str(getattr(row, f"get_{name}_display")())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


_RETRAINING = {
    "schedule": "Schedule",
    "weekday": "Day of the week",
    "hour": "Hour",
    "after_labels": "After so many new labels",
    "after_decisions": "After so many new decisions",
    "promotes_by_itself": "Better models are put to use by themselves",
}
# One of them is set on the page of what to label next.
_LABELLING = _labels(RulesForm) | {"random_share": RulesForm.words_of("random_share")}
RULES = [
    Rules("Labelling rules", LabellingRules, "rules", "annotations.add_labellingrules", _LABELLING),
    Rules("Review rules", ReviewRules, "review_rules", "annotations.add_reviewrules", _labels(ReviewRulesForm)),
    Rules("Retraining", RetrainingRules, "retraining", "modeling.add_retrainingrules", _RETRAINING),
]
