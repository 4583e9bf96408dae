"""The page of tracks: what came in, what can be listened to, why the rest cannot; and one track with who has labelled it."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotations.guiding.assignments import labellers
from annotations.guiding.forms import ReferenceForm
from annotations.guiding.references import choose, reference_permission
from annotations.guiding.track_lists import matching
from annotations.http import Request
from annotations.models import LEVELS, Annotation, Assignment, Lease, Reference, Skip, Track, TrackQuerySet

PAGE_SIZE = 50

see_tracks = permission_required("annotations.view_flag", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@see_tracks
def library(request: Request) -> HttpResponse:
    """Tracks by words and by the state of their audio. What is ticked can be assigned, or made examples or gold."""
    return _choose_references(request) if request.method == "POST" else _library_page(request, ReferenceForm())


@reference_permission
def _choose_references(request: Request) -> HttpResponse:
    form = ReferenceForm(request.POST)
    if choose(request, form):
        return redirect(request.get_full_path())
    return _library_page(request, form, status=422)


def _library_page(request: Request, form: ReferenceForm, *, status: int = 200) -> HttpResponse:
    asked, query = (request.GET.get(name, "").replace("\0", "").strip() for name in ("state", "q"))
    state = asked if asked in (*Track.AudioState, "reported") else ""
    tracks = _in_state(Track.objects.defer("peaks"), state)
    if query:
        tracks = matching(tracks, query)
    page = Paginator(tracks.select_related("reference").order_by("-pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    reports = _reports([track.pk for track in page])
    context = {
        "page": page,
        "rows": [{"track": track, "n_reports": reports.get(track.pk, 0)} for track in page],
        "filters": _filters(),
        "state": state,
        "correction": f"There is no state “{asked[:40]}”: all tracks show." if asked != state else "",
        "query": query,
        "levels": LEVELS,
        "form": form,
        "ticked": request.POST.getlist("track"),
    }
    return render(request, "annotations/library.html", context, status=status)


def _in_state(tracks: TrackQuerySet, state: str) -> TrackQuerySet:
    if state == "reported":
        return tracks.filter(skips__reason=Skip.Reason.BROKEN).distinct()
    return tracks.filter(audio_state=state) if state else tracks


def _filters() -> list[tuple[str, str, int]]:
    """(value, words, count) of each state that occurs, with all tracks first and what annotators report as broken last."""
    counts = dict(Track.objects.order_by().values_list("audio_state").annotate(Count("pk")))
    states = [(state.value, state.label.capitalize(), counts[state]) for state in Track.AudioState if state in counts]
    n_reported = Track.objects.filter(skips__reason=Skip.Reason.BROKEN).distinct().count()
    return [("", "All", sum(counts.values())), *states, ("reported", "Reported broken", n_reported)]


def _reports(track_ids: list[int]) -> dict[int, int]:
    broken = Skip.objects.filter(track__in=track_ids, reason=Skip.Reason.BROKEN).order_by()
    return dict(broken.values_list("track").annotate(Count("pk")))


# ---- One track


@require_safe
@see_tracks
def track(request: Request, pk: int) -> HttpResponse:
    """Who has labelled a track. What they said shows to who has said it too and is not about to say it again."""
    track = get_object_or_404(Track.objects.select_related("reference"), pk=pk)
    annotations = list(
        Annotation.objects.current().filter(track=track).select_related("annotator").order_by("created_at")
    )
    context: dict[str, Any] = {
        "track": track,
        "annotations": annotations,
        "is_heard": any(annotation.annotator_id == request.user.pk for annotation in annotations)
        and not Lease.objects.filter(track=track, annotator=request.user).exists(),
        "labellers": {person.pk for person in labellers()},
        "asked": set(Assignment.objects.open().filter(track=track).values_list("annotator", flat=True)),
        "is_example": Reference.objects.filter(track=track, use=Reference.Use.EXAMPLE).exists(),
    }
    return render(request, "annotations/track.html", context)
