"""Real workers, a real Redis, real https servers: previews come once, whoever is killed."""

import threading
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.utils import timezone

from annotations.intake import previews
from annotations.intake.models import PreviewFetch, PreviewHost
from annotations.models import Track
from energyapp.jobs.models import Worker
from tests.factories import TrackFactory
from tests.https_server import Authority
from tests.processes import Process, Redis, broker_at, start_worker, wait_until

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
with_two_fetchers = pytest.mark.usefixtures("celery_on_redis", "two_fetchers")

PATIENCE_S = 90
AudioState = Track.AudioState


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.in_folder(tmp_path_factory.mktemp("authority"))


def content_of(path: str) -> bytes:
    return b"ID3" + sha256(path.encode()).digest() * 3000


def send(answer) -> None:
    answer.send_file(content_of(answer.path))


class Gate:
    """Answers wait behind it until it is opened."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.open = self._opened.set

    def __call__(self, answer) -> None:
        self._opened.wait(PATIENCE_S)
        send(answer)


@pytest.fixture(scope="module")
def module_server(authority):
    with authority.serve() as server:
        yield server


@pytest.fixture
def server(module_server, settings):
    """A server with nothing asked yet. What this process takes up, the workers are allowed to fetch."""
    module_server.forget()
    module_server.otherwise = send
    settings.PREVIEW_TEST_RULES = {"ports": frozenset({module_server.server_port})}
    return module_server


@pytest.fixture(scope="module")
def start_fetcher(django_db_setup, module_server, authority):
    """`start_fetcher(redis_url)`: a worker as production has it, which may ask this module's servers."""
    started = []

    def start(redis_url: str) -> Process:
        environment = {"TEST_HTTPS_PORT": str(module_server.server_port), "TEST_HTTPS_CA": str(authority.file)}
        worker = start_worker(
            "upkeep,intake",
            redis_url=redis_url,
            database=connection.settings_dict,
            DJANGO_SETTINGS_MODULE="tests.fetching_settings",
            **environment,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


# Starting one costs seconds and none of them keeps anything between tests.
@pytest.fixture(scope="module")
def two_fetchers(start_fetcher, redis_url):
    return [start_fetcher(redis_url) for _ in range(2)]


def wanted_tracks(server, n: int, host: str = "127.0.0.1") -> list[Track]:
    nothing = {"audio": "", "sha256": "", "peaks": b"", "duration_s": None}
    return [
        TrackFactory(preview_url=server.url(f"/{host}/{k}", host), audio_state=AudioState.NOT_FETCHED, **nothing)
        for k in range(n)
    ]


def wait_while_beat_ticks(condition, what: str) -> None:
    """Beat's part is done here: it wakes workers for what is wanted."""

    def tick() -> bool:
        previews.enqueue()
        return condition()

    wait_until(tick, timeout_s=PATIENCE_S, what=what)


def wait_for(tracks: list[Track]) -> None:
    undone = Track.objects.filter(pk__in=[track.pk for track in tracks], audio_state=AudioState.NOT_FETCHED)
    wait_while_beat_ticks(lambda: not undone.exists(), "the last preview")


def assert_each_is_stored_once(tracks: list[Track]) -> None:
    names = []
    for track in tracks:
        track.refresh_from_db()
        assert track.audio_state == AudioState.WAITING, track.audio_problem
        content = content_of("/" + track.preview_url.split("/", 3)[3])
        assert Path(track.audio.path).read_bytes() == content
        assert track.sha256 == sha256(content).hexdigest()
        names.append(Path(track.audio.name).name)
        assert len(list(Path(track.audio.path).parent.glob(f"{track.sha256}*"))) == 1
    assert len(set(names)) == len(tracks)
    assert not PreviewFetch.objects.exists()


@pytest.mark.postgres  # both want the same rows at the same moment
@with_two_fetchers
def test_two_workers_ask_one_server_over_four_connections_and_for_each_preview_once(server):
    server.otherwise = gate = Gate()
    tracks = wanted_tracks(server, 60)

    wait_while_beat_ticks(
        lambda: server.most_open >= settings.PREVIEW_CONNECTIONS, "as many connections as it may have"
    )
    gate.open()
    wait_for(tracks)

    assert_each_is_stored_once(tracks)
    assert server.most_open == settings.PREVIEW_CONNECTIONS == 4
    assert sorted(asked.path for asked in server.asked) == sorted(f"/127.0.0.1/{k}" for k in range(60))


@with_two_fetchers
def test_two_workers_ask_two_servers_at_the_same_time(authority, server, two_fetchers):
    with authority.serve("127.0.0.2", port=server.server_port) as other:
        server.otherwise = other.otherwise = gate = Gate()
        tracks = wanted_tracks(server, 40) + wanted_tracks(other, 40, host="127.0.0.2")
        here = Worker.objects.filter(name__in=[worker.name for worker in two_fetchers])
        wait_until(lambda: here.count() == 2, timeout_s=PATIENCE_S, what="both workers")
        wait_while_beat_ticks(lambda: server.n_open and other.n_open, "both at work")

        gate.open()
        wait_for(tracks)

        assert_each_is_stored_once(tracks)
        assert max(server.most_open, other.most_open) <= 4


@with_two_fetchers
def test_the_task_that_beat_sends_takes_up_what_is_wanted(server):
    tracks = wanted_tracks(server, 2)

    current_app.send_task("upkeep.enqueue_previews")
    waiting = Track.objects.filter(audio_state=AudioState.WAITING)
    wait_until(lambda: waiting.count() == 2, timeout_s=PATIENCE_S, what="the previews")

    assert_each_is_stored_once(tracks)


@pytest.fixture
def redis(tmp_path):
    """Of its own, so that no other worker takes over."""
    with Redis.start(tmp_path) as started, broker_at(started.url):
        yield started


def test_previews_whose_worker_is_killed_come_once_by_the_next(server, start_fetcher, redis):
    is_killed = threading.Event()

    def get_stuck_after_some(answer):
        """Half of it has come, so that there is something to go on with."""
        if is_killed.is_set() or int(answer.path.rpartition("/")[2]) < 8:
            return send(answer)
        content = content_of(answer.path)
        answer.send(200, content[:50_000], Content_Length=len(content), ETag='"1"')
        is_killed.wait(PATIENCE_S)
        return answer.hang_up()

    def is_stuck() -> bool:
        parts = [path.stat().st_size for path in settings.PREVIEWS_DIR.glob("*.part")]
        return stored.count() >= 8 and len(parts) == settings.PREVIEW_CONNECTIONS and min(parts) > 0

    server.otherwise = get_stuck_after_some
    tracks = wanted_tracks(server, 40)
    victim = start_fetcher(redis.url)
    stored = Track.objects.filter(audio_state=AudioState.WAITING)
    wait_while_beat_ticks(is_stuck, "some previews, and halves of others")
    victim.kill()
    is_killed.set()
    assert stored.count() == 8
    assert PreviewHost.objects.get().token

    start_fetcher(redis.url)
    # What a minute does.
    PreviewHost.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    PreviewFetch.objects.update(next_attempt_at=timezone.now())
    wait_for(tracks)

    assert_each_is_stored_once(tracks)
    n_asked = {track.pk: server.n_asked("/" + track.preview_url.split("/", 3)[3]) for track in tracks}
    assert set(n_asked.values()) <= {1, 2}
    assert sum(n == 2 for n in n_asked.values()) <= settings.PREVIEW_CONNECTIONS
    assert any("Range" in asked.headers for asked in server.asked), "nothing was gone on with"
    # At most the one that was stored in the very moment of the kill; it is removed after an hour.
    assert len(list(settings.PREVIEWS_DIR.iterdir())) <= 1
