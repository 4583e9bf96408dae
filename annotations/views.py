"""Where everybody begins, and the audio that everybody hears."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_safe

from annotations import audio
from annotations.http import Request
from annotations.models import Track


@require_safe
def home(request: Request) -> HttpResponse:
    """Where each role's work is. The label page takes a track for whoever opens it: only those who mean to get there."""
    if request.user.has_perm("modeling.add_trainingrun"):
        return redirect("dashboard")
    return redirect("review_queue" if request.user.has_perm("annotations.view_flag") else "label")


@require_safe
@permission_required("annotations.add_annotation", raise_exception=True)
def track_audio(request: Request, pk: int) -> HttpResponseBase:
    return audio.serve(request, get_object_or_404(Track.objects.defer("peaks"), pk=pk))
