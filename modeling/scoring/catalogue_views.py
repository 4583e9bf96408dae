"""All tracks with what the model in use says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotations.http import Request
from annotations.models import LEVELS, Genre
from annotations.review.queue import to_id
from energyapp.charts import level_histogram
from energyapp.spreadsheets import csv_lines
from modeling.models import Prediction, TrainingRun
from modeling.scoring.catalogue import ORDERS, UNCERTAIN_LEVELS, Catalogue, CatalogueForm, page_of
from modeling.scoring.result import model_cells, rounded

CSV_BATCH = 2_000
CSV_HEAD = [
    *("track_uri", "title", "artist", "genres", "n_annotators"),
    *("predicted_level", "predicted_score", "predicted_lower", "predicted_upper"),
    *("model_run", "model_recipe", "model_date", "model_digest"),
]

see_predictions = permission_required("modeling.view_prediction", raise_exception=True)


@require_safe
@see_predictions
def catalogue(request: Request) -> HttpResponse:
    """Browse all tracks by what the model in use says of them."""
    form, shown = _asked(request)
    context: dict[str, Any] = {"form": form, "problems": form.problems, "catalogue": shown}
    if shown:
        page = page_of(shown, after=to_id(request.GET.get("after", "")), before=to_id(request.GET.get("before", "")))
        context |= {
            "run": shown.run,
            "rows": shown.in_full(page.rows),
            "next": page.next and shown.query_string(after=page.next),
            "previous": page.previous and shown.query_string(before=page.previous),
            "chart": _chart(shown),
            "chosen": shown.chosen,
            "query": shown.query_string(),
            "genres": Genre.objects.all(),
            "levels": LEVELS,
            "orders": [(name, words) for name, (words, *_) in ORDERS.items()],
            "uncertain_levels": UNCERTAIN_LEVELS,
        }
    return render(request, "scoring/catalogue.html", context)


@require_safe
@see_predictions
def catalogue_csv(request: Request) -> StreamingHttpResponse:
    """The same rows, all of them, as CSV."""
    _, shown = _asked(request)
    if shown is None:
        raise Http404("there is no model yet")
    response = StreamingHttpResponse(csv_lines(CSV_HEAD, _csv_rows(shown)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="catalogue-{timezone.localdate():%Y-%m-%d}.csv"'
    return response


def _asked(request: Request) -> tuple[CatalogueForm, Catalogue | None]:
    form = CatalogueForm(request.GET)
    form.is_valid()  # what is not, is left out of cleaned_data
    live = TrainingRun.objects.live()
    return form, Catalogue(live, request.user, form.cleaned_data) if live else None


def _chart(shown: Catalogue) -> str:
    """How many tracks there are at each level; a bar shows its own, and pressed again all."""
    chosen = shown.chosen
    is_alone = chosen.get("low") and chosen.get("low") == chosen.get("high")
    hrefs = [
        "?"
        + (
            shown.query_string(low=None, high=None)
            if is_alone and chosen["low"] == level
            else shown.query_string(low=level, high=level)
        )
        for level in LEVELS
    ]
    return level_histogram(shown.n_by_level, label="Tracks by predicted level", hrefs=hrefs)


def _csv_rows(shown: Catalogue) -> Iterator[list[Any]]:
    model = model_cells(shown.run)
    rows = shown.in_order().select_related("track").defer("track__peaks").prefetch_related("track__genres")
    for prediction in rows.iterator(chunk_size=CSV_BATCH):
        yield [*_csv_cells(prediction), *model]


def _csv_cells(prediction: Prediction) -> Iterator[Any]:
    track = prediction.track
    yield from (track.uri, track.title, track.artist)
    yield ",".join(genre.name for genre in track.genres.all())
    yield from (track.n_annotators, prediction.level)
    yield from map(rounded, (prediction.score, prediction.lower, prediction.upper))
