"""Audio features over Spotify's Web API, from a server on this machine that answers as Spotify does."""

import json
import logging
import re
import ssl
import struct
import time
from base64 import b64encode
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from itertools import count
from socket import SO_LINGER, SOL_SOCKET
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import trustme
from django.core.management import CommandError, call_command

from modeling.models import FeatureVector
from modeling.spotify.client import PAUSES_S, SpotifyClient, SpotifyUnavailable
from modeling.spotify.features import SPOTIFY, fetch_features, tracks_without_features
from modeling.spotify.ids import spotify_id
from tests.factories import TrackFactory
from tests.processes import free_port

CLIENT_ID, CLIENT_SECRET = "an-application", "its-secret: änd more"
CREDENTIALS = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


def numbered_id(n: int) -> str:
    return f"{n:022d}"


def audio_features(key: str) -> dict:
    """As in Spotify's documentation, with one number that tells tracks apart."""
    return {
        "acousticness": 0.00242,
        "analysis_url": f"https://api.spotify.com/v1/audio-analysis/{key}",
        "danceability": 0.585,
        "duration_ms": 237040,
        "energy": 0.842,
        "id": key,
        "instrumentalness": 0.00686,
        "key": 9,
        "liveness": 0.0866,
        "loudness": -5.883,
        "mode": 0,
        "speechiness": 0.0556,
        "tempo": 118.211 + int(key[-3:]) / 10,
        "time_signature": 4,
        "track_href": f"https://api.spotify.com/v1/tracks/{key}",
        "type": "audio_features",
        "uri": f"spotify:track:{key}",
        "valence": 0.428,
    }


class Spotify:
    """Both of Spotify's servers in one. What it does wrong next is told by `faults`: one a request to its Web API."""

    def __init__(self) -> None:
        self.asked_for: list[list[str]] = []
        self.n_tokens = 0
        self.token_lifetime_s = 3600
        self.valid_tokens: set[str] = set()
        self.unknown: set[str] = set()
        self.changes: dict[str, dict] = {}
        self.faults: deque = deque()
        self.token_faults: deque = deque()
        self.ended = Event()

    def entry(self, key: str) -> dict | None:
        return None if key in self.unknown else audio_features(key) | self.changes.get(key, {})


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    spotify: Spotify

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.spotify.token_faults:
            self.spotify.token_faults.popleft()(self)
        elif self.headers["Authorization"] != f"Basic {CREDENTIALS}":
            self.answer(400, {"error": "invalid_client", "error_description": "Invalid client secret"})
        elif self.path != "/api/token" or form != {"grant_type": ["client_credentials"]}:
            self.answer(400, {"error": "unsupported_grant_type"})
        else:
            self.spotify.n_tokens += 1
            token = f"token-{self.spotify.n_tokens}"
            self.spotify.valid_tokens.add(token)
            lifetime_s = self.spotify.token_lifetime_s
            self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s})

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        keys = parse_qs(address.query).get("ids", [""])[0].split(",")
        self.spotify.asked_for.append(keys)
        if self.spotify.faults and (fault := self.spotify.faults.popleft()):
            fault(self)
        elif self.headers["Authorization"].removeprefix("Bearer ") not in self.spotify.valid_tokens:
            self.answer(401, {"error": {"status": 401, "message": "The access token expired"}})
        elif address.path != "/v1/audio-features" or len(keys) > 100:
            self.answer(400, {"error": {"status": 400, "message": "Too many ids requested"}})
        else:
            self.answer(200, {"audio_features": [self.spotify.entry(key) for key in keys]})

    def answer(self, status: int, content: dict | bytes, *, length: int | None = None, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(length or len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


# ---- What a server may do wrong


def fails(status: int, content: dict | bytes = b"", **headers: str):
    return lambda server: server.answer(status, content, **headers)


def resets_the_connection(server: _Answers) -> None:
    server.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    server.close_connection = True
    server.connection.close()


def ends_in_the_middle(server: _Answers) -> None:
    server.answer(200, b'{"audio_features": [', length=5000)
    server.close_connection = True


def is_silent(server: _Answers) -> None:
    server.spotify.ended.wait(120)
    server.close_connection = True


def drips(server: _Answers) -> None:
    server.answer(200, b"{", length=5000)
    while not server.spotify.ended.wait(0.02):
        try:
            server.wfile.write(b" ")
        except OSError:  # nobody listens any more
            break
    server.close_connection = True


# ---- Fixtures


@contextmanager
def serving(spotify: Spotify, tls: ssl.SSLContext | None = None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"spotify": spotify}))
    server.handle_error = lambda *args: None  # connections that a test breaks are no news
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        spotify.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def addresses(url: str) -> dict[str, str]:
    return {"token_url": f"{url}/api/token", "api_url": f"{url}/v1"}


