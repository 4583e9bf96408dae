"""Keeping the promise: jobs of dead workers go to others, forgotten ones are published again, endless ones fail."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from energyapp.jobs import services
from energyapp.jobs.claims import Claim, ClaimLost
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, MAX_ATTEMPTS, REPUBLISH_AFTER, Job
from energyapp.jobs.tasks import reap_jobs
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def published(monkeypatch):
    """The jobs that were sent to the broker."""
    jobs = []
    monkeypatch.setattr(services, "publish", jobs.append)
    return jobs


def silent_since(duration, **fields):
    return RunningJobFactory(heartbeat_at=timezone.now() - duration, **fields)


def fall_silent(job):
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - SECOND)


def test_the_job_of_a_dead_worker_waits_for_another_and_is_published(published):
    job = silent_since(HEARTBEAT_TIMEOUT + SECOND)

    reap_jobs()

    job.refresh_from_db()
    assert (job.status, job.token, job.attempt) == (Job.Status.QUEUED, None, 1)
    assert job.message == "The worker died; waiting for another."
    assert published == [job]


def test_a_worker_that_is_only_slow_keeps_its_job(published, monkeypatch):
    job = RunningJobFactory()
    monkeypatch.setattr(timezone, "now", lambda: job.heartbeat_at + HEARTBEAT_TIMEOUT - SECOND)

    services.reap()

    assert Job.objects.get().token == job.token
    assert published == []


def test_after_the_last_attempt_the_job_fails_with_a_sentence(published):
    silent_since(HEARTBEAT_TIMEOUT + SECOND, attempt=MAX_ATTEMPTS)

    services.reap()

    job = Job.objects.get()
    assert (job.status, job.message) == (Job.Status.FAILED, "The worker died in each of 3 attempts.")
    assert job.finished_at is not None
    assert published == []


def test_a_job_is_tried_three_times_in_all(published):
    job, attempts = JobFactory(), 0

    while Job.objects.live().exists():
        claim = Claim(job.pk)
        Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED).update(
            status=Job.Status.RUNNING,
            token=claim.token,
            attempt=attempts + 1,
            heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - SECOND,
        )
        attempts += 1
        services.reap()

    assert attempts == MAX_ATTEMPTS
    assert Job.objects.get().status == Job.Status.FAILED


def test_what_a_zombie_writes_late_changes_nothing(published):
    job = JobFactory()

    with Claim(job.pk) as zombie:
        fall_silent(job)
        services.reap()
        with Claim(job.pk) as heir:
            with pytest.raises(ClaimLost):
                zombie.report(0.9, "From the grave")
            with pytest.raises(ClaimLost), transaction.atomic():
                zombie.succeed("From the grave")
            with transaction.atomic():
                heir.succeed("Done")
        with pytest.raises(ClaimLost):
            zombie.report(1, "From the grave")

    job.refresh_from_db()
    assert (job.status, job.message, job.attempt, job.error) == (Job.Status.SUCCEEDED, "Done", 2, "")


def test_a_job_that_another_reaper_has_given_away_meanwhile_is_left_alone():
    job = silent_since(HEARTBEAT_TIMEOUT + SECOND)
    heir = uuid4()
    Job.objects.filter(pk=job.pk).update(token=heir, attempt=2, heartbeat_at=timezone.now())

    services._give_up_attempt(job)

    assert (Job.objects.get().status, Job.objects.get().token) == (Job.Status.RUNNING, heir)


@pytest.mark.parametrize("ago", [None, REPUBLISH_AFTER + SECOND])
def test_a_job_that_the_broker_may_have_lost_is_published_again(ago, published):
    job = JobFactory(published_at=ago and timezone.now() - ago)

    services.reap()

    assert published == [job]


def test_a_job_that_was_published_just_now_is_not(published):
    JobFactory(published_at=timezone.now() - REPUBLISH_AFTER / 2)

    services.reap()

    assert published == []


def test_a_job_that_runs_or_has_ended_is_not_published(published):
    RunningJobFactory(kind="other")
    SucceededJobFactory()

    services.reap()

    assert published == []


def test_looking_costs_two_queries_however_many_jobs_have_ended(django_assert_num_queries):
    SucceededJobFactory.create_batch(20)

    with django_assert_num_queries(2):
        services.reap()
