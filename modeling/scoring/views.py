"""The pages of a scoring: sending a CSV, how far its tracks are, and the result."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from annotations.http import Request
from annotations.intake.csv_rows import FileRefused
from annotations.intake.receiving import receives_files
from annotations.intake.uploads import MAX_TABLE_BYTES, MB
from annotations.review.queue import to_id
from energyapp.jobs import workers
from modeling.models import TrainingRun
from modeling.scoring import services
from modeling.scoring.models import Scoring, ScoringRow
from modeling.scoring.result import csv_lines
from modeling.scoring.states import WAITING, State, why
from modeling.scoring.taking_in import LABEL_COLUMNS

PAGE_SIZE = 50
N_RUNS_OFFERED = 30
# How often a page asks how far it is: looking through 100,000 rows is not done every two seconds.
ASK_EVERY_S, ASK_LONG_LISTS_EVERY_S, LONG_LIST = 2, 10, 10_000
# Who has to be there for rows to leave a state.
QUEUE_OF = {State.PREVIEW: "intake", State.FEATURES: "features", State.MODEL: "train"}

_SHOWN = (
    *("position", "problem", "state", "track", "track__title", "track__artist", "track__uri"),
    *("track__audio_state", "track__audio_problem"),
    *("prediction__level", "prediction__score", "prediction__lower", "prediction__upper"),
)

may_score = permission_required("scoring.add_scoring", raise_exception=True)


class ScoringForm(forms.Form):
    file = forms.FileField(error_messages={"required": "Choose a CSV file.", "empty": "It is empty (0 bytes)."})


@may_score
@partial(receives_files, back_to="scores")
@require_http_methods(["GET", "HEAD", "POST"])
def scores(request: Request) -> HttpResponse:
    """The form, and the lists so far."""
    if request.method == "POST":
        return _request(request)
    return _scores_page(request)


def _request(request: Request) -> HttpResponse:
    form = ScoringForm(request.POST, request.FILES)
    if not form.is_valid():
        return _scores_page(request, problem=" ".join(map(str, form.errors["file"])), status=422)
    file = form.cleaned_data["file"]
    try:
        requested = services.request_scoring(name=file.name, content=file, requested_by=request.user)
    except FileRefused as refusal:
        return _scores_page(request, problem=f"{file.name} was not taken: {str(refusal).rstrip('.')}.", status=422)
    return redirect("scoring", pk=requested.pk)


def _scores_page(request: Request, *, problem: str = "", status: int = 200) -> HttpResponse:
    # The last position, which an index has, is how many there are: to count them would take a second for a million.
    last = ScoringRow.objects.filter(scoring=OuterRef("pk")).order_by("-position").values("position")[:1]
    listed = Scoring.objects.select_related("job", "requested_by").annotate(n_rows=Subquery(last)).order_by("-pk")
    context = {
        "page": Paginator(listed, PAGE_SIZE).get_page(request.GET.get("page")),
        "live": TrainingRun.objects.live(),
        "is_served": workers.serve("intake"),
        "max_mb": MAX_TABLE_BYTES // MB,
        "problem": problem,
    }
    return render(request, "scoring/scores.html", context, status=status)


@require_safe
@may_score
def scoring(request: Request, pk: int) -> HttpResponse:
    """How far a list is, and its rows with what is said of each."""
    shown = get_object_or_404(Scoring.objects.select_related("job", "requested_by"), pk=pk)
    run = _run(request)
    context = _progress(request, shown, run)
    chosen = request.GET.get("state", "")
    context |= {
        "chosen": chosen if chosen in State else "",
        "page": _rows(request, shown, run, chosen, context["counts"]),
        "runs": TrainingRun.objects.succeeded().order_by("-pk")[:N_RUNS_OFFERED],
        "left_alone": [name for name in shown.columns if name.lower() in LABEL_COLUMNS],
    }
    return render(request, "scoring/scoring.html", context)


@require_safe
@may_score
def scoring_state(request: Request, pk: int) -> HttpResponse:
    """How far a list is, as a piece of its page, which asks until nothing waits any more."""
    context = _progress(request, get_object_or_404(Scoring.objects.select_related("job"), pk=pk), _run(request))
    response = render(request, "scoring/_state.html", context)
    if not context["is_under_way"]:
        response["HX-Refresh"] = "true"  # for the rows around it
    return response


@require_safe
@may_score
def scoring_result(request: Request, pk: int) -> StreamingHttpResponse:
    """The file's rows with what the run says of each, as CSV; what is not known yet says why."""
    shown = get_object_or_404(Scoring, pk=pk)
    lines = csv_lines(shown, _run(request), reader=request.user)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"{PurePosixPath(shown.name).stem}.scored.csv"
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def _run(request: Request) -> TrainingRun | None:
    """The run that an address names, if it has a model; else the one in use."""
    asked = TrainingRun.objects.succeeded().filter(pk=to_id(request.GET.get("run", ""))).first()
    return asked or TrainingRun.objects.live()


def _progress(request: Request, shown: Scoring, run: TrainingRun | None) -> dict[str, Any]:
    rows = shown.rows.with_state(run, reader=request.user).order_by()
    counts: dict[str, int] = dict(rows.values_list("state").annotate(Count("pk")))
    n_rows = sum(counts.values())
    waiting = [state for state in WAITING if counts.get(state)]
    is_coming_in = shown.job is not None and shown.job.is_live
    return {
        "scoring": shown,
        "job": shown.job,
        "is_served": workers.serve("intake"),
        "run": run,
        "states": [(state, counts[state]) for state in State if state in counts],
        "counts": counts,
        "n_rows": n_rows,
        "n_done": n_rows - sum(counts[state] for state in waiting),
        # Without a model nothing waits but for a person.
        "is_under_way": is_coming_in or any(state != State.MODEL or run for state in waiting),
        "not_served": [QUEUE_OF[state] for state in waiting if run and not workers.serve(QUEUE_OF[state])],
        "ask_every_s": ASK_EVERY_S if n_rows < LONG_LIST else ASK_LONG_LISTS_EVERY_S,
    }


def _rows(request: Request, shown: Scoring, run: TrainingRun | None, chosen: str, counts: dict[str, int]) -> Page:
    rows = shown.rows.with_state(run, reader=request.user).order_by("position")
    if chosen in State:
        rows = rows.filter(state=chosen)
    paginator = Paginator(rows.values(*_SHOWN), PAGE_SIZE)
    paginator.count = counts.get(chosen, 0) if chosen in State else sum(counts.values())  # known already
    page = paginator.get_page(request.GET.get("page"))
    page.object_list = [
        row | {"why": why(row["state"], row["problem"], row["track__audio_state"], row["track__audio_problem"], run)}
        for row in page.object_list
    ]
    return page
