"""Web process, Redis, or all there is, killed in the middle of a training and of a batch of features: each is done, once.

A worker alone that is killed: test_kills.py (trainings, features), test_experiment_killed.py, test_import_killed.py and
test_fetching.py. All programs of `make run`: test_serve.py.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.crypto import get_random_string

from annotations.models import Track, User
from energyapp.jobs import services as jobs
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job
from modeling import feature_queue, services
from modeling.models import FeatureVector, Prediction, TrainingRun
from tests.audio_files import track_with_audio
from tests.conftest import logged_in
from tests.factories import AdminFactory
from tests.labelled_library import make_labelled_library
from tests.processes import (
    Process,
    Redis,
    answers,
    broker_at,
    database_url,
    free_port,
    held_file,
    start_held_worker,
    start_worker,
    wait_until,
)

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="kills process groups"),
]

PATIENCE_S = 120
N_LABELLED, N_WAITING = 60, 16
LONG_AGO = HEARTBEAT_TIMEOUT + feature_queue.REQUEUE_AFTER


def post(port: int, user: User, path: str, **data: str) -> int:
    """What this person's browser sends, and the status of the answer."""
    token, session = get_random_string(32), logged_in(user).cookies["sessionid"].value
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"sessionid={session}; csrftoken={token}",
        "X-CSRFToken": token,
    }
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        server.request("POST", path, urlencode(data), headers)
        return server.getresponse().status
    finally:
        server.close()


