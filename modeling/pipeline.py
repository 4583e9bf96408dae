"""The only bridge between rows and arrays: rows -> arrays -> core -> rows. Loaded by workers, never by the web process."""

from __future__ import annotations

import logging
import subprocess
from dataclasses import asdict
from typing import Any

import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.db.models import F

import energyapp
from annotations.models import Track
from annotations.services import raise_flags
from energyapp.jobs.claims import Claim, NotClaimed
from modeling.core import artifacts, audio, convnet, decoding
from modeling.core.decoding import AudioError
from modeling.core.evaluation import Evaluation, cross_validate, summary
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.metrics import by_group
from modeling.core.recipes import RECIPES
from modeling.models import FeatureVector, Prediction, Promotion, TrainingRun
from modeling.suspects import find_suspects
from modeling.training_data import TrainingData, read_training_data

logger = logging.getLogger(__name__)

# A file that kills its worker comes back to the next one; after this many it is the file.
MAX_FEATURE_ATTEMPTS = 3
BULK_SIZE = 2_000
# What the loop button of the player repeats: the part that annotators are told to judge; of a short clip a third.
LOUDEST_PART_S = 25
# Share of a training that cross-validation takes, for the progress bar.
CROSS_VALIDATION_SHARE = 0.8


# ---- Features


def compute_features(track_id: int) -> None:
    """Decode one track and store its peaks and what feature sets it lacks. A bad file marks its own track, with the reason."""
    track = Track.objects.get(pk=track_id)
    if track.audio_state not in {Track.AudioState.WAITING, Track.AudioState.READY}:
        return
    if track.features_attempts >= MAX_FEATURE_ATTEMPTS:
        _mark_bad(
            track,
            f"It could not be read in {MAX_FEATURE_ATTEMPTS} attempts: it stopped the worker, or the storage failed.",
        )
        return
    Track.objects.filter(pk=track.pk).update(features_attempts=F("features_attempts") + 1)
    try:
        with track.audio.open("rb"):
            pass  # whether the storage has it: what is wrong with the file itself is the decoder's to say
        waveform = decoding.load(track.audio.path).waveform
        vectors = _missing_vectors(track, waveform)
    except AudioError as problem:
        _mark_bad(track, str(problem))
    except OSError as problem:
        # The storage's fault, perhaps a passing one: a track that waits is tried again.
        logger.warning("%s cannot be read from the storage: %s", track.audio.name, problem)
    except SoftTimeLimitExceeded:
        _mark_bad(track, "Reading it took too long and was stopped.")
    else:
        _store_features(track, waveform, vectors)


def _missing_vectors(track: Track, waveform: np.ndarray) -> list[FeatureVector]:
    present = set(track.feature_vectors.values_list("feature_set", flat=True))
    return [
        FeatureVector(track=track, feature_set=wanted.key, values=wanted.compute(waveform).astype("<f4").tobytes())
        for wanted in FEATURE_SETS.values()
        if wanted.key not in present and wanted.compute is not None and _can_compute(wanted.name)
    ]


def _can_compute(feature_set: str) -> bool:
    return feature_set != "transfer" or convnet.is_installed()


@transaction.atomic
def _store_features(track: Track, waveform: np.ndarray, vectors: list[FeatureVector]) -> None:
    # Two workers may have computed the same: the vectors are equal, either may stay.
    FeatureVector.objects.bulk_create(vectors, ignore_conflicts=True)
    duration_s = audio.duration_s(waveform)
    loudest_start_s, loudest_end_s = audio.loudest_part(waveform, min(LOUDEST_PART_S, duration_s / 3))
    Track.objects.filter(pk=track.pk).update(
        audio_state=Track.AudioState.READY,
        duration_s=duration_s,
        peaks=audio.peaks(waveform),
        loudest_start_s=loudest_start_s,
        loudest_end_s=loudest_end_s,
        features_attempts=0,
    )


def _mark_bad(track: Track, reason: str) -> None:
    """A track that plays stays playable, whatever a further feature set makes of it."""
    waiting = Track.objects.filter(pk=track.pk, audio_state=Track.AudioState.WAITING)
    waiting.update(audio_state=Track.AudioState.BAD, audio_problem=reason[:300])


# ---- Training


def train(job_id: int) -> None:
    """Train the run of this job: evaluate, fit, store the model and its predictions, raise flags. All of it or nothing."""
    try:
        with Claim(job_id) as claim:
            _train(TrainingRun.objects.get(job=job_id), claim)
    except NotClaimed:
        return  # delivered twice, or taken over


