"""Training: rows -> arrays -> core -> rows. Loaded by workers, never by the web process."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

import energyapp
from annotations.services import raise_flags
from energyapp.jobs.claims import Claim, NotClaimed
from modeling.core import artifacts
from modeling.core.evaluation import Evaluation, cross_validate, summary
from modeling.core.metrics import by_group
from modeling.core.recipes import RECIPES
from modeling.models import Prediction, Promotion, TrainingRun
from modeling.suspects import find_suspects
from modeling.training_data import TrainingData, read_training_data

BULK_SIZE = 2_000
# Share of a training that cross-validation takes, for the progress bar.
CROSS_VALIDATION_SHARE = 0.8


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
        annotations=data.labels_by_person,
        on_progress=lambda share, message: claim.report(CROSS_VALIDATION_SHARE * share, f"Cross-validation: {message}"),
    )
    claim.report(CROSS_VALIDATION_SHARE, "Fitting the model on all labels")
    model = RECIPES[run.recipe](seed=run.seed).fit(
        data.dataset.X, data.dataset.y, groups=data.dataset.groups, annotations=data.labels_by_person
    )
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
