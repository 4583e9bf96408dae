"""The pages of people who label: label page and its audio."""

from datetime import datetime, time
from uuid import uuid4

from django.contrib.auth.decorators import permission_required
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from annotations import audio, services
from annotations.forms import LabelForm, SkipForm
from annotations.http import Request
from annotations.models import LEVELS, Annotation, Track, User

LEVEL_WORDS = {1: "still", 3: "calm", 5: "steady", 7: "driving", 9: "intense", 10: "all out"}
N_RECENT = 5

label_permission = permission_required("annotations.add_annotation", raise_exception=True)


@require_safe
def home(request: Request) -> HttpResponse:
    """Where each role's work is. The label page takes a track for whoever opens it: only those who mean to get there."""
    if request.user.has_perm("modeling.add_trainingrun"):
        return redirect("dashboard")
    return redirect("review_queue" if request.user.has_perm("annotations.view_flag") else "label")


@require_safe
@label_permission
def label(request: Request) -> HttpResponse:
    """The track that this annotator holds, or the next one, with the scale."""
    return _label_page(request)


@require_POST
@label_permission
def annotate(request: Request) -> HttpResponse:
    form = LabelForm(request.POST)
    if not form.is_valid():
        return _label_page(
            request, problem="That label was not complete and has not been stored. Please try again.", status=422
        )
    try:
        services.annotate(annotator=request.user, **form.cleaned_data)
    except services.NoLease:
        return _label_page(
            request,
            problem="That label has not been stored: you held the track no longer. Here is what is next for you.",
            status=409,
        )
    return _next_track(request)


@require_POST
@label_permission
def skip(request: Request) -> HttpResponse:
    form = SkipForm(request.POST)
    if not form.is_valid():
        return _label_page(request, problem="The track was not skipped. Please try again.", status=422)
    services.skip(annotator=request.user, **form.cleaned_data)
    return _next_track(request)


@require_safe
@label_permission
def track_audio(request: Request, pk: int) -> HttpResponseBase:
    return audio.serve(request, get_object_or_404(Track.objects.defer("peaks"), pk=pk))


def _next_track(request: Request) -> HttpResponse:
    return _label_page(request) if request.htmx else redirect("label")


def _label_page(request: Request, *, problem: str = "", status: int = 200) -> HttpResponse:
    template = "annotations/_task.html" if request.htmx else "annotations/label.html"
    lease = services.claim_next_track(annotator=request.user)
    context = {
        "lease": lease,
        "track": lease and lease.track,
        "levels": [(level, LEVEL_WORDS.get(level, "")) for level in LEVELS],
        "submission_id": uuid4(),
        "problem": problem,
        **_progress(request.user),
    }
    return render(request, template, context, status=status)


def _progress(annotator: User) -> dict[str, object]:
    """The annotator's own last labels, and how far the library is."""
    own = (
        Annotation.objects.current().filter(annotator=annotator).select_related("track").order_by("-created_at", "-pk")
    )
    midnight = timezone.make_aware(datetime.combine(timezone.localdate(), time()))
    playable = Track.objects.playable()
    return {
        "recent": list(own.defer("track__peaks")[:N_RECENT]),
        "n_today": own.filter(created_at__gte=midnight).count(),
        "n_playable": playable.count(),
        "n_labelled": playable.filter(Exists(Annotation.objects.filter(track=OuterRef("pk")))).count(),
    }
