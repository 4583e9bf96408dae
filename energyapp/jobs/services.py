"""Asking for background work, and keeping the promise when workers or the broker die."""

import logging
from typing import Any

from celery import current_app
from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from energyapp.jobs.models import MAX_ATTEMPTS, Job

logger = logging.getLogger(__name__)


def request(
    *, kind: str, requested_by: Any, key: str = "", arguments: dict[str, Any] | None = None
) -> tuple[Job, bool]:
    """The live job of this kind and key, made if there is none; and whether it was made now."""
    try:
        job = _create(kind, key, requested_by, arguments)
    except IntegrityError:
        if live := Job.objects.live().filter(kind=kind, key=key).first():
            return live, False
        job = _create(kind, key, requested_by, arguments)  # the live one ended in this very moment
    transaction.on_commit(lambda: publish(job))
    return job, True


@transaction.atomic
def _create(kind: str, key: str, requested_by: Any, arguments: dict[str, Any] | None) -> Job:
    return Job.objects.create(kind=kind, key=key, arguments=arguments or {}, requested_by=requested_by)


def publish(job: Job) -> None:
    """Wake a worker. With the broker away the job waits; `republish_unheard` tries again."""
    try:
        current_app.send_task(f"jobs.{job.kind}", args=[job.pk])
    except BrokerUnavailable as problem:
        logger.warning("%s waits: the broker cannot be reached (%s)", job, problem)
    else:
        Job.objects.filter(pk=job.pk).update(published_at=timezone.now())


def reap() -> None:
    """Give the jobs of dead workers to others, or fail them after their last attempt; then republish what waits."""
    for job in Job.objects.abandoned():
        _give_up_attempt(job)
    for job in Job.objects.unheard():
        publish(job)


def _give_up_attempt(job: Job) -> None:
    this_attempt = Job.objects.abandoned().filter(pk=job.pk, token=job.token)
    if job.attempt < MAX_ATTEMPTS:
        this_attempt.update(
            status=Job.Status.QUEUED, token=None, published_at=None, message="The worker died; waiting for another."
        )
    else:
        this_attempt.update(
            status=Job.Status.FAILED,
            finished_at=timezone.now(),
            message=f"The worker died in each of {job.attempt} attempts.",
        )