@pytest.fixture
def spotify():
    return Spotify()


@pytest.fixture
def url(spotify):
    with serving(spotify) as url:
        yield url


@pytest.fixture
def slept():
    """The pauses that a client made, without making them."""
    return []


@pytest.fixture
def client(url, slept):
    return SpotifyClient(CLIENT_ID, CLIENT_SECRET, **addresses(url), sleep=slept.append)


@pytest.fixture
def fetch(url, slept, settings, monkeypatch, db):
    """Runs the command against the local server; what it said."""
    settings.SPOTIFY_CLIENT_ID, settings.SPOTIFY_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    local = {**addresses(url), "timeout_s": 60, "sleep": slept.append}
    monkeypatch.setattr(SpotifyClient.__init__, "__kwdefaults__", local)

    def run(**options) -> str:
        out = StringIO()
        call_command("fetch_spotify_features", stdout=out, **options)
        return out.getvalue()

    return run


_numbers = count()


def spotify_tracks(n: int) -> list:
    return [TrackFactory(uri=f"spotify:track:{numbered_id(next(_numbers))}") for _ in range(n)]


def values_of(track) -> dict[str, float]:
    values = np.frombuffer(track.feature_vectors.get(feature_set="spotify@1").values, "<f4")
    return dict(zip(SPOTIFY.columns, values.tolist(), strict=True))


# ---- What is fetched


def test_the_twelve_columns_of_a_track_are_stored(fetch):
    (track,) = spotify_tracks(1)

    out = fetch()

    assert out == "1 of 1 tracks asked for, 1 stored as spotify@1.\n"
    told = audio_features(spotify_id(track.uri))
    assert values_of(track) == {column: pytest.approx(told[column]) for column in SPOTIFY.columns}


def test_tracks_are_asked_for_by_the_hundred_with_one_token(fetch, spotify):
    tracks = spotify_tracks(250)

    out = fetch()

    assert out.splitlines() == [
        "100 of 250 tracks asked for, 100 stored as spotify@1.",
        "200 of 250 tracks asked for, 200 stored as spotify@1.",
        "250 of 250 tracks asked for, 250 stored as spotify@1.",
    ]
    assert [len(keys) for keys in spotify.asked_for] == [100, 100, 50]
    assert spotify.n_tokens == 1
    assert FeatureVector.objects.count() == 250
    for track in tracks[::50]:
        assert values_of(track)["tempo"] == pytest.approx(audio_features(spotify_id(track.uri))["tempo"])


def test_only_spotify_tracks_that_lack_the_set_are_asked_for(fetch, spotify):
    (has_it,) = spotify_tracks(1)
    fetch()
    lacking, other = spotify_tracks(1)[0], TrackFactory(uri="spotify:album:0000000000000000000001")
    FeatureVector.objects.create(track=lacking, feature_set="signal@1", values=b"\0" * 4)

    fetch()

    assert spotify.asked_for == [[spotify_id(has_it.uri)], [spotify_id(lacking.uri)]]
    assert not other.feature_vectors.exists()
    assert fetch() == "No track with a Spotify uri lacks spotify@1.\n"
    assert len(spotify.asked_for) == 2


def test_a_track_that_came_in_as_uri_and_as_link_is_asked_for_once_and_stored_for_both(fetch, spotify):
    key = numbered_id(7)
    as_uri, as_link = (
        TrackFactory(uri=f"spotify:track:{key}"),
        TrackFactory(uri=f"https://open.spotify.com/track/{key}"),
    )

    fetch()

    assert spotify.asked_for == [[key]]
    assert values_of(as_uri) == values_of(as_link)


