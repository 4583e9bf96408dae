"""Many people press a button in the same moment: real threads on the real views, on SQLite and on Postgres alike."""

from functools import partial

import pytest
from django.urls import reverse
from django.utils import timezone

from annotations.models import Track
from energyapp.jobs import services
from energyapp.jobs.models import Job
from modeling import feature_queue
from modeling.models import TrainingRun
from tests.annotations.test_races import at_once
from tests.conftest import logged_in
from tests.factories import AdminFactory, RunningJobFactory, SucceededJobFactory, TrackFactory

pytestmark = pytest.mark.django_db(transaction=True)

N_CLICKS = 20


@pytest.fixture(autouse=True)
def published(monkeypatch) -> list[Job]:
    """What wakes workers."""
    jobs: list[Job] = []
    monkeypatch.setattr(services, "publish", jobs.append)
    return jobs


@pytest.fixture
def clients():
    """Of several admins, some with several tabs."""
    return [logged_in(admin) for admin in AdminFactory.create_batch(5) for _ in range(N_CLICKS // 5)]


def click(clients, path, **data):
    """All at once; each must be answered by a page to go to."""
    responses = at_once(partial(client.post, path, data) for client in clients)
    assert {getattr(response, "status_code", response) for response in responses} == {302}


def test_twenty_clicks_on_retrain_are_one_job_one_run_and_one_message(clients, published):
    click(clients, reverse("train"), recipe="ridge_thresholds")

    job = Job.objects.get()
    assert TrainingRun.objects.get().job == job
    assert published == [job]


def test_twenty_clicks_on_try_again_are_one_second_chance(clients, published):
    job = SucceededJobFactory(kind="features", status="failed", attempt=3)

    click(clients, reverse("retry_job", args=[job.pk]), next="/jobs/")

    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.QUEUED, 0)
    assert published == [job]
    assert job.lines.count() == 1


def test_of_several_that_failed_one_lives_again_however_many_press(clients, published):
    jobs = [SucceededJobFactory(kind="features", status="failed") for _ in range(4)]
    paths = [reverse("retry_job", args=[jobs[n % 4].pk]) for n in range(N_CLICKS)]

    responses = at_once(
        partial(client.post, path, {"next": "/jobs/"}) for client, path in zip(clients, paths, strict=True)
    )

    assert {getattr(response, "status_code", response) for response in responses} == {302}
    assert published == [Job.objects.live().get()]


def test_twenty_clicks_on_cancel_name_one_person(clients):
    job = RunningJobFactory(kind="features")

    click(clients, reverse("cancel_job", args=[job.pk]), next="/jobs/")

    job.refresh_from_db()
    assert job.cancel_requested_at <= timezone.now()
    assert [line.text for line in job.lines.all()] == [job.message]


def test_eight_schedulers_at_once_open_one_wave_that_begins_once(monkeypatch):
    TrackFactory.create_batch(10, audio_state=Track.AudioState.WAITING)
    monkeypatch.setattr(feature_queue, "send", lambda track_ids: len(track_ids))

    sent = at_once([feature_queue.enqueue] * 8)

    assert sum(sent) == 10
    job = Job.objects.get()
    assert (job.kind, job.status, job.arguments["waiting"]) == ("features", "running", 10)
    assert [line.text for line in job.lines.all()] == ["Started."]
