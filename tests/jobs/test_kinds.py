"""The table of kinds: every kind has a task, a queue that is served, and a page that exists."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.urls import reverse

from energyapp.celery import app
from energyapp.jobs import workers
from energyapp.jobs.kinds import KINDS
from energyapp.jobs.models import Job
from energyapp.jobs.views import queue_of
from tests.factories import ExperimentFactory, JobFactory, SucceededJobFactory, TrainingRunFactory, UploadFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_task_in_a_queue_that_some_worker_takes_from(kind):
    app.loader.import_default_modules()

    assert f"jobs.{kind}" in app.tasks
    assert f"jobs.{kind}" in settings.CELERY_TASK_ROUTES
    assert queue_of(Job(kind=kind)) in workers.QUEUES


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_asks_for_a_permission_that_exists(kind):
    app_label, codename = KINDS[kind].permission.split(".")

    assert Permission.objects.filter(content_type__app_label=app_label, codename=codename).exists()


@pytest.mark.parametrize(
    ("kind", "factory", "page"),
    [
        ("train", TrainingRunFactory, "run"),
        ("experiment", ExperimentFactory, "experiment"),
        ("import", UploadFactory, "upload"),
    ],
)
def test_a_job_leads_to_what_it_is_about(kind, factory, page):
    subject = factory()

    assert subject.job.url == reverse(page, args=[subject.pk])
    assert not subject.job.is_superseded


def test_a_job_without_a_row_of_its_own_leads_to_a_page_for_all(as_lead):
    assert JobFactory(kind="features").url == reverse("imports")
    assert JobFactory(kind="rank").url == reverse("next_tracks")
    assert as_lead.get(JobFactory(kind="fetch").url).status_code == 200


def test_a_job_whose_subject_is_anothers_now_leads_nowhere():
    upload = UploadFactory()
    former, upload.job = upload.job, SucceededJobFactory(kind="import")
    upload.save()

    assert Job.objects.get(pk=former.pk).url == ""
    assert Job.objects.get(pk=former.pk).is_superseded


def test_a_kind_that_nobody_listed_is_named_as_it_is_and_is_nobodys_to_cancel():
    job = JobFactory(kind="unheard of")

    assert (job.words, job.permission, job.url) == ("Unheard of", "jobs.change_job", "")
