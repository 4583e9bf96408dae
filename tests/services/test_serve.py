"""`make run` for real: Redis, workers, beat and the web server in a folder and on a port of their own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energyapp.serve.checks import find_redis_server
from tests.processes import children_of, free_port, wait_until

pytestmark = [pytest.mark.services, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

ROOT = Path(__file__).resolve().parents[2]
# A start takes about five seconds on a quiet machine.
READY_S = 180
# Much longer than the graces of all stages together.
END_S = 120


def processes_of(var: Path) -> dict[int, str]:
    """The command line of every process that was started for this state folder, those that lost their parents included.

    They have it in their environment; Redis overwrites that with its title, which holds the socket's path.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, title = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
        if f"ENERGYAPP_VAR={var}\0".encode() in environment or f"{var}/redis".encode() in title:
            found[int(folder.name)] = title.replace(b"\0", b" ").decode(errors="replace")
    return found


def wait_until_nothing_is_left(var: Path) -> None:
    """What was killed needs a moment until the kernel has ended it."""
    wait_until(lambda: not processes_of(var), timeout_s=END_S, what="the end of all processes")


class Serve:
    """One `python -m energyapp.serve`, with what it printed in files."""

    def __init__(self, var: Path, logs: Path, *, port: int, command: tuple[str, ...] = ()) -> None:
        self.var, self.port = var, port
        self.stdout_path, self.stderr_path = logs / f"{port}.out", logs / f"{port}.err"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ENERGYAPP_")}
        environment |= {"ENERGYAPP_VAR": str(var), "ENERGYAPP_DEMO": "0", "PORT": str(port)}
        environment["DJANGO_SETTINGS_MODULE"] = "energyapp.settings"  # not the tests'
        with self.stdout_path.open("w") as stdout, self.stderr_path.open("w") as stderr:
            self.process = subprocess.Popen(
                command or (sys.executable, "-m", "energyapp.serve"),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def output(self) -> str:
        return self.stdout_path.read_text() + self.stderr_path.read_text()

    def wait_until_ready(self) -> None:
        wait_until(lambda: "is ready" in self.output or self.process.poll() is not None, timeout_s=READY_S)
        assert self.process.poll() is None, self.output

    def fails_with(self) -> str:
        """Wait for a start that is refused; return the one line that says why."""
        assert self.process.wait(timeout=READY_S) == 1, self.output
        lines = self.stderr_path.read_text().splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    def find(self, name: str) -> set[int]:
        """The processes whose command line holds the name: a program's own and those that it has forked."""
        return {pid for pid, title in processes_of(self.var).items() if name in title}

    def program(self, name: str) -> int:
        """The one process of the name that the manager itself has started. Its children may have lower numbers."""
        (pid,) = wait_until(lambda: self.find(name) & set(children_of(self.process.pid)), what=name)
        return pid

    def page(self) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=READY_S) as response:
            return response.read()


@pytest.fixture(scope="module")
def var(tmp_path_factory) -> Path:
    """One state folder for the module, so that the first start's work is done once."""
    folder = tmp_path_factory.mktemp("serve") / "var"
    folder.mkdir()
    (folder / "network-was-tried").touch()
    return folder


@pytest.fixture
def start(var, tmp_path) -> Iterator[Callable[..., Serve]]:
    started: list[Serve] = []

    def start_serve(folder: Path = var, *, port: int = 0, **options) -> Serve:
        started.append(Serve(folder, tmp_path, port=port or free_port(), **options))
        return started[-1]

    yield start_serve
    for serve in started:
        for pid in {serve.process.pid, *processes_of(serve.var)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        serve.process.wait()


def test_everything_starts_answers_and_ends_on_ctrl_c(start, var):
    serve = start()
    serve.wait_until_ready()

    assert serve.page() == b"ok"
    assert f"http://127.0.0.1:{serve.port}/" in serve.output
    for name in (
        "redis-server",
        "granian",
        "worker-features@",
        "worker-intake@",
        "worker-train@",
        "celery --quiet -A energyapp beat",
    ):
        wait_until(lambda name=name: serve.find(name), what=f"{name} in the list of processes")
    assert oct((var / "redis" / "redis.sock").stat().st_mode & 0o777) == "0o700"

    # In the same folder a second start is refused, and the first is not disturbed.
    assert "already running" in start().fails_with()
    assert serve.page() == b"ok"

    serve.process.send_signal(signal.SIGINT)
    assert serve.process.wait(timeout=END_S) == 0
    wait_until_nothing_is_left(var)
    assert "Traceback" not in serve.output


def test_sigterm_to_make_ends_everything_even_where_a_redis_had_been_left_behind(start, var):
    (var / "redis").mkdir(exist_ok=True)
    socket_path = var / "redis" / "redis.sock"
    command = [find_redis_server(), "--port", "0", "--unixsocket", socket_path, "--dir", socket_path.parent]
    stale = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(socket_path.exists)
    # The recipe of `make run`, without the installation that comes before it.
    makefile = var.parent / "Makefile"
    makefile.write_text(f"run:\n\t@exec {sys.executable} -m energyapp.serve\n")

    serve = start(command=("make", "--no-print-directory", "-f", str(makefile), "run"))
    serve.wait_until_ready()
    assert stale.wait(timeout=END_S) == 0
    serve.process.terminate()

    serve.process.wait(timeout=END_S)
    wait_until_nothing_is_left(var)


def test_nothing_is_left_when_the_manager_or_a_program_is_killed_outright(start, var):
    serve = start()
    serve.wait_until_ready()

    serve.process.kill()
    serve.process.wait()
    wait_until_nothing_is_left(var)

    again = start()
    again.wait_until_ready()
    os.kill(again.program("granian"), signal.SIGKILL)  # whose own workers do not notice
    assert "web ended by itself (killed by SIGKILL)" in again.fails_with()
    wait_until_nothing_is_left(var)


def test_a_port_in_use_is_refused_in_one_line(start, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = start(tmp_path / "var", port=port).fails_with()

    assert re.search(rf"port {port} cannot be used \(Address already in use\); try another: make run PORT=\d+", message)


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(start, tmp_path):
    (tmp_path / "a-file").touch()  # permissions would not stop root

    assert f"cannot write to {tmp_path}/a-file/var" in start(tmp_path / "a-file" / "var").fails_with()


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused_in_one_line(port, tmp_path):
    command = [sys.executable, "-m", "energyapp.serve", "--port", port]
    environment = {**os.environ, "ENERGYAPP_VAR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (
        1,
        f"energyapp: {port!r} is no port; expected a number from 1 to 65535\n",
    )


def test_a_system_library_that_is_missing_is_named_in_one_line(tmp_path):
    # A package that stands before the real one on the path and fails as a missing shared library does.
    (tmp_path / "soundfile.py").write_text("raise OSError('libsndfile.so.1: cannot open shared object file')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "energyapp.serve.imports"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stdout == (
        "soundfile does not load, so a system library seems to be missing: "
        "libsndfile.so.1: cannot open shared object file\n"
    )
