"""What a job's log says. Of thousands of reports that only count on, few become lines: writing it must cost little."""

import re
import time

from energyapp.jobs.models import Job, JobLine

# Of the steps of all attempts; how a job begins and ends is always written.
MAX_STEPS = 300
# "fold 3 of 5" after "fold 2 of 5" is a new line only when so much time has gone by.
COUNTS_ON_EVERY_S = 10.0


def say(job: Job, text: str) -> None:
    """A line on what is done with a job, not by an attempt that holds it."""
    JobLine.objects.create(job_id=job.pk, attempt=job.attempt, text=text[:200])


class Log:
    """The lines of one attempt."""

    def __init__(self, job_id: int, *, attempt: int) -> None:
        self.job_id, self.attempt = job_id, attempt
        self._n_before = JobLine.objects.filter(job=job_id).count()
        self._n_steps = 0
        self._last, self._said_at = "", 0.0

    def say(self, text: str) -> None:
        JobLine.objects.create(job_id=self.job_id, attempt=self.attempt, text=text[:200])

    def step(self, text: str) -> None:
        """What it does now: a line if it is something else than before, or has counted on for a while."""
        if self._n_before + self._n_steps >= MAX_STEPS or text == self._last or self._only_counts_on(text):
            return
        self._last, self._said_at = text, time.monotonic()
        self._n_steps += 1
        self.say(text)

    def _only_counts_on(self, text: str) -> bool:
        is_same = re.sub(r"\d+", "", text) == re.sub(r"\d+", "", self._last)
        return is_same and time.monotonic() - self._said_at < COUNTS_ON_EVERY_S