def test_a_limit_bounds_how_many_are_asked_for(fetch, spotify):
    spotify_tracks(5)

    assert fetch(limit=2) == "2 of 2 tracks asked for, 2 stored as spotify@1.\n"
    assert fetch(limit=10) == "3 of 3 tracks asked for, 3 stored as spotify@1.\n"
    with pytest.raises(CommandError, match="--limit is 0; expected 1 or more"):
        fetch(limit=0)


@pytest.mark.parametrize(
    ("uri", "is_one"),
    [
        ("spotify:track:03ZnP4f6xyY6sDrPX3fz83", True),
        ("https://open.spotify.com/track/03ZnP4f6xyY6sDrPX3fz83", True),
        ("http://open.spotify.com/track/03ZnP4f6xyY6sDrPX3fz83/", True),
        ("open.spotify.com/track/03ZnP4f6xyY6sDrPX3fz83#0:30", True),
        ("https://open.spotify.com/embed/track/03ZnP4f6xyY6sDrPX3fz83?si=a,b", True),
        ("https://open.spotify.com/intl-pt/track/03ZnP4f6xyY6sDrPX3fz83?si=abc", True),
        ("03ZnP4f6xyY6sDrPX3fz83", False),  # somebody else's ids may look the same
        ("spotify:track:03ZnP4f6xyY6sDrPX3fz8", False),
        ("spotify:track:03ZnP4f6xyY6sDrPX3fz833", False),
        ("spotify:track:93ZnP4f6xyY6sDrPX3fz83", False),  # more than 128 bits
        ("spotify:track:03ZnP4f6xyY6sDrPX3fz8,", False),
        ("spotify:episode:03ZnP4f6xyY6sDrPX3fz83", False),
        ("https://open.spotify.com/album/03ZnP4f6xyY6sDrPX3fz83", False),
        ("https://open.spotify.com.example.org/track/03ZnP4f6xyY6sDrPX3fz83", False),
    ],
)
@pytest.mark.django_db
def test_spotify_tracks_are_known_by_their_uri(uri, is_one):
    track = TrackFactory(uri=uri)

    assert tracks_without_features() == ({"03ZnP4f6xyY6sDrPX3fz83": [track.pk]} if is_one else {})


# ---- What is refused


def test_a_track_that_spotify_does_not_know_is_told_and_gets_no_zeros(fetch, spotify):
    unknown, known = spotify_tracks(2)
    spotify.unknown = {spotify_id(unknown.uri)}

    out = fetch()

    assert out.splitlines() == [
        f"{unknown.uri}: Spotify knows no audio features of it",
        "2 of 2 tracks asked for, 1 stored as spotify@1.",
    ]
    assert FeatureVector.objects.get().track == known


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"danceability": None}, "danceability is None; expected a number from 0 to 1"),
        ({"energy": "0.5"}, "energy is '0.5'; expected a number from 0 to 1"),
        ({"valence": 1.5}, "valence is 1.5; expected a number from 0 to 1"),
        ({"liveness": float("nan")}, "liveness is nan; expected"),
        ({"loudness": float("-inf")}, "loudness is -inf; expected a number from -100 to 20"),
        ({"tempo": 10**400}, "tempo is 1000000"),
        ({"key": 2.5}, "key is 2.5; expected a whole number from -1 to 11"),
        ({"mode": True}, "mode is True; expected a whole number from 0 to 1"),
        ({"time_signature": [4] * 50}, "time_signature is [4, 4, 4, 4, 4, 4, ...]; expected"),
        ({"id": "another"}, "Spotify's answer in its place is {"),
    ],
)
def test_odd_numbers_refuse_their_own_track_only(fetch, spotify, change, reason):
    bad, good = spotify_tracks(2)
    spotify.changes = {spotify_id(bad.uri): change}

    out = fetch()

    assert out.startswith(f"{bad.uri}: {reason}")
    assert out.endswith("2 of 2 tracks asked for, 1 stored as spotify@1.\n")
    assert FeatureVector.objects.get().track == good


# ---- Faults that pass


@pytest.mark.parametrize("fault", [fails(500), fails(503), fails(429), resets_the_connection, ends_in_the_middle])
def test_a_passing_fault_is_tried_again(client, spotify, slept, fault):
    spotify.faults.append(fault)

    (entry,) = client.audio_features([numbered_id(1)])

    assert entry["id"] == numbered_id(1)
    assert slept == [PAUSES_S[0]]
    assert len(spotify.asked_for) == 2


