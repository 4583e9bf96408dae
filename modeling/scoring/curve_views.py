"""One track as the model in use hears it: its own prediction, and the curve over its windows."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotations.http import Request
from annotations.models import Flag, Track
from energyapp.charts.song import clock, song_curve
from energyapp.jobs import workers
from modeling.core.audio import FEATURE_WINDOW_S
from modeling.models import Prediction, TrainingRun
from modeling.scoring import services
from modeling.scoring.blindness import covered_tracks
from modeling.scoring.catalogue_views import see_predictions
from modeling.scoring.models import WindowCurve
from modeling.window_features import n_windows


@require_safe
@see_predictions
def energy(request: Request, pk: int) -> HttpResponse:
    """What the model says of a track, and where in the song its energy lies."""
    track = get_object_or_404(Track, pk=pk)
    context: dict[str, Any] = {
        "track": track,
        "flag": None,
        "is_covered": covered_tracks(request.user).filter(pk=pk).exists(),
    }
    if context["is_covered"]:
        context["flag"] = Flag.objects.still_to_hear(request.user).filter(of_track=track).first()
        return render(request, "scoring/energy.html", context)
    run = TrainingRun.objects.live()
    said = Prediction.objects.filter(run=run, track=track, part=Prediction.Part.FINAL).first()
    context |= {"run": run, "prediction": said, "n_windows": n_windows(track), "is_served": workers.serve("intake")}
    if run and track.audio_state == Track.AudioState.READY and context["n_windows"] > 1:
        context |= _curve_context(run, track, said)
    return render(request, "scoring/energy.html", context)


@require_POST
@see_predictions
def draw_curve(request: Request, pk: int) -> HttpResponse:
    """Have the curve drawn; back to the page, which waits for it."""
    track, run = get_object_or_404(Track, pk=pk), TrainingRun.objects.live()
    if run and n_windows(track) > 1 and not WindowCurve.objects.filter(run=run, track=track).exists():
        services.request_curve(run=run, track=track, requested_by=request.user)
    return redirect("energy", pk=pk)


def _curve_context(run: TrainingRun, track: Track, said: Prediction | None) -> dict[str, Any]:
    """The curve, where it is there; else who is at it."""
    curve = WindowCurve.objects.filter(run=run, track=track).first()
    if curve is None:
        return {"job": services.curve_job(run, track)}
    loudest = _loudest(track)
    return {
        "curve": curve,
        "chart": song_curve(
            curve.scores,
            part_s=FEATURE_WINDOW_S,
            duration_s=track.duration_s or 0.0,
            label=f"Energy of {track}",
            loudest=loudest,
            whole=_whole(said),
        ),
        "rows": _rows(curve.scores, track.duration_s or 0.0, loudest),
    }


def _whole(said: Prediction | None) -> tuple[float, float, float] | None:
    if said is None:
        return None
    return said.score, *((said.score, said.score) if said.lower is None else (said.lower, said.upper or said.score))


def _loudest(track: Track) -> tuple[float, float] | None:
    if track.loudest_start_s is None or track.loudest_end_s is None:
        return None
    return track.loudest_start_s, track.loudest_end_s


def _rows(scores: list[float], duration_s: float, loudest: tuple[float, float] | None) -> list[dict[str, Any]]:
    """The curve as a table: beside the drawing, for who cannot see it, and for keys."""
    best = scores.index(max(scores))
    loudest_at = int(sum(loudest) / 2 // FEATURE_WINDOW_S) if loudest else -1
    return [
        {
            "start_s": i * FEATURE_WINDOW_S,
            "start": clock(i * FEATURE_WINDOW_S),
            "end": clock(min((i + 1) * FEATURE_WINDOW_S, duration_s)),
            "score": score,
            "level": min(10, max(1, round(score))),
            "is_best": i == best,
            "is_loudest": i == loudest_at,
        }
        for i, score in enumerate(scores)
    ]
