"""Writes that the web process may ask for. The numbers themselves are made by `modeling.pipeline`, in workers."""

from django.db import transaction

from annotations.models import User
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling.models import Promotion, TrainingRun

DEFAULT_RECIPE = "ridge_thresholds"


class NotPromotable(Exception):
    """The run has no model that could be put to use."""


@transaction.atomic
def request_training(*, requested_by: User, recipe: str = DEFAULT_RECIPE, seed: int = 0) -> Job:
    """The training that is under way, or a new one: asked for twice is one."""
    job, is_new = jobs.request(kind="train", requested_by=requested_by)
    if is_new:
        TrainingRun.objects.create(job=job, requested_by=requested_by, recipe=recipe, seed=seed)
    return job


@transaction.atomic
def promote(*, run: TrainingRun, promoted_by: User | None) -> Promotion:
    """Put a run's model to use. Going back to an older one is the same thing."""
    if run.job.status != Job.Status.SUCCEEDED:
        raise NotPromotable(f"{run} has {run.job.status}; only a run that succeeded has a model")
    return Promotion.objects.create(run=run, promoted_by=promoted_by)