@pytest.mark.parametrize("fault", [is_silent, drips])
def test_a_slow_answer_is_not_waited_for(spotify, url, slept, fault):
    client = SpotifyClient(CLIENT_ID, CLIENT_SECRET, **addresses(url), timeout_s=1, sleep=slept.append)
    spotify.faults.append(fault)
    begun = time.monotonic()

    (entry,) = client.audio_features([numbered_id(1)])

    assert entry["id"] == numbered_id(1)
    assert slept
    assert time.monotonic() - begun < 60  # where the server would hold out for longer


def test_the_token_too_is_asked_for_again(client, spotify, slept):
    spotify.token_faults += [resets_the_connection, fails(502)]

    assert client.audio_features([numbered_id(1)])
    assert slept == [1, 2]


@pytest.mark.parametrize(("told", "waited_s"), [("7", 7), ("300", 300), ("0", 1), ("soon", 1), ("-5", 1)])
def test_a_wait_that_spotify_asks_for_is_kept(client, spotify, slept, told, waited_s):
    spotify.faults.append(fails(429, Retry_After=told))

    client.audio_features([numbered_id(1)])

    assert slept == [waited_s]


def test_an_unreasonable_wait_is_told_instead(client, spotify, slept):
    spotify.faults.append(fails(429, Retry_After="79892"))

    with pytest.raises(SpotifyUnavailable, match=r"no more requests for 22\.2 hours \(Retry-After: 79892\)"):
        client.audio_features([numbered_id(1)])

    assert slept == []


def test_a_fault_that_stays_ends_it(client, spotify, slept):
    spotify.faults += [fails(500)] * 9

    with pytest.raises(SpotifyUnavailable, match="Spotify answers 500, 5 times in a row"):
        client.audio_features([numbered_id(1)])

    assert slept == [1, 2, 4, 8]
    assert len(spotify.asked_for) == 5


def test_nobody_at_the_address_is_one_error():
    client = SpotifyClient("id", "secret", **addresses(f"http://127.0.0.1:{free_port()}"), sleep=lambda s: None)

    with pytest.raises(SpotifyUnavailable, match=r"cannot be reached: .*refused, 5 times in a row"):
        client.audio_features([numbered_id(1)])


def test_a_token_that_ends_before_its_time_is_renewed_and_the_batch_asked_for_again(fetch, spotify):
    spotify_tracks(150)
    spotify.faults += [None, lambda server: (spotify.valid_tokens.clear(), server.answer(401, {}))]

    fetch()

    assert [len(keys) for keys in spotify.asked_for] == [100, 50, 50]
    assert spotify.n_tokens == 2
    assert FeatureVector.objects.count() == 150


def test_a_token_is_renewed_before_it_ends(client, spotify):
    spotify.token_lifetime_s = 20

    client.audio_features([numbered_id(1)])
    client.audio_features([numbered_id(2)])

    assert spotify.n_tokens == 2
    assert len(spotify.asked_for) == 2


# ---- Faults that stay


def test_a_new_token_that_is_refused_too_is_one_error(client, spotify):
    spotify.faults += [fails(401), fails(401, {"error": {"status": 401, "message": "Invalid\naccess token"}})]

    with pytest.raises(SpotifyUnavailable, match=re.escape(r"answers 401 'Invalid\naccess token'; expected 200")):
        client.audio_features([numbered_id(1)])

    assert spotify.n_tokens == 2


def test_an_application_that_is_shut_out_is_told_why_and_what_to_do(fetch, spotify, slept):
    spotify_tracks(1)
    spotify.faults.append(fails(403, {"error": {"status": 403}}))

    with pytest.raises(CommandError) as refused:
        fetch()

    assert "Since 27 November 2024" in str(refused.value)
    assert "manage.py import_features" in str(refused.value)
    assert "0 tracks were stored" in str(refused.value)
    assert slept == []


