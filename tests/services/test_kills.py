"""Workers and brokers that are killed in the middle: nothing is lost, nothing happens twice, nothing goes on for ever."""

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis as Client

from annotations.models import Flag, Track
from energyapp.jobs import services as jobs
from energyapp.jobs import workers
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, REPUBLISH_AFTER, Job
from modeling import feature_queue, services
from modeling.core import artifacts
from modeling.feature_extraction import MAX_ATTEMPTS
from modeling.models import FeatureVector, Prediction, Promotion, TrainingRun
from tests.audio_files import track_with_audio, write_tone
from tests.factories import AdminFactory, TrackFactory
from tests.labelled_library import make_labelled_library
from tests.processes import Process, Redis, broker_at, held_file, start_held_worker, start_worker, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

PATIENCE_S = 90
# It takes a moment; workers that lose their broker keep the cores busy.
NOBODY_WAITS_S = 60
N_TRACKS = 60
N_SHORT_TRACKS = 16


@pytest.fixture
def redis(tmp_path):
    """A Redis that a test may kill, where this process's tasks go."""
    with Redis.start(tmp_path) as started, broker_at(started.url):
        yield started


@pytest.fixture
def start(redis):
    """Start a worker that a test may kill."""
    started: list[Process] = []

    def start_for(queues: str, start_worker=start_worker, **held) -> Process:
        started.append(start_worker(queues, redis_url=redis.url, database=connection.settings_dict, **held))
        return started[-1]

    yield start_for
    for worker in started:
        worker.kill()


def kill_whole_worker(worker: Process) -> None:
    worker.kill()


def kill_child_only(worker: Process) -> None:
    """As the kernel does when memory runs out: the process that computes dies, its parent stays."""
    for child in worker.children():
        os.kill(child, signal.SIGKILL)


def notice_the_silence(job: Job) -> None:
    """What thirty seconds and the next tick of beat do."""
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
    jobs.reap()


def wait_for_end(job: Job) -> Job:
    wait_until(lambda: not Job.objects.get(pk=job.pk).is_live, timeout_s=PATIENCE_S, what="the job's end")
    return Job.objects.get(pk=job.pk)


# ---- Training


def in_cross_validation(job: Job) -> bool:
    return Job.objects.get(pk=job.pk).progress > 0


def model_is_written(job: Job) -> bool:
    return Job.objects.get(pk=job.pk).progress >= 0.9


@pytest.mark.parametrize(
    ("moment", "held_at", "kill"),
    [
        # The next worker must find the row as it was, and not the lock of the dead one.
        pytest.param(in_cross_validation, 0.01, kill_whole_worker, marks=pytest.mark.postgres),
        (model_is_written, 0.9, kill_child_only),
    ],
)
def test_a_training_whose_worker_is_killed_is_done_once_by_the_next(moment, held_at, kill, start, tmp_path):
    make_labelled_library(N_TRACKS)
    held_by = tmp_path / "held"
    victim = start("train", start_held_worker, at=held_at, by=held_by)
    job = services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds")
    wait_until(lambda: moment(job), timeout_s=PATIENCE_S, what="the moment to kill")
    kill(victim)
    held_by.unlink()
    assert Job.objects.get().status == Job.Status.RUNNING
    assert TrainingRun.objects.get().metrics is None

    if kill is kill_whole_worker:
        start("train")
    notice_the_silence(job)
    job = wait_for_end(job)

    assert (job.status, job.attempt) == (Job.Status.SUCCEEDED, 2), job.error
    run = TrainingRun.objects.get()
    assert Promotion.objects.get().run == run
    assert Prediction.objects.held_out().count() == Prediction.objects.filter(part="final").count() == N_TRACKS
    assert set(Flag.objects.values_list("source", flat=True)) == {str(run)}
    # Of the first attempt there may be a folder; the run names the second's.
    model = settings.RUNS_DIR / run.artifact / "model"
    artifacts.read(model, expected_digest=run.artifact_digest)
    assert run.artifact.endswith(job.token.hex[:8])


# ---- The broker


def test_a_job_asked_for_while_redis_is_dead_waits_and_runs_when_it_is_back(redis, start):
    make_labelled_library(40)
    start("train")
    wait_until(lambda: workers.serve("train"), what="the worker's first beat")
    redis.process.kill()

    began = time.monotonic()
    job = services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds")
    assert time.monotonic() - began < NOBODY_WAITS_S
    job.refresh_from_db()
    assert (job.status, job.published_at) == (Job.Status.QUEUED, None)

    redis.restart()
    jobs.reap()
    assert wait_for_end(job).status == Job.Status.SUCCEEDED


