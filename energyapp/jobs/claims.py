"""Running a job: claim it by compare-and-set, beat while it runs, write only while the claim holds."""

from __future__ import annotations

import threading
import traceback
from types import TracebackType
from uuid import uuid4

from django.db import OperationalError, connections, transaction
from django.utils import timezone

from energyapp.jobs.log import Log
from energyapp.jobs.models import Job
from energyapp.logs import job_id

HEARTBEAT_INTERVAL_S = 5


class NotClaimed(Exception):
    """Somebody else runs this job, or it has ended: a message delivered twice ends here."""


class ClaimLost(Exception):
    """The job was given to another worker while this one was silent. Nothing may be written any more."""


class JobCancelled(Exception):
    """Somebody has called the job off. It ends the body of the claim, which ends the job; nobody need catch it."""


class JobRefused(Exception):
    """The job cannot be done with what there is. The message is a sentence for people and becomes the job's."""


class Claim:
    """`with Claim(job_id) as claim:` runs the body as the one holder of the job.

    The body ends the job itself by `claim.succeed(...)`, in the transaction that writes its results; a body that raises
    leaves a failed job with the traceback, and the exception goes on to the worker's log. A worker that is told to stop
    gives the job back. A job that was called off ends as cancelled, without its results, and what follows the body goes on.

    Raises
    ------
    NotClaimed
        On entry, when the job is not waiting.
    """

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.token = uuid4()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name=f"heartbeat of job {job_id}", daemon=True)

    def __enter__(self) -> Claim:
        waiting = Job.objects.filter(pk=self.job_id, status=Job.Status.QUEUED)
        job = waiting.first()
        now = timezone.now()
        if job is None or not waiting.filter(attempt=job.attempt).update(
            status=Job.Status.RUNNING,
            token=self.token,
            attempt=job.attempt + 1,
            heartbeat_at=now,
            started_at=now,
            progressed_at=None,
            progress=0,
            message="Starting",
        ):
            raise NotClaimed(f"job {self.job_id} is not waiting to be run")
        self._log = Log(self.job_id, attempt=job.attempt + 1)
        self._log.say("Started.")
        job_id.set(self.job_id)  # for the log; the end of the task clears it (energyapp/celery.py)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._stop.set()
        self._heart.join()
        if isinstance(error, JobCancelled):
            self._end_where_asked()
            return True
        if error is None or isinstance(error, ClaimLost):
            return False
        if isinstance(error, Exception):
            self._fail(error)
        else:
            self._give_back()
        return False

    def _give_back(self) -> None:
        """The worker was told to stop: the job is not at fault, and another worker takes it, unless it was called off."""
        waits = {"status": Job.Status.QUEUED, "token": None, "published_at": None, "message": "Waiting for a worker"}
        if not self._end_where_asked() and self._wanted().update(**waits):
            self._log.say("The worker was told to stop; waiting for another.")

    def _end_where_asked(self) -> bool:
        if is_ended := bool(self._mine().end_where_asked()):
            self._log.say("Stopped.")
        return is_ended

    def _fail(self, error: Exception) -> None:
        if self._mine().update(
            status=Job.Status.FAILED,
            finished_at=timezone.now(),
            message=_sentence(error)[:200],
            error="".join(traceback.format_exception(error)),
        ):
            self._log.say(_sentence(error))

    def report(self, share: float, message: str) -> None:
        """Say how far it is. Raises ClaimLost when the job is no longer ours, JobCancelled when nobody wants it any more."""
        if not self._wanted().move_to(min(max(share, 0.0), 1.0), message=message[:200]):
            raise self._why_not()
        self._log.step(message)

    def succeed(self, message: str) -> None:
        """End the job. Call it inside the transaction that stores the results: both happen or neither."""
        if not transaction.get_connection().in_atomic_block:
            raise transaction.TransactionManagementError("succeed() belongs in the transaction that stores the results")
        if not self._wanted().update(
            status=Job.Status.SUCCEEDED, finished_at=timezone.now(), progress=1, message=message[:200]
        ):
            raise self._why_not()
        self._log.say(message)

    def _why_not(self) -> Exception:
        if self._mine().exists():
            return JobCancelled(f"job {self.job_id} was called off")
        return ClaimLost(f"job {self.job_id} was given to another worker")

    def _wanted(self):
        return self._mine().filter(cancel_requested_at=None)

    def _mine(self):
        return Job.objects.filter(pk=self.job_id, status=Job.Status.RUNNING, token=self.token)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_INTERVAL_S):
            try:
                self._mine().update(heartbeat_at=timezone.now())
            except OperationalError:
                continue  # a busy or restarting database: six beats may be missed before anybody minds
            finally:
                connections.close_all()  # this thread's own connection


def _sentence(error: BaseException) -> str:
    if isinstance(error, JobRefused):
        return str(error)
    return f"An error in the program stopped it ({type(error).__name__}); an admin can read the details."
