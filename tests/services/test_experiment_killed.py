"""An experiment whose worker is killed goes on in the next, with what the first had read; one that was called off does not."""

import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from energyapp.jobs import services as jobs
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job
from modeling import services
from modeling.core.lab.report import Report
from modeling.models import Experiment
from tests.factories import AnnotationFactory, LeadFactory
from tests.labelled_library import make_labelled_library
from tests.processes import start_held_worker, start_worker, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="kills process groups"),
]

PATIENCE_S = 90
N_TRACKS = 60


@pytest.fixture
def start(redis_url, celery_on_redis):
    started = []

    def start_one(start_worker=start_worker, **held):
        started.append(start_worker("train", redis_url=redis_url, database=connection.settings_dict, **held))
        return started[-1]

    yield start_one
    for worker in started:
        worker.kill()


@pytest.fixture
def killed_in_the_middle(start, tmp_path):
    """An experiment whose worker is gone."""
    make_labelled_library(N_TRACKS)
    victim = start(start_held_worker, at=0.01, by=tmp_path / "held")
    options = {"recipe": "ridge_thresholds", "n_repeats": 3}
    experiment = services.request_experiment(name="resampling", options=options, requested_by=LeadFactory())
    wait_until(lambda: Job.objects.get().progress >= 0.01, timeout_s=PATIENCE_S, what="its first step")
    victim.kill()
    assert Job.objects.get().status == Job.Status.RUNNING
    return experiment


def notice_the_silence():
    """What thirty seconds and the next tick of beat do."""
    Job.objects.update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
    jobs.reap()


def test_it_is_answered_once_by_the_next_worker_from_the_first_ones_snapshot(killed_in_the_middle, start):
    AnnotationFactory.create_batch(3)  # came in while nobody worked on it

    start()
    notice_the_silence()
    wait_until(lambda: not Job.objects.get().is_live, timeout_s=PATIENCE_S, what="its end")

    job = Job.objects.get()
    assert (job.status, job.attempt) == (Job.Status.SUCCEEDED, 2), job.error
    assert Report.from_json(Experiment.objects.get().report).provenance.n_tracks == N_TRACKS


def test_called_off_it_is_given_to_nobody(killed_in_the_middle):
    jobs.cancel(job=killed_in_the_middle.job, by="Lea")

    notice_the_silence()

    assert Job.objects.get().status == Job.Status.CANCELLED
    assert Experiment.objects.get().report == ""
