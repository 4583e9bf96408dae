"""Asking for the predictions that the run in use still lacks. Making them is `modeling.retraining.predictions`, in workers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone

from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling import feature_queue
from modeling.models import FeatureVector, TrainingRun

# While features of many tracks come in, a job for each handful of them would do nothing but fill the page of jobs.
PATIENCE = dt.timedelta(minutes=10)


@transaction.atomic
def request(*, run: TrainingRun, requested_by: Any) -> Job:
    """A job that predicts the tracks with features that this run has not predicted; asked for twice is one."""
    job, _ = jobs.request(kind="predict", key=str(run.pk), requested_by=requested_by, arguments=_features(run))
    return job


def request_if_lacking() -> Job | None:
    """The same where features have come since it was last asked for. Called by the clock, so it only counts.

    What a job could not predict, or has failed at, is tried again when there are new features, or when somebody asks.
    """
    run = TrainingRun.objects.live()
    if run is None:
        return None
    newest = Job.objects.filter(kind="predict", key=str(run.pk)).order_by("-pk").first()
    if newest and (newest.is_live or newest.arguments == _features(run)):
        return None
    if newest and newest.created_at > timezone.now() - PATIENCE and feature_queue.waiting().exists():
        return None
    return request(run=run, requested_by=None)


def _features(run: TrainingRun) -> dict[str, int]:
    """What tells that features have come: both, as of two that are stored at once the lower id may come later."""
    found = FeatureVector.objects.filter(feature_set__in=run.feature_sets).aggregate(newest=Max("pk"), n=Count("pk"))
    return {"newest": found["newest"] or 0, "n": found["n"]}
