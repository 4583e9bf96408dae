"""The page of review rules: from where on a label is flagged, and who has changed that."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotations.http import Request
from annotations.models import ReviewRules, User

PAGE_SIZE = 20

rule_permission = permission_required("annotations.add_reviewrules", raise_exception=True)


class ChangedMeanwhile(Exception):
    """Somebody has changed the rules since the page was opened."""


class ReviewRulesForm(forms.ModelForm):
    """Never saved itself: rules are added, as they are history."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = ReviewRules
        fields = ["share", "count", "too_fast_s", "gold_missed_by"]
        labels = {
            "share": "Labels that the model may doubt, %",
            "count": "Or a number of labels",
            "too_fast_s": "Answered too fast below, s",
            "gold_missed_by": "Gold missed from, levels",
        }
        help_texts = {
            "share": "Those farthest from what it expects: 2 means “review the top 2 %”.",
            "count": "In place of the share, where it is given: 100 means “review the top 100”.",
            "too_fast_s": "From getting a track to the answer.",
            "gold_missed_by": "From the level that leads have agreed on.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input short"


@require_http_methods(["GET", "HEAD", "POST"])
@rule_permission
def review_rules(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _rules_page(request)
    form = ReviewRulesForm(request.POST)
    if not form.is_valid():
        return _rules_page(request, form=form, status=422)
    try:
        saved = set_rules(changed_by=request.user, **form.cleaned_data)
    except ChangedMeanwhile as refusal:
        return _rules_page(request, form=form, problem=str(refusal), status=409)
    if saved.pk == form.cleaned_data["seen"]:
        messages.info(request, "Nothing was changed: these are the rules already.")
    else:
        messages.success(request, "Saved. The next training flags labels by these rules.")
    return redirect("review_rules")


@transaction.atomic
def set_rules(*, changed_by: User, seen: int | None, **values: Any) -> ReviewRules:
    """From the next search for suspects on these. The same as before change nothing.

    Parameters
    ----------
    seen
        The rules that the lead has changed; None for the defaults.

    Raises
    ------
    ChangedMeanwhile
        There are newer ones.
    """
    before = ReviewRules.objects.current()
    if before.pk != seen:
        who = before.changed_by.display_name if before.changed_by else "Somebody"
        raise ChangedMeanwhile(
            f"{who} has changed the rules meanwhile: see the history below, then save again what you want."
        )
    if all(getattr(before, name) == value for name, value in values.items()):
        return before
    return ReviewRules.objects.create(changed_by=changed_by, **values)


def _rules_page(
    request: Request, *, form: ReviewRulesForm | None = None, problem: str = "", status: int = 200
) -> HttpResponse:
    now = ReviewRules.objects.current()
    form = form or ReviewRulesForm(instance=now, initial={"seen": now.pk})
    history = ReviewRules.objects.select_related("changed_by").order_by("-pk")
    page = Paginator(history, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        # After a refusal what is newer has been seen, on the page that says so.
        "seen": now.pk if problem else form["seen"].value(),
        "page": page,
        "changes": _changes(page),
        "problem": problem,
    }
    return render(request, "annotations/review_rules.html", context, status=status)


def _changes(page: "Page[ReviewRules]") -> list[dict[str, Any]]:
    """Each of these rules with what it changed of those before it; the first of all changed the defaults."""
    if not (rows := list(page)):
        return []
    before = ReviewRules.objects.filter(pk__lt=rows[-1].pk).order_by("-pk").first() or ReviewRules()
    older = [*rows[1:], before]
    return [{"rules": new, "said": list(_differences(old, new))} for new, old in zip(rows, older, strict=True)]


def _differences(old: ReviewRules, new: ReviewRules) -> Iterable[str]:
    for name in ReviewRulesForm.Meta.fields:
        was, became = getattr(old, name), getattr(new, name)
        if was != became:
            yield f"{ReviewRulesForm.base_fields[name].label}: {_word(was)} → {_word(became)}"


def _word(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
