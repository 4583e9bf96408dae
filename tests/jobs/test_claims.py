"""Running a job: one holder, who alone may write, and a heart that beats meanwhile."""

import contextlib
import time

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from energyapp.jobs import claims
from energyapp.jobs.claims import Claim, ClaimLost, JobRefused, NotClaimed
from energyapp.jobs.models import Job, Worker
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory
from tests.processes import wait_until

pytestmark = pytest.mark.django_db


class Broken(Exception):
    """What a body of work may raise."""


def state():
    job = Job.objects.get()
    return job.status, job.progress, job.message, job.attempt


@contextlib.contextmanager
def claim_given_to_another():
    """A claim whose job the reaper has given to another worker while its holder was silent."""
    job = JobFactory()
    with Claim(job.pk) as claim:
        Job.objects.update(token=Claim(job.pk).token, attempt=2, progress=0.5, message="The other's")
        yield claim


def finish(claim):
    with transaction.atomic():
        claim.succeed("Done")


def test_a_claimed_job_runs_under_a_token_of_its_own():
    job = JobFactory()

    with Claim(job.pk) as claim:
        assert state() == ("running", 0, "Starting", 1)
        assert Job.objects.get().token == claim.token
        assert Job.objects.get().heartbeat_at is not None
        finish(claim)

    assert state() == ("succeeded", 1, "Done", 1)
    assert Job.objects.get().finished_at is not None


def test_of_two_claims_one_wins():
    job = JobFactory()

    with Claim(job.pk) as claim:
        with pytest.raises(NotClaimed), Claim(job.pk):
            pytest.fail("two hold the same job")
        finish(claim)

    assert state() == ("succeeded", 1, "Done", 1)


def test_of_two_that_have_both_seen_the_job_waiting_one_wins(monkeypatch):
    job = JobFactory()
    look = Job.objects.filter(pk=job.pk).first

    def another_is_quicker(waiting):
        seen = look()
        Job.objects.filter(pk=job.pk).update(
            status=Job.Status.RUNNING, token=Claim(job.pk).token, attempt=1, heartbeat_at=timezone.now()
        )
        return seen

    monkeypatch.setattr("energyapp.jobs.models.JobQuerySet.first", another_is_quicker)

    with pytest.raises(NotClaimed), Claim(job.pk):
        pytest.fail("two hold the same job")


@pytest.mark.parametrize("factory", [SucceededJobFactory, RunningJobFactory])
def test_a_job_that_does_not_wait_cannot_be_claimed(factory):
    job = factory()
    before = state()

    with pytest.raises(NotClaimed, match=f"job {job.pk} is not waiting"), Claim(job.pk):
        pytest.fail("ran a job that nobody waits for")

    assert state() == before


def test_a_job_that_does_not_exist_cannot_be_claimed():
    with pytest.raises(NotClaimed), Claim(0):
        pytest.fail("ran no job at all")


@pytest.mark.parametrize(("share", "kept"), [(0.25, 0.25), (-1, 0), (1.5, 1)])
def test_reports_say_how_far_it_is(share, kept):
    with Claim(JobFactory().pk) as claim:
        claim.report(share, "x" * 300)

        assert state() == ("running", kept, "x" * 200, 1)
        finish(claim)


def test_a_report_after_the_job_was_given_away_stops_the_work_and_writes_nothing():
    with pytest.raises(ClaimLost), claim_given_to_another() as claim:
        claim.report(0.9, "Nearly there")

    assert state() == ("running", 0.5, "The other's", 2)
    assert Job.objects.get().error == ""


def test_an_error_after_the_job_was_given_away_does_not_fail_the_others_attempt():
    with pytest.raises(Broken), claim_given_to_another():
        raise Broken("too late")

    assert state() == ("running", 0.5, "The other's", 2)


@pytest.mark.django_db(transaction=True)
def test_success_outside_a_transaction_is_refused():
    with pytest.raises(transaction.TransactionManagementError), Claim(JobFactory().pk) as claim:
        claim.succeed("Done")

    assert Job.objects.get().status == Job.Status.FAILED


def test_success_after_the_job_was_given_away_takes_the_results_with_it():
    def store_results(claim):
        Worker.objects.create(name="the results", seen_at=timezone.now())
        claim.succeed("Done")

    with pytest.raises(ClaimLost), claim_given_to_another() as claim, transaction.atomic():
        store_results(claim)

    assert not Worker.objects.exists()
    assert state() == ("running", 0.5, "The other's", 2)


def test_a_body_that_raises_leaves_a_failed_job_with_a_sentence_and_the_traceback():
    with pytest.raises(Broken), Claim(JobFactory().pk):
        raise Broken("index 7 is out of bounds")

    job = Job.objects.get()
    assert job.status == Job.Status.FAILED
    assert job.finished_at is not None
    assert job.message == "An error in the program stopped it (Broken); an admin can read the details."
    assert "Traceback (most recent call last)" in job.error
    assert __file__ in job.error


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_a_worker_that_is_told_to_stop_gives_the_job_back(stop):
    with pytest.raises(stop), Claim(JobFactory().pk):
        raise stop

    job = Job.objects.get()
    assert (job.status, job.token, job.attempt) == (Job.Status.QUEUED, None, 1)
    assert list(Job.objects.unheard()) == [job]


def test_a_job_that_refuses_says_why_in_its_own_words():
    with pytest.raises(JobRefused), Claim(JobFactory().pk):
        raise JobRefused("The tracks have no labels." + "!" * 300)

    assert Job.objects.get().message.startswith("The tracks have no labels.!!!")


def test_results_of_a_body_that_breaks_the_database_are_gone_and_the_job_says_so():
    def store_results():
        Worker.objects.create(name="the results", seen_at=timezone.now())
        JobFactory(kind="other", progress=2)

    with pytest.raises(IntegrityError), Claim(JobFactory().pk), transaction.atomic():
        store_results()

    assert not Worker.objects.exists()
    assert Job.objects.get().status == Job.Status.FAILED


@pytest.mark.django_db(transaction=True)
def test_the_heart_beats_while_the_body_works_and_stops_with_it(monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT_INTERVAL_S", 0.02)

    with Claim(JobFactory().pk) as claim:
        first = Job.objects.get().heartbeat_at
        wait_until(lambda: Job.objects.get().heartbeat_at > first, what="a heartbeat")
        finish(claim)

    last = Job.objects.get().heartbeat_at
    time.sleep(0.1)
    assert Job.objects.get().heartbeat_at == last
    assert not claim._heart.is_alive()


@pytest.mark.django_db(transaction=True)
def test_the_heart_of_a_lost_claim_does_not_keep_the_job_from_the_reaper(monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT_INTERVAL_S", 0.02)

    with claim_given_to_another():
        before = Job.objects.get().heartbeat_at
        time.sleep(0.2)

        assert Job.objects.get().heartbeat_at == before
