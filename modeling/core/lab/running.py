"""From a question and labelled tracks to a report."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from modeling.core.lab import leaks
from modeling.core.lab.comparison import OnProgress
from modeling.core.lab.data import LabData
from modeling.core.lab.experiment import Experiment
from modeling.core.lab.experiments import ANSWERS
from modeling.core.lab.report import Provenance, Report
from modeling.core.versions import library_versions

CORE = Path(__file__).resolve().parent.parent


def run_experiment(
    experiment: Experiment,
    data: LabData,
    *,
    code_version: str = "",
    on_progress: OnProgress = lambda share, message: None,
    folder: Path | None = None,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Report:
    """Answer the question, and say what it takes to get the same numbers again.

    Parameters
    ----------
    data : LabData
        All labelled tracks, the evaluation slice included.
    code_version : str
        Without one a digest of the code that computes.
    on_progress : function of (share done 0..1, message)
        Called before each piece of work; may raise to stop.
    folder : Path, optional
        Where a long experiment keeps what lets it go on after an interruption.

    Raises
    ------
    TooLittleData
        With what is missing and what to do.
    """
    started_at, began = now(), time.perf_counter()
    findings = ANSWERS[experiment.name](experiment, data, on_progress=on_progress, folder=folder)
    suspect = leaks.in_tracks(data.dataset, by_artist=experiment.by_artist)
    provenance = Provenance(
        experiment=experiment.name,
        options=experiment.options,
        n_tracks=len(data.dataset.y),
        n_artists=len(np.unique(data.dataset.groups)),
        n_annotations=len(data.annotations.track),
        feature_sets=tuple(data.columns_of_set),
        data_digest=data.digest(),
        code_version=code_version or _digest_of_code(),
        versions=library_versions(),
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 1),
    )
    return Report(
        experiment.title, experiment.question, provenance, replace(findings, notes=(*suspect, *findings.notes))
    )


def _digest_of_code() -> str:
    digest = hashlib.sha256()
    for path in sorted(CORE.rglob("*.py")):
        digest.update(str(path.relative_to(CORE)).encode() + path.read_bytes())
    return f"sha256:{digest.hexdigest()[:12]}"
