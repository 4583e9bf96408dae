"""An annotator's own page: what they have labelled, how, and a way to change their mind.

Own labels only, and not a word about why a track was handed out: a repeat or gold looks like any other track, before and after.
"""

from datetime import date, datetime, time
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from annotations import labelling
from annotations.forms import LevelField, RelabelForm
from annotations.http import Request
from annotations.models import LEVELS, Annotation, AnnotationQuerySet, LabellingRules, Track, User
from annotations.own_statistics import MAX_ANNOTATIONS, MIN_PAIRS, TOO_FAST_S, own_statistics
from energyapp.charts import level_histogram

PAGE_SIZE = 25
MAX_PAGE = 10_000

label_permission = permission_required("annotations.add_annotation", raise_exception=True)


class DayField(forms.DateField):
    """A day that every database and time zone knows."""

    widget = forms.DateInput(attrs={"type": "date", "class": "input short"}, format="%Y-%m-%d")

    def __init__(self, **kwargs):
        some_day = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
        super().__init__(required=False, validators=some_day, **kwargs)


class FilterForm(forms.Form):
    """Which of one's labels to see; what is left empty does not matter."""

    q = forms.CharField(label="Title or artist", required=False, max_length=200)
    level = LevelField(required=False, widget=forms.Select)
    since = DayField(label="From")
    until = DayField(label="To")
    changed = forms.BooleanField(required=False)
    fast = forms.BooleanField(required=False)
    page = forms.IntegerField(required=False, min_value=1, max_value=MAX_PAGE)

    def clean(self):
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            raise forms.ValidationError(f"No day lies from {since:%d %b %Y} to {until:%d %b %Y}.")
        return cleaned


@require_safe
@label_permission
def my_labels(request: Request) -> HttpResponse:
    return _page(request)


@require_POST
@label_permission
def change_my_label(request: Request) -> HttpResponse:
    """A change of mind. Back to the same part of the list: the address holds its filter."""
    form = RelabelForm(request.POST)
    if not form.is_valid():
        return _page(request, problem="The label was not changed: choose a level from 1 to 10.", status=422)
    try:
        annotation = labelling.relabel(annotator=request.user, **form.cleaned_data)
    except labelling.Refused as refusal:
        return _page(request, problem=f"The label was not changed. {refusal}", status=409)
    except IntegrityError:
        return _page(request, problem="The label was changed elsewhere at the same moment. Look again.", status=409)
    messages.success(request, _said(annotation, form.cleaned_data))
    return redirect(f"{reverse('my_labels')}?{request.GET.urlencode()}")


def _said(annotation: Annotation, asked: dict[str, Any]) -> str:
    before = annotation.supersedes
    if annotation.submission_id != asked["submission_id"] or before is None:
        return f"{annotation.track}: it was {annotation.level} already, so nothing has changed."
    return f"{annotation.track}: changed from {before.level} to {annotation.level}."


def _page(request: Request, *, problem: str = "", status: int = 200) -> HttpResponse:
    form = FilterForm(request.GET)
    if not form.is_valid():
        problem = problem or " ".join(f"{_label(form, name)}{' '.join(map(str, e))}" for name, e in form.errors.items())
    number = form.cleaned_data.get("page") or 1
    # One more than the page shows tells whether there is another. How many there are would tell a repeat: it adds none.
    start = (number - 1) * PAGE_SIZE
    found = list(_wanted(request.user, form.cleaned_data)[start : start + PAGE_SIZE + 1])
    rules = LabellingRules.objects.current()
    statistics = own_statistics(request.user, rules)
    context = {
        "rows": _rows(request.user, found[:PAGE_SIZE]),
        "form": form,
        "chosen": {name: value for name, value in form.cleaned_data.items() if value and name != "page"},
        "previous_page": number - 1,
        "next_page": number + 1 if len(found) > PAGE_SIZE else None,
        "levels": [(level, "") for level in LEVELS],
        "problem": problem,
        "too_fast_s": TOO_FAST_S,
        "rules": rules,
        "statistics": statistics,
        "min_pairs": MIN_PAIRS,
        "max_annotations": MAX_ANNOTATIONS,
        "chart": level_histogram(statistics.counts, label="Your answers at each level"),
    }
    return render(request, "annotations/my_labels.html", context, status=status)


def _label(form: FilterForm, name: str) -> str:
    return f"{form[name].label}: " if name in form.fields else ""


def _wanted(annotator: User, chosen: dict[str, Any]) -> AnnotationQuerySet:
    """Current labels, newest first."""
    own = Annotation.objects.current().filter(annotator=annotator).select_related("track").defer("track__peaks")
    if query := chosen.get("q"):
        own = own.filter(Q(track__title__icontains=query) | Q(track__artist__icontains=query))
    if level := chosen.get("level"):
        own = own.filter(level=level)
    if since := chosen.get("since"):
        own = own.filter(created_at__gte=timezone.make_aware(datetime.combine(since, time.min)))
    if until := chosen.get("until"):
        own = own.filter(created_at__lte=timezone.make_aware(datetime.combine(until, time.max)))
    if chosen.get("fast"):
        own = own.filter(answered_s__lt=TOO_FAST_S)
    if chosen.get("changed"):
        # Not "supersedes another": so does the same level said again, and that is a track that came twice.
        said = Annotation.objects.filter(annotator=annotator, track=OuterRef("track")).exclude(level=OuterRef("level"))
        own = own.filter(Exists(said))
    return own.order_by("-created_at", "-pk")


def _rows(annotator: User, annotations: list[Annotation]) -> list[dict[str, Any]]:
    tracks = [annotation.track_id for annotation in annotations]
    said: dict[int, list[Annotation]] = {track: [] for track in tracks}
    for annotation in Annotation.objects.filter(annotator=annotator, track__in=tracks).order_by("pk"):
        history = said[annotation.track_id]
        # The same level again is no change; and shown, it would say that the track had come twice.
        if not history or history[-1].level != annotation.level:
            history.append(annotation)
    return [
        {
            "annotation": annotation,
            "track": annotation.track,
            "plays": annotation.track.audio_state == Track.AudioState.READY,
            "is_too_fast": annotation.answered_s is not None and annotation.answered_s < TOO_FAST_S,
            "history": said[annotation.track_id] if len(said[annotation.track_id]) > 1 else [],
            "submission_id": uuid4(),
        }
        for annotation in annotations
    ]
