"""Real workers over a real Redis: features, training, and who says that it is alive."""

import sys
from pathlib import Path
from uuid import uuid4

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from annotations.models import Flag, Track
from energyapp.jobs import workers
from energyapp.jobs.models import Job, Worker
from modeling import feature_queue, services, worker_limits
from modeling.core import artifacts
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector, Prediction, Promotion, TrainingRun
from tests.audio_files import track_with_audio, write_tone
from tests.factories import AdminFactory, TrackFactory
from tests.labelled_library import make_labelled_library
from tests.processes import start_worker, wait_until

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("celery_on_redis")]

# A first task loads the numeric stack; on two busy cores that takes a while.
PATIENCE_S = 90


def _worker(queues, redis_url):
    worker = start_worker(queues, redis_url=redis_url, database=connection.settings_dict)
    yield worker
    worker.kill()


# Starting one costs seconds and none of them keeps anything between tasks: the tests below share them.
@pytest.fixture(scope="module")
def features_worker(django_db_setup, redis_url):
    yield from _worker("upkeep,features", redis_url)


@pytest.fixture(scope="module")
def train_worker(django_db_setup, redis_url):
    yield from _worker("train", redis_url)


def waiting_track(**fields) -> Track:
    return TrackFactory(
        audio_state=Track.AudioState.WAITING,
        audio=f"audio/{uuid4().hex}.wav",
        peaks=b"",
        **dict.fromkeys(("duration_s", "loudest_start_s", "loudest_end_s")),
        **fields,
    )


def track_with_tone(duration_s: float = 5) -> Track:
    track = waiting_track()
    write_tone(Path(track.audio.path), duration_s=duration_s)
    return track


def wait_for_features(*tracks: Track) -> None:
    undone = Track.objects.filter(pk__in=[track.pk for track in tracks], audio_state=Track.AudioState.WAITING)
    wait_until(lambda: not undone.exists(), timeout_s=PATIENCE_S, what="the features")
    for track in tracks:
        track.refresh_from_db()


def wait_for_job(job: Job) -> Job:
    wait_until(lambda: not Job.objects.get(pk=job.pk).is_live, timeout_s=PATIENCE_S, what="the job's end")
    return Job.objects.get(pk=job.pk)


# ---- Who is alive


def test_workers_say_that_they_are_alive_and_what_they_take(features_worker, train_worker):
    ours = Worker.objects.filter(name__in=[features_worker.name, train_worker.name])
    wait_until(lambda: ours.count() == 2, what="the workers' first beat")

    assert sorted(sorted(worker.queues) for worker in ours.all()) == [["features", "upkeep"], ["train"]]


# ---- Features


def test_a_worker_decodes_a_track_and_stores_what_it_found(features_worker):
    track = track_with_tone(duration_s=5)

    feature_queue.send([track.pk])
    wait_for_features(track)

    assert (track.audio_state, track.audio_problem) == (Track.AudioState.READY, "")
    assert track.duration_s == pytest.approx(5, abs=0.05)
    assert len(track.peaks) == 1000
    assert 0 <= track.loudest_start_s < track.loudest_end_s <= 5
    assert track.features_attempts == 0
    vector = FeatureVector.objects.get(track=track, feature_set=FEATURE_SETS["signal"].key)
    assert len(vector.values) == 4 * len(FEATURE_SETS["signal"].columns)


def test_a_bad_file_is_marked_with_the_reason_and_the_next_track_is_done(features_worker):
    text, missing, good = waiting_track(), waiting_track(), track_with_tone()
    Path(text.audio.path).write_text("These are my lyrics.\n" * 100)

    feature_queue.send([missing.pk, text.pk, good.pk])
    wait_for_features(text, good)

    assert text.audio_state == Track.AudioState.BAD
    assert "not an audio file" in text.audio_problem
    missing.refresh_from_db()
    assert (missing.audio_state, missing.features_attempts) == (Track.AudioState.WAITING, 1)  # it is tried again
    assert good.audio_state == Track.AudioState.READY
    assert not FeatureVector.objects.filter(track__in=[text, missing]).exists()


def test_the_task_that_beat_sends_finds_the_tracks_that_wait(features_worker):
    tracks = [track_with_tone() for _ in range(3)]

    current_app.send_task("upkeep.enqueue_features")
    wait_for_features(*tracks)

    assert {track.audio_state for track in tracks} == {Track.AudioState.READY}


def test_the_task_that_beat_sends_finds_the_tracks_that_play_and_lack_a_set(features_worker):
    track = track_with_audio()
    FeatureVector.objects.create(track=track, feature_set="signal@0", values=b"\0" * 8)

    current_app.send_task("upkeep.enqueue_features")
    wait_until(lambda: not feature_queue.lacking(feature_queue.computable_sets()), timeout_s=PATIENCE_S, what="the set")

    assert set(track.feature_vectors.values_list("feature_set", flat=True)) == {
        feature_set.key for feature_set in feature_queue.computable_sets()
    }


def test_a_track_done_twice_has_its_features_once(features_worker):
    track, other = track_with_tone(), track_with_tone()

    feature_queue.send([track.pk, track.pk, other.pk])
    wait_for_features(track, other)

    assert FeatureVector.objects.filter(track=track).count() == len(feature_queue.computable_sets())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_who_reads_files_of_strangers_may_use_so_much_memory_and_who_trains_may_use_all(features_worker, train_worker):
    def data_limits(worker) -> set[str]:
        limits = [Path(f"/proc/{child}/limits").read_text().splitlines() for child in worker.children()]
        return {line.split()[3] for lines in limits for line in lines if line.startswith("Max data size")}

    wait_until(lambda: workers.serve("features") and workers.serve("train"), what="the workers' first beat")

    assert data_limits(features_worker) == {str(worker_limits.MAX_DATA_BYTES)}
    assert data_limits(train_worker) == {"unlimited"}


# ---- Training


def test_a_training_through_the_queue_makes_a_model_predictions_flags_and_the_first_promotion(train_worker):
    make_labelled_library(40)

    job = wait_for_job(services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds"))

    assert job.status == Job.Status.SUCCEEDED, job.error
    assert (job.attempt, job.progress) == (1, 1)
    run = TrainingRun.objects.get(job=job)
    folder = settings.RUNS_DIR / run.artifact / "model"
    _, manifest = artifacts.read(folder, expected_digest=run.artifact_digest)
    assert manifest.dataset_digest == run.dataset_digest
    assert Prediction.objects.held_out().count() == Prediction.objects.filter(part="final").count() == 40
    assert Flag.objects.open().count() >= 1
    assert Promotion.objects.get().run == run


def test_a_training_that_cannot_be_done_fails_with_its_reason_and_the_worker_lives(train_worker):
    job = wait_for_job(services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds"))
    assert job.status == Job.Status.FAILED
    assert "0 tracks are labelled" in job.message
    assert "Traceback" in job.error

    make_labelled_library(40)
    again = wait_for_job(services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds"))
    assert again.status == Job.Status.SUCCEEDED, again.error
