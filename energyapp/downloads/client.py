"""Asking servers for files: each connection goes to an address that was checked, and each download ends in time."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError

from energyapp.downloads.connections import PunctualSocket, ends_within, faults, left_s
from energyapp.downloads.faults import LastingFault, PassingFault, fault_of
from energyapp.downloads.links import Link, Resolve, Rules, addresses_of, look_up, parse_link
from energyapp.downloads.parts import Part, Version

MAX_REDIRECTS = 5
CHUNK_BYTES = 64 * 1024
# A server may send each file on to another: connections to the oldest are given up.
MAX_POOLS = 16
_REDIRECTS = {301, 302, 303, 307, 308}
_NOTHING = Version()


class Downloader:
    """Fetches files, from several threads if wanted; keeps connections to use them again until it is closed (`with`)."""

    def __init__(self, rules: Rules, *, resolve: Resolve = look_up, n_connections: int = 4) -> None:
        self._rules, self._resolve, self._n_connections = rules, resolve, n_connections
        self._tls = ssl.create_default_context(cafile=rules.ca_file)
        self._tls.sslsocket_class = PunctualSocket
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, int, str], HTTPSConnectionPool] = {}
        self._addresses: dict[str, list[str]] = {}

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools.values():
            pool.close()

    def fetch(self, url: str, path: Path, *, known: Version = _NOTHING) -> bool:
        """Fetch a file to a path, going on where an interrupted attempt has left off.

        Parameters
        ----------
        path
            Holds the whole file afterwards. After a PassingFault it keeps what has come, with a note beside it.
        known
            The version that we have already.

        Returns
        -------
        bool
            False when the server says that the known version is still what it has.

        Raises
        ------
        PassingFault, LastingFault
        """
        with ends_within(self._rules.total_s), Part(path, url) as part:
            return self._fetch(parse_link(url, self._rules), part, known)

    def _fetch(self, link: Link, part: Part, known: Version) -> bool:
        for _ in range(1 + MAX_REDIRECTS):
            with self._ask(link, {**known.if_changed, **part.request_headers}) as response:
                if response.status in {200, 206}:
                    self._save(response, part)
                    return True
                if response.status == 304 and known.if_changed:
                    return False
                if response.status in _REDIRECTS:
                    link = self._next(link, response)
                elif response.status == 416 and part.n_bytes:
                    part.start_over()
                else:
                    raise fault_of(response.status, response.headers)
        raise LastingFault(f"The server leads from one place to the next, more than {MAX_REDIRECTS} times")

    def _next(self, link: Link, response: BaseHTTPResponse) -> Link:
        try:
            return parse_link(urljoin(str(link), response.headers.get("Location", "")), self._rules)
        except (LastingFault, ValueError) as problem:
            raise LastingFault(f"The server leads to another place that is refused: {problem}") from None

    # ---- The answer's file

    def _save(self, response: BaseHTTPResponse, part: Part) -> None:
        _refuse_what_is_no_file(response)
        size = part.go_on(response.headers) if response.status == 206 else None
        if response.status == 200:
            part.start_over(Version.of(response.headers))
        self._refuse_too_large(part.n_bytes + (response.length_remaining or 0))
        while data := _read(response):
            self._refuse_too_large(part.n_bytes + len(data))
            part.write(data)
        if size is not None and part.n_bytes < size:
            raise PassingFault("The server sent only a part of what was missing")
        if not part.n_bytes:
            raise LastingFault("The server sent an empty file")
        part.finish()

    def _refuse_too_large(self, n_bytes: int) -> None:
        if n_bytes > self._rules.max_bytes:
            raise LastingFault(f"The file is larger than {self._rules.max_bytes // 2**20} MB")

    # ---- Connections

    @contextmanager
    def _ask(self, link: Link, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        with faults(link.host):
            response = self._ask_any(link, {**headers, "Host": link.server.removesuffix(":443")})
        try:
            yield response
        finally:
            _let_go(response)

    def _ask_any(self, link: Link, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """Of the first of the server's addresses that takes a connection."""
        for address in self._addresses_of(link):
            try:
                return self._ask_address(address, link, headers)
            except (NewConnectionError, ConnectTimeoutError):
                with self._lock:  # the next file is asked for elsewhere first
                    self._addresses[link.host].sort(key=address.__eq__)
        raise PassingFault(f"{link.host} does not take connections")

    def _ask_address(self, address: str, link: Link, headers: Mapping[str, str]) -> BaseHTTPResponse:
        pool = self._pool(address, link)
        try:
            return self._send(pool, link.target, headers)
        except ProtocolError:
            # The server may have closed a kept connection in the moment it was used: once more, on another.
            return self._send(pool, link.target, headers)

    def _send(self, pool: HTTPSConnectionPool, target: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        remaining_s = left_s()
        return pool.urlopen(
            "GET",
            target,
            # Unpacked, a small file can be of any size.
            headers={"User-Agent": "energyapp", "Accept-Encoding": "identity", **headers},
            timeout=Timeout(connect=min(self._rules.connect_s, remaining_s), read=min(self._rules.read_s, remaining_s)),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    def _pool(self, address: str, link: Link) -> HTTPSConnectionPool:
        """Connections to this address only. The certificate must be that of the name which led to it."""
        with self._lock:
            key = (address, link.port, link.host)
            if key not in self._pools:
                while len(self._pools) >= MAX_POOLS:
                    del self._pools[next(iter(self._pools))]
                self._pools[key] = HTTPSConnectionPool(
                    f"[{address}]" if ":" in address else address,
                    link.port,
                    maxsize=self._n_connections,
                    ssl_context=self._tls,
                    server_hostname=link.host,
                )
            return self._pools[key]

    def _addresses_of(self, link: Link) -> list[str]:
        """Looked up once: what was checked stays what is connected to."""
        if link.host not in self._addresses:
            timeout_s = min(self._rules.connect_s, left_s())
            found = addresses_of(link, self._rules, resolve=self._resolve, timeout_s=timeout_s)
            with self._lock:
                self._addresses.setdefault(link.host, found)
        with self._lock:
            return list(self._addresses[link.host])


def _refuse_what_is_no_file(response: BaseHTTPResponse) -> None:
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        raise LastingFault("The server sent a web page instead of an audio file")
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise LastingFault(f"The server sent the file packed ({encoding[:20]}), although it was asked not to")


def _read(response: BaseHTTPResponse) -> bytes:
    """What has arrived: waiting for a certain number of bytes, a slow server's deadline would be missed."""
    with faults("The server"):
        return response.read1(CHUNK_BYTES)


def _let_go(response: BaseHTTPResponse) -> None:
    """Keep the connection where the rest of the answer is known to be small; else close it."""
    try:
        if response.length_remaining is not None and response.length_remaining <= CHUNK_BYTES:
            response.read(CHUNK_BYTES)
    except (HTTPError, PassingFault):
        pass  # only the rest of an answer that has done its work
    finally:
        response.close()
