"""The review page: one flagged label, the reviewer's blind opinion of the track, the evidence, the decision."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from annotations.forms import DecisionForm, OpinionForm, UndoForm
from annotations.http import Request
from annotations.models import LEVELS, Flag
from annotations.review import decisions
from annotations.review.evidence import evidence_for
from annotations.review.queue import QueueFilter

see_flags = permission_required("annotations.view_flag", raise_exception=True)
decide_permission = permission_required("annotations.add_decision", raise_exception=True)


def about_a_flag(view: Callable[[Request, Flag], HttpResponse]) -> Callable[[Request, int], HttpResponse]:
    """Gives the view its flag. Flags go: a lead may have this one open, or a link to it."""

    @wraps(view)
    def with_flag(request: Request, pk: int) -> HttpResponse:
        flag = Flag.objects.for_queue().filter(pk=pk).first()
        return view(request, flag) if flag else _gone(request)

    return with_flag


@require_safe
@see_flags
@about_a_flag
def review(request: Request, flag: Flag) -> HttpResponse:
    """Listen and say what you hear; then the evidence, and the decision."""
    return _page(request, flag)


@require_POST
@decide_permission
@about_a_flag
def give_opinion(request: Request, flag: Flag) -> HttpResponse:
    form = OpinionForm(request.POST)
    if not form.is_valid():
        return _page(request, flag, problem="Choose a level from 1 to 10.", status=422)
    decisions.give_blind_opinion(reviewer=request.user, track=flag.annotation.track, **form.cleaned_data)
    return _page(request, flag) if request.htmx else redirect(_address(request, "review", flag.pk))


@require_POST
@decide_permission
@about_a_flag
def decide(request: Request, flag: Flag) -> HttpResponse:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, flag, problem=form.problem, status=422)
    try:
        decision = decisions.decide(reviewer=request.user, flag=flag, **form.cleaned_data)
    except decisions.FlagGone:
        return _gone(request)
    except (decisions.OwnLabel, decisions.NoBlindOpinion, decisions.DecidedMeanwhile) as refusal:
        return _page(request, flag, problem=str(refusal), status=409)
    messages.success(
        request,
        render_to_string("annotations/_decided.html", {"decision": decision, "query": _query(request)}, request),
    )
    following = _filter(request).after(flag)
    return redirect(_address(request, "review", following.pk) if following else _address(request, "review_queue"))


@require_POST
@decide_permission
@about_a_flag
def undo(request: Request, flag: Flag) -> HttpResponse:
    """Take back what was decided about the flag's label; then it can be decided otherwise."""
    form = UndoForm(request.POST)
    decision = flag.decisions.filter(pk=form.cleaned_data["decision"]).first() if form.is_valid() else None
    if decision is None:
        return _page(request, flag, problem="There is no such decision to undo; look at the history.", status=422)
    try:
        undone = decisions.undo(reviewer=request.user, decision=decision)
    except (decisions.OwnLabel, decisions.DecidedMeanwhile) as refusal:
        return _page(request, flag, problem=str(refusal), status=409)
    messages.success(request, render_to_string("annotations/_undone.html", {"decision": decision, "undone": undone}))
    return redirect(_address(request, "review", flag.pk))


def _gone(request: Request) -> HttpResponse:
    """Nothing can be kept about a flag that is gone; what was typed is shown once more."""
    note = request.POST.get("note", "").strip()
    message = "This label is no longer doubted: a newer training has withdrawn the flag, so there is nothing to decide."
    messages.info(request, f"{message} Your note was: “{note}”" if note else message)
    queue = _address(request, "review_queue")
    return HttpResponseClientRedirect(queue) if request.htmx else redirect(queue)


def _filter(request: Request) -> QueueFilter:
    return QueueFilter.from_query(request.GET, request.user)


def _query(request: Request) -> str:
    """What an address ends with, so that the reviewer stays within their filter."""
    query = _filter(request).query_string
    return f"?{query}" if query else ""


def _address(request: Request, name: str, *args: int) -> str:
    return reverse(name, args=args) + _query(request)


def _page(request: Request, flag: Flag, *, problem: str = "", status: int = 200) -> HttpResponse:
    template = "annotations/_review.html" if request.htmx else "annotations/review.html"
    opinion = decisions.blind_opinion(reviewer=request.user, track=flag.annotation.track)
    is_own = flag.annotation.annotator_id == request.user.pk
    context = {
        "flag": flag,
        "track": flag.annotation.track,
        "levels": [(level, "") for level in LEVELS],
        "submission_id": uuid4(),
        "opinion": opinion,
        "is_own": is_own,
        "problem": problem,
        "note": request.POST.get("note", ""),
        "query": _query(request),
        **({} if request.htmx else _way(_filter(request), flag)),
        # Nothing of the evidence is even computed before the blind opinion: no template can leak it.
        **(evidence_for(flag, reviewer=request.user) if opinion and not is_own else {}),
    }
    return render(request, template, context, status=status)


def _way(chosen: QueueFilter, flag: Flag) -> dict[str, Any]:
    """Where the flag is among those that the reviewer goes through."""
    return {
        "place": chosen.place(flag),
        "next": chosen.after(flag),
        "previous": chosen.before(flag),
    }
