"""Work that is a list, as one job: opened when there is something to do, ended when nothing is left, stopped until somebody goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from energyapp.jobs import services, waves
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, MAX_ATTEMPTS, Job
from tests.factories import RunningJobFactory

pytestmark = pytest.mark.django_db


def take_up(*, wanted=True, **options):
    return waves.take_up("features", is_wanted=lambda: wanted, **options)


def report(wave, *, n_left, **facts):
    waves.report(wave, n_left=n_left, message=f"{n_left} left", **facts)


def stop(wave):
    services.cancel(job=wave, by="Lea")


def test_where_nothing_is_wanted_there_is_no_job_and_looking_costs_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert take_up(wanted=False) is None

    assert not Job.objects.exists()


def test_a_wave_is_one_job_that_remembers_how_things_were_when_it_began():
    first = take_up(arguments=lambda: {"ready": 7})
    again = take_up(arguments=lambda: {"ready": 9})

    job = Job.objects.get()
    assert first == again == job
    assert (job.kind, job.status, job.attempt, job.requested_by) == ("features", "running", 1, None)
    assert job.arguments == {"ready": 7}
    assert job.started_at is not None


def test_it_says_how_far_it_is_and_ends_when_nothing_is_left():
    wave = take_up()
    waves.count("features", n_done=3)
    waves.count("features", n_failed=1)
    wave.refresh_from_db()

    report(wave, n_left=4)
    wave.refresh_from_db()
    assert (wave.progress, wave.message, wave.progressed_at is None) == (0.5, "4 left", False)

    report(wave, n_left=0)
    wave.refresh_from_db()
    assert (wave.status, wave.progress, wave.message) == ("succeeded", 1, "0 left")
    assert [line.text for line in wave.lines.all()] == ["Started.", "0 left"]
    assert take_up(wanted=False) is None
    assert take_up() != wave


def test_stopped_it_ends_at_the_next_look_and_nothing_begins_until_somebody_goes_on():
    wave = take_up()
    stop(wave)
    assert waves.stopped("features") == wave

    assert take_up() is None
    assert take_up() is None
    assert Job.objects.get().status == Job.Status.CANCELLED
    assert waves.all_stopped() == [wave]

    services.retry(job=wave, by="Adam")
    assert waves.all_stopped() == []
    assert take_up(arguments=lambda: {"ready": 2}) == wave
    wave.refresh_from_db()
    assert (wave.status, wave.arguments) == (Job.Status.RUNNING, {"ready": 2})
    assert "Cancelled by Lea" in wave.lines.all()[1].text


def test_stopped_in_the_moment_in_which_it_would_have_ended_it_stays_stopped():
    wave = take_up()
    stop(wave)

    report(wave, n_left=0)

    assert take_up(wanted=False) is None
    assert Job.objects.get().status == Job.Status.CANCELLED


def test_a_wave_that_nobody_looked_after_for_long_goes_on_where_it_was_however_often(monkeypatch):
    monkeypatch.setattr(services, "publish", lambda job: None)
    wave = take_up(arguments=lambda: {"ready": 7})
    for _ in range(2 * MAX_ATTEMPTS):
        Job.objects.update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
        services.reap()
        assert Job.objects.get().status == Job.Status.QUEUED
        assert take_up(arguments=lambda: {"ready": 9}) == wave

    again = Job.objects.get()
    assert (again.status, again.attempt, again.arguments) == ("running", 1, {"ready": 7})
    assert again.started_at == wave.started_at


def test_while_it_is_looked_after_the_reaper_leaves_it_alone():
    wave = take_up()
    Job.objects.update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))

    report(wave, n_left=3)
    services.reap()

    assert Job.objects.get().status == Job.Status.RUNNING


def test_what_comes_to_an_end_while_no_wave_runs_is_counted_for_none():
    other = RunningJobFactory(kind="fetch")

    waves.count("features", n_done=1)

    other.refresh_from_db()
    assert other.n_done == 0
