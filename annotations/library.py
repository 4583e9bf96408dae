"""The page of tracks: what came in, what can be listened to, and why the rest cannot."""

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotations.http import Request
from annotations.models import Skip, Track

PAGE_SIZE = 50


@require_safe
@permission_required("annotations.view_flag", raise_exception=True)
def library(request: Request) -> HttpResponse:
    """Tracks by the state of their audio; the reason with those that cannot be used, reports with those that play badly."""
    state = request.GET.get("state", "")
    tracks = Track.objects.defer("peaks").order_by("-pk")
    if state == "reported":
        tracks = tracks.filter(skips__reason=Skip.Reason.BROKEN).distinct()
    elif state in Track.AudioState:
        tracks = tracks.filter(audio_state=state)
    page = Paginator(tracks, PAGE_SIZE).get_page(request.GET.get("page"))
    reports = _reports([track.pk for track in page])
    context = {
        "page": page,
        "rows": [{"track": track, "n_reports": reports.get(track.pk, 0)} for track in page],
        "filters": _filters(),
        "state": state,
    }
    return render(request, "annotations/library.html", context)


def _filters() -> list[tuple[str, str, int]]:
    """(value, words, count) of each state that occurs, with all tracks first and what annotators report as broken last."""
    counts = dict(Track.objects.order_by().values_list("audio_state").annotate(Count("pk")))
    states = [(state.value, state.label.capitalize(), counts[state]) for state in Track.AudioState if state in counts]
    n_reported = Track.objects.filter(skips__reason=Skip.Reason.BROKEN).distinct().count()
    return [("", "All", sum(counts.values())), *states, ("reported", "Reported broken", n_reported)]


def _reports(track_ids: list[int]) -> dict[int, int]:
    broken = Skip.objects.filter(track__in=track_ids, reason=Skip.Reason.BROKEN).order_by()
    return dict(broken.values_list("track").annotate(Count("pk")))
