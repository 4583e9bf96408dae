"""Writes that the web process may ask for. The numbers themselves are made by `modeling.pipeline`, in workers."""

import datetime as dt
from collections.abc import Iterable

from celery import current_app
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from annotations.models import Track, User
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling.models import Promotion, TrainingRun

DEFAULT_RECIPE = "ridge_thresholds"

# A message that a worker has not answered for so long is lost.
REQUEUE_FEATURES_AFTER = dt.timedelta(minutes=10)
# Fewer than two cores work off in that time: what only waits for its turn would be sent again and again.
MAX_FEATURES_UNDER_WAY = 200


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


def enqueue_waiting_features() -> int:
    """Keep the workers supplied with tracks that wait for their features; how many were sent. Called every few seconds.

    The tracks themselves are the list of what is to be done, so nothing is lost with the broker. The compare-and-set
    on `features_queued_at` lets two callers at once send each track one task.
    """
    waiting = Track.objects.filter(audio_state=Track.AudioState.WAITING)
    lost_before = timezone.now() - REQUEUE_FEATURES_AFTER
    unsent = waiting.filter(Q(features_queued_at=None) | Q(features_queued_at__lt=lost_before))
    n_wanted = max(0, MAX_FEATURES_UNDER_WAY - waiting.filter(features_queued_at__gte=lost_before).count())
    due = list(unsent.order_by("pk").values_list("pk", flat=True)[:n_wanted])
    ours = [pk for pk in due if unsent.filter(pk=pk).update(features_queued_at=timezone.now())]
    return send_feature_tasks(ours)


def send_feature_tasks(track_ids: Iterable[int]) -> int:
    """Stops at the first sign that the broker is away; those tracks come again by themselves."""
    n_sent = 0
    for track_id in track_ids:
        try:
            current_app.send_task("features.compute", args=[track_id])
        except BrokerUnavailable:
            break
        n_sent += 1
    return n_sent


def enqueue_missing_features(*, feature_set_key: str) -> tuple[int, int]:
    """Ask for this set for every playable track that lacks it, for instance after the convnet's weights were installed.

    How many were asked for, and how many lack it: more, when the broker is away. Nobody asks for those by themselves.
    """
    lacking = Track.objects.playable().exclude(feature_vectors__feature_set=feature_set_key)
    track_ids = list(lacking.order_by("pk").values_list("pk", flat=True))
    return send_feature_tasks(track_ids), len(track_ids)
