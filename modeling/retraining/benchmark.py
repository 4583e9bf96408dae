"""What it costs to predict every track of a library from stored features, beside asking the model about one track at a time."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from annotations.models import Annotation, Track, User
from modeling import pipeline, services
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector, Prediction, Promotion, TrainingRun
from modeling.retraining import predictions, refreshing
from modeling.retraining.predictions import StoredModel

BATCH_SIZE = 2_000
N_LABELLED = 600
PER_MINUTE_WANTED = 50_000
_MB = 1024


@dataclass(frozen=True)
class Cost:
    """Attributes
    ----------
    seconds
        Of the wall clock.
    one_by_one_s
        For each track, of those that were asked about one at a time.
    peak_mb
        The most memory of this process, and what it had before the tracks were predicted.
    """

    n_tracks: int
    seconds: float
    one_by_one_s: float
    peak_mb: float
    before_mb: float

    @property
    def per_minute(self) -> float:
        return 60 * self.n_tracks / self.seconds

    @property
    def times_as_fast(self) -> float:
        return self.one_by_one_s * self.n_tracks / self.seconds


def make_library(n_tracks: int, *, feature_sets: list[str], n_labelled: int | None = None, seed: int = 7) -> None:
    """Tracks whose features know their level, the first of them labelled by three people."""
    n_labelled = N_LABELLED if n_labelled is None else n_labelled
    rng = np.random.default_rng(seed)
    people = [User.objects.create(username=f"annotator-{n}", password="!") for n in range(3)]
    for start in range(0, n_tracks, BATCH_SIZE):
        numbers = range(start, min(start + BATCH_SIZE, n_tracks))
        tracks = Track.objects.bulk_create(
            Track(uri=f"made-up:{n}", artist=f"Artist {n // 2}", audio=f"{n}.mp3", audio_state="ready", duration_s=30)
            for n in numbers
        )
        for name in feature_sets:
            FeatureVector.objects.bulk_create(_vectors(tracks, numbers, name, rng))
        Annotation.objects.bulk_create(
            Annotation(track=track, annotator=people[n % 3], level=1 + n % 10, submission_id=_uuid(rng))
            for n, track in zip(numbers, tracks, strict=True)
            if n < n_labelled
        )


def measure(recipe: str, *, n_one_by_one: int, say: Callable[[str], object]) -> Cost:
    """Train on the labelled tracks, forget the predictions, and make them again as a promotion does."""
    job = services.request_training(requested_by=None, recipe=recipe)
    pipeline.train(job.pk)
    run = TrainingRun.objects.get(job=job)
    if not run.is_live:  # as all but the first: only the model in use predicts
        Promotion.objects.create(run=run, promoted_by=None, why="To be measured.")
    run.predictions.filter(part=Prediction.Part.FINAL).delete()
    say(f"trained {recipe} on {run.n_tracks:,} labelled tracks")
    before_mb, began = _peak_mb(), time.perf_counter()
    predictions.refresh(refreshing.request(run=run, requested_by=None).pk)
    seconds, peak_mb = time.perf_counter() - began, _peak_mb()
    n_tracks = run.predictions.filter(part=Prediction.Part.FINAL).count()
    return Cost(n_tracks, seconds, _one_by_one(run, n_one_by_one), peak_mb, before_mb)


def _one_by_one(run: TrainingRun, n: int) -> float:
    """Seconds a track: its features are read, the model is asked, the row is stored, then the next."""
    run.predictions.filter(part=Prediction.Part.FINAL).delete()
    tracks, model = predictions.lacking(run)[:n], StoredModel.of(run)
    began = time.perf_counter()
    for track in tracks:
        predictions.store(predictions.final_predictions(run, *model.predict([track])))
    return (time.perf_counter() - began) / len(tracks)


def lines(recipe: str, cost: Cost) -> Iterator[str]:
    missed = "" if cost.per_minute >= PER_MINUTE_WANTED else f" (wanted: {PER_MINUTE_WANTED:,})"
    yield f"{recipe}: {cost.n_tracks:,} tracks in {cost.seconds:.1f} s, {cost.per_minute:,.0f} a minute{missed}"
    yield f"  one by one {1000 * cost.one_by_one_s:.1f} ms a track: in chunks {cost.times_as_fast:.0f} times as fast"
    yield f"  peak memory {cost.peak_mb:,.0f} MB, {cost.before_mb:,.0f} MB of it before (training included)"


def _vectors(tracks: list[Track], numbers: range, name: str, rng: np.random.Generator) -> Iterator[FeatureVector]:
    feature_set = FEATURE_SETS[name]
    values = rng.normal(size=(len(tracks), len(feature_set.columns))).astype("<f4")
    values[:, 0] += np.array([1 + n % 10 for n in numbers], "<f4")
    for track, row in zip(tracks, values, strict=True):
        yield FeatureVector(track=track, feature_set=feature_set.key, values=row.tobytes())


def _uuid(rng: np.random.Generator) -> str:
    return rng.bytes(16).hex()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MB
