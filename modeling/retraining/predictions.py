"""What a run says of every track with features: filled in where it is lacking, a chunk at a time. Loaded by workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from energyapp.jobs.claims import Claim, JobRefused, NotClaimed
from energyapp.jobs.models import Job
from modeling.core import artifacts
from modeling.core.evaluation import Predictions, predictions_of
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.recipes import Recipe
from modeling.feature_matrix import filled, side_by_side, tracks_of_sets
from modeling.models import Prediction, TrainingRun

# Of a transaction: what a worker that dies loses, and what memory is needed for.
CHUNK_TRACKS = 4_000
BULK_SIZE = 2_000


class ModelGone(JobRefused):
    """The run's model cannot be asked any more; the message says what to do."""


def refresh(job_id: int) -> None:
    """Predict the tracks that the run of this job has not predicted. Each chunk stays: who takes over goes on from there."""
    try:
        with Claim(job_id) as claim:
            _refresh(TrainingRun.objects.get(pk=Job.objects.get(pk=job_id).key), claim)
    except NotClaimed:
        return  # delivered twice, or taken over


def _refresh(run: TrainingRun, claim: Claim) -> None:
    claim.report(0, "Looking for tracks without a prediction")
    model = StoredModel.of(run)
    tracks = lacking(run)
    n_stored = n_unusable = 0
    for start in range(0, len(tracks), CHUNK_TRACKS):
        if not run.is_live:
            break
        chunk = tracks[start : start + CHUNK_TRACKS]
        usable, found = model.predict(chunk)
        n_unusable += len(chunk) - len(usable)
        with transaction.atomic():
            # First: where this attempt was given up for dead meanwhile, nothing of the chunk is stored.
            claim.report(start / len(tracks), f"Predicting: {start:,} of {len(tracks):,} tracks")
            n_stored += store_lacking(run, usable, found)
    with transaction.atomic():
        claim.succeed(_sentence(run, n_stored, n_unusable) if tracks else _nothing_to_do(run))


def _nothing_to_do(run: TrainingRun) -> str:
    return f"Nothing to do: {run} has predicted every track that has its features."


def _sentence(run: TrainingRun, n_stored: int, n_unusable: int) -> str:
    said = f"{n_stored:,} track{'s' if n_stored != 1 else ''} predicted by {run}"
    if not run.is_live:
        return f"{said}; the others are not, as another run was put to use."
    return said + (f"; {n_unusable:,} not, for a feature of them is no number." if n_unusable else ".")


def lacking(run: TrainingRun) -> list[int]:
    """Ids of the tracks with all features of this run that its final model has not predicted, ascending."""
    tracks_of = tracks_of_sets([key.split("@")[0] for key in run.feature_sets])
    covered = set.intersection(*(tracks_of[key] for key in run.feature_sets))
    predicted = run.predictions.filter(part=Prediction.Part.FINAL).values_list("track", flat=True)
    return sorted(covered.difference(predicted.iterator(CHUNK_TRACKS)))


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A run's model with what it needs to be asked about tracks.

    Attributes
    ----------
    columns_of_set : first and last + 1 column of each of its feature sets, side by side
    chosen : which of these columns it has learnt from
    """

    recipe: Recipe
    columns_of_set: dict[str, tuple[int, int]]
    n_columns: int
    chosen: NDArray[np.intp]

    @classmethod
    def of(cls, run: TrainingRun) -> StoredModel:
        """Raises ModelGone where its features are not computed any more, or its files are not what was stored."""
        current = {feature_set.key for feature_set in FEATURE_SETS.values()}
        if gone := [key for key in run.feature_sets if key not in current]:
            raise ModelGone(f"{run} learnt from {gone[0]}, which is not computed any more. Train again.".capitalize())
        try:
            recipe, manifest = artifacts.read(
                settings.RUNS_DIR / run.artifact / "model", expected_digest=run.artifact_digest
            )
        except artifacts.ArtifactError as problem:
            raise ModelGone(
                f"The files of {run}'s model are gone or changed: bring media/runs back from the backup, or train again."
            ) from problem
        columns_of_set, columns = side_by_side(run.feature_sets)
        position = {name: index for index, name in enumerate(columns)}
        chosen = np.array([position[name] for name in manifest.columns])
        return cls(recipe, columns_of_set, len(columns), chosen)

    def predict(self, track_ids: list[int]) -> tuple[list[int], Predictions]:
        """Of the tracks whose features are numbers, ids and what the model says; from the stored features."""
        X = filled(track_ids, self.columns_of_set, n_columns=self.n_columns)[:, self.chosen]
        usable = np.flatnonzero(np.isfinite(X).all(axis=1))
        return [track_ids[row] for row in usable], predictions_of(self.recipe, X, usable)


# ---- Rows


def rows_of(run: TrainingRun, track_ids: list[int], found: Predictions) -> Iterator[Prediction]:
    columns = zip(track_ids, found.score, found.level, found.lower, found.upper, strict=True)
    for track_id, score, level, lower, upper in columns:
        yield Prediction(
            run=run, track_id=track_id, score=float(score), level=int(level), lower=float(lower), upper=float(upper)
        )


def final_predictions(run: TrainingRun, track_ids: list[int], found: Predictions) -> Iterator[Prediction]:
    """By the model of all labels."""
    for row in rows_of(run, track_ids, found):
        row.part = Prediction.Part.FINAL
        yield row


@transaction.atomic
def store_lacking(run: TrainingRun, track_ids: list[int], found: Predictions) -> int:
    """Those that are not there yet, and how many that were: a worker and the command line may predict for a run at once."""
    TrainingRun.objects.select_for_update(no_key=True).only("pk").get(pk=run.pk)  # one after the other
    final = run.predictions.filter(part=Prediction.Part.FINAL, track__in=track_ids)
    known = set(final.values_list("track", flat=True))
    return store(row for row in final_predictions(run, track_ids, found) if row.track_id not in known)


def store(predictions: Iterator[Prediction]) -> int:
    """A batch at a time: tens of thousands of rows need not be objects all at once. How many there were."""
    n = 0
    while batch := list(islice(predictions, BULK_SIZE)):
        n += len(Prediction.objects.bulk_create(batch))
    return n
