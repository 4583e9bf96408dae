"""Two runs side by side."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotations.http import Request
from modeling.dashboard.chart import as_download
from modeling.dashboard.compare_charts import CHARTS, Pair
from modeling.dashboard.comparison import STORED_AS, differences, shared_tracks
from modeling.dashboard.facts import PARTS
from modeling.models import Promotion, TrainingRun
from modeling.permissions import see_runs
from modeling.retraining.champion import ENOUGH_ARTISTS, ENOUGH_TRACKS

N_OFFERED = 100


class CannotCompare(Exception):
    """There are not two runs with results; the message says what was found and what to do."""


@require_safe
@see_runs
def compare_runs(request: Request) -> HttpResponse:
    """Whether one run is better than another: on the same tracks, for each level and genre, and what differs between them."""
    offered = _offered()
    context: dict[str, Any] = {"offered": offered, "parts": PARTS}
    try:
        a, b = _chosen(request, [pk for pk, *_ in offered])
    except CannotCompare as refusal:
        status = 404 if "a" in request.GET or "b" in request.GET else 200
        return render(request, "modeling/compare.html", context | {"problem": str(refusal)}, status=status)
    pairs = _pairs(request, a, b)
    part = _part(request, pairs)
    context |= {"a": a, "b": b, "differences": differences(a, b), "pairs": pairs, "part": part}
    if part:
        shared = pairs[part].shared
        context |= {
            "shared": shared,
            "part_description": PARTS[part],
            "charts": {name: draw(pairs[part]) for name, draw in CHARTS.items()},
            "is_little": shared.n < ENOUGH_TRACKS or shared.n_artists < ENOUGH_ARTISTS,
            "enough": (ENOUGH_TRACKS, ENOUGH_ARTISTS),
        }
    return render(request, "modeling/compare.html", context)


@require_safe
@see_runs
def compare_csv(request: Request, name: str) -> HttpResponse:
    try:
        a, b = _chosen(request, [pk for pk, *_ in _offered()])
    except CannotCompare as refusal:
        raise Http404(str(refusal)) from None
    pairs = _pairs(request, a, b)
    part = _part(request, pairs)
    if name not in CHARTS or part is None:
        raise Http404(f"Runs {a.pk} and {b.pk} have no chart {name!r} in common.")
    return as_download(CHARTS[name](pairs[part]).table, name=f"runs-{a.pk}-{b.pk}-{name}-{part}")


def _offered() -> list[tuple[int, str, int | None]]:
    """What can be chosen, newest first: id, recipe, number of labels."""
    runs = TrainingRun.objects.succeeded().order_by("-pk")
    return list(runs.values_list("pk", "recipe", "n_annotations")[:N_OFFERED])


def _chosen(request: Request, newest: list[int]) -> tuple[TrainingRun, TrainingRun]:
    """The two that are asked for. Unless it is said, the newest is held against the one in use, or the one before it."""
    if len(newest) < 2:
        raise CannotCompare(
            f"{'One run has' if newest else 'No run has'} results so far; two are needed. Train again, and come back."
        )
    b = _asked(request, "b") or newest[0]
    a = _asked(request, "a") or _usual(newest, b)
    found = TrainingRun.objects.succeeded().select_related("job").in_bulk([a, b])
    if missing := [pk for pk in (a, b) if pk not in found]:
        raise CannotCompare(f"Run {missing[0]} is not here, or has no results. Choose two of those below.")
    if a == b:
        raise CannotCompare(f"Both are run {a}. Choose two that differ.")
    return found[a], found[b]


def _usual(newest: list[int], b: int) -> int:
    live = Promotion.objects.order_by("-pk").values_list("run", flat=True).first()
    return live if live is not None and live != b else next((pk for pk in newest if pk < b), newest[0])


def _asked(request: Request, name: str) -> int | None:
    written = request.GET.get(name, "")
    return int(written) if written.isdecimal() and len(written) < 19 else None


def _pairs(request: Request, a: TrainingRun, b: TrainingRun) -> dict[str, Pair]:
    """By part; without those in which they share no track."""
    shared = {part: shared_tracks(a, b, part) for part in reversed(STORED_AS)}
    return {part: Pair(a, b, part, found, request.user) for part, found in shared.items() if found}


def _part(request: Request, pairs: dict[str, Pair]) -> str | None:
    """The one that is asked for, else the slice, which nobody has mended where a model doubts it."""
    asked = request.GET.get("part", "")
    return asked if asked in pairs else next(iter(pairs), None)
