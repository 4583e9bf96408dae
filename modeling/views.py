"""The pages of those who watch the model: dashboard, run, the tracks behind a cell, and the retrain button."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Case, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from annotations.http import Request
from annotations.models import LEVELS, Annotation, Flag
from energyapp.charts import Point, confusion_matrix, level_histogram, line_with_band, value_bar
from energyapp.jobs import workers
from energyapp.jobs.models import Job
from modeling import services
from modeling.forms import TrainForm
from modeling.models import Prediction, TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_DECISION, DEFAULT_RECIPE, RECIPE_CHOICES
from modeling.rounds import rounds_of

PAGE_SIZE = 50
N_RUNS_DRAWN = 60

PARTS = {
    "out_of_fold": "Out-of-fold: every development track, predicted by a model that had seen neither it nor, where it is known, its artist",
    "slice": "Evaluation slice: a fifth of the tracks, never flagged, never learnt from before the final model",
}

see_runs = permission_required("modeling.view_trainingrun", raise_exception=True)
train_permission = permission_required("modeling.add_trainingrun", raise_exception=True)
promote_permission = permission_required("modeling.add_promotion", raise_exception=True)


@require_safe
@see_runs
def dashboard(request: Request) -> HttpResponse:
    """Is the model getting better, where is it wrong, and what runs now."""
    runs = list(TrainingRun.objects.succeeded().for_dashboard().order_by("-pk")[:N_RUNS_DRAWN])[::-1]
    run, before = (runs[-1] if runs else None), (runs[-2] if len(runs) > 1 else None)
    context = {
        "run": run,
        "before": before,
        "runs": runs[::-1][:10],
        "live": TrainingRun.objects.live(),
        "job": Job.objects.filter(kind="train").first(),
        "is_served": workers.serve("train"),
        "n_labels": Annotation.objects.current().count(),
        "trend_chart": _trend_chart(runs),
        **_round_context(runs[:-3:-1]),
        **_train_choices(run),
        **(_part_context(run, "out_of_fold") if run else {}),
    }
    return render(request, "modeling/dashboard.html", context)


@require_safe
@see_runs
def run(request: Request, pk: int) -> HttpResponse:
    """Everything one run found."""
    shown = get_object_or_404(TrainingRun.objects.for_dashboard(), pk=pk)
    part = request.GET.get("part", "out_of_fold")
    context: dict[str, Any] = {"run": shown, "job": shown.job, "is_served": workers.serve("train"), "parts": PARTS}
    if shown.metrics:
        context |= _part_context(shown, part if part in shown.metrics and part in PARTS else "out_of_fold")
        context |= _model_context(shown)
    return render(request, "modeling/run.html", context)


@require_safe
@see_runs
def run_tracks(request: Request, pk: int) -> HttpResponse:
    """The tracks behind a cell of the confusion matrix: labelled `true`, predicted `predicted`.

    Without those that whoever asks is about to label or to review: they must not see what others or a model say.
    """
    shown = get_object_or_404(TrainingRun, pk=pk)
    cell = {name: _level(request.GET.get(name)) for name in ("true", "predicted")}
    part = request.GET.get("part", "out_of_fold")
    predictions = shown.predictions.held_out().filter(part=_part_of(part)).exclude(track__lease__annotator=request.user)
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


@require_POST
@train_permission
def train(request: Request) -> HttpResponse:
    form = TrainForm(request.POST)
    if form.is_valid():
        services.request_training(requested_by=request.user, **form.cleaned_data)
    else:
        messages.error(request, " ".join(str(problem) for of_field in form.errors.values() for problem in of_field))
    return redirect("dashboard")


@require_POST
@promote_permission
def promote(request: Request, pk: int) -> HttpResponse:
    chosen = get_object_or_404(TrainingRun.objects.select_related("job"), pk=pk)
    try:
        services.promote(run=chosen, promoted_by=request.user)
    except services.NotPromotable as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{chosen} is now in use.".capitalize())
    return redirect("run", pk=pk)


def _round_context(newest: list[TrainingRun]) -> dict[str, Any]:
    return dict(zip(("newest_round", "last_round"), rounds_of(newest), strict=False))


def _part_context(shown: TrainingRun, part: str) -> dict[str, Any]:
    """Charts and tables of one held-out part of a run."""
    metrics = shown.results[part]
    tracks_url = reverse("run_tracks", args=[shown.pk])
    genres = sorted(metrics["by_genre"], key=lambda genre: genre["mae"])
    largest = max([genre["mae"] for genre in genres], default=0) or 1
    return {
        "part": part,
        "part_description": PARTS[part],
        "metrics": metrics,
        "matrix_chart": confusion_matrix(
            metrics["confusion_matrix"],
            label="Confusion matrix",
            href=lambda true, predicted: f"{tracks_url}?part={part}&true={true}&predicted={predicted}",
        ),
        "matrix_rows": list(zip(LEVELS, metrics["confusion_matrix"], strict=True)),
        "genres": [{**genre, "bar": value_bar(genre["mae"], maximum=largest)} for genre in genres],
        "levels_chart": level_histogram(
            [sum(row) for row in metrics["confusion_matrix"]],
            outline=[sum(column) for column in zip(*metrics["confusion_matrix"], strict=True)],
            label="Tracks by level",
        ),
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


def _trend_chart(runs: list[TrainingRun]) -> str:
    """Macro-MAE by run: out-of-fold with its interval, the evaluation slice dashed."""
    if not runs:
        return ""
    return line_with_band(
        [_point(run, "out_of_fold") for run in runs],
        second=[_point(run, "slice") if "slice" in run.results else None for run in runs],
        second_label="evaluation slice",
        label="Macro-MAE by run",
    )


def _point(shown: TrainingRun, part: str) -> Point:
    low, high = shown.results[part]["macro_mae_interval"]
    return Point(str(shown.pk), shown.results[part]["macro_mae"], low, high, reverse("run", args=[shown.pk]))


def _part_of(part: str) -> str:
    return Prediction.Part.SLICE if part == "slice" else Prediction.Part.OUT_OF_FOLD


def _level(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and int(value) in LEVELS else None
