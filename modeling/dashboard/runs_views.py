"""All runs, a page at a time; each page begins at a run, so what is trained meanwhile moves none out of sight."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotations.http import Request
from modeling.models import Promotion, TrainingRun
from modeling.permissions import see_runs

PAGE_SIZE = 25


@require_safe
@see_runs
def runs(request: Request) -> HttpResponse:
    page, has_newer, has_older = _page(_pk(request, "before"), _pk(request, "after"))
    live = Promotion.objects.order_by("-pk").values_list("run", flat=True).first()
    done = [run.pk for run in page if run.metrics]
    context = {
        "runs": page,
        "live": live,
        "newer": page[0].pk if has_newer else None,
        "older": page[-1].pk if has_older else None,
        # What is most often asked: is the newest better than the one in use, or than the one before?
        "b": done[0] if done else None,
        "a": next((pk for pk in done[1:] if pk == live), done[1] if len(done) > 1 else None),
    }
    return render(request, "modeling/runs.html", context)


def _page(before: int | None, after: int | None) -> tuple[list[TrainingRun], bool, bool]:
    """Newest first; whether there are newer ones, and older ones. The newest page where there is nothing (more) to see."""
    every = TrainingRun.objects.for_dashboard()
    if after is not None:
        found = list(every.filter(pk__gt=after).order_by("pk")[: PAGE_SIZE + 1])
        if found:
            return found[:PAGE_SIZE][::-1], len(found) > PAGE_SIZE, True
    older = every.order_by("-pk")
    found = list((older if before is None else older.filter(pk__lt=before))[: PAGE_SIZE + 1])
    if before is not None and not found:
        return _page(None, None)
    return found[:PAGE_SIZE], before is not None, len(found) > PAGE_SIZE


def _pk(request: Request, name: str) -> int | None:
    written = request.GET.get(name, "")
    return int(written) if written.isdecimal() and len(written) < 19 else None
