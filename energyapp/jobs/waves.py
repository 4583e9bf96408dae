"""Work that is a list of tracks, handed out by beat, as one job: a wave.

The tracks are the list, whoever dies. The job says how far it is, who has stopped it, and how it ended; it is opened when
there is something to do and ends when nothing is left. Each tick of beat takes it up; several ticks at once take up the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.db.models import F
from django.utils import timezone

from energyapp.jobs import services
from energyapp.jobs.kinds import KINDS
from energyapp.jobs.log import say
from energyapp.jobs.models import Job, JobQuerySet


def take_up(
    kind: str, *, is_wanted: Callable[[], bool], arguments: Callable[[], dict[str, Any]] = lambda: {}
) -> Job | None:
    """The wave of this kind that runs, begun if anything is wanted. None: nothing is, or somebody has stopped it.

    `arguments`: what a new wave is to remember of how things were when it began.
    """
    wave = Job.objects.newest(kind)
    if wave is None or wave.status in {Job.Status.SUCCEEDED, Job.Status.FAILED}:
        if not is_wanted():
            return None
        wave, _ = services.note(kind=kind, requested_by=None)
    if wave.cancel_requested_at:
        if wave.is_live and _running(wave).end_where_asked():
            say(wave, "Stopped.")
        return None
    return _begun(wave, arguments) if wave.status == Job.Status.QUEUED else wave


def _begun(wave: Job, arguments: Callable[[], dict[str, Any]]) -> Job | None:
    """Compare-and-set. A wave that nobody has looked after for a while goes on: that is no new attempt, and fails nothing."""
    now = timezone.now()
    anew = {} if wave.attempt else {"started_at": now, "arguments": arguments()}
    waiting = Job.objects.filter(pk=wave.pk, status=Job.Status.QUEUED)
    if waiting.update(status=Job.Status.RUNNING, token=uuid4(), attempt=1, heartbeat_at=now, **anew) and anew:
        say(wave, "Started.")
    wave.refresh_from_db()
    return wave if wave.status == Job.Status.RUNNING else None


def stopped(kind: str) -> Job | None:
    """The wave that somebody has stopped: nothing of this kind is handed out until it is retried."""
    wave = Job.objects.newest(kind)
    return wave if wave and wave.cancel_requested_at else None


def all_stopped() -> list[Job]:
    return [wave for name, kind in KINDS.items() if kind.is_wave and (wave := stopped(name))]


def count(kind: str, *, n_done: int = 0, n_failed: int = 0) -> None:
    """So many have ended. Call it in the transaction that ends them."""
    wave = Job.objects.live().filter(kind=kind)
    wave.update(n_done=F("n_done") + n_done, n_failed=F("n_failed") + n_failed)


def report(wave: Job, *, n_left: int, message: str, **facts: Any) -> None:
    """Say how far it is; with nothing left it has ended. One that was stopped meanwhile stays as it is."""
    running = _running(wave).filter(cancel_requested_at=None)
    if n_left:
        n_ended = wave.n_done + wave.n_failed
        share = n_ended / (n_ended + n_left)
        running.move_to(share, message=message[:200], heartbeat_at=timezone.now(), **facts)
    elif running.update(
        status=Job.Status.SUCCEEDED, progress=1, finished_at=timezone.now(), message=message[:200], **facts
    ):
        say(wave, message)


def _running(wave: Job) -> JobQuerySet:
    return Job.objects.filter(pk=wave.pk, status=Job.Status.RUNNING)
