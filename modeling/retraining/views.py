"""The page of retraining: what is due and why, what a training would learn, the newest run beside the one in use, and its doors."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotations.http import Request
from energyapp.jobs import workers
from energyapp.jobs.models import Job
from modeling import services
from modeling.forms import TrainForm
from modeling.models import Promotion, RetrainingRules, TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, RECIPE_CHOICES
from modeling.retraining import rules as rules_page
from modeling.retraining.automatic import facts, way_of_learning
from modeling.retraining.champion import standing
from modeling.retraining.changes import changes_since
from modeling.retraining.due import due
from modeling.retraining.forms import PromoteForm
from modeling.retraining.preview import preview

PAGE_SIZE = 10
N_CHANGES_SHOWN = 3

see_runs = permission_required("modeling.view_trainingrun", raise_exception=True)
train_permission = permission_required("modeling.add_trainingrun", raise_exception=True)
promote_permission = permission_required("modeling.add_promotion", raise_exception=True)


@require_safe
@see_runs
def retraining(request: Request) -> HttpResponse:
    return _page(request)


@require_safe
@see_runs
def retraining_preview(request: Request) -> HttpResponse:
    """What a training would learn from: asked for by the page once it is there, as counting takes longer than all the rest."""
    template = "modeling/_retraining_preview.html" if request.htmx else "modeling/retraining_preview.html"
    return render(request, template, {"preview": preview()})


@require_POST
@train_permission
def retrain(request: Request) -> HttpResponse:
    form = TrainForm(request.POST)
    if not form.is_valid():
        problems = [str(problem) for of_field in form.errors.values() for problem in of_field]
        return _page(request, problem=" ".join(problems), status=422)
    services.request_training(requested_by=request.user, **form.cleaned_data)
    return redirect("retraining")


@require_POST
@promote_permission
def put_to_use(request: Request) -> HttpResponse:
    """Promote, or go back: the run that is named, in place of the one that the page had shown as being in use."""
    form = PromoteForm(request.POST)
    if not form.is_valid():
        return _page(request, problem="There is no such run: choose one of those below.", status=422)
    run = form.cleaned_data["run"]
    try:
        services.promote(run=run, promoted_by=request.user, instead_of=form.cleaned_data["instead_of"])
    except (services.NotPromotable, services.ChangedMeanwhile) as refusal:
        return _page(request, problem=str(refusal), status=409)
    messages.success(request, f"Run {run.pk} is now in use. It predicts the tracks that it has not seen.")
    return redirect("retraining")


def _page(request: Request, *, problem: str = "", status: int = 200) -> HttpResponse:
    known, shown = facts(), standing()
    newest = shown.challenger or shown.live
    promotions = Promotion.objects.select_related("run", "promoted_by").order_by("-pk")
    changed_rules = RetrainingRules.objects.select_related("changed_by").order_by("-pk")
    context = {
        "problem": problem,
        "due": due(known),
        "rules": rules_page.in_words(known.rules),
        "rule_changes": rules_page.changes_of(list(changed_rules[:N_CHANGES_SHOWN])),
        "newest": newest,
        "changes": changes_since(newest),
        "standing": shown,
        "job": Job.objects.filter(kind="train").first(),
        "predicting": Job.objects.filter(kind="predict").first(),
        "is_served": workers.serve("train"),
        "page": Paginator(promotions, PAGE_SIZE).get_page(request.GET.get("page")),
        **_choices(shown.live),
    }
    return render(request, "modeling/retraining.html", context, status=status)


def _choices(live: TrainingRun | None) -> dict[str, Any]:
    """What can be asked of a training; chosen is what is in use, so that the two can be compared."""
    chosen = way_of_learning(live)
    return {
        **chosen,
        "recipes": RECIPE_CHOICES.items(),
        "decisions": DECISION_CHOICES.items(),
        "decision_words": DECISION_CHOICES[chosen["decision"]].split(":")[0],
    }
