"""The page of rules: what admins set for everybody, the list that new tracks may come by, and who has changed what."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from annotations.guiding import guidance
from annotations.guiding.forms import ListForm, RulesForm, orders
from annotations.guiding.stream_sizes import stream_sizes
from annotations.guiding.track_lists import Findings, find, left_out_for_page, to_being_new
from annotations.http import Request
from annotations.models import LabellingRules, RankedTrack, Stream
from annotations.queue import strategy_of

PAGE_SIZE = 20

rule_permission = permission_required("annotations.add_labellingrules", raise_exception=True)
STREAM_OF = dict(
    zip(LabellingRules.SHARES, [Stream.SECOND, Stream.REPEAT, Stream.GOLD, Stream.EVALUATION], strict=True)
)


@require_http_methods(["GET", "HEAD", "POST"])
@rule_permission
def rules(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _rules_page(request)
    form = RulesForm(request.POST)
    if not form.is_valid():
        return _rules_page(request, form=form, status=422)
    try:
        saved = guidance.set_rules(changed_by=request.user, **form.cleaned_data)
    except guidance.NotDone as refusal:
        return _rules_page(request, form=form, problem=str(refusal), status=409)
    if saved.pk == form.cleaned_data["seen"]:
        messages.info(request, "Nothing was changed: these are the rules already.")
    else:
        messages.success(request, "Saved. From the next track on these rules hold.")
    return redirect("rules")


@require_POST
@rule_permission
def list_tracks(request: Request) -> HttpResponse:
    """A list of tracks for the order by list. Taken at once only if nothing of it has to be left out."""
    form = ListForm(request.POST, request.FILES)
    if not form.is_valid():
        return _rules_page(request, list_form=form, status=422)
    findings = find(form.cleaned_data["listed"], objection=to_being_new)
    if not findings.taken:
        return _rules_page(request, list_form=form, findings=findings, status=422)
    name = guidance.propose_list(proposed_by=request.user, track_ids=findings.taken)
    if findings.left_out:
        return _rules_page(request, list_form=form, findings=findings, proposal=name, status=422)
    return _take(request, name)


@require_POST
@rule_permission
def take_list(request: Request) -> HttpResponse:
    """Take what was found of a list, without the rest."""
    return _take(request, request.POST.get("proposal", ""))


def _take(request: Request, name: str) -> HttpResponse:
    try:
        n_tracks = guidance.take_list(proposed_by=request.user, name=name.replace("\0", ""))
    except guidance.NotDone as refusal:
        return _rules_page(request, problem=str(refusal), status=409)
    messages.success(request, f"The list is in place: {n_tracks:,} tracks.")
    if LabellingRules.objects.current().order != guidance.LIST_ORDER:
        messages.info(request, "It is followed once the order of new tracks is “by list”.")
    return redirect("rules")


def _rules_page(
    request: Request,
    *,
    form: RulesForm | None = None,
    list_form: ListForm | None = None,
    findings: Findings | None = None,
    proposal: str = "",
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    now = LabellingRules.objects.current()
    form = form or RulesForm(instance=now, initial={"seen": now.pk})
    n_listed = RankedTrack.objects.filter(order=guidance.LIST_ORDER).count()
    history = LabellingRules.objects.select_related("changed_by").order_by("-pk")
    page = Paginator(history, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        # After a refusal what is newer has been seen, on the page that says so.
        "seen": now.pk if problem else form["seen"].value(),
        "orders": orders(now),
        "strategy": strategy_of(now),
        "random_share": now.random_share,
        "list_form": list_form or ListForm(),
        "left_out": left_out_for_page(findings) if findings else [],
        "findings": findings,
        "proposal": proposal,
        "n_listed": n_listed,
        "lacks_list": now.order == guidance.LIST_ORDER and not n_listed,
        "page": page,
        "changes": _changes(page),
        "problem": problem,
        **_streams(form, now),
    }
    return render(request, "annotations/rules.html", context, status=status)


def _streams(form: RulesForm, now: LabellingRules) -> dict[str, Any]:
    sizes = stream_sizes(now)
    rows = [
        {
            "field": form[name],
            "n": sizes[stream],
            "unit": "old enough label" if stream == Stream.REPEAT else "track",
            "is_idle": getattr(now, name) and not sizes[stream],
        }
        for name, stream in STREAM_OF.items()
    ]
    counts = {"n_new": sizes[Stream.NEW], "n_ranked": sizes[Stream.RANKED]}
    return {"streams": rows, "remainder": form.remainder(), **counts}


def _changes(page: "Page[LabellingRules]") -> list[dict[str, Any]]:
    """Each of these rules with what it changed of those before it; the first of all changed the defaults."""
    if not (rows := list(page)):
        return []
    before = LabellingRules.objects.filter(pk__lt=rows[-1].pk).order_by("-pk").first() or LabellingRules()
    older = [*rows[1:], before]
    return [{"rules": new, "said": list(_differences(old, new))} for new, old in zip(rows, older, strict=True)]


def _differences(old: LabellingRules, new: LabellingRules) -> Iterable[str]:
    for name in [*RulesForm.Meta.fields, "random_share"]:
        was, became = getattr(old, name), getattr(new, name)
        if was != became:
            yield f"{RulesForm.words_of(name)}: {_word(was)} → {_word(became)}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
