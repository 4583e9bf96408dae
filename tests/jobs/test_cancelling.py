"""Calling a job off: what waits ends at once, what runs at its next report, and of an end and a cancel only one happens."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from energyapp.jobs import services
from energyapp.jobs.claims import Claim, ClaimLost, NotClaimed
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job, Worker
from tests.conftest import logged_in
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory

pytestmark = pytest.mark.django_db

N_RACES = 12


def cancel(job):
    return services.cancel(job=job, by="Lea")


def finish(claim, name="the results"):
    """Results, and the end that belongs to them."""
    with transaction.atomic():
        Worker.objects.create(name=name, seen_at=timezone.now())
        claim.succeed("Done")


def test_a_job_that_waits_ends_at_once_and_says_who_and_when():
    job = JobFactory()

    assert cancel(job)

    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert job.finished_at == job.cancel_requested_at
    assert job.message.startswith("Cancelled by Lea, ")
    with pytest.raises(NotClaimed), Claim(job.pk):
        pytest.fail("ran what nobody wants")


def test_a_job_that_runs_stops_at_its_next_report_and_what_follows_it_goes_on():
    job, reached = JobFactory(), []

    with Claim(job.pk) as claim:
        claim.report(0.3, "Fold 1")
        assert cancel(job)
        assert Job.objects.get().status == Job.Status.RUNNING
        reached.append("the report")
        claim.report(0.6, "Fold 2")
        reached.append("further")
    reached.append("the end")

    job.refresh_from_db()
    assert reached == ["the report", "the end"]
    assert (job.status, job.progress, job.error) == (Job.Status.CANCELLED, 0.3, "")
    assert job.message.startswith("Cancelled by Lea, ")
    assert job.finished_at > job.cancel_requested_at


def test_results_of_a_job_that_was_called_off_just_before_its_end_are_not_stored():
    job = JobFactory()

    with Claim(job.pk) as claim, transaction.atomic():
        Worker.objects.create(name="the results", seen_at=timezone.now())
        cancel(job)
        claim.succeed("Done")

    assert not Worker.objects.exists()


def test_a_job_that_has_ended_stays_as_it_is():
    job = SucceededJobFactory(message="macro-MAE 0.9")

    assert not cancel(job)

    job.refresh_from_db()
    assert (job.status, job.message, job.cancel_requested_at) == (Job.Status.SUCCEEDED, "macro-MAE 0.9", None)


def test_whoever_called_it_off_first_is_named():
    job = RunningJobFactory()
    cancel(job)

    assert services.cancel(job=job, by="Somebody else")

    assert "Lea" in Job.objects.get().message


def test_a_dead_workers_job_that_was_called_off_is_ended_by_the_reaper_and_not_given_to_another():
    job = RunningJobFactory(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
    cancel(job)

    services.reap()

    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert job.message.startswith("Cancelled by Lea, ")


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt])
def test_a_worker_that_stops_does_not_give_back_what_was_called_off(stop):
    job = JobFactory()

    def told_to_stop():
        cancel(job)
        raise stop

    with pytest.raises(stop), Claim(job.pk):
        told_to_stop()

    assert Job.objects.get().status == Job.Status.CANCELLED


def test_a_worker_that_was_given_up_for_dead_does_not_end_anothers_attempt():
    job = JobFactory()

    def report_after_both(zombie):
        Job.objects.update(token=Claim(job.pk).token, attempt=2)
        cancel(job)
        zombie.report(0.5, "From the grave")

    with pytest.raises(ClaimLost), Claim(job.pk) as zombie:
        report_after_both(zombie)

    assert Job.objects.get().status == Job.Status.RUNNING


def test_a_cancelled_job_can_be_asked_for_again(admin):
    cancelled, _ = services.request(kind="train", requested_by=admin)
    cancel(cancelled)

    job, is_new = services.request(kind="train", requested_by=admin)

    assert is_new
    assert job != cancelled


@pytest.mark.django_db(transaction=True)
def test_of_an_end_and_a_cancel_in_the_same_moment_one_happens_with_all_that_belongs_to_it():
    ends = set()
    for number in range(N_RACES):
        job = JobFactory()
        both = threading.Barrier(2)

        def call_off(job=job, both=both):
            both.wait()
            cancel(job)
            connection.close()

        other = threading.Thread(target=call_off)
        other.start()
        with Claim(job.pk) as claim:
            both.wait()
            if number % 2:
                claim.report(0.9, "Storing")
            finish(claim, name=str(number))
        other.join()
        job.refresh_from_db()
        assert not job.is_live
        assert Worker.objects.filter(name=number).exists() == (job.status == Job.Status.SUCCEEDED)
        ends.add(job.status)
    assert ends <= {Job.Status.SUCCEEDED, Job.Status.CANCELLED}


# ---- The button


@pytest.mark.parametrize(
    ("kind", "role", "may"),
    [
        ("train", "lead", False),
        ("train", "admin", True),
        ("import", "lead", True),
        ("experiment", "lead", True),
        ("experiment", "annotator", False),
        ("unheard of", "admin", False),
    ],
)
def test_who_may_ask_for_a_kind_may_cancel_it(kind, role, may, request):
    job = RunningJobFactory(kind=kind)
    client = logged_in(request.getfixturevalue(role))

    response = client.post(reverse("cancel_job", args=[job.pk]), {"next": "/dashboard/"})

    job.refresh_from_db()
    assert response.status_code == (302 if may else 403)
    assert (job.cancel_requested_at is not None) == may


def test_the_button_is_there_for_those_who_may_until_it_was_pressed(as_lead, as_admin):
    job = RunningJobFactory()
    button = reverse("cancel_job", args=[job.pk])

    def page(client):
        return client.get(reverse("follow_job", args=[job.pk])).content.decode()

    assert button not in page(as_lead)
    assert button in page(as_admin)
    cancel(job)
    assert button not in page(as_admin)
    assert "It stops at its next step." in page(as_admin)


@pytest.mark.parametrize(("path", "to"), [("/lab/", "/lab/"), ("https://elsewhere.example/", "/"), ("", "/")])
def test_it_leads_back_to_where_it_was_pressed_and_nowhere_else(path, to, as_admin):
    response = as_admin.post(reverse("cancel_job", args=[JobFactory().pk]), {"next": path})

    assert response["Location"] == to


def test_too_late_is_said(as_admin):
    job = SucceededJobFactory()

    html = as_admin.post(reverse("cancel_job", args=[job.pk]), {"next": "/dashboard/"}, follow=True).content.decode()

    assert "had ended before it could be called off" in html
