"""The page of what to label next: who leads the queue, what that would have saved, the ranking, and where the model is blind."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from annotations.guiding import guidance
from annotations.guiding.stream_sizes import stream_sizes
from annotations.http import Request
from annotations.models import LabellingRules, Stream
from energyapp.jobs import workers
from modeling import services
from modeling.core.acquisition import STRATEGIES
from modeling.core.lab.catalogue import ActiveLearning
from modeling.core.lab.savings import tracks_needed
from modeling.dashboard.chart import as_download
from modeling.lab_report import shown_chart
from modeling.models import Experiment, TrainingRun
from modeling.ranking import coverage
from modeling.ranking.forms import DrawForm, SwitchForm, choices, table
from modeling.ranking.models import Ranking
from modeling.ranking.proof import AS_A_PROOF, EXPERIMENT, Proof, newest_proof
from modeling.ranking.services import NO_STRATEGY, request_ranking, strategy_in_force

NO_MODEL = "No model is in use, so nothing is predicted at any level."

see_permission = permission_required(
    ["annotations.add_assignment", "modeling.view_prediction", "modeling.view_experiment"], raise_exception=True
)
switch_permission = permission_required("annotations.add_labellingrules", raise_exception=True)
ask_permission = permission_required("modeling.add_experiment", raise_exception=True)


@require_safe
@see_permission
def next_tracks(request: Request) -> HttpResponse:
    return _page(request)


# ---- Who leads the queue


@require_POST
@switch_permission
def lead_queue(request: Request) -> HttpResponse:
    """From now on new tracks come as this strategy ranks them, and the ranking is asked for."""
    form = SwitchForm(request.POST, rules=LabellingRules.objects.current())
    if not form.is_valid():
        return _page(request, form=form, status=422)
    try:
        saved = guidance.lead_by(changed_by=request.user, **form.cleaned_data)
    except guidance.NotDone as refusal:
        return _page(request, form=form, problem=str(refusal), status=409)
    if saved.pk == form.cleaned_data["seen"]:
        messages.info(request, "Nothing was changed: new tracks come so already.")
        return redirect("next_tracks")
    request_ranking(requested_by=request.user)
    messages.success(request, f"Saved. {_said(form.cleaned_data['order'])}")
    return redirect("next_tracks")


def _said(order: str) -> str:
    if order == NO_STRATEGY:
        return "From the next track on new ones come at random."
    return f"New tracks come as {order} ranks them, as soon as its ranking is made."


@require_POST
@switch_permission
def rank_again(request: Request) -> HttpResponse:
    request_ranking(requested_by=request.user)
    return redirect(reverse("next_tracks") + "#ranking")


@require_POST
@ask_permission
def find_out(request: Request) -> HttpResponse:
    """Have the labels there are played back by every strategy."""
    services.request_experiment(name=EXPERIMENT, options={}, requested_by=request.user)
    return redirect(reverse("next_tracks") + "#proof")


# ---- Where the model is blind


@require_safe
@see_permission
def assign_some(request: Request) -> HttpResponse:
    """Draw tracks of a predicted level or of a genre, and go where they can be assigned. Nothing is changed before that."""
    form = DrawForm(request.GET)
    if not form.is_valid():
        problems = [str(problem) for of_field in form.errors.values() for problem in of_field]
        return _page(request, problem=" ".join(problems), status=422)
    if genre := form.cleaned_data["genre"]:
        return _to_assignments(request, coverage.draw(coverage.of_genre(genre)), genre.name)
    if (live := TrainingRun.objects.live()) is None:
        return _page(request, problem=NO_MODEL, status=422)
    level = form.cleaned_data["level"]
    return _to_assignments(request, coverage.draw(coverage.of_level(live, level)), f"level {level}")


def _to_assignments(request: Request, drawn: coverage.Drawn, name: str) -> HttpResponse:
    n = len(drawn.track_ids)
    if not n:
        messages.error(request, f"No track of {name} can be assigned: {drawn.why_fewer}.")
        return redirect("next_tracks")
    if drawn.why_fewer:
        messages.info(request, f"All of {name} that can be assigned, {n:,}: {drawn.why_fewer}.")
    return redirect(f"{reverse('assignments')}?{urlencode({'track': drawn.track_ids}, doseq=True)}")


@require_safe
@see_permission
def coverage_csv(request: Request, name: str) -> HttpResponse:
    live = TrainingRun.objects.live()
    if name not in {"levels", "genres"}:
        raise Http404(f"There is no table {name!r}; there are levels and genres.")
    if name == "genres":
        return as_download(coverage.table(coverage.genres(live), name="Genre"), name="coverage-genres")
    if live is None:
        raise Http404(NO_MODEL)
    return as_download(coverage.table(coverage.levels(live), name="Level"), name="coverage-levels")


# ---- The page


def _page(request: Request, *, form: SwitchForm | None = None, problem: str = "", status: int = 200) -> HttpResponse:
    rules, live, proof = LabellingRules.objects.current(), TrainingRun.objects.live(), newest_proof()
    form = form or SwitchForm(rules=rules)
    context = {
        "form": form,
        # After a refusal what is newer has been seen, on the page that says so.
        "seen": rules.pk if problem else form["seen"].value(),
        "problem": problem,
        "rules": rules,
        "choices": choices(proof),
        "is_led": rules.order in STRATEGIES and rules.order != NO_STRATEGY,
        "proof": proof,
        "is_served": workers.serve("train"),
        "live": live,
        "levels": coverage.levels(live) if live else [],
        "genres": coverage.genres(live),
        "few_labels": coverage.FEW_LABELS,
        "large_error": coverage.LARGE_ERROR,
        "n_drawn": coverage.N_DRAWN,
        **_proof_context(proof),
        **_ranking_context(rules),
    }
    return render(request, "ranking/next_tracks.html", context, status=status)


def _proof_context(proof: Proof | None) -> dict[str, Any]:
    asked = Experiment.objects.filter(name=EXPERIMENT, **AS_A_PROOF).select_related("job").defer("report")
    shown: dict[str, Any] = {"asked": asked.order_by("-pk").first(), "n_needed": tracks_needed(ActiveLearning().batch)}
    if proof:
        shown |= {"chart": shown_chart(proof.chart), "proof_table": table(proof)}
    return shown


def _ranking_context(rules: LabellingRules) -> dict[str, Any]:
    """The newest that was asked for, and the one whose places are followed."""
    rankings = Ranking.objects.select_related("job", "run")
    return {
        "newest_ranking": rankings.filter(strategy=strategy_in_force()).order_by("-pk").first(),
        "ranking": rankings.newest(rules.order),
        "n_left": stream_sizes(rules)[Stream.RANKED],
    }
