"""The pages where tracks come in: sending files, what became of them, and which tracks still lack audio."""

from __future__ import annotations

import csv
from collections import defaultdict
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotations.http import Request
from annotations.intake import previews, uploads
from annotations.intake.csv_import import MAX_AUDIO_BYTES
from annotations.intake.models import PreviewFetch, Upload
from annotations.intake.receiving import MAX_FORM_BYTES, MAX_REQUEST_FILES, receives_files
from annotations.models import Track
from energyapp.jobs import waves, workers

PAGE_SIZE = 20
# The page shows the first; all refused rows are in the report.
N_REFUSED_SHOWN = 50
N_REASONS_SHOWN = 5

LIMITS = {
    "files": uploads.MAX_FILES,
    "audio_mb": MAX_AUDIO_BYTES // uploads.MB,
    "table_mb": uploads.MAX_TABLE_BYTES // uploads.MB,
    "form_files": MAX_REQUEST_FILES,
    "form_mb": MAX_FORM_BYTES // uploads.MB,
}

may_import = permission_required("intake.add_upload", raise_exception=True)


class FileForm(forms.Form):
    """One file; without its content where the size alone forbids it."""

    path = forms.CharField(strip=False)
    size = forms.IntegerField(min_value=0)
    content = forms.FileField(required=False, allow_empty_file=True)


# ---- Sending


@may_import
@receives_files
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: Request) -> HttpResponse:
    """The form, and the imports so far. Posting it begins an upload."""
    if request.method == "POST":
        return _begin(request)
    context = {
        "page": Paginator(Upload.objects.begun(), PAGE_SIZE).get_page(request.GET.get("page")),
        "audio_states": _audio_states(),
        "is_served": workers.serve("intake"),
        "stopped": waves.all_stopped(),
        "limits": LIMITS,
    }
    return render(request, "intake/imports.html", context)


def _begin(request: Request) -> HttpResponse:
    """A script says that it sends the files one by one, and is told where to; otherwise they have come with the form."""
    upload = uploads.begin(uploaded_by=request.user)
    if "one_by_one" in request.POST:
        names = {"files": "add_file", "finish": "finish_upload"}
        return JsonResponse({key: reverse(name, args=[upload.pk]) for key, name in names.items()}, status=201)
    for content in request.FILES.getlist("files"):
        uploads.receive(upload=upload, sent_as=content.name or "", size=content.size or 0, content=content)
    return _finish(request, upload)


@may_import
@receives_files
@require_POST
def add_file(request: Request, pk: UUID) -> HttpResponse:
    """Take one file. 200 also says why one is not taken: that is an answer, which no further try would change."""
    upload = get_object_or_404(Upload, pk=pk, uploaded_by=request.user)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return JsonResponse({"problem": "The request holds no file."}, status=400)
    path, size, content = (form.cleaned_data[name] for name in ("path", "size", "content"))
    try:
        file = uploads.receive(
            upload=upload, sent_as=path, size=content.size if content else size, content=content or None
        )
    except uploads.UploadRefused as refusal:
        return JsonResponse({"problem": str(refusal)}, status=409)
    return JsonResponse({"problem": file.problem})


@require_POST
@may_import
def finish_upload(request: Request, pk: UUID) -> HttpResponse:
    return _finish(request, get_object_or_404(Upload, pk=pk))


def _finish(request: Request, upload: Upload) -> HttpResponse:
    try:
        uploads.finish(upload=upload, requested_by=request.user)
    except uploads.UploadRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("imports")
    return redirect("upload", pk=upload.pk)


# ---- What became of it


@require_safe
@may_import
def upload(request: Request, pk: UUID) -> HttpResponse:
    """One import: how far it is, what it did, and what was refused."""
    shown = get_object_or_404(Upload.objects.begun(), pk=pk)
    counts = shown.counts
    context = {
        "upload": shown,
        "n_new_tracks": counts.get("new_tracks", 0) + counts.get("files_new", 0),
        "job": shown.job,
        "is_served": workers.serve("intake"),
        "stopped": waves.all_stopped(),
        "refused_rows": _first_refused_rows(shown.report),
        "n_not_fetched": Track.objects.filter(audio_state=Track.AudioState.NOT_FETCHED).count(),
        "refused_files": shown.files.exclude(problem=""),
    }
    return render(request, "intake/upload.html", context)


@require_safe
@may_import
def refused_rows(request: Request, pk: UUID) -> HttpResponseBase:
    """The rows that were refused, with their reasons, to be mended and imported again."""
    shown = get_object_or_404(Upload.objects.begun(), pk=pk)
    if not shown.report.is_file():
        raise Http404("no row was refused")
    name = f"{PurePosixPath(shown.tables[0].path).stem}.refused.csv"
    return FileResponse(shown.report.open("rb"), as_attachment=True, filename=name, content_type="text/csv")


@require_POST
@may_import
def try_again(request: Request) -> HttpResponse:
    """Fetch the previews again that could not be fetched, or were no audio."""
    n_tracks = previews.try_again(Track.objects.all())
    messages.success(request, f"Previews that are tried again: {n_tracks:,}.")
    return redirect("imports")


def _first_refused_rows(report: Path) -> list[dict[str, str]]:
    if not report.is_file():
        return []
    with report.open(encoding="utf-8", newline="") as file:
        return list(islice(csv.DictReader(file), N_REFUSED_SHOWN))


def _audio_states() -> list[dict[str, Any]]:
    """How many tracks are in each state of their audio, and why, most frequent reason first."""
    counts = dict(Track.objects.order_by().values_list("audio_state").annotate(Count("pk")))
    with_reason = Track.objects.filter(audio_state__in=[Track.AudioState.BAD, Track.AudioState.UNREACHABLE])
    grouped = with_reason.order_by().values_list("audio_state", "audio_problem").annotate(n=Count("pk")).order_by("-n")
    reasons = defaultdict(list)
    for state, reason, n in grouped:
        reasons[state].append((n, reason))
    tried = PreviewFetch.objects.filter(attempts__gt=0, track__audio_state=Track.AudioState.NOT_FETCHED)
    for answer, n in tried.values_list("last_answer").annotate(n=Count("pk")).order_by("-n"):
        reasons[Track.AudioState.NOT_FETCHED].append((n, f"waits for another try: {answer}"))
    return [
        {
            "state": state,
            "n": counts[state],
            "reasons": reasons[state][:N_REASONS_SHOWN],
            "n_others": sum(n for n, _ in reasons[state][N_REASONS_SHOWN:]),
        }
        for state in Track.AudioState
        if state in counts
    ]
