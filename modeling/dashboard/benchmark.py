"""What watching the model costs the server, on a made-up library with runs: whole requests, as the other pages of leads are measured."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from annotations.annotators import report
from annotations.benchmarks.library import BATCH_SIZE, Library, gather_statistics
from annotations.benchmarks.requests import logged_in
from annotations.benchmarks.review import Cost, Sent, cost_of
from annotations.models import LEVELS, User
from annotations.roles import ADMIN
from energyapp.jobs.models import Job
from modeling.dashboard import comparison
from modeling.models import Prediction, Promotion, TrainingRun

MAX_STATEMENTS, MAX_P95_MS = 15, 250.0
N_FEATURES, N_GENRES = 60, 20


def add_runs(library: Library, *, n_runs: int, n_labelled: int, seed: int = 7) -> tuple[User, list[TrainingRun]]:
    """Runs with as much in their metrics as real ones; the last two with predictions. Returns the admin who looks, too."""
    dice = random.Random(seed)
    admin = User.objects.create(username="admin-0", password="!")
    Group.objects.get(name=ADMIN).user_set.add(admin)
    runs = [_run(admin, library, number, n_runs, n_labelled, dice) for number in range(n_runs)]
    Promotion.objects.create(run=runs[-2], promoted_by=admin)
    for run in runs[-2:]:
        Prediction.objects.bulk_create(_predictions(run, library, n_labelled, dice), batch_size=BATCH_SIZE)
    gather_statistics()
    return admin, runs


def _run(admin: User, library: Library, number: int, n_runs: int, n_labelled: int, dice: random.Random) -> TrainingRun:
    finished_at = timezone.now() - timedelta(days=n_runs - number)
    job = Job.objects.create(kind="train", status=Job.Status.SUCCEEDED, progress=1, finished_at=finished_at, attempt=1)
    error = 1 + 1 / (2 + number) + dice.uniform(-0.02, 0.02)
    features = [{"name": f"signal_{n}", "n_columns": 1, "increase": 0.01, "se": 0.001} for n in range(N_FEATURES)]
    return TrainingRun.objects.create(
        job=job,
        requested_by=admin,
        recipe="auto",
        n_tracks=n_labelled,
        n_annotations=3 * n_labelled,
        dataset_digest="d" * 64,
        artifact_digest="a" * 64,
        artifact=f"run-{number}",
        metrics={
            "out_of_fold": _part(error, 4 * n_labelled // 5, library, dice),
            "slice": _part(error + 0.1, n_labelled // 5, library, dice),
            "importance": {"n_tracks": 9, "n_repeats": 5, "n_columns": 300, "by_set": [], "by_feature": features},
        },
    )


def _part(error: float, n: int, library: Library, dice: random.Random) -> dict[str, Any]:
    matrix = [[max(0, round(n / 40 * (1 - abs(i - j) / 4))) for j in range(10)] for i in range(10)]
    shares = {"accuracy": 0.4, "within_1": 0.8, "within_2": 0.95, "coverage": 0.9, "interval_width": 3.0}
    person = {"n": n // 20, "mae": error, "mae_se": 0.02, "bias": 0.1, "bias_se": 0.02}
    return {
        "n": n,
        "macro_mae": error,
        "macro_mae_interval": [error - 0.1, error + 0.1],
        "mae": error - 0.1,
        "mae_interval": [error - 0.15, error - 0.05],
        **shares,
        "by_level": [{"level": level, "n": n // 10, "mae": error, **shares} for level in LEVELS],
        "by_genre": [
            {"name": f"Genre {genre}", "n": n // N_GENRES, "mae": error + dice.uniform(-0.3, 0.3), "macro_mae": error}
            for genre in range(N_GENRES)
        ],
        "by_annotator": [{"annotator": str(each.pk), **person} for each in [library.busiest, *library.people]],
        "confusion_matrix": matrix,
    }


def _predictions(run: TrainingRun, library: Library, n_labelled: int, dice: random.Random) -> Iterator[Prediction]:
    parts = (Prediction.Part.SLICE, *[Prediction.Part.OUT_OF_FOLD] * 4)
    for number, track in enumerate(library.tracks):
        level = 1 + number % 10
        for part in (parts[number % 5], Prediction.Part.FINAL) if number < n_labelled else (Prediction.Part.FINAL,):
            score = min(10.0, max(1.0, level + dice.gauss(0, 1)))
            yield Prediction(
                run=run,
                track_id=track,
                part=part,
                true_level=None if part == Prediction.Part.FINAL else level,
                score=score,
                level=round(score),
                lower=score - 1.5,
                upper=score + 1.5,
            )


def measure(admin: User, runs: list[TrainingRun], *, n_requests: int) -> Iterator[Cost]:
    report.refresh()
    client = logged_in(admin)

    def cost(name: str, path: str, *, has_target: bool = True) -> Cost:
        costs = Cost(name, has_target, max_statements=MAX_STATEMENTS, max_p95_ms=MAX_P95_MS)
        return cost_of(client, costs, repeat(Sent("get", path), n_requests))

    newest, before = runs[-1].pk, runs[-2].pk
    yield cost("dashboard", "/dashboard/")
    yield cost("dashboard by day, counts", "/dashboard/?by=day&cells=counts")
    yield cost("dashboard, a chart as CSV", "/dashboard/macro_mae.csv")
    yield cost("runs", "/runs/")
    yield cost("run", f"/runs/{newest}/")
    comparison.forget()
    first = Cost("two runs, the first look", has_target=False)
    yield cost_of(client, first, [Sent("get", f"/runs/compare/?a={before}&b={newest}")])
    yield cost("two runs, again", f"/runs/compare/?a={before}&b={newest}")
    yield cost("two runs, a chart as CSV", f"/runs/compare/by_genre.csv?a={before}&b={newest}")
