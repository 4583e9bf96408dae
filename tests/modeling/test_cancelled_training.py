"""A training that somebody calls off leaves nothing of its results."""

import pytest
from django.conf import settings

from annotations.models import Flag
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling import pipeline, services
from modeling.models import Prediction, Promotion, TrainingRun
from tests.factories import AdminFactory
from tests.labelled_library import make_labelled_library

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("step", ["cross_validate", "find_suspects"])
def test_a_training_called_off_in_the_middle_or_just_before_its_end_leaves_no_results(step, monkeypatch):
    make_labelled_library(60)
    models_before = set(settings.RUNS_DIR.glob("run-*"))
    job = services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds")
    take_step = getattr(pipeline, step)

    def and_call_off(*args, **kwargs):
        jobs.cancel(job=job, by="Lea")
        return take_step(*args, **kwargs)

    monkeypatch.setattr(pipeline, step, and_call_off)

    pipeline.train(job.pk)

    assert Job.objects.get().status == Job.Status.CANCELLED
    assert TrainingRun.objects.get().metrics is None
    for nothing in (Prediction, Promotion, Flag):
        assert not nothing.objects.exists()
    assert set(settings.RUNS_DIR.glob("run-*")) == models_before
