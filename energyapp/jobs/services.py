"""Asking for background work, calling it off, and keeping the promise when workers or the broker die."""

import logging
from typing import Any

from celery import current_app
from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, Value, When
from django.utils import dateformat, timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from energyapp.jobs.log import say
from energyapp.jobs.models import MAX_ATTEMPTS, Job

logger = logging.getLogger(__name__)


class NotRetried(Exception):
    """The job cannot be done again. The message is a sentence for people."""


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
    sentence = f"Cancelled by {by}, {dateformat.format(timezone.localtime(now), 'j M Y H:i')}."
    is_queued = When(status=Job.Status.QUEUED, then=Value(Job.Status.CANCELLED))
    ended_at = When(status=Job.Status.QUEUED, then=Value(now, output_field=models.DateTimeField()))
    asked = (
        Job.objects.live()
        .filter(pk=job.pk, cancel_requested_at=None)
        .update(
            status=Case(is_queued, default=F("status")),
            finished_at=Case(ended_at, default=F("finished_at")),
            cancel_requested_at=now,
            message=sentence[:200],
        )
    )
    if asked:
        say(job, sentence)
    return bool(asked) or Job.objects.live().filter(pk=job.pk).exists()


@transaction.atomic
def retry(*, job: Job, by: str) -> None:
    """Have a job that failed or was cancelled done again: the same row waits anew, with all of its attempts before it.

    Raises
    ------
    NotRetried
        Another of its kind and key lives or is newer, it has not failed, or what it was about is another job's now.
    """
    if job.is_superseded:
        raise NotRetried(f"{job.words} was asked for anew, and is another job's now: this one cannot be done again.")
    try:
        is_again = _wait_again(job)
    except IntegrityError:
        raise NotRetried(f"{job.words} is under way already in another job. Wait for its end, or cancel it.") from None
    if not is_again:
        raise NotRetried(f"{job.words} neither failed nor was it cancelled, so there is nothing to do again.")
    if job.has_successor:
        raise NotRetried(f"{job.words} was asked for anew since, by another job. Ask for it once more instead.")
    say(job, f"Asked for again by {by}.")
    transaction.on_commit(lambda: publish(job))


@transaction.atomic
def _wait_again(job: Job) -> int:
    given_up = Job.objects.filter(pk=job.pk, status__in=[Job.Status.FAILED, Job.Status.CANCELLED])
    times = ("published_at", "heartbeat_at", "started_at", "progressed_at", "finished_at", "cancel_requested_at")
    counts = ("attempt", "progress", "n_done", "n_failed")
    anew: dict[str, Any] = dict.fromkeys(times) | dict.fromkeys(counts, 0)
    return given_up.update(status=Job.Status.QUEUED, token=None, message="", error="", **anew)


def reap() -> None:
    """Give the jobs of dead workers to others, or fail them after their last attempt; then republish what waits."""
    for job in Job.objects.abandoned():
        _give_up_attempt(job)
    for job in Job.objects.unheard():
        publish(job)


def _give_up_attempt(job: Job) -> None:
    this_attempt = Job.objects.abandoned().filter(pk=job.pk, token=job.token)
    if this_attempt.end_where_asked():
        say(job, "Stopped: its worker had died.")
        return
    this_attempt = this_attempt.filter(cancel_requested_at=None)  # asked just now: the next look ends it
    if job.attempt < MAX_ATTEMPTS:
        message = "The worker died; waiting for another."
        outcome: dict[str, Any] = {"status": Job.Status.QUEUED, "token": None, "published_at": None}
    else:
        message = f"The worker died in each of {job.attempt} attempts."
        outcome = {"status": Job.Status.FAILED, "finished_at": timezone.now()}
    if this_attempt.update(message=message, **outcome):
        say(job, message)
