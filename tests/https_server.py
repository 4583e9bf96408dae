"""A real https server on the loopback, which answers as a test wants and remembers who asked for what."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

NAMES = ("previews.test", "cdn.test", "localhost", "127.0.0.1", "127.0.0.2")


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes = b""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpsServer

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.asked.append(Asked(self.path, dict(self.headers), body))
        answer = self.server.answers.get(self.path, self.server.otherwise)
        answer(self)

    def send(self, status: int, body: bytes = b"", **headers: Any) -> None:
        """A whole answer; Content_Length=None leaves the length out."""
        named = {name.replace("_", "-"): value for name, value in {"Content_Length": len(body), **headers}.items()}
        self.send_response(status)
        for name, value in named.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, content: bytes, etag: str = '"1"') -> None:
        """As a good server does: the rest only to who has the same version, nothing to who has it all."""
        if self.headers.get("If-None-Match") == etag:
            return self.send(304, ETag=etag)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if not start or self.headers.get("If-Range") != etag:
            return self.send(200, content, ETag=etag, Content_Type="audio/mpeg")
        if start >= len(content):
            return self.send(416, Content_Range=f"bytes */{len(content)}")
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.send(206, content[start:], ETag=etag, Content_Range=span, Content_Type="audio/mpeg")

    def hang_up(self) -> None:
        """As a server that dies."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None: ...


class HttpsServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str, tls: ssl.SSLContext, port: int = 0) -> None:
        super().__init__((address, port), Answer)
        self._tls = tls
        self.lock = threading.Lock()
        self.n_open = 0
        self.forget()

    def forget(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Callable[[Answer], None]] = {}
        self.otherwise: Callable[[Answer], None] = lambda answer: answer.send(404)
        self.n_connections = self.most_open = 0

    def url(self, path: str, host: str = "previews.test") -> str:
        return f"https://{host}:{self.server_port}{path}"

    def n_asked(self, path: str) -> int:
        with self.lock:
            return sum(asked.path == path for asked in self.asked)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # TLS begins here, in the connection's own thread: a handshake that hangs must not hold up the others.
        wrap = self._tls.wrap_socket
        with self._counted(), contextlib.suppress(OSError), wrap(request, server_side=True) as connection:
            Answer(connection, client_address, self)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self.lock:
            self.n_connections += 1
            self.n_open += 1
            self.most_open = max(self.most_open, self.n_open)
        try:
            yield
        finally:
            with self.lock:
                self.n_open -= 1


@dataclass(frozen=True)
class Authority:
    """Who signs the servers' certificates, and the file by which a client trusts it."""

    ca: trustme.CA
    file: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Authority:
        ca, file = trustme.CA(), folder / "ca.pem"
        ca.cert_pem.write_to_path(str(file))
        return cls(ca, file)

    @contextlib.contextmanager
    def serve(
        self, address: str = "127.0.0.1", *, port: int = 0, names: tuple[str, ...] = NAMES
    ) -> Iterator[HttpsServer]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(tls)
        with HttpsServer(address, tls, port) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