def test_a_message_that_redis_has_written_down_outlives_redis(redis, start):
    make_labelled_library(40)
    job = services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds")
    with Client.from_url(redis.url) as broker:
        # While the disk is busy Redis answers first and writes up to two seconds later. What is lost then is republished.
        wait_until(lambda: not broker.info("persistence")["aof_buffer_length"], what="the append-only file")
    redis.process.kill()
    redis.restart()

    start("train")

    assert wait_for_end(job).status == Job.Status.SUCCEEDED


def test_a_message_that_redis_has_lost_is_sent_again(redis, start):
    make_labelled_library(40)
    job = services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds")
    with Client.from_url(redis.url) as broker:
        broker.flushall()
    start("train")

    Job.objects.update(published_at=timezone.now() - REPUBLISH_AFTER - timedelta(seconds=1))
    jobs.reap()

    assert wait_for_end(job).status == Job.Status.SUCCEEDED


# ---- Features


def wait_until_begun(track: Track, *, attempt: int = 1) -> None:
    begun = Track.objects.filter(pk=track.pk, audio_state=Track.AudioState.WAITING, features_attempts=attempt)
    wait_until(begun.exists, timeout_s=PATIENCE_S, what=f"attempt {attempt}")


def test_workers_that_are_killed_in_a_batch_leave_every_track_with_each_vector_once(redis, start):
    tracks = [track_with_audio(audio_state=Track.AudioState.WAITING, duration_s=3) for _ in range(N_SHORT_TRACKS)]
    keys = {feature_set.key for feature_set in feature_queue.computable_sets()}
    feature_queue.enqueue()

    with held_file(Path(tracks[9].audio.path)):
        with held_file(Path(tracks[4].audio.path)):
            first = start("features")
            wait_until_begun(tracks[4])
            kill_child_only(first)
        wait_until_begun(tracks[9])
        kill_whole_worker(first)
    before = set(FeatureVector.objects.values_list("pk", flat=True))
    assert 0 < Track.objects.playable().count() < N_SHORT_TRACKS

    start("features")
    # What the killed worker held comes back to the queue in six hours; beat does not wait for that.
    Track.objects.update(features_queued_at=timezone.now() - feature_queue.REQUEUE_AFTER - timedelta(seconds=1))
    feature_queue.enqueue()
    done = Track.objects.playable().filter(features_attempts=0)
    wait_until(lambda: done.count() == N_SHORT_TRACKS, timeout_s=PATIENCE_S, what="all tracks")

    vectors = list(FeatureVector.objects.values_list("track", "feature_set", "pk"))
    assert sorted(row[:2] for row in vectors) == sorted((track.pk, key) for track in tracks for key in keys)
    assert before <= {row[2] for row in vectors}


def test_a_file_that_kills_its_worker_three_times_is_marked_bad_and_the_next_is_done(redis, start):
    deadly, harmless = (
        TrackFactory(audio_state=Track.AudioState.WAITING, audio=f"audio/{name}.wav", peaks=b"")
        for name in ("deadly", "harmless")
    )
    for track in (deadly, harmless):
        write_tone(Path(track.audio.path), duration_s=3)
    worker = start("features")

    feature_queue.send([deadly.pk])
    with held_file(Path(deadly.audio.path)):
        for attempt in range(1, MAX_ATTEMPTS + 1):
            wait_until_begun(deadly, attempt=attempt)
            kill_child_only(worker)
    feature_queue.send([harmless.pk])
    wait_until(
        lambda: not Track.objects.filter(audio_state=Track.AudioState.WAITING).exists(),
        timeout_s=PATIENCE_S,
        what="both tracks' ends",
    )

    deadly.refresh_from_db()
    harmless.refresh_from_db()
    assert (deadly.audio_state, deadly.features_attempts) == (Track.AudioState.BAD, MAX_ATTEMPTS)
    assert deadly.audio_problem.startswith("It could not be read in 3 attempts")
    assert harmless.audio_state == Track.AudioState.READY
    assert worker.popen.poll() is None
    with Client.from_url(redis.url) as broker:
        wait_until(lambda: not broker.llen("features") and not broker.hlen("unacked"), what="the last acknowledgement")
