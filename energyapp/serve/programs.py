"""Who runs, with which command."""

import os
import socket
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from energyapp.serve.supervisor import Program

# A process a core does the parallel work; libraries that start threads of their own would only get in each other's way.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
# Arrays of a clip are as large as those of the one before. Given back to the system each time, their pages have to be made
# and cleared anew: 3 of some 45 ms a clip. (glibc's; elsewhere without effect.)
KEEP_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(128 * 2**20))
# On one's own machine as root (a container, a rented box) that is no news.
ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
WORKER_ENVIRONMENT = {**ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": ROOT_WARNING}
# A socket's address is a fixed field of 104 (macOS) or 108 bytes (Linux).
MAX_SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class Broker:
    """The Redis server of one state folder, reached by a unix socket that only its owner can open."""

    folder: Path
    socket_path: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Broker":
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        socket_path = folder / "redis.sock"
        if len(os.fsencode(socket_path)) > MAX_SOCKET_PATH_BYTES:
            socket_path = Path(tempfile.mkdtemp(prefix="energyapp-")) / "redis.sock"
        return cls(folder, socket_path)

    @property
    def url(self) -> str:
        return f"redis+socket://{quote(str(self.socket_path))}"

    def program(self, redis_server: Path) -> Program:
        options = {
            "port": "0",  # no TCP at all
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "logfile": "redis.log",
            "daemonize": "no",
        }
        arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
        return Program(name="redis", command=[redis_server, *arguments], stage=0)

    def answers(self) -> bool:
        """Whether a server listens and has loaded its data."""
        return self._ask("PING") == b"+PONG\r\n"

    def ask_to_end(self) -> None:
        """End a server that an earlier start left behind: two of them would write to the same append-only file."""
        self._ask("SHUTDOWN")

    def _ask(self, command: str) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket_path))
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(64)
        except OSError:  # nobody there, or not yet
            return b""


def prepare(*options: str) -> Program:
    return Program(name="prepare", command=[sys.executable, "-m", "energyapp.serve.prepare", *options])


def web(port: int) -> Program:
    # A thread sends one audio stream at a time, so there are more of them than cores.
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "2", "--blocking-threads", "8", "--no-ws"]
    options += ["--log-level", "error", "--workers-kill-timeout", "2"]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", *options, "energyapp.wsgi:application"]
    return Program(name="web", command=command)


def features_worker() -> Program:
    program = _worker("worker-features", queues="upkeep,features", concurrency=os.cpu_count() or 1)
    return replace(program, environment={**WORKER_ENVIRONMENT, **KEEP_MEMORY})


def intake_worker() -> Program:
    # It waits for other people's servers most of the time: two processes do not take a core from the others.
    return _worker("worker-intake", queues="intake", concurrency=2)


def train_worker() -> Program:
    return _worker("worker-train", queues="train", concurrency=1)


def _worker(name: str, *, queues: str, concurrency: int) -> Program:
    options = ["-n", f"{name}@%h", "-Q", queues, "-c", str(concurrency), "-P", "prefork", "-l", "WARNING"]
    # Workers do not need to know of each other; finding out takes a second at the start.
    options += ["--without-gossip", "--without-mingle"]
    return Program(name=name, command=[*_CELERY, "worker", *options], environment=WORKER_ENVIRONMENT)


def beat() -> Program:
    # No pid file: a stale one would keep beat from starting, and the folder's lock does its work.
    return Program(name="beat", command=[*_CELERY, "beat", "-l", "WARNING", "--pidfile="])


_CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "energyapp"]
