"""The label page, twice: forms that work without JavaScript, and the doors at which the page's outbox knocks.

What the doors say is JSON: `tasks` are tracks to hear, without a word about what others or a model say of them.
"""

import json
from collections.abc import Callable
from datetime import datetime, time
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.decorators import permission_required
from django.db import IntegrityError
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from annotations import examples, labelling
from annotations.forms import ComparisonForm, LabelForm, LevelField, RelabelForm, SkipForm
from annotations.http import Request
from annotations.models import LEVELS, Annotation, LabellingRules, Lease, Skip, Stream, Track, User

LEVEL_WORDS = {1: "still", 3: "calm", 5: "steady", 7: "driving", 9: "intense", 10: "all out"}
# As far back as undo goes.
N_RECENT = 10
# Tracks that somebody holds: the one to hear, and the one that is loaded ahead.
N_HELD = 2

label_permission = permission_required("annotations.add_annotation", raise_exception=True)


# ---- The page


@require_safe
@label_permission
def label(request: Request) -> HttpResponse:
    """The track that this annotator holds, or the next one, with the scale."""
    return _label_page(request)


@require_POST
@label_permission
def annotate(request: Request) -> HttpResponse:
    """A label by the page's form."""
    form = LabelForm(request.POST)
    if not form.is_valid():
        return _label_page(
            request, problem="That label was not complete and has not been stored. Please try again.", status=422
        )
    try:
        labelling.annotate(annotator=request.user, **form.cleaned_data)
    except labelling.Refused as refusal:
        return _label_page(request, problem=f"That label has not been stored. {refusal}", status=409)
    return redirect("label")


@require_POST
@label_permission
def skip(request: Request) -> HttpResponse:
    form = SkipForm(request.POST)
    if not form.is_valid():
        return _label_page(request, problem="The track was not skipped. Please try again.", status=422)
    labelling.skip(annotator=request.user, **form.cleaned_data)
    return redirect("label")


def _label_page(request: Request, *, problem: str = "", status: int = 200) -> HttpResponse:
    rules = LabellingRules.objects.current()
    leases = labelling.claim(annotator=request.user, rules=rules)
    recent = _recent(request.user)
    context = {
        "lease": leases[0] if leases else None,
        "track": leases[0].track if leases else None,
        "levels": [(level, LEVEL_WORDS.get(level, "")) for level in LEVELS],
        "skip_reasons": Skip.Reason.choices,
        "submission_id": uuid4(),
        "problem": problem,
        "rules": rules,
        "recent": recent,
        # What the page's modules start from.
        "start": {
            "annotator": request.user.pk,
            "tasks": [_task(lease, rules) for lease in leases],
            "recent": [_said(annotation) for annotation in recent],
            "examples": [_example(agreed) for agreed in examples.examples(request.user)],
            "rules": _rules(rules),
            "n_today": _n_today(request.user),
        },
        "has_tracks": Track.objects.playable().exists(),
    }
    return render(request, "annotations/label.html", context, status=status)


def _recent(annotator: User) -> list[Annotation]:
    own = Annotation.objects.current().filter(annotator=annotator).select_related("track")
    return list(own.order_by("-created_at", "-pk")[:N_RECENT])


def _n_today(annotator: User) -> int:
    midnight = timezone.make_aware(datetime.combine(timezone.localdate(), time()))
    given = Annotation.objects.filter(annotator=annotator, created_at__gte=midnight)
    # Answers, of which a repeat is one: a number that stands still would tell that the track had come before.
    return given.exclude(source=Annotation.Source.RELABEL).count()


# ---- The doors


def door(view: Callable[[Request, dict[str, Any]], JsonResponse]) -> Callable[..., HttpResponse]:
    """A view of a JSON object, for those who may label."""

    @require_POST
    @label_permission
    def opened(request: Request) -> HttpResponse:
        try:
            sent = json.loads(request.body or "{}")
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, dict):
            return refused("The request was not a JSON object.", status=422)
        return view(request, sent)

    return opened


@door
def claim(request: Request, sent: dict[str, Any]) -> JsonResponse:
    """The tracks to hear now and next. What the browser says it has (`held`) is not sent again."""
    known = sent["held"] if isinstance(sent.get("held"), list) else []
    rules = LabellingRules.objects.current()
    leases = labelling.claim(annotator=request.user, rules=rules, n=N_HELD)
    return JsonResponse(
        {
            "held": [lease.track_id for lease in leases],
            "tasks": [_task(lease, rules) for lease in leases if lease.track_id not in known],
        }
    )


@door
def keep(request: Request, sent: dict[str, Any]) -> JsonResponse:
    """A sign of life: somebody is still listening."""
    return JsonResponse({"held": labelling.keep(annotator=request.user)})


@require_POST
@label_permission
def release(request: Request) -> HttpResponse:
    """The page is left. A form and no JSON, as `navigator.sendBeacon` can send a token in no other way."""
    # Longer numbers are none that the database can look for.
    sent = [track_id for track_id in request.POST.getlist("track_id") if track_id.isdecimal() and len(track_id) < 19]
    labelling.release(annotator=request.user, track_ids=[int(track_id) for track_id in sent[:N_HELD]])
    return HttpResponse(status=204)


