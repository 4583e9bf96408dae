"""Having a job done again: the same row, all of its attempts before it, and still one live of a kind and key."""

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from energyapp.jobs import services
from energyapp.jobs.claims import Claim, ClaimLost
from energyapp.jobs.models import Job
from tests.conftest import logged_in
from tests.factories import (
    JobFactory,
    RunningJobFactory,
    SucceededJobFactory,
    TrainingRunFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db


def ended_job(status="failed", **fields):
    kept = {"message": "It broke.", "error": "Traceback", "attempt": 3, "progress": 0.4}
    now = timezone.now()
    job = SucceededJobFactory(status=status, **kept, started_at=now, progressed_at=now, published_at=now, **fields)
    TrainingRunFactory(job=job, metrics=None, artifact="", artifact_digest="", dataset_digest="", n_tracks=None)
    return job


def retry(job):
    services.retry(job=job, by="Lea")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_waits_anew_with_all_of_its_attempts(
    status, django_capture_on_commit_callbacks, monkeypatch
):
    job, published = ended_job(status, cancel_requested_at=timezone.now()), []
    monkeypatch.setattr(services, "publish", published.append)

    with django_capture_on_commit_callbacks(execute=True):
        retry(job)

    job.refresh_from_db()
    assert (job.status, job.attempt, job.progress, job.message, job.error) == ("queued", 0, 0, "", "")
    assert not any([job.token, job.started_at, job.finished_at, job.cancel_requested_at, job.published_at])
    assert published == [job]
    with Claim(job.pk) as claim, transaction.atomic():
        claim.succeed("Done")
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("succeeded", 1)


def test_while_another_of_its_kind_and_key_lives_it_is_refused_in_a_sentence():
    job, other = ended_job(), RunningJobFactory()

    with pytest.raises(services.NotRetried, match="Training is under way already in another job"):
        retry(job)

    job.refresh_from_db()
    other.refresh_from_db()
    assert (job.status, job.error, other.status) == ("failed", "Traceback", "running")
    assert not job.lines.exists()


@pytest.mark.parametrize("factory", [JobFactory, RunningJobFactory, SucceededJobFactory])
def test_what_waits_runs_or_is_done_is_not_done_again(factory):
    job = factory(kind="features")

    with pytest.raises(services.NotRetried, match="neither failed nor was it cancelled"):
        retry(job)

    assert Job.objects.get().status == job.status


def test_what_was_asked_for_anew_by_another_job_is_not_done_again_by_the_first():
    upload = UploadFactory(job=SucceededJobFactory(kind="import", status="failed"))
    former, upload.job = upload.job, SucceededJobFactory(kind="import")
    upload.save()

    with pytest.raises(services.NotRetried, match="Import was asked for anew"):
        retry(Job.objects.get(pk=former.pk))


def test_a_job_that_a_newer_one_of_its_kind_and_key_has_followed_is_not_done_again(as_admin):
    job = ended_job()
    SucceededJobFactory(kind="train", key="another question")
    assert "Try again" in as_admin.get(reverse("job", args=[job.pk])).content.decode()

    SucceededJobFactory(kind="train")

    with pytest.raises(services.NotRetried, match="Training was asked for anew since"):
        retry(job)
    assert Job.objects.get(pk=job.pk).status == Job.Status.FAILED
    assert "Try again" not in as_admin.get(reverse("job", args=[job.pk])).content.decode()


def test_a_worker_that_still_works_on_the_cancelled_attempt_writes_nothing_into_the_next():
    job = JobFactory()
    TrainingRunFactory(job=job, metrics=None, artifact="", artifact_digest="", dataset_digest="", n_tracks=None)

    with Claim(job.pk) as zombie:
        services.cancel(job=job, by="Lea")
        Job.objects.filter(pk=job.pk).end_where_asked()  # as the reaper does when the worker is silent
        retry(job)
        with pytest.raises(ClaimLost):
            zombie.report(0.9, "From the grave")
        with pytest.raises(ClaimLost), transaction.atomic():
            zombie.succeed("From the grave")

    assert Job.objects.get().status == Job.Status.QUEUED


# ---- The button


@pytest.mark.parametrize(
    ("kind", "role", "may"),
    [
        ("train", "lead", False),
        ("train", "admin", True),
        ("features", "lead", True),
        ("features", "annotator", False),
        ("unheard of", "admin", False),
    ],
)
def test_who_may_ask_for_a_kind_may_have_it_done_again(kind, role, may, request):
    job = ended_job(kind=kind)

    response = logged_in(request.getfixturevalue(role)).post(reverse("retry_job", args=[job.pk]), {"next": "/jobs/"})

    job.refresh_from_db()
    assert response.status_code == (302 if may else 403)
    assert job.status == (Job.Status.QUEUED if may else Job.Status.FAILED)


def test_a_refusal_is_said_on_the_page_with_the_button(as_admin):
    job = ended_job()
    RunningJobFactory()

    html = as_admin.post(reverse("retry_job", args=[job.pk]), {"next": "/jobs/"}, follow=True).content.decode()

    assert "Training is under way already in another job" in html
