"""The page on which everybody who reviews sees what it brought."""

from collections.abc import Sequence

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from annotations.http import Request
from energyapp.charts import Point, line_with_band
from modeling.dashboard.facts import N_RUNS_DRAWN
from modeling.models import TrainingRun
from modeling.permissions import see_runs
from modeling.rounds import ENOUGH_TRACKS, rounds_of

PAGE_SIZE = 10


@require_safe
@see_runs
def rounds(request: Request) -> HttpResponse:
    """Each run that succeeded, what leads made of its flags, and what that brought: newest first."""
    runs = TrainingRun.objects.succeeded().for_dashboard()
    page = Paginator(runs.order_by("-pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    shown = list(page)
    next_run = runs.filter(pk__gt=shown[0].pk).first() if page.has_previous() else None
    context = {
        "page": page,
        "rounds": rounds_of(shown, next_run=next_run),
        "chart": _chart(list(runs.order_by("-pk")[:N_RUNS_DRAWN])[::-1]),
        "enough_tracks": ENOUGH_TRACKS,
    }
    return render(request, "modeling/rounds.html", context)


def _chart(runs: Sequence[TrainingRun]) -> str:
    """Macro-MAE on the evaluation slice by run, with its interval; out-of-fold dashed."""
    drawn = [run for run in runs if "slice" in run.results]
    if not drawn:
        return ""
    return line_with_band(
        [_point(run, "slice") for run in drawn],
        second=[_point(run, "out_of_fold") for run in drawn],
        second_label="out-of-fold",
        label="Macro-MAE on the evaluation slice by run",
    )


def _point(run: TrainingRun, part: str) -> Point:
    low, high = run.results[part]["macro_mae_interval"]
    return Point(str(run.pk), run.results[part]["macro_mae"], low, high, reverse("run", args=[run.pk]))
