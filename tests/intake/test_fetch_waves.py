"""Fetching previews as a job: counted as files come, stopped and gone on with. How files are fetched: test_previews.py."""

import pytest
from django.utils import timezone

from annotations.intake import previews
from annotations.intake.models import PreviewHost
from annotations.models import Track
from energyapp.jobs import services
from energyapp.jobs.models import Job
from tests.intake.test_previews import authority, fail, fetch_all, let_time_pass, server, wanted  # noqa: F401

pytestmark = pytest.mark.django_db


def wave():
    return Job.objects.get(kind="fetch")


def test_without_previews_to_fetch_there_is_no_job():
    previews.enqueue()

    assert not Job.objects.exists()


def test_a_wave_counts_what_came_what_did_not_and_links_that_may_not_be_followed(wanted, server, settings):  # noqa: F811
    settings.PREVIEW_HOSTS = ["127.0.0.1"]
    wanted("/a"), wanted("/b"), wanted("/gone"), wanted("/never", host="localhost")
    server.answers["/gone"] = fail(404)

    previews.enqueue()
    assert (wave().status, wave().message) == ("running", "0 of 4 previews")
    previews.enqueue()
    assert (wave().message, wave().progress) == ("1 of 4 previews; 1 could not be", 0.25)

    fetch_all()
    previews.enqueue()

    job = wave()
    assert (job.status, job.message) == ("succeeded", "2 previews fetched; 2 could not be")
    assert (job.n_done, job.n_failed) == (2, 2)


def test_a_preview_that_waits_for_another_try_keeps_the_wave_going(wanted, server):  # noqa: F811
    wanted("/a"), wanted("/b")
    server.answers["/a"] = fail(500)

    fetch_all()
    previews.enqueue()
    assert (wave().status, wave().message) == ("running", "1 of 2 previews")

    del server.answers["/a"]
    let_time_pass()
    fetch_all()
    previews.enqueue()
    assert (wave().status, wave().message) == ("succeeded", "2 previews fetched")


def test_a_server_that_is_given_up_ends_all_that_it_was_to_send(wanted, server, settings):  # noqa: F811
    settings.PREVIEW_CONNECTIONS = 2
    for number in range(30):
        wanted(f"/{number}")
    server.otherwise = fail(503)

    for _ in range(previews.MAX_ATTEMPTS):
        fetch_all()
        PreviewHost.objects.update(not_before=timezone.now())
    previews.enqueue()

    assert (wave().status, wave().message) == ("succeeded", "0 previews fetched; 30 could not be")


def test_stopped_nobody_is_asked_for_anything_more_until_somebody_goes_on(wanted, server):  # noqa: F811
    for number in range(3):
        wanted(f"/{number}")
    previews.enqueue()
    services.cancel(job=wave(), by="Lea")

    for host in PreviewHost.objects.due():  # a message that was on its way
        previews.fetch_host(host.name)
    assert previews.enqueue() == 0
    assert (len(server.asked), wave().status) == (0, "cancelled")
    wanted("/later")
    assert previews.enqueue() == 0

    services.retry(job=wave(), by="Lea")
    fetch_all()
    previews.enqueue()
    assert wave().message == "4 previews fetched"
    assert not Track.objects.filter(audio_state="not fetched").exists()


def test_a_turn_under_way_takes_no_further_file_once_it_is_stopped(wanted, server, settings, monkeypatch):  # noqa: F811
    settings.PREVIEW_CONNECTIONS = 1
    for number in range(10):
        wanted(f"/{number}")

    store = previews._store

    def store_and_stop_after_three(fetch):
        store(fetch)
        if len(server.asked) == 3:
            services.cancel(job=wave(), by="Lea")

    monkeypatch.setattr(previews, "_store", store_and_stop_after_three)
    fetch_all()

    assert len(server.asked) == 3
    assert Track.objects.filter(audio_state="not fetched").count() == 7
