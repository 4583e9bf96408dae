"""Asking for background work, calling it off, and keeping the promise when workers or the broker die."""

import logging
from typing import Any

from celery import current_app
from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, Value, When
from django.utils import dateformat, timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from energyapp.jobs.models import MAX_ATTEMPTS, Job

logger = logging.getLogger(__name__)


def request(
    *, kind: str, requested_by: Any, key: str = "", arguments: dict[str, Any] | None = None
) -> tuple[Job, bool]:
    """The live job of this kind and key, made if there is none; and whether it was made now. Wakes a worker."""
    job, is_new = note(kind=kind, requested_by=requested_by, key=key, arguments=arguments)
    if is_new:
        transaction.on_commit(lambda: publish(job))
    return job, is_new


def note(*, kind: str, requested_by: Any, key: str = "", arguments: dict[str, Any] | None = None) -> tuple[Job, bool]:
    """The same for who will run the job: no worker is woken, though one may still find it."""
    try:
        return _create(kind, key, requested_by, arguments), True
    except IntegrityError:
        if live := Job.objects.live().filter(kind=kind, key=key).first():
            return live, False
    return _create(kind, key, requested_by, arguments), True  # the live one ended in this very moment


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


def cancel(*, job: Job, by: str) -> bool:
    """Call a job off: one that waits ends at once, one that runs at its next report. False where it has ended already.

    One statement, so that it is always clear which came first: an end with results, or this.
    """
    now = timezone.now()
    is_queued = When(status=Job.Status.QUEUED, then=Value(Job.Status.CANCELLED))
    ended_at = When(status=Job.Status.QUEUED, then=Value(now, output_field=models.DateTimeField()))
    asked = (
        Job.objects.live()
        .filter(pk=job.pk, cancel_requested_at=None)
        .update(
            status=Case(is_queued, default=F("status")),
            finished_at=Case(ended_at, default=F("finished_at")),
            cancel_requested_at=now,
            message=f"Cancelled by {by}, {dateformat.format(timezone.localtime(now), 'j M Y H:i')}."[:200],
        )
    )
    return bool(asked) or Job.objects.live().filter(pk=job.pk).exists()


def reap() -> None:
    """Give the jobs of dead workers to others, or fail them after their last attempt; then republish what waits."""
    for job in Job.objects.abandoned():
        _give_up_attempt(job)
    for job in Job.objects.unheard():
        publish(job)


def _give_up_attempt(job: Job) -> None:
    this_attempt = Job.objects.abandoned().filter(pk=job.pk, token=job.token)
    if this_attempt.end_where_asked():
        return
    this_attempt = this_attempt.filter(cancel_requested_at=None)  # asked just now: the next look ends it
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
