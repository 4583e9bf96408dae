"""Experiments: rows -> arrays -> core -> report. Loaded by workers, never by the web process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from energyapp.jobs.claims import Claim, JobRefused, NotClaimed
from energyapp.jobs.models import Job
from modeling import lab_data, services
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.experiment import Experiment as Question
from modeling.core.lab.running import run_experiment
from modeling.models import Experiment
from modeling.pipeline import code_version

OnProgress = Callable[[float, str], None]


def run(job_id: int) -> None:
    """Answer the experiment of this job, for a worker."""
    try:
        answer(job_id)
    except NotClaimed:
        return  # delivered twice, or taken over


def answer(job_id: int, *, on_progress: OnProgress = lambda share, message: None) -> Experiment:
    """Read the labels there are, answer, and store the report: all of it or nothing.

    Raises
    ------
    NotClaimed
        Somebody else answers it already, or it has ended.
    """
    experiment = Experiment.objects.get(job=job_id)
    try:
        with Claim(job_id) as claim:

            def report(share: float, message: str) -> None:
                claim.report(share, message)
                on_progress(share, message)

            _answer(experiment, claim, report)
    finally:
        forget_where_given_up(experiment)
    return experiment


def forget_where_given_up(experiment: Experiment) -> None:
    """Nobody goes on with what was cancelled or has failed, and of 50,000 tracks a snapshot is 60 MB and more."""
    if Job.objects.filter(pk=experiment.job_id, status__in=[Job.Status.CANCELLED, Job.Status.FAILED]).exists():
        shutil.rmtree(folder_of(experiment), ignore_errors=True)


def folder_of(experiment: Experiment) -> Path:
    """Its snapshot, and what lets a long one go on after an interruption."""
    return settings.RUNS_DIR / f"experiment-{experiment.pk}"


def _answer(experiment: Experiment, claim: Claim, report: OnProgress) -> None:
    report(0, "Reading labels and features")
    asked = services.question(name=experiment.name, options=experiment.options)
    data = _snapshot(experiment, asked)
    try:
        answered = run_experiment(
            asked, data, code_version=code_version(), on_progress=report, folder=folder_of(experiment)
        )
    except TooLittleData as problem:
        raise JobRefused(str(problem)) from problem
    with transaction.atomic():
        Experiment.objects.filter(pk=experiment.pk).update(
            report=answered.to_json(), data_digest=answered.provenance.data_digest
        )
        claim.succeed(shorten(answered.findings.conclusions[0], 200, placeholder=" …"))


def _snapshot(experiment: Experiment, asked: Question) -> LabData:
    """What the experiment looks at. An attempt after an interruption goes on with what the first has read."""
    path = folder_of(experiment) / "dataset.npz"
    if Job.objects.get(pk=experiment.job_id).attempt == 1:
        # Of another database, whose experiment had this number.
        shutil.rmtree(path.parent, ignore_errors=True)
    if path.exists():
        return LabData.load(path)
    data = lab_data.read_lab_data(asked)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid4().hex}")
    data.save(unfinished)
    unfinished.replace(path)
    return data