def _train(run: TrainingRun, claim: Claim) -> None:
    claim.report(0, "Reading labels and features")
    data = read_training_data()
    evaluation = cross_validate(
        run.recipe,
        data.dataset,
        seed=run.seed,
        on_progress=lambda share, message: claim.report(CROSS_VALIDATION_SHARE * share, f"Cross-validation: {message}"),
    )
    claim.report(CROSS_VALIDATION_SHARE, "Fitting the model on all labels")
    model = RECIPES[run.recipe](seed=run.seed).fit(data.dataset.X, data.dataset.y, groups=data.dataset.groups)
    metrics = _metrics(data, evaluation)
    artifact, digest = _write_artifact(run, claim, model, data, metrics)
    claim.report(0.9, "Predicting every track")
    predictions = _predictions(run, data, evaluation, model)
    claim.report(0.95, "Looking for labels that look wrong")
    suspects = find_suspects(data, evaluation, share=settings.FLAG_SHARE, seed=run.seed)

    with transaction.atomic():
        TrainingRun.objects.filter(pk=run.pk).update(
            feature_sets=list(data.feature_set_keys),
            code_version=code_version(),
            dataset_digest=data.dataset.digest(),
            artifact=artifact,
            artifact_digest=digest,
            n_tracks=len(data.dataset.y),
            n_annotations=len(data.annotations),
            metrics=metrics,
        )
        Prediction.objects.bulk_create(predictions, batch_size=BULK_SIZE)
        n_open = raise_flags(suspects, source=str(run))
        if not Promotion.objects.exists():
            Promotion.objects.create(run=run, promoted_by=None)
        claim.succeed(f"macro-MAE {metrics['out_of_fold']['macro_mae']:.2f}; {n_open} labels to review")


def _metrics(data: TrainingData, evaluation: Evaluation) -> dict[str, Any]:
    """Both held-out views, against the level that people see: the out-of-fold tracks, and the slice nothing touches."""
    parts = {"out_of_fold": ~evaluation.in_slice, "slice": evaluation.in_slice}
    return {name: _part_metrics(data, evaluation.level, rows) for name, rows in parts.items() if rows.any()} | {
        "n_left_out": data.n_left_out
    }


def _part_metrics(data: TrainingData, predicted: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    truth, level = data.true_level[rows], predicted[rows]
    genres = [data.genres[row] for row in np.flatnonzero(rows)]
    return summary(truth, level) | {"by_genre": [asdict(genre) for genre in by_group(truth, level, genres)]}


def _write_artifact(
    run: TrainingRun, claim: Claim, model: Any, data: TrainingData, metrics: dict[str, Any]
) -> tuple[str, str]:
    # The token: an attempt that was given up for dead may still be writing to its own folder.
    name = f"run-{run.pk}-{claim.token.hex[:8]}"
    manifest = artifacts.Manifest(
        recipe=run.recipe,
        feature_sets={key.split("@")[0]: key.split("@")[1] for key in data.feature_set_keys},
        columns=data.dataset.columns,
        seed=run.seed,
        metrics=metrics,
        code_version=code_version(),
        dataset_digest=data.dataset.digest(),
    )
    digest = artifacts.write(settings.RUNS_DIR / name / "model", model, manifest)
    data.dataset.save(settings.RUNS_DIR / name / "dataset.npz")
    return name, digest


def _predictions(run: TrainingRun, data: TrainingData, evaluation: Evaluation, model: Any) -> list[Prediction]:
    """Held-out predictions of the labelled tracks, and the final model's of every track that has the features."""
    parts = np.where(evaluation.in_slice, Prediction.Part.SLICE, Prediction.Part.OUT_OF_FOLD)
    held_out = [
        Prediction(run=run, track_id=track_id, part=part, true_level=truth, score=score, level=level)
        for track_id, part, truth, score, level in zip(
            data.track_ids,
            parts.tolist(),
            data.true_level.tolist(),
            evaluation.score.tolist(),
            evaluation.level.tolist(),
            strict=True,
        )
    ]
    final = [
        Prediction(run=run, track_id=track_id, part=Prediction.Part.FINAL, score=score, level=level)
        for track_id, score, level in zip(
            data.all_track_ids,
            model.predict_score(data.all_features).tolist(),
            model.predict(data.all_features).tolist(),
            strict=True,
        )
    ]
    return held_out + final


def code_version() -> str:
    """The commit that runs, where the code is a checkout; else the release."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return energyapp.__version__
    return f"{energyapp.__version__}+{commit.stdout.strip()}"
