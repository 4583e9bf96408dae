"""Who is alive, and the fragment that follows a job."""

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from energyapp.jobs import workers
from energyapp.jobs.models import Worker
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory

pytestmark = pytest.mark.django_db

NOBODY = "No worker is running"


def job_page(client, job):
    return client.get(reverse("follow_job", args=[job.pk]))


def alive(name, *queues):
    # A row from the future stands for beats: however long a test takes.
    return Worker.objects.create(name=name, queues=list(queues), seen_at=timezone.now() + timedelta(hours=1))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_beats_again_is_one_row_with_its_new_queues():
    for queues in (["features"], ["train"]):
        workers.beat(name="one@host", queues=queues)

    assert Worker.objects.get().queues == ["train"]
    assert workers.serve("train")


@pytest.mark.django_db(transaction=True)
def test_a_beat_leaves_no_connection_that_forked_children_would_share():
    workers.beat(name="one@host", queues=["train"])

    assert connection.connection is None


def test_a_worker_serves_only_the_queues_it_takes_from():
    alive("one@host", "upkeep", "features")

    assert workers.serve("features")
    assert not workers.serve("train")


def test_any_of_several_workers_will_do():
    alive("one@host", "features")
    alive("two@host", "train")

    assert workers.serve("features")
    assert workers.serve("train")


@pytest.mark.parametrize(("silent_s", "is_served"), [(7, True), (9, False)])
def test_a_worker_counts_as_alive_for_eight_seconds(silent_s, is_served, monkeypatch):
    alive("one@host", "train")
    now = Worker.objects.get().seen_at + timedelta(seconds=silent_s)
    monkeypatch.setattr(timezone, "now", lambda: now)

    assert workers.serve("train") is is_served


# ---- The fragment


def test_annotators_may_not_follow_jobs(as_annotator):
    assert job_page(as_annotator, JobFactory()).status_code == 403


def test_strangers_are_sent_to_the_login(client):
    assert job_page(client, JobFactory()).url.startswith(reverse("log_in"))


def test_a_job_that_does_not_exist_is_not_found(as_lead):
    assert as_lead.get(reverse("follow_job", args=[0])).status_code == 404


@pytest.mark.parametrize("role", ["as_lead", "as_admin"])
def test_leads_and_admins_see_how_far_it_is(role, request):
    client = request.getfixturevalue(role)

    html = job_page(client, RunningJobFactory(progress=0.42, message="Cross-validation: fold 3 of 5")).content.decode()

    assert "Cross-validation: fold 3 of 5" in html
    assert "42 %" in html


def test_a_live_job_asks_for_itself_again(as_lead):
    job = JobFactory()

    response = job_page(as_lead, job)

    assert f'hx-get="{reverse("follow_job", args=[job.pk])}"' in response.content.decode()
    assert "HX-Refresh" not in response


def test_the_end_of_a_job_reloads_the_page_around_it_once(as_lead):
    response = job_page(as_lead, SucceededJobFactory(message="macro-MAE 0.90"))

    assert response["HX-Refresh"] == "true"
    assert "hx-get" not in response.content.decode()


def test_it_says_when_no_worker_would_take_the_job(as_lead):
    job = JobFactory()
    alive("one@host", "features")
    assert NOBODY in job_page(as_lead, job).content.decode()

    alive("two@host", "train")
    assert NOBODY not in job_page(as_lead, job).content.decode()


def test_a_job_that_has_ended_needs_no_worker(as_lead):
    assert NOBODY not in job_page(as_lead, SucceededJobFactory()).content.decode()


def test_only_admins_see_what_went_wrong_in_full(as_lead, as_admin):
    job = SucceededJobFactory(status="failed", message="It broke.", error="Traceback: secrets.py, line 1")

    assert "secrets.py" in job_page(as_admin, job).content.decode()
    for_leads = job_page(as_lead, job).content.decode()
    assert "It broke." in for_leads
    assert "secrets.py" not in for_leads


def test_following_a_job_is_cheap(as_lead, django_assert_max_num_queries):
    job = RunningJobFactory()
    for number in range(10):
        alive(f"{number}@host", "train")

    with django_assert_max_num_queries(6):
        job_page(as_lead, job)
