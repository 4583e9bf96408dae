"""The curve of a song: the model's score of each of its windows. Loaded by workers, never by the web process."""

from __future__ import annotations

from django.db import transaction

from annotations.models import Track
from energyapp.jobs.claims import Claim, JobRefused, NotClaimed
from energyapp.jobs.models import Job
from modeling import window_features
from modeling.models import TrainingRun
from modeling.retraining.predictions import StoredModel
from modeling.scoring.models import WindowCurve


def draw(job_id: int) -> None:
    """Score the windows of this job's track by this job's run."""
    try:
        with Claim(job_id) as claim:
            job = Job.objects.get(pk=job_id)
            run, track = TrainingRun.objects.get(pk=job.arguments["run"]), Track.objects.get(pk=job.key)
            claim.report(0.1, "Loading the model")
            scores = _scores(run, track)
            with transaction.atomic():
                WindowCurve.objects.get_or_create(run=run, track=track, defaults={"scores": scores})
                claim.succeed(f"{len(scores)} windows scored")
    except NotClaimed:
        return  # delivered twice, or taken over


def _scores(run: TrainingRun, track: Track) -> list[float]:
    model = StoredModel.of(run)
    try:
        scores = window_features.score(model.recipe, track, run.feature_sets, columns=model.chosen)
    except window_features.WindowsMissing as problem:
        raise JobRefused("Features of this song's windows are missing. Run manage.py compute_features.") from problem
    return [round(score, 4) for score in scores.of_windows.tolist()]
