"""Asking for background work: one live job of a kind, and a broker that is away costs nothing but time."""

import contextlib
import logging
import socket
import time

import kombu.transport.redis  # noqa: F401  (loaded here, so that no test measures an import)
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from energyapp.jobs import services
from energyapp.jobs.models import Job
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory
from tests.processes import broker_at, free_port

pytestmark = pytest.mark.django_db


def test_asked_for_twice_is_one_live_job(admin):
    first = services.request(kind="train", requested_by=admin)
    second = services.request(kind="train", requested_by=admin, arguments={"other": "wishes"})

    assert (first[1], second[1]) == (True, False)
    assert first[0] == second[0] == Job.objects.get()


def test_a_job_that_runs_is_not_asked_for_again(admin):
    running = RunningJobFactory()

    assert services.request(kind="train", requested_by=admin) == (running, False)


def test_other_kinds_do_not_stand_in_each_others_way(admin):
    JobFactory(kind="train")

    job, is_new = services.request(kind="experiment", requested_by=admin, arguments={"seeds": [1, 2]})

    assert is_new
    assert (job.kind, job.arguments, job.requested_by, job.status) == ("experiment", {"seeds": [1, 2]}, admin, "queued")


def test_after_the_first_has_ended_there_is_a_new_one(admin):
    ended = SucceededJobFactory()

    job, is_new = services.request(kind="train", requested_by=admin)

    assert is_new
    assert job != ended


def test_a_job_that_breaks_another_rule_is_no_job_at_all(admin):
    with pytest.raises(IntegrityError), transaction.atomic():
        services.request(kind=None, requested_by=admin)

    assert not Job.objects.exists()


def test_workers_are_woken_only_after_the_commit(admin, django_capture_on_commit_callbacks, monkeypatch):
    published = []
    monkeypatch.setattr(services, "publish", published.append)

    with django_capture_on_commit_callbacks(execute=True):
        job, _ = services.request(kind="train", requested_by=admin)
        services.request(kind="train", requested_by=admin)
        assert published == []

    assert published == [job]


def test_publishing_notes_the_time():
    job, before = JobFactory(), timezone.now()

    services.publish(job)

    assert before <= Job.objects.get().published_at <= timezone.now()


@contextlib.contextmanager
def broker_that_is_gone():
    yield free_port()


@contextlib.contextmanager
def broker_that_hangs():
    """It takes connections and never answers, as a frozen process or machine does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("broker", [broker_that_is_gone, broker_that_hangs])
def test_without_a_broker_the_job_waits_and_nobody_waits_with_it(broker, caplog):
    job = JobFactory()

    with broker() as port, broker_at(f"redis://127.0.0.1:{port}/0"), caplog.at_level(logging.WARNING):
        began = time.monotonic()
        services.publish(job)
        took_s = time.monotonic() - began

    assert took_s < 60  # some seconds; for ever, if nobody had set a limit
    assert "waits: the broker cannot be reached" in caplog.text
    job.refresh_from_db()
    assert (job.status, job.published_at) == (Job.Status.QUEUED, None)
    assert list(Job.objects.unheard()) == [job]
