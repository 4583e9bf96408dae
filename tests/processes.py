"""The product's processes as tests need them: a web server, workers and a Redis of their own, ended by their ids."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from celery import Celery
from redis import Redis as Client
from redis.exceptions import ConnectionError

from energyapp.celery import app as product_app
from energyapp.serve.checks import find_redis_server

ROOT = Path(__file__).resolve().parent.parent


_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody listens on, below those that systems give to connections: one of these could take it meanwhile.

    Its twin for datagrams is held to the end of this process: by it other test runs know that the port is spoken for.
    """
    while True:
        port, twin = random.SystemRandom().randrange(20_000, 32_000), socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as probe, contextlib.suppress(OSError):
            twin.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            _reserved.append(twin)
            return port
        twin.close()


def wait_until(condition: Callable[[], Any], *, timeout_s: float = 90, what: str = "it") -> Any:
    """The condition's first true value. A real wait with a limit: the only thing a test may do about other processes.

    The limit is for a machine that has much else to do: there a worker's start alone can take half a minute.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s} s")
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def held_file(path: Path) -> Iterator[None]:
    """Whoever opens this file waits until the block ends; then it is there as it was (Linux)."""
    kept = path.with_suffix(".kept")
    path.rename(kept)
    os.mkfifo(path)
    try:
        yield
    finally:
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        kept.replace(path)
        os.close(os.open(f"/proc/self/fd/{reading}", os.O_WRONLY))  # who waits for somebody to write goes on
        os.close(reading)


def children_of(pid: int) -> list[int]:
    """The processes that this one's main thread has started and that have not been waited for (Linux)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def database_url(database: dict[str, Any]) -> str:
    """The address of a test database, for processes that know nothing of the test run."""
    if "sqlite" in database["ENGINE"]:
        return f"sqlite:///{database['NAME']}"
    return f"postgres://{database['USER']}:{database['PASSWORD']}@{quote(database['HOST'], safe='')}:{database['PORT']}/{database['NAME']}"


@contextlib.contextmanager
def broker_at(url: str) -> Iterator[None]:
    """What this thread sends goes to the broker at this address; otherwise as the product's settings say."""
    app = Celery(product_app.main)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.broker_url = url
    app.set_current()
    try:
        yield
    finally:
        product_app.set_current()
        app.close()


@dataclass
class Process:
    """A child in a process group of its own, so that ending it leaves nothing behind."""

    popen: subprocess.Popen
    name: str = ""  # of a worker: as it tells it

    @classmethod
    def start(cls, command: list[str], **environment: str) -> Self:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "energyapp.settings", **environment},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        return cls(process)

    def children(self) -> list[int]:
        """The ids of its own children, for instance of a worker's pool (Linux)."""
        return children_of(self.popen.pid)

    def kill(self) -> None:
        """As a machine that loses power would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def end(self) -> None:
        self.popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(timeout=5)
        self.kill()


def start_worker(queues: str, *, redis_url: str, database: dict[str, Any], **environment: str) -> Process:
    command = [sys.executable, "-m", "celery", "-A", "energyapp", "worker", "-Q", queues, "-c", "1", "-l", "WARNING"]
    name = f"{queues}-{free_port()}@test"
    worker = Process.start(
        [*command, "-n", name, "--without-gossip", "--without-mingle"],
        ENERGYAPP_DATABASE_URL=database_url(database),
        ENERGYAPP_REDIS_URL=redis_url,
        OMP_NUM_THREADS="1",
        **environment,
    )
    worker.name = name
    return worker


def start_held_worker(queues: str, *, at: float, by: Path, **options: Any) -> Process:
    """A worker that comes to a stop when this share of its job is done, until this file is removed, for a test to kill it there."""
    by.touch()
    held = {"TEST_HELD_AT": str(at), "TEST_HELD_BY": str(by), "DJANGO_SETTINGS_MODULE": "tests.held_settings"}
    return start_worker(queues, **options, **held)


@dataclass
class WebServer:
    port: int
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @contextlib.contextmanager
    def start(cls, *, port: int, database: dict[str, Any]) -> Iterator[Self]:
        options = [
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--blocking-threads",
            "4",
            "--no-ws",
            "--log-level",
            "error",
        ]
        process = Process.start(
            [sys.executable, "-m", "granian", "--interface", "wsgi", *options, "energyapp.wsgi:application"],
            ENERGYAPP_DATABASE_URL=database_url(database),
            ENERGYAPP_REDIS_URL="memory://",
            ENERGYAPP_DB_POOL="1",  # on Postgres, as in production
        )
        try:
            wait_until(lambda: answers(port), what="the web server's first answer")
            yield cls(port, process)
        finally:
            process.end()


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Redis:
    """A real server on a free port of the loopback, with an append-only file as `make run` has it."""

    port: int
    folder: Path
    process: Process

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @classmethod
    @contextlib.contextmanager
    def start(cls, folder: Path) -> Iterator[Self]:
        port = free_port()
        redis = cls(port, folder, cls._run(folder, port))
        try:
            wait_until(redis.answers, what="Redis")
            yield redis
        finally:
            redis.process.end()

    @staticmethod
    def _run(folder: Path, port: int) -> Process:
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": folder,
            "appendonly": "yes",
            # Written down before it answers, and out of a kill's reach then. By default a busy disk holds it up for seconds.
            "appendfsync": "no",
            "save": "",
            "logfile": "redis.log",
        }
        return Process.start(
            [str(find_redis_server()), *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
        )

    def restart(self) -> None:
        self.process = self._run(self.folder, self.port)
        wait_until(self.answers, what="Redis")

    def answers(self) -> bool:
        """Whether it takes orders: it listens already while it still reads its file, and then refuses every one."""
        with Client.from_url(self.url) as client, contextlib.suppress(ConnectionError):
            return client.ping()
        return False
