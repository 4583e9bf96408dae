"""What it costs to rank the open tracks of a large library: each strategy in a process of its own, as a worker has it."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
import numpy as np
from django.db import connections
from django.utils import timezone

from annotations.benchmarks.database import address
from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import Track
from energyapp.jobs.models import Job
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import Prediction, Promotion, TrainingRun
from modeling.ranking.models import Ranking
from modeling.retraining.benchmark import make_library

SETS = ["signal", "transfer"]
N_COLUMNS = sum(len(FEATURE_SETS[name].columns) for name in SETS)
# Of ten levels some; from so many on a training would learn from them.
MIN_LABELLED = 30
# Of 100,000 open tracks.
WANTED_S, WANTED_MB = 30, 1_000
BATCH_ROWS = 5_000
# How what a job says of its own steps begins.
RANKING = ("Reading", "Ranking", "Looking", "Putting")
_MB = 1024


@dataclass(frozen=True)
class Cost:
    """Attributes
    ----------
    steps
        What the job said it was doing, and for how many seconds of the wall clock.
    cpu_s, findings_cpu_s
        Of the job, without what it finds beside the ranking, and of that: on a machine that does other things too what counts.
    peak_mb
        The most memory of the process, and what it had before it took the job.
    """

    message: str
    steps: list[tuple[str, float]]
    cpu_s: float
    findings_cpu_s: float
    peak_mb: float
    before_mb: float

    @property
    def ranking_s(self) -> float:
        """Without what is found beside it, which looks at labelled tracks alone."""
        return sum(seconds for text, seconds in self.steps if text.startswith(RANKING))


def make(n_open: int, n_labelled: int) -> None:
    """So many tracks outside the evaluation slice, all predicted by a run in use."""
    n_tracks = n_outside = 0
    while n_outside < n_open + n_labelled:
        n_outside += not in_evaluation_slice(f"made-up:{n_tracks}")
        n_tracks += 1
        if n_outside == n_labelled:
            n_first = n_tracks
    make_library(n_tracks, feature_sets=SETS, n_labelled=n_first)
    _predict_all(np.random.default_rng(3))


def _predict_all(rng: np.random.Generator) -> None:
    """As a training leaves it behind. How good the model is makes no difference to the cost."""
    now = timezone.now()
    job = Job.objects.create(kind="train", status="succeeded", finished_at=now)
    run = TrainingRun.objects.create(
        job=job, recipe="ridge_thresholds", artifact_digest="-", dataset_digest="-", metrics={}, n_tracks=0
    )
    Promotion.objects.create(run=run)
    tracks = Track.objects.values_list("pk", "n_annotators").iterator(BATCH_ROWS)
    rows = []
    for pk, n_annotators in tracks:
        score = float(np.clip(rng.normal(5.5, 2), 1, 10))
        row = {"run": run, "track_id": pk, "score": score, "level": round(score)}
        rows.append(Prediction(part=Prediction.Part.FINAL, **row))
        if n_annotators:
            rows.append(Prediction(part=Prediction.Part.OUT_OF_FOLD, true_level=5, **row))
    Prediction.objects.bulk_create(rows, batch_size=BATCH_ROWS)


def measure(strategy: str) -> Cost:
    """Rank by this strategy, in a process that is started for it."""
    database = {"ENERGYAPP_DATABASE_URL": address()}
    connections.close_all()
    with (
        patch.dict(os.environ, database),
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=django.setup) as process,
    ):
        return process.submit(_rank, strategy).result()


def _rank(strategy: str) -> Cost:
    from modeling.ranking import ranking_job
    from modeling.ranking.findings import findings

    # Without a word to the broker: whoever listens there has another database.
    job = Job.objects.create(kind="rank", key=strategy)
    Ranking.objects.create(job=job, strategy=strategy)
    before_mb, began_s, findings_cpu_s = _peak_mb(), time.process_time(), 0.0

    def clocked(*args: Any, **kwargs: Any) -> Any:
        nonlocal findings_cpu_s
        since = time.process_time()
        found = findings(*args, **kwargs)
        findings_cpu_s = time.process_time() - since
        return found

    with patch.object(ranking_job, "findings", clocked):
        ranking_job.rank(job.pk)
    cpu_s = time.process_time() - began_s - findings_cpu_s
    job.refresh_from_db()
    _, *lines = job.lines.all()  # the first says that it has begun
    steps = [(line.text, (after.at - line.at).total_seconds()) for line, after in pairwise(lines)]
    return Cost(job.message, steps, cpu_s, findings_cpu_s, _peak_mb(), before_mb)


def lines(strategy: str, cost: Cost) -> Iterator[str]:
    missed = cost.ranking_s > WANTED_S or cost.peak_mb > WANTED_MB
    yield f"{strategy}: {cost.ranking_s:.1f} s" + (f" (wanted: {WANTED_S} s, {WANTED_MB:,} MB)" if missed else "")
    yield f"  {cost.cpu_s:.1f} s of CPU, and {cost.findings_cpu_s:.1f} for what is found beside it"
    yield f"  at most {cost.peak_mb:,.0f} MB, {cost.before_mb:,.0f} MB of it before"
    yield from (f"  {seconds:5.1f} s  {text}" for text, seconds in cost.steps)
    yield f"  {cost.message}"


def _peak_mb() -> float:
    """Of this process alone: on Linux what `getrusage` says begins with what its parent had."""
    try:
        (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MB
    return int(line) / _MB
