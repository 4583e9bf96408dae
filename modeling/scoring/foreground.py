"""A scoring from file to file without workers: what `manage.py score_tracks` does, by the same functions as they."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from annotations.intake import previews
from annotations.intake.csv_import import FindAudio
from annotations.intake.models import PreviewFetch, PreviewHost
from annotations.models import Track, TrackQuerySet
from energyapp.jobs import waves
from modeling import feature_queue
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.models import TrainingRun
from modeling.retraining.predictions import CHUNK_TRACKS, StoredModel, lacking, store_lacking
from modeling.scoring.models import Scoring
from modeling.scoring.result import csv_lines
from modeling.scoring.taking_in import own_columns, take_in

Say = Callable[[str], object]

# A server that wants to be asked again later than this is not waited for.
PATIENCE_S = 180
LOOK_EVERY_S = 1.0


class CannotScore(Exception):
    """Nothing can be scored here; the message says why, and what to do."""


def usable_sets(run: TrainingRun) -> list[FeatureSet]:
    """What is to be computed of new tracks: what workers compute, and whatever else the model has learnt from."""
    names = [key.split("@")[0] for key in run.feature_sets]
    computable = feature_queue.computable_sets(also=names)
    made_here = {feature_set.name for feature_set in computable}
    for name in names:
        if FEATURE_SETS[name].compute is not None and name not in made_here:
            raise CannotScore(
                f"{run} learnt from {name} features, which cannot be computed here. Run manage.py install_convnet."
            )
    return computable


def read(table: Path, *, find_audio: FindAudio, say: Say) -> Scoring:
    """Take the rows of a file in. An earlier list of the same file is replaced: what it could not take may be there by now.

    Raises
    ------
    FileRefused
        Nothing of the file can be read.
    """
    columns = own_columns(table)
    with table.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with transaction.atomic():
        Scoring.objects.filter(job=None, digest=digest).delete()
        scoring = Scoring.objects.create(name=table.name[:300], digest=digest, columns=columns)
    n_rows = take_in(scoring, table, find_audio=find_audio)
    say(f"{n_rows:,} rows read.")
    return scoring


def tracks_of(scoring: Scoring) -> TrackQuerySet:
    return Track.objects.filter(pk__in=scoring.rows.exclude(track=None).values("track"))


# ---- Previews


def fetch_previews(scoring: Scoring, *, say: Say) -> int:
    """Fetch what can be fetched now; how many have to be tried again later."""
    wanted = tracks_of(scoring).filter(audio_state=Track.AudioState.NOT_FETCHED)
    previews.take_up_wanted_tracks()
    while n_left := wanted.count():
        if waves.stopped("fetch"):
            raise CannotScore("Fetching previews was stopped on the page Jobs. Let it go on there, then score again.")
        say(f"{n_left:,} previews to fetch")
        hosts = PreviewFetch.objects.filter(track__in=wanted.values("pk")).values("host")
        if due := list(PreviewHost.objects.due().filter(pk__in=hosts).values_list("pk", flat=True)):
            for name in due:
                previews.fetch_host(name)
        elif _next_try_s(wanted) < PATIENCE_S:
            time.sleep(LOOK_EVERY_S)
        else:
            return n_left
    return 0


def _next_try_s(wanted: TrackQuerySet) -> float:
    """Seconds until one of these may be asked for again."""
    fetches = PreviewFetch.objects.filter(track__in=wanted.values("pk"))
    times = fetches.values_list("next_attempt_at", "host__not_before")
    soonest = min((max(at, not_before) for at, not_before in times), default=timezone.now())
    return (soonest - timezone.now()) / dt.timedelta(seconds=1)


# ---- Features


def lacking_features(scoring: Scoring, feature_sets: list[FeatureSet]) -> list[int]:
    """Ids of the tracks that something is to be computed of."""
    tracks = tracks_of(scoring)
    waiting = tracks.filter(audio_state=Track.AudioState.WAITING)
    without = feature_queue.lacking(feature_sets).filter(pk__in=tracks.values("pk"))
    return [*waiting.values_list("pk", flat=True), *without.values_list("pk", flat=True)]


# ---- Predictions


def predict(scoring: Scoring, run: TrainingRun, *, say: Say) -> int:
    """Let the model hear those of the tracks that it has not predicted; how many were predicted.

    Raises
    ------
    ModelGone
    """
    wanted = set(tracks_of(scoring).values_list("pk", flat=True))
    model, n_stored = StoredModel.of(run), 0
    while tracks := [pk for pk in lacking(run) if pk in wanted]:
        say(f"{len(tracks):,} tracks to predict")
        chunk = tracks[:CHUNK_TRACKS]
        wanted -= set(chunk)  # of some a feature may be no number: they would come again for ever
        n_stored += store_lacking(run, *model.predict(chunk))
    return n_stored


# ---- The result


def write(scoring: Scoring, run: TrainingRun, path: Path) -> None:
    """All or nothing: a reader finds the old file or the new one."""
    part = part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(csv_lines(scoring, run, reader=None))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def counts(scoring: Scoring, run: TrainingRun) -> dict[str, int]:
    """Rows by state."""
    return Counter(scoring.rows.with_state(run, reader=None).values_list("state", flat=True).iterator())
