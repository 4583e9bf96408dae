"""A worker that is killed while it predicts every track: the next goes on where it was, and no track is predicted twice."""

import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from energyapp.jobs import services as jobs
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job
from modeling.models import Prediction
from modeling.retraining import benchmark, refreshing
from tests.modeling.training_library import train
from tests.processes import Redis, broker_at, start_worker, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="kills a process group"),
]

# Three chunks of 4,000.
N_TRACKS = 12_000


@pytest.mark.postgres  # whose locks a dead worker's connection must not keep
def test_what_the_dead_worker_has_stored_stays_and_the_next_stores_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "N_LABELLED", 100)
    benchmark.make_library(N_TRACKS, feature_sets=["signal"])
    run = train()
    stored = run.predictions.filter(part=Prediction.Part.FINAL)
    stored.delete()
    with Redis.start(tmp_path) as redis, broker_at(redis.url):
        worker = start_worker("train", redis_url=redis.url, database=connection.settings_dict)
        try:
            job = refreshing.request(run=run, requested_by=None)
            wait_until(stored.exists, what="the first chunk")
        finally:
            worker.kill()
        n_before = stored.count()
        assert n_before < N_TRACKS, "it ended before it could be killed: more tracks are needed"
        assert n_before % 4_000 == 0

        Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
        jobs.reap()
        worker = start_worker("train", redis_url=redis.url, database=connection.settings_dict)
        try:
            wait_until(lambda: not Job.objects.get(pk=job.pk).is_live, what="the job's end")
        finally:
            worker.end()

    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.SUCCEEDED, 2), job.error
    assert job.message.startswith(f"{N_TRACKS - n_before:,} tracks predicted")
    assert stored.count() == stored.values("track").distinct().count() == N_TRACKS
