"""The page of rules: when a training is asked for by itself, whether its model is put to use by itself, and who said so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotations.http import Request
from annotations.models import User
from modeling.models import RetrainingRules
from modeling.retraining.promotion import ChangedMeanwhile

PAGE_SIZE = 20

rule_permission = permission_required("modeling.add_retrainingrules", raise_exception=True)


class RetrainingRulesForm(forms.ModelForm):
    """Never saved itself: rules are added, as they are history."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = RetrainingRules
        fields = ["schedule", "weekday", "hour", "after_labels", "after_decisions", "promotes_by_itself"]
        labels = {
            "schedule": "By the clock",
            "weekday": "On this day, where it is every week",
            "hour": "At this hour",
            "after_labels": "After so many labels",
            "after_decisions": "Or after so many decisions",
            "promotes_by_itself": "Put a better model to use by itself",
        }
        help_texts = {
            "schedule": "Where nothing has changed since the newest run, its time passes without a training.",
            "after_labels": "New and changed ones since a training was last asked for. Empty: labels alone are no reason.",
            "after_decisions": "Of leads about flags, counted alike.",
            "promotes_by_itself": "Only where its macro-MAE is lower on the evaluation slice, with the whole 95 % interval, and "
            "nothing else is worse. Otherwise people decide.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("schedule", "weekday", "hour", "after_labels", "after_decisions"):
            self.fields[name].widget.attrs["class"] = "input short"


@require_http_methods(["GET", "HEAD", "POST"])
@rule_permission
def retraining_rules(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _rules_page(request)
    form = RetrainingRulesForm(request.POST)
    if not form.is_valid():
        return _rules_page(request, form=form, status=422)
    try:
        saved = set_rules(changed_by=request.user, **form.cleaned_data)
    except ChangedMeanwhile as refusal:
        return _rules_page(request, form=form, problem=str(refusal), status=409)
    if saved.pk == form.cleaned_data["seen"]:
        messages.info(request, "Nothing was changed: these are the rules already.")
        return redirect("retraining_rules")
    messages.success(request, "Saved. The rules hold from now on.")
    return redirect("retraining")


@transaction.atomic
def set_rules(*, changed_by: User, seen: int | None, **values: Any) -> RetrainingRules:
    """From the next minute on these. The same as before change nothing.

    Parameters
    ----------
    seen
        The rules that the admin has changed; None for the defaults.

    Raises
    ------
    ChangedMeanwhile
        There are newer ones.
    """
    before = RetrainingRules.objects.current()
    if before.pk != seen:
        who = before.changed_by.display_name if before.changed_by else "Somebody"
        raise ChangedMeanwhile(
            f"{who} has changed the rules meanwhile: see the history below, then save again what you want."
        )
    if all(getattr(before, name) == value for name, value in values.items()):
        return before
    return RetrainingRules.objects.create(changed_by=changed_by, **values)


def _rules_page(
    request: Request, *, form: RetrainingRulesForm | None = None, problem: str = "", status: int = 200
) -> HttpResponse:
    now = RetrainingRules.objects.current()
    form = form or RetrainingRulesForm(instance=now, initial={"seen": now.pk})
    history = RetrainingRules.objects.select_related("changed_by").order_by("-pk")
    page = Paginator(history, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        # After a refusal what is newer has been seen, on the page that says so.
        "seen": now.pk if problem else form["seen"].value(),
        "page": page,
        "changes": changes_of(list(page)),
        "problem": problem,
    }
    return render(request, "modeling/retraining_rules.html", context, status=status)


def changes_of(rows: Sequence[RetrainingRules]) -> list[dict[str, Any]]:
    """Each of these rules, newest first, with what it changed of those before it; the first of all changed the defaults."""
    if not rows:
        return []
    before = RetrainingRules.objects.filter(pk__lt=rows[-1].pk).order_by("-pk").first() or RetrainingRules()
    older = [*rows[1:], before]
    return [{"rules": new, "said": list(_differences(old, new))} for new, old in zip(rows, older, strict=True)]


def _differences(old: RetrainingRules, new: RetrainingRules) -> Iterable[str]:
    for name in RetrainingRulesForm.Meta.fields:
        was, became = (_word(rules, name) for rules in (old, new))
        if was != became:
            yield f"{RetrainingRulesForm.Meta.labels[name]}: {was} → {became}"


def _word(rules: RetrainingRules, name: str) -> str:
    value = getattr(rules, name)
    if name == "schedule":
        return rules.get_schedule_display().lower()
    if name == "weekday":
        return rules.get_weekday_display()
    if name == "promotes_by_itself":
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def in_words(rules: RetrainingRules) -> list[str]:
    """What the rules say, a sentence each; the first says when, the last what becomes of the model."""
    at = f"{rules.hour:02d}:00"
    clock = {
        RetrainingRules.Schedule.OFF: "",
        RetrainingRules.Schedule.DAILY: f"every day at {at}",
        RetrainingRules.Schedule.WEEKLY: f"every {rules.get_weekday_display()} at {at}",
    }[RetrainingRules.Schedule(rules.schedule)]
    counts = ((rules.after_labels, "labels"), (rules.after_decisions, "decisions"))
    when = [clock, *(f"after {n} new {what}" for n, what in counts if n)]
    said = " or ".join(filter(None, when))
    return [
        f"A training is asked for {said}." if said else "A training is asked for by people only.",
        "A better model is put to use by itself."
        if rules.promotes_by_itself
        else "Which model is in use is for people to say.",
    ]