class Installation:
    """The processes of one test, to be killed one by one or all at once. Beat is the test: it ticks while it waits."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.port = free_port()
        self.started: list[Process] = []
        self.worker: Process
        self.web: Process

    def start_worker(self, queues: str, start_worker=start_worker, **held) -> None:
        self.worker = start_worker(queues, redis_url=self.redis.url, database=connection.settings_dict, **held)
        self.started.append(self.worker)

    def start_web(self) -> None:
        command = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--log-level",
            "error",
        ]
        self.web = Process.start(
            [*command, "--port", str(self.port), "--blocking-threads", "2", "--no-ws", "energyapp.wsgi:application"],
            ENERGYAPP_DATABASE_URL=database_url(connection.settings_dict),
            ENERGYAPP_REDIS_URL=self.redis.url,
        )
        self.started.append(self.web)
        wait_until(lambda: answers(self.port), timeout_s=PATIENCE_S, what="the web server's first answer")


@pytest.fixture
def installation(tmp_path, collected_static) -> Iterator[Installation]:
    with Redis.start(tmp_path) as redis, broker_at(redis.url):
        installation = Installation(redis)
        yield installation
        for process in installation.started:
            process.kill()


def tick() -> None:
    """What beat sends every few seconds."""
    jobs.reap()
    feature_queue.enqueue()


def wait_while_beat_ticks(condition: Callable[[], bool], what: str) -> None:
    next_tick_at = 0.0

    def tick_and_look() -> bool:
        nonlocal next_tick_at
        if time.monotonic() >= next_tick_at:
            tick()
            next_tick_at = time.monotonic() + 1
        return condition()

    wait_until(tick_and_look, timeout_s=PATIENCE_S, what=what)


def let_time_pass() -> None:
    """What minutes do: workers that are silent count as dead, messages that nobody answered as lost."""
    Job.objects.live().update(published_at=timezone.now() - LONG_AGO)
    Job.objects.filter(status=Job.Status.RUNNING).update(heartbeat_at=timezone.now() - LONG_AGO)
    Track.objects.exclude(features_queued_at=None).update(features_queued_at=timezone.now() - LONG_AGO)


def wait_for_end(kind: str) -> Job:
    def has_ended() -> bool:
        return Job.objects.filter(kind=kind, finished_at__isnull=False).exists()

    wait_while_beat_ticks(has_ended, f"the end of {kind}")
    return Job.objects.get(kind=kind)


# ---- What is under way


class Training:
    kind, queues = "train", "train"

    @contextmanager
    def in_the_middle(self, installation: Installation) -> Iterator[None]:
        """Begun, with a worker that gets no further until the block ends."""
        held_by = installation.redis.folder / "held"
        make_labelled_library(N_LABELLED)
        services.request_training(requested_by=AdminFactory(), recipe="ridge_thresholds")
        installation.start_worker(self.queues, start_held_worker, at=0.01, by=held_by)
        wait_while_beat_ticks(lambda: Job.objects.get(kind="train").progress > 0, "the moment to kill")
        yield
        held_by.unlink()

    def assert_done_once(self, job: Job) -> None:
        assert job.status == Job.Status.SUCCEEDED, job.error
        assert TrainingRun.objects.get().metrics
        assert Prediction.objects.held_out().count() == N_LABELLED
        assert job.lines.filter(text=job.message).count() == 1


class Batch:
    kind, queues = "features", "upkeep,features"

    @contextmanager
    def in_the_middle(self, installation: Installation) -> Iterator[None]:
        """Begun, with a worker that gets no further until the block ends."""
        self.tracks = [track_with_audio(audio_state="waiting", duration_s=3) for _ in range(N_WAITING)]
        last = self.tracks[N_WAITING // 2]
        with held_file(Path(last.audio.path)):
            tick()
            installation.start_worker(self.queues)
            begun = Track.objects.filter(pk=last.pk, features_attempts=1)
            wait_while_beat_ticks(begun.exists, "the moment to kill")
            yield

    def assert_done_once(self, job: Job) -> None:
        assert (job.status, job.message, job.n_failed) == (Job.Status.SUCCEEDED, f"{N_WAITING} tracks done", 0)
        keys = [feature_set.key for feature_set in feature_queue.computable_sets()]
        vectors = sorted(FeatureVector.objects.values_list("track", "feature_set"))
        assert vectors == sorted((track.pk, key) for track in self.tracks for key in keys)
        assert not Track.objects.exclude(audio_state=Track.AudioState.READY, features_attempts=0).exists()


@pytest.fixture(params=[Training, Batch], ids=["training", "batch"])
def work(request) -> Training | Batch:
    return request.param()


# ---- Faults


def test_redis_killed_in_the_middle_and_back_later_costs_nothing(work, installation):
    with work.in_the_middle(installation):
        installation.redis.process.kill()
        tick()  # nobody hangs on it
        installation.redis.restart()
    Track.objects.exclude(features_queued_at=None).update(features_queued_at=timezone.now() - LONG_AGO)

    job = wait_for_end(work.kind)
    work.assert_done_once(job)
    assert job.attempt == 1


def test_a_web_process_killed_in_the_middle_disturbs_no_work_and_shows_it_when_it_is_back(work, installation):
    installation.start_web()
    with work.in_the_middle(installation):
        installation.web.kill()
        assert not answers(installation.port)
    work.assert_done_once(wait_for_end(work.kind))

    installation.start_web()
    # It still writes: a job that is over cannot be cancelled, which is an answer and no error.
    path = f"/jobs/{Job.objects.get(kind=work.kind).pk}/cancel/"
    assert post(installation.port, AdminFactory(), path, next="/jobs/") == 302


@pytest.mark.postgres  # transactions of all of them end unfinished at once
def test_all_killed_at_once_in_the_middle_end_done_once_when_they_are_back(work, installation):
    installation.start_web()
    with work.in_the_middle(installation):
        for process in (installation.worker, installation.redis.process, installation.web):
            process.kill()
    assert Job.objects.get(kind=work.kind).status == Job.Status.RUNNING
    installation.redis.restart()
    installation.start_worker(work.queues)
    installation.start_web()
    let_time_pass()

    work.assert_done_once(wait_for_end(work.kind))


def test_a_click_whose_web_process_is_killed_while_redis_is_away_is_a_job_that_runs_later(installation):
    make_labelled_library(40)
    installation.start_web()
    installation.redis.process.kill()

    assert post(installation.port, AdminFactory(), "/train/", recipe="ridge_thresholds") == 302
    installation.web.kill()
    job = Job.objects.get()
    assert (job.status, job.published_at) == (Job.Status.QUEUED, None)

    installation.redis.restart()
    installation.start_worker("train")
    assert wait_for_end("train").status == Job.Status.SUCCEEDED
    assert TrainingRun.objects.get().metrics
