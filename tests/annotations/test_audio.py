"""Audio over HTTP: ranges, caching, and nginx in production."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from annotations.audio import playable_name
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db

BYTES = bytes(range(256)) * 1000


@pytest.fixture
def track():
    track = TrackFactory(sha256="ab" * 32)
    default_storage.delete(track.audio.name)
    default_storage.save(track.audio.name, ContentFile(BYTES))
    return track


def get(client, track, **headers):
    return client.get(f"/tracks/{track.pk}/audio", headers=headers)


def body(response):
    return b"".join(response.streaming_content)


def test_the_whole_file_says_that_ranges_are_possible(as_annotator, track):
    response = get(as_annotator, track)

    assert (response.status_code, response["Accept-Ranges"], response["Content-Length"]) == (200, "bytes", "256000")
    assert response["Content-Type"] in {"audio/x-wav", "audio/wav"}
    assert body(response) == BYTES


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=1000-", 1000, 256000),
        ("bytes=-10", 255990, 256000),
        ("bytes=255999-999999", 255999, 256000),
    ],
)
def test_a_range_is_answered_with_just_that(as_annotator, track, asked, start, stop):
    response = get(as_annotator, track, range=asked)

    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{stop - 1}/256000"
    assert body(response) == BYTES[start:stop]


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416_with_the_size(as_annotator, track, asked):
    response = get(as_annotator, track, range=asked)

    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */256000"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"])
def test_a_range_that_makes_no_sense_is_ignored(as_annotator, track, asked):
    assert get(as_annotator, track, range=asked).status_code == 200


def test_the_browser_need_not_fetch_what_it_has(as_annotator, track):
    etag = get(as_annotator, track)["ETag"]

    assert get(as_annotator, track, **{"if-none-match": etag}).status_code == 304
    assert get(as_annotator, track, range="bytes=0-1", **{"if-range": etag}).status_code == 206
    assert get(as_annotator, track, range="bytes=0-1", **{"if-range": '"older"'}).status_code == 200


def test_no_shared_cache_may_keep_it(as_annotator, track):
    assert "private" in get(as_annotator, track)["Cache-Control"]


def test_in_production_nginx_sends_the_bytes_after_our_check(as_annotator, track, settings):
    settings.X_ACCEL_REDIRECT = True

    response = get(as_annotator, track)

    assert response["X-Accel-Redirect"] == f"/_media/{track.audio.name}"
    assert response.content == b""


def test_a_file_that_is_gone_is_a_404(as_annotator):
    assert get(as_annotator, TrackFactory(audio="audio/gone.wav")).status_code == 404


def test_a_track_without_audio_is_a_404(as_annotator):
    track = TrackFactory(audio_state="none", audio="")

    assert get(as_annotator, track).status_code == 404


def test_strangers_get_no_audio(client, track):
    assert get(client, track).status_code == 302


@pytest.mark.parametrize("by_nginx", [False, True])
def test_a_copy_that_browsers_can_play_is_sent_in_place_of_the_file(as_annotator, track, settings, tmp_path, by_nginx):
    settings.MEDIA_ROOT, settings.X_ACCEL_REDIRECT = tmp_path, by_nginx
    default_storage.save(track.audio.name, ContentFile(BYTES))
    before = get(as_annotator, track)
    name = default_storage.save(playable_name(track), ContentFile(b"fLaC and so on"))

    response = get(as_annotator, track, range="bytes=0-3")

    assert (response["Content-Type"], response["ETag"]) == ("audio/flac", f'"{track.sha256}-playable"')
    assert response["ETag"] != before["ETag"]
    if by_nginx:
        assert response["X-Accel-Redirect"] == f"/_media/{name}"
    else:
        assert (response.status_code, body(response)) == (206, b"fLaC")
