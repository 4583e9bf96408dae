"""The pages of those who watch the model: dashboard, runs, one run, the tracks behind a cell, and each chart as CSV."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, When
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from annotations.http import Request
from annotations.models import LEVELS, Flag
from energyapp.charts import value_bar
from energyapp.jobs import workers
from energyapp.jobs.models import Job
from modeling.dashboard import charts, run_charts
from modeling.dashboard.chart import as_download
from modeling.dashboard.facts import PARTS, Facts
from modeling.dashboard.found import newest_found
from modeling.dashboard.run_charts import Part
from modeling.models import Prediction, TrainingRun
from modeling.permissions import see_runs
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_DECISION, DEFAULT_RECIPE, RECIPE_CHOICES
from modeling.rounds import newest_rounds

PAGE_SIZE = 50
N_RUNS_LISTED = 8


@require_safe
@see_runs
def dashboard(request: Request) -> HttpResponse:
    """Is the model getting better, where is it wrong, for whom, and what is to be done."""
    facts = Facts(request.user)
    by = "day" if request.GET.get("by") == "day" else "week"
    unused = {"day": "labels_by_week", "week": "labels_by_day"}[by]
    context = {
        "facts": facts,
        "n_open_flags": facts.n_open,  # beside "Review", where it would be counted once more
        "run": facts.newest,
        "before": facts.before,
        "standing": facts.standing,
        "live": facts.standing.live,
        "runs": facts.runs[: -N_RUNS_LISTED - 1 : -1],
        "job": Job.objects.filter(kind="train").first(),
        "is_served": workers.serve("train"),
        "by": by,
        "charts": {name: draw(facts) for name, draw in charts.CHARTS.items() if name != unused},
        **_train_choices(facts.newest),
        **(_newest_context(facts, _cells(request)) if facts.newest else {}),
    }
    return render(request, "modeling/dashboard.html", context)


def _newest_context(facts: Facts, cells: run_charts.Cells) -> dict[str, Any]:
    rounds = newest_rounds(facts.runs[:-3:-1])
    return {
        **dict(zip(("newest_round", "last_round"), rounds, strict=False)),
        "found": newest_found(),
        **_part_context(Part(facts.runs[-1], "out_of_fold", cells, facts.names)),
    }


@require_safe
@see_runs
def dashboard_csv(request: Request, name: str) -> HttpResponse:
    if name not in charts.CHARTS:
        raise Http404(f"There is no chart {name!r}; there are {', '.join(charts.CHARTS)}.")
    return as_download(charts.CHARTS[name](Facts(request.user)).table, name=name)


# ---- One run


@require_safe
@see_runs
def run(request: Request, pk: int) -> HttpResponse:
    """Everything one run found."""
    shown = get_object_or_404(TrainingRun.objects.for_dashboard(), pk=pk)
    context: dict[str, Any] = {"run": shown, "job": shown.job, "is_served": workers.serve("train"), "parts": PARTS}
    if part := _part(request, shown):
        context |= _part_context(part) | _model_context(shown)
    return render(request, "modeling/run.html", context)


@require_safe
@see_runs
def run_csv(request: Request, pk: int, name: str) -> HttpResponse:
    part = _part(request, get_object_or_404(TrainingRun.objects.for_dashboard(), pk=pk))
    if part is None or name not in run_charts.CHARTS:
        raise Http404(f"Run {pk} has no chart {name!r}.")
    return as_download(run_charts.CHARTS[name](part).table, name=f"run-{pk}-{name}-{part.name}")


@require_safe
@see_runs
def run_tracks(request: Request, pk: int) -> HttpResponse:
    """The tracks behind a cell of the confusion matrix: labelled `true`, predicted `predicted`.

    Without those that whoever asks is about to label or to review: they must not see what others or a model say.
    """
    shown = get_object_or_404(TrainingRun, pk=pk)
    cell = {name: _level(request.GET.get(name)) for name in ("true", "predicted")}
    part = request.GET.get("part", "out_of_fold")
    predictions = (
        shown.predictions.held_out().filter(part=_stored_as(part)).exclude(track__lease__annotator=request.user)
    )
    if cell["true"]:
        predictions = predictions.filter(true_level=cell["true"])
    if cell["predicted"]:
        predictions = predictions.filter(level=cell["predicted"])
    to_hear = Flag.objects.still_to_hear(request.user).values("of_track")
    predictions = predictions.alias(is_covered=Case(When(track__in=to_hear, then=True), default=False))
    listed = predictions.filter(is_covered=False).select_related("track").defer("track__peaks")
    page = Paginator(listed.order_by("true_level", "track__title", "pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"run": shown, "page": page, "part": part, "n_covered": predictions.filter(is_covered=True).count()}
    return render(request, "modeling/run_tracks.html", context | cell)


def _part(request: Request, shown: TrainingRun) -> Part | None:
    """The one that is asked for, else the first there is; None of a run without results."""
    there = [name for name in PARTS if name in (shown.metrics or {})]
    asked = request.GET.get("part", "")
    return Part(shown, asked if asked in there else there[0], _cells(request)) if there else None


def _cells(request: Request) -> run_charts.Cells:
    return "counts" if request.GET.get("cells") == "counts" else "shares"


def _part_context(part: Part) -> dict[str, Any]:
    """Charts of one held-out part of a run."""
    return {
        "part": part.name,
        "part_description": PARTS[part.name],
        "metrics": part.metrics,
        "cells": part.cells,
        "part_charts": {name: draw(part) for name, draw in run_charts.CHARTS.items()},
    }


def _train_choices(newest: TrainingRun | None) -> dict[str, Any]:
    """What can be asked of a training; chosen is what the newest run was asked, so that the two can be compared."""
    recipe = newest.recipe if newest else DEFAULT_RECIPE
    decision = newest.options.get("decision") if newest else None
    return {
        "recipes": RECIPE_CHOICES.items(),
        "recipe": recipe if recipe in RECIPE_CHOICES else DEFAULT_RECIPE,
        "decisions": DECISION_CHOICES.items(),
        "decision": decision or DEFAULT_DECISION,
        "decision_words": _words(decision or DEFAULT_DECISION),
    }


def _model_context(shown: TrainingRun) -> dict[str, Any]:
    """What the whole run says of its model. Runs of earlier versions lack some of it."""
    details, importance = shown.results.get("details", {}), shown.results.get("importance")
    return {
        "decision_words": _words(shown.options.get("decision", "")),
        "race": details.get("race"),
        "judged_by": "MAE" if details.get("judged_by") == "mae" else "macro-MAE",
        "importance": importance
        and importance | {kind: _with_bars(importance[kind]) for kind in ("by_set", "by_feature")},
        "notes": shown.results.get("notes", []),
        "versions": shown.results.get("versions", {}).items(),
    }


def _words(decision: str) -> str:
    return DECISION_CHOICES.get(decision, decision).split(":")[0]


def _with_bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    largest = max([row["increase"] for row in rows], default=0)
    return [
        row | {"bar": value_bar(max(0.0, row["increase"]), maximum=largest if largest > 0 else 1.0)} for row in rows
    ]


def _stored_as(part: str) -> str:
    return Prediction.Part.SLICE if part == "slice" else Prediction.Part.OUT_OF_FOLD


def _level(value: str | None) -> int | None:
    return int(value) if value and value in map(str, LEVELS) else None
