"""Previews: fetched from a real https server into the storage, tried again where that helps, given up with a reason."""

import os
import threading
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from annotations.intake import previews
from annotations.intake.models import PreviewFetch, PreviewHost
from annotations.models import Track
from energyapp.downloads.client import Downloader
from tests.factories import TrackFactory
from tests.https_server import Authority

pytestmark = pytest.mark.django_db

SONG = b"ID3" + bytes(range(256)) * 100
AudioState = Track.AudioState


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.in_folder(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority, settings, tmp_path):
    """A server that has every file, which the product may ask although it is no public one."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PREVIEWS_DIR = tmp_path / "media" / "previews"
    with authority.serve() as server:
        settings.PREVIEW_TEST_RULES = {
            "ports": frozenset({server.server_port}),
            "networks": (ip_network("127.0.0.1"),),
            "ca_file": str(authority.file),
            "read_s": 60,
        }
        server.otherwise = lambda answer: answer.send_file(SONG)
        yield server


@pytest.fixture
def wanted(server):
    """`wanted("/a.mp3")`: a track whose preview is to be fetched from there."""

    def make(path: str = "/a.mp3", host: str = "127.0.0.1") -> Track:
        return linked_track(server.url(path, host))

    return make


def linked_track(link: str, **fields) -> Track:
    nothing = {"audio": "", "sha256": "", "peaks": b"", "duration_s": None}
    return TrackFactory(**{"preview_url": link, "audio_state": AudioState.NOT_FETCHED, **nothing, **fields})


def fetch_all() -> None:
    """What a tick of beat and the workers do then."""
    previews.enqueue()
    for host in PreviewHost.objects.due():
        previews.fetch_host(host.name)


def let_time_pass() -> None:
    PreviewFetch.objects.update(next_attempt_at=timezone.now())
    PreviewHost.objects.update(not_before=timezone.now())


@pytest.fixture
def stopped_clock(monkeypatch):
    """However long a test takes, it takes no time. A minute ahead of the clock by which rows are made, so that they are due."""
    now = timezone.now() + timedelta(minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: now)


def seconds_from_now(moment) -> float:
    return (moment - timezone.now()).total_seconds()


def fail(status: int, **headers):
    return lambda answer: answer.send(status, **headers)


# ---- What comes


def test_a_preview_comes_into_the_storage_and_waits_for_its_features(wanted, server, settings):
    track = wanted("/mp3-preview/abc?x=1")

    fetch_all()

    track.refresh_from_db()
    assert (track.audio_state, track.audio_problem) == (AudioState.WAITING, "")
    assert track.audio.read() == SONG
    assert track.audio.name == f"audio/{track.sha256[:2]}/{track.sha256}.mp3"
    assert not PreviewFetch.objects.exists()
    assert list(settings.PREVIEWS_DIR.iterdir()) == []
    assert server.n_asked("/mp3-preview/abc?x=1") == 1


def test_many_come_each_once_over_few_connections(wanted, server, settings):
    settings.PREVIEW_CONNECTIONS = 3
    tracks = [wanted(f"/{number}") for number in range(40)]

    fetch_all()

    assert Track.objects.filter(audio_state=AudioState.WAITING).count() == len(tracks)
    assert sorted(asked.path for asked in server.asked) == sorted(f"/{number}" for number in range(40))
    assert server.n_connections <= 3


def test_the_same_bytes_are_stored_once(wanted, settings):
    wanted("/a"), wanted("/b")

    fetch_all()

    assert len(list(Path(settings.MEDIA_ROOT).glob("audio/*/*"))) == 1
    assert Track.objects.filter(audio_state=AudioState.WAITING).count() == 2


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"ID3\x04", ".mp3"),
        (b"\xff\xfb\x90", ".mp3"),
        (b"fLaC\0\0", ".flac"),
        (b"OggS\0", ".ogg"),
        (b"RIFF\0\0\0\0WAVE", ".wav"),
        (b"\0\0\0\x20ftypM4A ", ".m4a"),
        (b"FORM\0\0\0\0AIFF", ".aiff"),
        (b"no idea", ".bin"),
        (b"x", ".bin"),
    ],
)
def test_a_file_is_named_after_what_it_is(head, suffix, wanted, server):
    server.otherwise = lambda answer: answer.send_file(head)
    track = wanted("/preview.ogg")

    fetch_all()

    track.refresh_from_db()
    assert Path(track.audio.name).suffix == suffix


# ---- What does not


def test_a_preview_that_is_gone_is_given_up_with_the_servers_word(wanted, server):
    gone, there = wanted("/gone"), wanted("/there")
    server.answers["/gone"] = fail(404)

    fetch_all()

    gone.refresh_from_db()
    there.refresh_from_db()
    assert (gone.audio_state, there.audio_state) == (AudioState.UNREACHABLE, AudioState.WAITING)
    assert gone.audio_problem == "The server says that the file is gone (404)"
    assert not PreviewFetch.objects.exists()


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("https://[::1", "not a valid address"),
        ("https://example.org:22/a.mp3", "leads to port 22"),
        ("https://user:secret@example.org/a.mp3", "user name"),
    ],
)
def test_a_link_that_may_not_be_followed_is_given_up_at_once(link, reason, server):
    track = linked_track(link)

    previews.enqueue()

    track.refresh_from_db()
    assert track.audio_state == AudioState.UNREACHABLE
    assert reason in track.audio_problem
    assert not PreviewHost.objects.exists()


def test_where_servers_are_listed_others_are_not_asked(wanted, server, settings):
    settings.PREVIEW_HOSTS = ["localhost"]
    listed, other = wanted(host="localhost"), wanted(host="127.0.0.1")

    fetch_all()

    listed.refresh_from_db()
    other.refresh_from_db()
    assert listed.audio_state == AudioState.WAITING
    assert other.audio_problem == "127.0.0.1 is not among the servers that files may be fetched from"


def test_a_link_into_our_own_network_leads_nowhere(server, settings):
    settings.PREVIEW_TEST_RULES = {**settings.PREVIEW_TEST_RULES, "networks": ()}
    tracks = [linked_track(server.url("/a", host)) for host in ("127.0.0.1", "localhost", "169.254.169.254", "[::1]")]

    fetch_all()

    for track in tracks:
        track.refresh_from_db()
        assert track.audio_state == AudioState.UNREACHABLE
        assert "not a server on the public internet" in track.audio_problem
    assert server.n_connections == 0


def test_settings_as_they_stand_allow_no_network_of_ours(settings):
    from energyapp import settings as product

    settings.PREVIEW_TEST_RULES = product.PREVIEW_TEST_RULES
    rules = previews._rules()
    assert (rules.networks, rules.ports) == ((), {443})


# ---- Again, later


@pytest.mark.usefixtures("stopped_clock")
def test_a_passing_fault_is_tried_again_after_a_while(wanted, server):
    track = wanted("/a")
    server.answers["/a"] = fail(500)

    fetch_all()
    fetch_all()  # nothing is due

    fetch = PreviewFetch.objects.get()
    assert (fetch.attempts, fetch.last_answer) == (1, "The server has a fault of its own (500)")
    assert 20 < seconds_from_now(fetch.next_attempt_at) <= 30
    assert server.n_asked("/a") == 1

    del server.answers["/a"]
    let_time_pass()
    fetch_all()
    track.refresh_from_db()
    assert track.audio_state == AudioState.WAITING


def test_after_six_attempts_it_is_given_up_with_the_last_reason(wanted, server):
    track = wanted("/a")
    server.answers["/a"] = fail(500)

    for _ in range(previews.MAX_ATTEMPTS):
        track.refresh_from_db()
        assert track.audio_state == AudioState.NOT_FETCHED
        fetch_all()
        let_time_pass()

    track.refresh_from_db()
    assert track.audio_state == AudioState.UNREACHABLE
    assert track.audio_problem == "The server has a fault of its own (500). Tried 6 times"


def test_waits_grow_from_half_a_minute_to_six_hours():
    longest = [max(previews._wait_s(attempts) for _ in range(200)) for attempts in range(1, 8)]
    shortest = [min(previews._wait_s(attempts) for _ in range(200)) for attempts in range(1, 8)]

    assert all(later > earlier for earlier, later in zip(longest[:4], shortest[1:5], strict=True))
    assert 24 <= shortest[0] < longest[0] <= 30
    assert max(longest) <= 6 * 60 * 60


def test_a_download_that_broke_off_goes_on_at_the_next_attempt(wanted, server):
    track = wanted("/a")

    def break_off(answer):
        answer.send(200, SONG[:1000], Content_Length=len(SONG), ETag='"1"')
        answer.hang_up()

    server.answers["/a"] = break_off
    fetch_all()
    del server.answers["/a"]
    let_time_pass()
    fetch_all()

    track.refresh_from_db()
    assert track.audio.read() == SONG
    assert server.asked[-1].headers["Range"] == "bytes=1000-"


# ---- Servers that turn us away


def test_a_server_that_asks_for_patience_is_left_alone_that_long(wanted, server, settings):
    settings.PREVIEW_CONNECTIONS = 2
    tracks = [wanted(f"/{number}") for number in range(10)]
    server.otherwise = fail(429, Retry_After=600)

    began = timezone.now()
    fetch_all()
    fetch_all()

    assert len(server.asked) <= 2
    in_ten_minutes = began + timedelta(minutes=10)
    host = PreviewHost.objects.get()
    assert in_ten_minutes <= host.not_before <= timezone.now() + timedelta(minutes=10)
    assert all(fetch.next_attempt_at >= in_ten_minutes for fetch in PreviewFetch.objects.filter(attempts=1))

    server.otherwise = lambda answer: answer.send_file(SONG)
    let_time_pass()
    fetch_all()
    assert Track.objects.filter(audio_state=AudioState.WAITING).count() == len(tracks)


@pytest.mark.usefixtures("stopped_clock")
def test_a_server_that_fails_on_all_connections_is_left_alone_longer_and_longer(wanted, server, settings):
    settings.PREVIEW_CONNECTIONS = 2
    for number in range(10):
        wanted(f"/{number}")
    server.otherwise = fail(503)

    pauses = []
    for _ in range(3):
        n_asked = len(server.asked)
        fetch_all()
        assert len(server.asked) - n_asked <= 3  # two connections, and what was under way
        pauses.append(seconds_from_now(PreviewHost.objects.get().not_before))
        PreviewHost.objects.update(not_before=timezone.now())

    assert 20 < pauses[0] < 60 < pauses[1] < 300 < pauses[2]
    assert PreviewHost.objects.get().n_failures == 3

    server.otherwise = lambda answer: answer.send_file(SONG)
    fetch_all()
    host = PreviewHost.objects.get()
    assert (host.n_failures, host.not_before <= timezone.now()) == (0, True)
    assert Track.objects.filter(audio_state=AudioState.WAITING).count() >= 1


def test_all_that_a_dead_server_was_to_send_is_given_up_after_six_turns(wanted, server, settings):
    settings.PREVIEW_CONNECTIONS = 2
    dead = [wanted(f"/{number}") for number in range(30)]
    alive = wanted("/alive", host="localhost")
    server.otherwise = fail(503)
    server.answers["/alive"] = lambda answer: answer.send_file(SONG)

    for _ in range(previews.MAX_ATTEMPTS):
        fetch_all()
        PreviewHost.objects.update(not_before=timezone.now())

    reasons = Track.objects.filter(pk__in=[track.pk for track in dead], audio_state=AudioState.UNREACHABLE)
    assert reasons.count() == len(dead)
    assert set(reasons.values_list("audio_problem", flat=True)) == {
        "The server has a fault of its own (503). So it went 6 times in a row"
    }
    alive.refresh_from_db()
    assert alive.audio_state == AudioState.WAITING
    assert not PreviewFetch.objects.exists()
    assert PreviewHost.objects.get(name__startswith="127.").n_failures == 0


@pytest.mark.usefixtures("stopped_clock")
def test_a_server_that_begins_to_fail_after_good_answers_is_left_alone_for_a_short_while(wanted, server, settings):
    settings.PREVIEW_CONNECTIONS = 2
    PreviewHost.objects.create(name=f"127.0.0.1:{server.server_port}", n_failures=4)
    for number in range(20):
        wanted(f"/{number}")
        if number >= 5:
            server.answers[f"/{number}"] = fail(503)

    fetch_all()

    host = PreviewHost.objects.get()
    assert host.n_failures == 0
    assert 20 < seconds_from_now(host.not_before) <= 30


def test_files_that_fail_among_good_ones_hold_up_nothing(wanted, server):
    for number in range(24):
        wanted(f"/{number}")
        if number % 4 == 0:
            server.answers[f"/{number}"] = fail(500)

    fetch_all()
    assert Track.objects.filter(audio_state=AudioState.WAITING).count() == 18

    for _ in range(4 * previews.MAX_ATTEMPTS):
        let_time_pass()
        fetch_all()
    assert Track.objects.filter(audio_state=AudioState.UNREACHABLE).count() == 6


# ---- By hand


def test_what_was_given_up_can_be_tried_again_from_the_first_attempt_on(wanted, server):
    track, never_linked = wanted("/a"), TrackFactory(audio_state=AudioState.BAD, audio_problem="silent")
    server.answers["/a"] = fail(404)
    fetch_all()
    del server.answers["/a"]

    assert previews.try_again(Track.objects.all()) == 1
    fetch_all()

    track.refresh_from_db()
    never_linked.refresh_from_db()
    assert (track.audio_state, track.audio_problem) == (AudioState.WAITING, "")
    assert never_linked.audio_state == AudioState.BAD


def bad_track(link: str) -> Track:
    name = default_storage.save("audio/aa/bad.mp3", ContentFile(b"not music"))
    return linked_track(
        link,
        audio=name,
        audio_state=AudioState.BAD,
        audio_problem="It is not an audio file",
        features_attempts=1,
        features_queued_at=timezone.now(),
    )


def test_a_bad_file_is_asked_for_again_only_if_the_server_has_another(server, settings):
    same, mended = (bad_track(server.url(path, "127.0.0.1")) for path in ("/same", "/mended"))
    server.answers["/same"] = lambda answer: answer.send(304 if "If-Modified-Since" in answer.headers else 500)

    assert previews.try_again(Track.objects.filter(pk__in=[same.pk, mended.pk])) == 2
    fetch_all()

    same.refresh_from_db()
    mended.refresh_from_db()
    assert same.audio.read() == b"not music"
    assert mended.audio.read() == SONG
    for track in (same, mended):
        facts = track.audio_state, track.audio_problem, track.features_attempts, track.features_queued_at
        assert facts == (AudioState.WAITING, "", 0, None)
    assert list(settings.PREVIEWS_DIR.iterdir()) == []


# ---- What others do in the meantime


def test_a_track_whose_audio_came_in_another_way_is_not_asked_for(wanted, server):
    track = wanted("/a")
    previews.enqueue()
    Track.objects.filter(pk=track.pk).update(audio_state=AudioState.READY, audio="audio/own.wav", duration_s=30)

    fetch_all()

    track.refresh_from_db()
    assert (track.audio_state, track.audio.name) == (AudioState.READY, "audio/own.wav")
    assert server.asked == []
    assert not PreviewFetch.objects.exists()


@pytest.mark.parametrize("meanwhile", [{"audio_state": AudioState.NONE}, {"preview_url": "https://example.org/b.mp3"}])
def test_what_comes_when_something_else_is_wanted_is_not_stored(meanwhile, wanted, monkeypatch):
    track = wanted("/a")
    store_audio = previews.store_audio

    def store_late(path):
        Track.objects.filter(pk=track.pk).update(**meanwhile)
        return store_audio(path)

    monkeypatch.setattr(previews, "store_audio", store_late)
    fetch_all()

    track.refresh_from_db()
    assert track.audio.name == ""
    assert track.audio_state == meanwhile.get("audio_state", AudioState.NOT_FETCHED)
    assert not PreviewFetch.objects.exists()


def test_a_worker_killed_before_it_noted_what_came_leaves_a_track_that_is_still_wanted(wanted, settings, monkeypatch):
    class Killed(BaseException): ...

    def die(*args, **kwargs):
        raise Killed

    track = wanted("/a")
    with monkeypatch.context() as patch:
        patch.setattr(previews, "_end", die)
        with pytest.raises(Killed):
            fetch_all()
    track.refresh_from_db()
    assert track.audio_state == AudioState.NOT_FETCHED

    let_time_pass()
    fetch_all()

    track.refresh_from_db()
    assert track.audio.read() == SONG
    assert len(list(Path(settings.MEDIA_ROOT).glob("audio/*/*"))) == 1
    assert list(settings.PREVIEWS_DIR.iterdir()) == []


def test_a_file_that_stops_its_worker_each_time_is_given_up_and_holds_up_no_others(wanted, monkeypatch):
    deadly = wanted("/deadly")
    fetch = Downloader.fetch

    def die_of_one(downloader, url, *args, **kwargs):
        if url.endswith("/deadly"):
            raise MemoryError
        return fetch(downloader, url, *args, **kwargs)

    monkeypatch.setattr(Downloader, "fetch", die_of_one)
    for number in range(previews.MAX_ATTEMPTS):
        harmless = wanted(f"/{number}")
        with pytest.raises(MemoryError):
            fetch_all()
        PreviewFetch.objects.filter(track=harmless).update(next_attempt_at=timezone.now())
        fetch_all()
        harmless.refresh_from_db()
        assert harmless.audio_state == AudioState.WAITING
        let_time_pass()
    fetch_all()

    deadly.refresh_from_db()
    assert deadly.audio_state == AudioState.UNREACHABLE
    assert deadly.audio_problem == "Fetching it was cut short again and again. Tried 6 times"


def test_what_killed_downloads_have_left_is_removed_once_nobody_wants_it(wanted, settings):
    track = wanted("/a")
    previews.enqueue()
    settings.PREVIEWS_DIR.mkdir(parents=True)
    an_hour_ago = (timezone.now() - previews.ORPHANED_AFTER - timedelta(seconds=1)).timestamp()
    for name in (f"{track.pk}.part", f"{track.pk}.json", "999999.part", "999999.json", "888888.mp3", "777777.part"):
        (settings.PREVIEWS_DIR / name).write_bytes(b"x")
        os.utime(settings.PREVIEWS_DIR / name, (an_hour_ago, an_hour_ago))
    os.utime(settings.PREVIEWS_DIR / "777777.part")  # written to a moment ago

    previews.enqueue()

    left = {path.name for path in settings.PREVIEWS_DIR.iterdir()}
    assert left == {f"{track.pk}.part", f"{track.pk}.json", "777777.part"}


# ---- One worker a server


@pytest.fixture
def sent(monkeypatch):
    """The servers that workers were woken for."""
    names: list[str] = []
    monkeypatch.setattr(previews.current_app, "send_task", lambda task, args, expires: names.extend(args))
    return names


def test_beat_wakes_a_worker_for_each_server_with_something_due_that_nobody_holds(wanted, server, sent):
    previews.enqueue()
    assert sent == []

    wanted("/a", host="127.0.0.1"), wanted("/b", host="127.0.0.1"), wanted("/c", host="localhost")
    previews.enqueue()
    local, other = (f"{host}:{server.server_port}" for host in ("localhost", "127.0.0.1"))
    assert sorted(sent) == [other, local]

    sent.clear()
    with previews.HostLease(local):
        PreviewHost.objects.filter(pk=other).update(not_before=timezone.now() + timedelta(minutes=5))
        assert previews.enqueue() == 0
    assert previews.enqueue() == 1
    assert sent == [local]


def test_with_the_broker_away_previews_wait(wanted, monkeypatch):
    def refuse(*args, **kwargs):
        raise BrokerUnavailable("no broker")

    monkeypatch.setattr(previews.current_app, "send_task", refuse)
    wanted("/a")

    assert previews.enqueue() == 0
    assert PreviewFetch.objects.due().exists()


def test_a_server_is_held_by_one_worker_until_that_falls_silent():
    host = PreviewHost.objects.create(name="cdn.test:443")

    with previews.HostLease(host.name) as first:
        with pytest.raises(previews.HostTaken), previews.HostLease(host.name):
            pass
        first.hold()

        PreviewHost.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        with previews.HostLease(host.name) as second:
            first._until = timezone.now() + timedelta(seconds=5)  # as it thinks; time to renew it
            with pytest.raises(previews.LeaseLost):
                first.hold()
            first.write(not_before=timezone.now() + timedelta(days=1))  # changes nothing any more
            second.hold()
            host.refresh_from_db()
            assert host.not_before < timezone.now()
    host.refresh_from_db()
    assert (host.token, host.leased_until) == (None, None)


def test_a_server_is_held_while_a_slow_file_comes(wanted, server, monkeypatch):
    monkeypatch.setattr(previews, "HOLD_EVERY_S", 0.1)
    hold, was_held_again = previews.HostLease.hold, threading.Event()

    def hold_as_if_half_of_the_lease_were_over(lease):
        before = PreviewHost.objects.get().leased_until
        if server.asked:
            lease._until = timezone.now() + previews.LEASE / 2 - timedelta(seconds=1)
        hold(lease)
        if PreviewHost.objects.get().leased_until > before:
            was_held_again.set()

    def slow(answer):
        was_held_again.wait(60)
        answer.send_file(SONG)

    monkeypatch.setattr(previews.HostLease, "hold", hold_as_if_half_of_the_lease_were_over)
    server.answers["/a"] = slow
    track = wanted("/a")
    fetch_all()

    assert was_held_again.is_set()
    track.refresh_from_db()
    assert track.audio.read() == SONG


def test_a_worker_that_has_lost_its_server_to_another_asks_for_nothing_more(wanted, server, settings, monkeypatch):
    settings.PREVIEW_CONNECTIONS = 1
    monkeypatch.setattr(previews, "LEASE", timedelta(0))  # of no length: it has to be renewed at every step
    for number in range(5):
        wanted(f"/{number}")

    fetch_all()

    assert server.asked == []
    assert PreviewFetch.objects.filter(attempts=0).count() == 5


def test_a_turn_ends_in_time_and_the_next_goes_on(wanted, server, settings, monkeypatch):
    settings.PREVIEW_CONNECTIONS = 1
    clock = SimpleNamespace(monotonic=lambda: previews.TURN_S * 0.6 * len(server.asked))
    monkeypatch.setattr(previews, "time", clock)
    server.otherwise = lambda answer: answer.send_file(SONG)
    for number in range(5):
        wanted(f"/{number}")

    fetch_all()
    n_first = Track.objects.filter(audio_state=AudioState.WAITING).count()
    assert n_first == 2  # the second began in time
    for _ in range(2):
        fetch_all()
    assert Track.objects.filter(audio_state=AudioState.WAITING).count() == 5
    assert len(server.asked) == 5


def test_a_server_is_held_wholly_or_not_at_all():
    with pytest.raises(IntegrityError):
        PreviewHost.objects.create(name="cdn.test:443", leased_until=timezone.now())
