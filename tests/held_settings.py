"""The product's settings for a worker that comes to a stop in the middle of a job: there a test can take its time to kill it.

It stops when it has told that TEST_HELD_AT of the job is done, in the job's first attempt.
"""

import os
import time

from celery.signals import worker_process_init

from energyapp.settings import *  # noqa: F403


@worker_process_init.connect(weak=False)
def stop_in_the_middle(**kwargs) -> None:
    from energyapp.jobs.claims import Claim
    from energyapp.jobs.models import Job

    tell, held_at = Claim.report, float(os.environ["TEST_HELD_AT"])

    def report(claim: Claim, share: float, message: str) -> None:
        tell(claim, share, message)
        while share >= held_at and Job.objects.get(pk=claim.job_id).attempt == 1:
            time.sleep(1)

    Claim.report = report  # type: ignore[method-assign]
