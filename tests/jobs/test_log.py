"""What a job's log says, and that it stays short; and the time that a job has left."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from energyapp.jobs import log, services
from energyapp.jobs.claims import Claim, ClaimLost, JobRefused
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job, JobLine
from tests.factories import JobFactory, RunningJobFactory

pytestmark = pytest.mark.django_db


def lines(job):
    return [(line.attempt, line.text) for line in job.lines.all()]


def test_an_attempt_says_when_it_begins_what_it_does_and_how_it_ends():
    job = JobFactory()

    with Claim(job.pk) as claim:
        claim.report(0, "Reading labels")
        claim.report(0.5, "Fitting")
        with transaction.atomic():
            claim.succeed("macro-MAE 0.93")

    assert lines(job) == [(1, "Started."), (1, "Reading labels"), (1, "Fitting"), (1, "macro-MAE 0.93")]


def test_reports_that_only_move_the_bar_or_count_on_add_no_line_until_a_while_has_gone_by(monkeypatch):
    job, clock = JobFactory(), [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: clock[0])

    with Claim(job.pk) as claim:
        for share in range(10):
            claim.report(share / 10, "Fitting")
        for n in range(1, 2000):
            claim.report(n / 2000, f"{n} rows imported")
        clock[0] += log.COUNTS_ON_EVERY_S
        claim.report(1, "2,000 rows imported")
        assert [text for _, text in lines(job)] == ["Started.", "Fitting", "1 rows imported", "2,000 rows imported"]
        with transaction.atomic():
            claim.succeed("Done")


def test_a_report_that_adds_no_line_costs_one_statement(django_assert_num_queries):
    with Claim(JobFactory().pk) as claim:
        claim.report(0.1, "1 of 9 folds")
        with django_assert_num_queries(1):
            claim.report(0.2, "2 of 9 folds")
        with transaction.atomic():
            claim.succeed("Done")


def test_the_log_of_a_job_that_never_stops_talking_is_bounded_and_still_says_how_it_ended(monkeypatch):
    monkeypatch.setattr(log, "MAX_STEPS", 20)
    job = JobFactory(kind="features")

    def talk(claim):
        for n in range(50):
            claim.report(0.5, "step " + "x" * n)
        raise JobRefused("It is too much.")

    for _ in range(3):
        with pytest.raises(JobRefused), Claim(job.pk) as claim:
            talk(claim)
        services.retry(job=job, by="Lea")

    assert JobLine.objects.count() <= 20 + 3 * 3
    assert (1, "It is too much.") in lines(job)[-3:]


def test_a_worker_that_was_given_up_for_dead_writes_no_line():
    job = JobFactory()

    def report_late(zombie):
        Job.objects.update(token=Claim(job.pk).token, attempt=2)
        zombie.report(0.5, "From the grave")

    with pytest.raises(ClaimLost), Claim(job.pk) as zombie:
        report_late(zombie)

    assert lines(job) == [(1, "Started.")]


def test_a_line_of_results_that_were_rolled_back_is_gone_with_them():
    job = JobFactory()

    def succeed_and_fail(claim):
        claim.succeed("Done")
        raise JobRefused("The disk is full.")

    with pytest.raises(JobRefused), Claim(job.pk) as claim, transaction.atomic():
        succeed_and_fail(claim)

    assert lines(job) == [(1, "Started."), (1, "The disk is full.")]


def test_the_log_says_who_called_it_off_and_who_asked_again_and_that_workers_died():
    job = RunningJobFactory(kind="features", heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT * 2)
    services.reap()
    services.cancel(job=job, by="Lea")
    services.cancel(job=job, by="Somebody else")
    services.retry(job=job, by="Adam")

    died, cancelled, again = (text for _, text in lines(job))
    assert died == "The worker died; waiting for another."
    assert cancelled.startswith("Cancelled by Lea, ")
    assert again == "Asked for again by Adam."


# ---- Time left


def job_after(seconds, progress, *, idle_s=0, **fields):
    now = timezone.now() - timedelta(seconds=idle_s)
    return RunningJobFactory.build(
        progress=progress, started_at=now - timedelta(seconds=seconds), progressed_at=now, **fields
    )


def test_what_is_left_is_told_by_the_pace_since_the_start():
    assert job_after(60, 0.25).time_left.total_seconds() == pytest.approx(180, abs=10)
    assert job_after(60, 0.25, idle_s=30).time_left.total_seconds() == pytest.approx(150, abs=10)


@pytest.mark.parametrize(
    "job",
    [
        job_after(60, 0),
        job_after(60, 0.005),
        job_after(1, 0.5),
        job_after(60, 0.9, idle_s=60),  # it should have ended by now
        job_after(60, 0.5, status="queued"),
        RunningJobFactory.build(progress=0.5),  # of a version that did not note when it began
    ],
)
def test_nothing_is_said_of_time_that_cannot_be_known(job):
    assert job.time_left is None


def test_a_claim_notes_when_it_began_and_when_it_last_got_further():
    job, before = JobFactory(), timezone.now()

    with Claim(job.pk) as claim:
        claim.report(0.5, "Half")
        job.refresh_from_db()
        moved_at = job.progressed_at
        claim.report(0.5, "Still half")
        job.refresh_from_db()
        assert before <= job.started_at <= moved_at == job.progressed_at
        with transaction.atomic():
            claim.succeed("Done")

    job.refresh_from_db()
    assert job.duration == job.finished_at - job.started_at
