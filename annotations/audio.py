"""Serving audio by HTTP range, so that seeking in a track works: RFC 9110, section 14."""

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from annotations.models import Track

CHUNK_BYTES = 64 * 1024
# What an interrupted download asks for: one range. Several at once no browser wants, and the RFC lets us answer with all.
_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})$")


@dataclass(frozen=True)
class _Sound:
    """What a browser gets to hear of a track."""

    name: str
    content_type: str
    etag: str


def serve(request: HttpRequest, track: Track) -> HttpResponseBase:
    """The track's bytes, or the range of them that was asked for.

    Of a file that browsers cannot play, the copy that the features worker made (`playable_name`).

    206 for a range, 416 for one beyond the end, 304 for what the browser has already; the file's sha256 is its ETag, as
    audio never changes, and the copy has one of its own. Behind nginx (X_ACCEL_REDIRECT) nginx does all that after this permission check.
    """
    if not track.audio:
        raise Http404("this track has no audio")
    sound = _sound(track)
    response = _by_nginx(sound) if settings.X_ACCEL_REDIRECT else _by_django(request, sound)
    # Private: a shared cache would hand it to people without a login.
    response["Cache-Control"] = "private, max-age=86400, immutable"
    response["Content-Disposition"] = "inline"
    return response


def playable_name(track: Track) -> str:
    """Where in the storage the track's copy for browsers lies, if it needs one. A cache: audio never changes, so its bytes name it."""
    return f"playable/{track.sha256[:2]}/{track.sha256}.flac"


def _sound(track: Track) -> _Sound:
    copy = playable_name(track)
    if default_storage.exists(copy):
        return _Sound(copy, "audio/flac", f'"{track.sha256}-playable"')
    return _Sound(track.audio.name, _content_type(track), f'"{track.sha256}"')


def _by_nginx(sound: _Sound) -> HttpResponse:
    return HttpResponse(
        headers={
            "Content-Type": sound.content_type,
            "ETag": sound.etag,
            "X-Accel-Redirect": f"/_media/{sound.name}",
        }
    )


def _by_django(request: HttpRequest, sound: _Sound) -> HttpResponseBase:
    etag = sound.etag
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    try:
        file = default_storage.open(sound.name)
    except FileNotFoundError:
        raise Http404("the audio file is missing from the storage") from None
    size = file.size
    headers = {"Content-Type": sound.content_type, "ETag": etag, "Accept-Ranges": "bytes"}
    asked = _parse_range(request.headers.get("Range", ""), size)
    if asked is None or request.headers.get("If-Range", etag) != etag:
        span, status = range(size), 200
    elif not asked:
        file.close()
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    else:
        span, status = asked, 206
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    headers["Content-Length"] = str(len(span))
    return StreamingHttpResponse(_chunks(file, span), status=status, headers=headers)


def _parse_range(header: str, size: int) -> range | None:
    """The bytes asked for; empty when there are none such; None for a header that is to be ignored.

    >>> _parse_range("bytes=0-1", 10), _parse_range("bytes=7-", 10), _parse_range("bytes=-3", 10)
    (range(0, 2), range(7, 10), range(7, 10))
    >>> _parse_range("bytes=10-", 10), _parse_range("bytes=0-1,4-5", 10)
    (range(0, 0), None)
    """
    if not (match := _ONE_RANGE.match(header.strip())) or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size) if int(last) else range(0)
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return None
    return range(start, stop) if start < stop else range(0)


def _chunks(file: File, span: range) -> Iterator[bytes]:
    with file:
        file.seek(span.start)
        left = len(span)
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


def _content_type(track: Track) -> str:
    if PurePosixPath(track.audio.name).suffix == ".opus":
        return "audio/ogg"
    return mimetypes.guess_type(track.audio.name)[0] or "application/octet-stream"