def test_wrong_credentials_are_told(url, spotify):
    client = SpotifyClient(CLIENT_ID, "wrong", **addresses(url))

    with pytest.raises(SpotifyUnavailable, match=r"refuses the credentials. Compare ENERGYAPP_SPOTIFY_CLIENT_ID"):
        client.audio_features([numbered_id(1)])

    assert spotify.asked_for == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Welcome to the hotel</html>",
        b'{"audio_features": [',
        b"\xff\xfe",
        b"[" * 100_000,
        b'["audio_features"]',
        b'{"audio_features": null}',
        b'{"audio_features": []}',
        b'{"audio_features": [null, null]}',
    ],
)
def test_an_answer_without_an_entry_for_each_track_is_one_error(client, spotify, slept, answer):
    spotify.faults.append(fails(200, answer))

    with pytest.raises(SpotifyUnavailable, match=r"is no JSON object|does not hold one entry for each of 1 tracks"):
        client.audio_features([numbered_id(1)])

    assert slept == []


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "a\r\nX-Header: b", "expires_in": 3600},
        {"access_token": "a"},
        {"access_token": "a", "expires_in": 10**400},
        {"access_token": 1},
        {},
    ],
)
def test_a_token_that_cannot_be_used_is_one_error(client, spotify, answer):
    spotify.token_faults.append(fails(200, answer))

    with pytest.raises(SpotifyUnavailable, match="no usable token"):
        client.audio_features([numbered_id(1)])


def test_a_huge_answer_is_not_read_to_its_end(client, spotify):
    spotify.faults.append(fails(200, b" " * (2**20 + 1)))

    with pytest.raises(SpotifyUnavailable, match="more than 1048576 bytes"):
        client.audio_features([numbered_id(1)])


def test_credentials_are_not_taken_along_to_another_address(client, spotify, url):
    spotify.token_faults.append(fails(307, Location=f"{url}/api/token"))

    with pytest.raises(SpotifyUnavailable, match="answers 307 without a reason; expected 200"):
        client.audio_features([numbered_id(1)])

    assert spotify.n_tokens == 0


def test_a_server_that_cannot_prove_to_be_spotify_gets_no_credentials(spotify):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)

    with serving(spotify, tls) as url:
        client = SpotifyClient(CLIENT_ID, CLIENT_SECRET, **addresses(url), sleep=lambda s: None)
        with pytest.raises(SpotifyUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            client.audio_features([numbered_id(1)])

    assert spotify.n_tokens == 0


@pytest.mark.django_db
@pytest.mark.parametrize("credentials", [("", ""), ("id", ""), ("", "secret")])
def test_missing_credentials_are_one_error(settings, credentials):
    settings.SPOTIFY_CLIENT_ID, settings.SPOTIFY_CLIENT_SECRET = credentials

    with pytest.raises(CommandError, match="ENERGYAPP_SPOTIFY_CLIENT_SECRET are not both set"):
        call_command("fetch_spotify_features")


# ---- Going on, and keeping secrets


def test_what_was_stored_before_a_fault_is_not_asked_for_again(fetch, spotify):
    tracks = spotify_tracks(250)
    spotify.faults += [None, None, fails(400, {"error": {"status": 400, "message": "invalid request"}})]

    with pytest.raises(
        CommandError, match=r"'invalid request'; expected 200.\n200 tracks were stored; the next run asks"
    ):
        fetch()
    spotify.asked_for.clear()

    assert fetch() == "50 of 50 tracks asked for, 50 stored as spotify@1.\n"
    assert spotify.asked_for == [[spotify_id(track.uri) for track in tracks[200:]]]


@pytest.mark.django_db
def test_each_hundred_is_stored_before_the_next_is_asked_for(client, spotify):
    spotify_tracks(150)

    next(fetch_features(tracks_without_features(), client=client))  # and there somebody presses Ctrl-C

    assert len(spotify.asked_for) == 1
    assert FeatureVector.objects.count() == 100
    assert len(tracks_without_features()) == 50


def test_the_secret_and_the_token_are_never_told(fetch, spotify, caplog):
    caplog.set_level(logging.DEBUG)
    spotify_tracks(2)
    spotify.faults += [fails(500), fails(401), fails(403)]

    with pytest.raises(CommandError) as refused:
        fetch()
    out = fetch()

    told = out + str(refused.value) + caplog.text
    assert "audio-features" in caplog.text
    for secret in (CLIENT_SECRET, CREDENTIALS, "token-1", "token-2"):
        assert secret not in told
