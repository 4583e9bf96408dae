"""What has come of a file so far, kept on disk so that an interrupted download can go on."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from energyapp.downloads.faults import LastingFault, PassingFault

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True)
class Version:
    """What a server calls one version of a file."""

    etag: str = ""
    last_modified: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Version:
        return cls(headers.get("ETag", ""), headers.get("Last-Modified", ""))

    @property
    def if_range(self) -> str:
        """Names the version byte by byte, as a weak ETag does not; "" when nothing does."""
        return self.etag if self.etag.startswith('"') else self.last_modified

    @property
    def if_changed(self) -> dict[str, str]:
        """Request headers for "send it only if it is another version"."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


class Part:
    """The bytes that a link led to, of one version; both are noted in a file beside it.

    The note is written before the first byte and removed before bytes are dropped, so the two belong together at
    whatever moment the process is killed. The lock ends with its process, too.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.path, self._url = path, url
        self._note = path.with_suffix(".json")

    def __enter__(self) -> Part:
        self._file = self.path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise PassingFault("Another worker is still fetching it") from None
        self._version = self._read_note()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, LastingFault):
            self._note.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        self._file.close()

    @property
    def n_bytes(self) -> int:
        return self._file.tell()

    @property
    def request_headers(self) -> dict[str, str]:
        """Ask for the rest, provided that the server still has the same version."""
        if not self.n_bytes or not self._version.if_range:
            return {}
        return {"Range": f"bytes={self.n_bytes}-", "If-Range": self._version.if_range}

    def start_over(self, version: Version = Version()) -> None:
        self._note.unlink(missing_ok=True)
        self._file.truncate(0)
        self._file.seek(0)
        self._version = version
        if version.if_range:
            self._note.write_text(json.dumps({"url": self._url, **asdict(version)}))

    def go_on(self, headers: Mapping[str, str]) -> int | None:
        """Check that a 206 brings what is missing; how large the whole is, where the server says so."""
        span = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        version = Version.of(headers)
        is_same = not version.etag or not self._version.etag or version.etag == self._version.etag
        if not span or int(span[1]) != self.n_bytes or not self.request_headers or not is_same:
            self.start_over()
            raise PassingFault("The server sent another part of the file than the one that was asked for")
        return None if span[3] == "*" else int(span[3])

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> Version:
        try:
            note = json.loads(self._note.read_text())
            # Another link may lead to another file with the same date, and servers make their ETags of date and length.
            return Version(note["etag"], note["last_modified"]) if note["url"] == self._url else Version()
        except (FileNotFoundError, ValueError, LookupError, TypeError):  # never written, or not to its end
            return Version()
