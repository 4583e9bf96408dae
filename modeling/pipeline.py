"""Training: rows -> arrays -> core -> rows. Loaded by workers, never by the web process."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

import energyapp
from annotations.models import Flag, ReviewRules
from annotations.review.flags import Accusation, raise_flags
from energyapp.jobs.claims import Claim, JobRefused, NotClaimed
from energyapp.webhooks.services import announce
from modeling.core import artifacts
from modeling.core.dataset import evaluation_slice
from modeling.core.evaluation import (
    CannotLearn,
    Evaluation,
    by_annotator,
    cross_validate,
    held_out_metrics,
    predictions_of,
)
from modeling.core.importance import PermutationImportance
from modeling.core.metrics import by_group
from modeling.core.recipes import RECIPES, Recipe
from modeling.core.versions import library_versions
from modeling.models import Prediction, TrainingRun
from modeling.retraining.champion import Comparison
from modeling.retraining.changes import newest_ids
from modeling.retraining.comparison import compare
from modeling.retraining.predictions import final_predictions, rows_of, store
from modeling.retraining.promotion import promote_by_itself
from modeling.since_previous import since_previous
from modeling.suspects import find_suspects
from modeling.training_data import TrainingData, read_training_data

# Share of a training that cross-validation takes, for the progress bar.
CROSS_VALIDATION_SHARE = 0.8
# A training fits its recipe seven times: without each of five folds, without the slice, and on all.
N_FITS = 7
# Of 552 real tracks the whole training takes 40 s with the quick candidates; ten times as many still find the time.
RACE_TIME_S = 900.0
QUICK_CANDIDATES = ("ridge_thresholds", "ordinal_logit", "gp", "svr", "xgboost")
# With 552 tracks the network is .3 levels behind, and takes two thirds of the time.
NETWORK_FROM_TRACKS = 5_000


def _race_options(n_tracks: int) -> dict[str, Any]:
    network = ("network",) if n_tracks >= NETWORK_FROM_TRACKS else ()
    return {"candidates": QUICK_CANDIDATES + network, "time_budget_s": RACE_TIME_S / N_FITS}


# Options that follow from the number of labelled tracks, by recipe.
OPTIONS_BY_SIZE: dict[str, Callable[[int], dict[str, Any]]] = {"auto": _race_options}


def train(job_id: int) -> None:
    """Train the run of this job: evaluate, fit, store the model and its predictions, raise flags. All of it or nothing."""
    try:
        with Claim(job_id) as claim:
            _train(TrainingRun.objects.get(job=job_id), claim)
    except NotClaimed:
        return  # delivered twice, or taken over


def _train(run: TrainingRun, claim: Claim) -> None:
    claim.report(0, "Reading labels and features")
    # Before the labels: what comes in between is one round late, and never missed.
    looked_at = newest_ids()
    data = read_training_data(RECIPES[run.recipe].feature_sets)
    make_recipe = _recipe_factory(run, n_tracks=len(data.track_ids))
    evaluation, importance = _evaluate(run, claim, make_recipe, data)
    claim.report(CROSS_VALIDATION_SHARE, "Fitting the model on all labels")
    model = make_recipe().fit(
        data.dataset.X, data.dataset.y, groups=data.dataset.groups, annotations=data.labels_by_person
    )
    metrics = _metrics(data, evaluation) | {
        "n_left_out": data.n_left_out,
        **looked_at,
        "notes": [*data.notes, *model.notes],
        "details": getattr(model, "details", {}),
        "importance": importance,
        "versions": library_versions(),
    }
    dataset_digest = data.dataset.digest()
    # The token: an attempt that was given up for dead may still be writing to its own folder.
    artifact = f"run-{run.pk}-{claim.token.hex[:8]}"
    with ExitStack() as unless_it_succeeds:
        unless_it_succeeds.callback(shutil.rmtree, settings.RUNS_DIR / artifact, ignore_errors=True)
        digest = _write_artifact(run, artifact, model, data, metrics, dataset_digest)
        claim.report(0.9, "Predicting every track")
        final = predictions_of(model, data.features.values)
        champion = compare(data, evaluation, TrainingRun.objects.live())
        claim.report(0.95, "Looking for labels that look wrong")
        suspects = find_suspects(data, evaluation, ReviewRules.objects.current(), seed=run.seed)

        with transaction.atomic():
            flags = _raise(run, suspects)
            TrainingRun.objects.filter(pk=run.pk).update(
                feature_sets=list(data.feature_set_keys),
                code_version=code_version(),
                dataset_digest=dataset_digest,
                artifact=artifact,
                artifact_digest=digest,
                n_tracks=len(data.dataset.y),
                n_annotations=len(data.annotations),
                metrics=metrics
                | {"since_previous": since_previous(data, evaluation), "flags": flags, "champion": champion},
            )
            store(chain(_held_out(run, data, evaluation), final_predictions(run, data.features.track_ids, final)))
            promote_by_itself(run, Comparison(**champion) if champion else None)
            _tell(run, metrics, flags)
            claim.succeed(f"macro-MAE {metrics['out_of_fold']['macro_mae']:.2f}; {flags['open']} labels to review")
        unless_it_succeeds.pop_all()


def _recipe_factory(run: TrainingRun, *, n_tracks: int) -> Callable[[], Recipe]:
    by_size = OPTIONS_BY_SIZE.get(run.recipe, lambda n_tracks: {})
    return partial(RECIPES[run.recipe], seed=run.seed, **run.options, **by_size(n_tracks))


def _evaluate(
    run: TrainingRun, claim: Claim, make_recipe: Callable[[], Recipe], data: TrainingData
) -> tuple[Evaluation, dict[str, Any]]:
    """Held-out predictions, and what they rest on."""
    importance = PermutationImportance(
        data.dataset.X,
        data.true_level,
        groups=data.dataset.groups,
        columns=data.dataset.columns,
        columns_of_set=data.features.columns_of_set,
        rows=np.flatnonzero(~evaluation_slice(data.dataset.uris)),
        seed=run.seed,
    )
    try:
        evaluation = cross_validate(
            make_recipe,
            data.dataset,
            seed=run.seed,
            annotations=data.labels_by_person,
            on_progress=lambda share, message: claim.report(
                CROSS_VALIDATION_SHARE * share, f"Cross-validation: {message}"
            ),
            on_fold_model=importance.add,
        )
    except CannotLearn as refusal:
        raise JobRefused(f"{refusal}. Label more tracks, by more artists, or choose another recipe.") from refusal
    return evaluation, importance.found()


def _metrics(data: TrainingData, evaluation: Evaluation) -> dict[str, Any]:
    """Both held-out views, against the level that people see: the out-of-fold tracks, and the slice nothing touches."""
    parts = {"out_of_fold": ~evaluation.in_slice, "slice": evaluation.in_slice}
    return {name: _part_metrics(data, evaluation, rows) for name, rows in parts.items() if rows.any()}


def _part_metrics(data: TrainingData, evaluation: Evaluation, rows: np.ndarray) -> dict[str, Any]:
    truth, found = data.true_level[rows], evaluation.predictions.take(rows)
    genres = [data.genres[row] for row in np.flatnonzero(rows)]
    by_genre = [asdict(genre) for genre in by_group(truth, found.level, genres)]
    groups, labels = data.dataset.groups[rows], data.labels_by_person.of_tracks(np.flatnonzero(rows))
    return held_out_metrics(truth, found, groups=groups) | {
        "by_genre": by_genre,
        "by_annotator": by_annotator(labels, found.level, groups=groups),
    }


def _write_artifact(
    run: TrainingRun, name: str, model: Recipe, data: TrainingData, metrics: dict[str, Any], dataset_digest: str
) -> str:
    manifest = artifacts.Manifest(
        recipe=run.recipe,
        feature_sets={key.split("@")[0]: key.split("@")[1] for key in data.feature_set_keys},
        columns=data.dataset.columns,
        seed=run.seed,
        metrics=metrics,
        code_version=code_version(),
        dataset_digest=dataset_digest,
    )
    digest = artifacts.write(settings.RUNS_DIR / name / "model", model, manifest)
    # With the levels that metrics are counted against, the snapshot is all it takes to get them again.
    data.dataset.save(settings.RUNS_DIR / name / "dataset.npz", true_level=data.true_level)
    return digest


def _raise(run: TrainingRun, suspects: list[Accusation]) -> dict[str, Any]:
    """How many labels are doubted now, how many of them had no flag before, for which reasons, and how many wait for a lead."""
    known = set(Flag.objects.values_list("annotation", flat=True))
    doubted = {accusation.annotation_id for accusation in suspects}
    return {
        "found": Counter(str(accusation.reason) for accusation in suspects),
        "labels": len(doubted),
        "new": len(doubted - known),
        "open": raise_flags(suspects, source=str(run)),
    }


def _tell(run: TrainingRun, metrics: dict[str, Any], flags: dict[str, Any]) -> None:
    """Others' systems, where they want to hear of it."""
    macro_mae = {part: metrics[part]["macro_mae"] for part in ("out_of_fold", "slice") if part in metrics}
    announce("run.finished", {"run": run.pk, "recipe": run.recipe, "macro_mae": macro_mae})
    if flags["new"]:
        announce("flags.raised", {"run": run.pk, "new": flags["new"], "open": flags["open"]})


def _held_out(run: TrainingRun, data: TrainingData, evaluation: Evaluation) -> Iterator[Prediction]:
    """Of the labelled tracks, by models that had not seen the label."""
    parts = np.where(evaluation.in_slice, Prediction.Part.SLICE, Prediction.Part.OUT_OF_FOLD)
    rows = rows_of(run, data.track_ids, evaluation.predictions)
    for row, part, truth in zip(rows, parts.tolist(), data.true_level.tolist(), strict=True):
        row.part, row.true_level = part, truth
        yield row


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
