"""What the model in use says of every track, and the numbers it was told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annotations.models import Track
from energyapp.jobs.claims import JobRefused
from modeling.core.feature_sets import FEATURE_SETS
from modeling.exports.label_tables import genres_of
from modeling.exports.tables import Column, Options, Row, Table, chunks, texts
from modeling.models import FeatureVector, Prediction, TrainingRun

# ---- Predictions


def _run_in_use() -> TrainingRun:
    if (run := TrainingRun.objects.live()) is None:
        raise JobRefused("No model is in use yet, so nothing is predicted. Train one first.")
    return run


def _predictions(options: Options) -> Iterator[list[Row]]:
    run = _run_in_use()
    of_run = (run.pk, run.recipe, run.artifact_digest, run.created_at)
    found = Prediction.objects.filter(run=run, part=Prediction.Part.FINAL).values_list(
        "pk", "track", "track__uri", "track__title", "track__artist", "level", "score", "lower", "upper"
    )
    for chunk in chunks(found):
        genres = genres_of([row[1] for row in chunk])
        yield [
            (uri, title, artist, genres.get(track, ""), *said, *of_run) for _, track, uri, title, artist, *said in chunk
        ]


PREDICTIONS = Table(
    name="predictions",
    words="Predictions",
    about="What the model in use says of every track that has features: level, score, the interval that holds nine "
    "labels of ten, and which model it was.",
    columns=lambda options: (
        *texts("track_uri", "title", "artist", "genres"),
        Column("level", "integer"),
        *(Column(name, "number") for name in ("score", "lower", "upper")),
        Column("run", "integer"),
        *texts("recipe", "model"),
        Column("trained_at", "time"),
    ),
    rows=_predictions,
    count=lambda options: Prediction.objects.filter(run=_run_in_use(), part=Prediction.Part.FINAL).count(),
)

# ---- Features


def _vectors(options: Options):
    # Empty: the set could not be computed of this track.
    return FeatureVector.objects.filter(feature_set=_key(options)).exclude(values=b"")


def _features(options: Options) -> Iterator[list[Row]]:
    # By track: the index that finds a set has its vectors in this order.
    for chunk in chunks(_vectors(options).values_list("track_id", "values"), key="track_id"):
        uris = dict(Track.objects.filter(pk__in=[track for track, _ in chunk]).values_list("pk", "uri"))
        yield [(uris[track], *_numbers(values)) for track, values in chunk]


def _numbers(values: bytes) -> list[np.float32 | None]:
    """As float64 they would be written with digits that nobody has measured. None where there is no number."""
    numbers = np.frombuffer(values, "<f4")
    return list(numbers) if np.isfinite(numbers).all() else [n if np.isfinite(n) else None for n in numbers]


def _key(options: Options) -> str:
    return FEATURE_SETS[options.feature_set].key


FEATURES = Table(
    name="features",
    words="Features",
    about="The numbers of one feature set. The command manage.py import_features reads it.",
    columns=lambda options: (
        Column("track_uri"),
        *(Column(name, "number") for name in FEATURE_SETS[options.feature_set].columns),
    ),
    rows=_features,
    count=lambda options: _vectors(options).count(),
)
