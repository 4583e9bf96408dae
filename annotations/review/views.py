"""The pages of leads: review queue, review page, annotators."""

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotations.annotator_statistics import annotator_statistics
from annotations.forms import DecisionForm, OpinionForm
from annotations.http import Request
from annotations.levels import levels_of
from annotations.models import LEVELS, Annotation, Decision, Flag, FlagQuerySet, Track, User
from annotations.review import decisions
from energyapp.charts import level_histogram, share_bar

PAGE_SIZE = 25
# Half of the scale's width fills the suspicion bar: labels that are farther off than that are rare.
FULL_BAR_LEVELS = 5

see_flags = permission_required("annotations.view_flag", raise_exception=True)
decide_permission = permission_required("annotations.add_decision", raise_exception=True)


@require_safe
@see_flags
def review_queue(request: Request) -> HttpResponse:
    """Flags by suspicion, in one of three states."""
    flags = Flag.objects.reviewable_by(request.user).heard_by(request.user)
    states = {"open": flags.open(), "second opinion": flags.awaiting_second_opinion(), "resolved": flags.resolved()}
    state = request.GET.get("state", "open")
    state = state if state in states else "open"
    shown = states[state]
    if query := request.GET.get("q", "").replace("\0", "").strip():
        shown = _search(shown, query)
    shown = shown.for_queue().prefetch_related("decisions__decided_by")
    page = Paginator(shown, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [
        {
            "flag": flag,
            "bar": share_bar(min(1.0, flag.suspicion / FULL_BAR_LEVELS)),
            "gap": flag.annotation.level - flag.expected_level,
        }
        for flag in page
    ]
    counts = {name: queryset.count() for name, queryset in states.items()}
    context = {
        "page": page,
        "rows": rows,
        "counts": counts,
        "state": state,
        "query": query,
        "n_decisions": Decision.objects.count(),
    }
    return render(request, "annotations/review_queue.html", context)


def _search(flags: FlagQuerySet, query: str) -> FlagQuerySet:
    return flags.filter(
        Q(annotation__track__title__icontains=query)
        | Q(annotation__track__artist__icontains=query)
        # Or the search would say who is accused before the reviewer has listened.
        | Q(annotation__annotator__alias__icontains=query, is_heard=True)
        | Q(annotation__annotator__username__icontains=query, is_heard=True)
    )


@require_safe
@see_flags
def review(request: Request, pk: int) -> HttpResponse:
    """One flag: listen and say what you hear; then the evidence, and the decision."""
    return _review_page(request, _flag(pk))


@require_POST
@decide_permission
def give_opinion(request: Request, pk: int) -> HttpResponse:
    flag, form = _flag(pk), OpinionForm(request.POST)
    if not form.is_valid():
        return _review_page(request, flag, problem="Choose a level from 1 to 10.", status=422)
    decisions.give_blind_opinion(reviewer=request.user, track=flag.annotation.track, **form.cleaned_data)
    return _review_page(request, flag) if request.htmx else redirect("review", pk=pk)


@require_POST
@decide_permission
def decide(request: Request, pk: int) -> HttpResponse:
    flag, form = _flag(pk), DecisionForm(request.POST)
    if not form.is_valid():
        return _review_page(request, flag, problem=_problem(form), status=422)
    try:
        decision = decisions.decide(reviewer=request.user, flag=flag, **form.cleaned_data)
    except (decisions.OwnLabel, decisions.NoBlindOpinion, decisions.DecidedMeanwhile) as refusal:
        return _review_page(request, flag, problem=str(refusal), status=409)
    except decisions.FlagGone as withdrawn:
        messages.info(request, str(withdrawn))
        return redirect("review_queue")
    messages.success(request, f"{flag.annotation.track}: {_said(decision)}.")
    following = Flag.objects.open().reviewable_by(request.user).for_queue().first()
    return redirect("review", pk=following.pk) if following else redirect("review_queue")


def _problem(form: DecisionForm) -> str:
    return " ".join(str(error) for error in form.non_field_errors()) or "Choose a level from 1 to 10."


def _said(decision: Decision) -> str:
    changed = decision.verdict == Decision.Verdict.CHANGE
    return f"changed to {decision.level}" if changed else decision.get_verdict_display()


def _flag(pk: int) -> Flag:
    return get_object_or_404(Flag.objects.for_queue(), pk=pk)


def _review_page(request: Request, flag: Flag, *, problem: str = "", status: int = 200) -> HttpResponse:
    template = "annotations/_review.html" if request.htmx else "annotations/review.html"
    track = flag.annotation.track
    opinion = decisions.blind_opinion(reviewer=request.user, track=track)
    is_own = flag.annotation.annotator_id == request.user.pk
    context = {
        "flag": flag,
        "track": track,
        "levels": [(level, "") for level in LEVELS],
        "submission_id": uuid4(),
        "opinion": opinion,
        "is_own": is_own,
        "problem": problem,
        # Nothing of the evidence is even computed before the blind opinion: no template can leak it.
        **(_evidence(flag) if opinion and not is_own else {}),
    }
    return render(request, template, context, status=status)


def _evidence(flag: Flag) -> dict[str, Any]:
    track, evidence = flag.annotation.track, flag.evidence
    annotations = Annotation.objects.current().filter(track=track).select_related("annotator").order_by("created_at")
    belief = evidence.get("belief")
    history = list(Decision.objects.filter(flag__annotation__track=track).select_related("decided_by", "flag"))
    return {
        "evidence": evidence,
        "annotations": annotations,
        "level_now": levels_of(Annotation.objects.counted().filter(track=track))[track.pk],
        "neighbours": _neighbours(evidence),
        "belief_chart": belief and level_histogram([100 * share for share in belief], label="Model belief, per cent"),
        "history": history,
        "newest_decision": history[0] if history else None,
        "is_settled": Flag.objects.resolved().filter(pk=flag.pk).exists(),
    }


def _neighbours(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    similarity = {row["track"]: row["similarity"] for row in evidence.get("neighbours", [])}
    tracks = Track.objects.defer("peaks").prefetch_related("genres").in_bulk(similarity)
    levels = levels_of(Annotation.objects.counted().filter(track__in=tracks))
    return [
        {"track": tracks[pk], "level": levels.get(pk), "similarity": value}
        for pk, value in similarity.items()
        if pk in tracks
    ]


@require_safe
@see_flags
def annotators(request: Request) -> HttpResponse:
    """How each annotator uses the scale, against the pool of everybody's labels."""
    statistics = annotator_statistics()
    people = User.objects.in_bulk([row.annotator_id for row in statistics.annotators])
    rows = [
        {
            "person": people[row.annotator_id],
            "statistics": row,
            "chart": level_histogram(
                row.counts,
                outline=statistics.pool,
                label=f"Labels of {people[row.annotator_id].display_name}",
                size="mini",
            ),
        }
        for row in statistics.annotators
    ]
    return render(request, "annotations/annotators.html", {"rows": rows, "statistics": statistics})