@door
def answer(request: Request, sent: dict[str, Any]) -> JsonResponse:
    """One answer out of the outbox: stored once, however often it is sent; or refused, and then why."""
    if sent.get("annotator") != request.user.pk:
        # Nothing against the answer: it waits in this browser until whoever gave it is back.
        return JsonResponse({"state": "log in"}, status=401)
    if (taken := ANSWERS.get(str(sent.get("kind")))) is None:
        return refused(
            f"The kind of answer was {sent.get('kind')!r}; expected one of {', '.join(ANSWERS)}.", status=422
        )
    form_class, store = taken
    form = form_class(sent)
    if not form.is_valid():
        return refused(_problems(form), status=422)
    try:
        return JsonResponse({"state": "saved", **store(request.user, **form.cleaned_data)})
    except labelling.Refused as refusal:
        return refused(str(refusal), status=409)
    except IntegrityError:
        # The same answer is being stored in this moment: it comes again, and then finds what was stored.
        return JsonResponse({"state": "busy"}, status=503)


def refused(why: str, *, status: int) -> JsonResponse:
    return JsonResponse({"state": "refused", "why": why}, status=status)


def _problems(form: forms.Form) -> str:
    return " ".join(f"{field}: {' '.join(map(str, errors))}" for field, errors in form.errors.items())


def _annotate(annotator: User, **answer: Any) -> dict[str, Any]:
    rules = LabellingRules.objects.current()
    annotation = labelling.annotate(annotator=annotator, rules=rules, **answer)
    return {"annotation": _said(annotation), "agreed_level": agreed_level(annotation, rules)}


def agreed_level(annotation: Annotation, rules: LabellingRules) -> int | None:
    """What leads say of the gold track that this was, where annotators are told."""
    if annotation.stream != Stream.GOLD or not rules.shows_gold or not hasattr(annotation.track, "reference"):
        return None
    return annotation.track.reference.level


def _relabel(annotator: User, **answer: Any) -> dict[str, Any]:
    return {"annotation": _said(labelling.relabel(annotator=annotator, **answer))}


def _skip(annotator: User, **answer: Any) -> dict[str, Any]:
    labelling.skip(annotator=annotator, **answer)
    return {}


def _compare(annotator: User, *, other_id: int, **answer: Any) -> dict[str, Any]:
    if (other := examples.agreed_about(other_id, annotator=annotator)) is None:
        raise labelling.Refused("The other track is no example any more.")
    labelling.compare(annotator=annotator, other=other, **answer)
    return {}


# Kind -> the form that reads it, and what stores it and says what the page should know.
ANSWERS: dict[str, tuple[type[forms.Form], Callable[..., dict[str, Any]]]] = {
    "label": (LabelForm, _annotate),
    "relabel": (RelabelForm, _relabel),
    "skip": (SkipForm, _skip),
    "comparison": (ComparisonForm, _compare),
}


@require_safe
@label_permission
def compare(request: Request) -> JsonResponse:
    """Examples near the level that somebody thinks of."""
    try:
        level = LevelField().clean(request.GET.get("level"))
    except forms.ValidationError as problem:
        return refused(" ".join(problem.messages), status=422)
    return JsonResponse({"examples": [_example(agreed) for agreed in examples.near(level, annotator=request.user)]})


# ---- What the page is told


def _task(lease: Lease, rules: LabellingRules) -> dict[str, Any]:
    """A track to hear. Not why it was handed out: gold and repeats must sound like any other."""
    track = lease.track
    names = {} if rules.hides_names else {"title": str(track), "artist": track.artist}
    return {**_sound(track), **names, "peaks": track.peaks_base64, "min_listened_s": labelling.needed_s(track, rules)}


def _sound(track: Track) -> dict[str, Any]:
    has_loudest = track.loudest_start_s is not None and track.loudest_end_s is not None
    return {
        "track": track.pk,
        "audio": reverse("track_audio", args=[track.pk]),
        "duration_s": track.duration_s,
        "loudest": [track.loudest_start_s, track.loudest_end_s] if has_loudest else None,
        "loudness_lufs": track.loudness_lufs,
        "is_synthetic": track.is_synthetic,
    }


def _example(agreed: examples.Agreed) -> dict[str, Any]:
    return {**_sound(agreed.track), "title": str(agreed.track), "artist": agreed.track.artist, "level": agreed.level}


def _said(annotation: Annotation) -> dict[str, Any]:
    """An own label, with the names that may be shown now; and the sound, for who wants to change it."""
    track = annotation.track
    return {**_sound(track), "title": str(track), "artist": track.artist, "level": annotation.level}


def _rules(rules: LabellingRules) -> dict[str, Any]:
    return {
        "session_goal": rules.session_goal,
        "break_after_minutes": rules.break_after_minutes,
        "shows_gold": rules.shows_gold,
    }
