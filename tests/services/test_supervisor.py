"""The supervisor with small programs of its own; the real ones are in test_serve.py."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import wait_until

pytestmark = pytest.mark.services

# What a supervisor on busy cores may take for what is a moment's work, and for its whole end.
BUSY_S = 60
FINISH_S = 120

# A program with a child, as celery and granian have, both of which ignore the polite ways to end when told to.
PARENT = """
import os, signal, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0 and sys.argv[2] == "polite":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"hello from child\\n" if child == 0 else b"hello from parent\\n")
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""
SUPERVISE = """
import sys
from energyapp.serve.supervisor import Program, Supervisor, ProgramEnded, StopRequested
commands = [[sys.executable, "-c", sys.argv[1], sys.argv[2], manners] for manners in sys.argv[3:]]
try:
    with Supervisor(grace_s=GRACE_S) as supervisor:
        for number, command in enumerate(commands):
            supervisor.start(Program(name=f"program-{number}", command=command, stage=number))
        print("started", flush=True)
        supervisor.run_until_stopped()
except ProgramEnded as error:
    sys.exit(str(error))
"""


def process_is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Supervised:
    """A supervisor in a process of its own, with a parent and a child for each program."""

    def __init__(self, folder: Path, *manners: str, grace_s: float = 1) -> None:
        pids = folder / "pids"
        supervise = SUPERVISE.replace("GRACE_S", str(grace_s))
        command = [sys.executable, "-c", supervise, PARENT, str(pids), *manners]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 2 * len(manners))
        self.pids = [int(line) for line in pids.read_text().split()]

    def finish(self) -> str:
        """Wait for the supervisor; return what it printed to stderr."""
        return self.process.communicate(timeout=FINISH_S)[1]

    def wait_until_all_gone(self) -> None:
        """By themselves they would go on for ten minutes; what was killed needs a moment until the kernel has ended it."""
        wait_until(lambda: not any(map(process_is_alive, self.pids)), timeout_s=BUSY_S, what="the end of all programs")


@pytest.fixture
def supervise(tmp_path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(*manners: str, **options: float) -> Supervised:
        started.append(Supervised(tmp_path, *manners, **options))
        return started[-1]

    yield start
    for supervised in started:
        for pid in (supervised.process.pid, *supervised.pids):
            if process_is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        supervised.process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_every_program_and_its_children(supervise, signum):
    supervised = supervise("polite", "plain")

    supervised.process.send_signal(signum)

    assert supervised.finish() == ""
    assert supervised.process.returncode == 0
    supervised.wait_until_all_gone()


def test_a_program_that_ignores_the_request_is_killed_when_its_grace_is_over(supervise):
    supervised = supervise("deaf")

    began = time.monotonic()
    supervised.process.terminate()
    supervised.finish()

    supervised.wait_until_all_gone()
    assert 1 <= time.monotonic() - began < 1 + BUSY_S


def test_a_second_ctrl_c_does_not_wait_for_the_grace(supervise):
    supervised = supervise("deaf", "deaf", "deaf", grace_s=3 * BUSY_S)

    began = time.monotonic()
    while supervised.process.poll() is None:  # somebody in a hurry; a single grace would take longer
        assert time.monotonic() - began < 2 * BUSY_S
        supervised.process.send_signal(signal.SIGINT)
        time.sleep(0.3)

    assert supervised.finish() == ""
    supervised.wait_until_all_gone()


def test_a_dead_program_ends_the_others_and_is_named(supervise):
    supervised = supervise("plain", "polite")

    # The first to write its process id is a parent: it forks before it opens the file, but so does every child.
    victim = next(pid for pid in supervised.pids if os.getpgid(pid) == pid)
    os.kill(victim, signal.SIGKILL)

    assert "ended by itself (killed by SIGKILL)" in supervised.finish()
    assert supervised.process.returncode == 1
    supervised.wait_until_all_gone()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_programs_end_when_the_supervisor_is_killed_outright(supervise):
    supervised = supervise("plain")
    leader = next(pid for pid in supervised.pids if os.getpgid(pid) == pid)

    supervised.process.kill()

    wait_until(lambda: not process_is_alive(leader), timeout_s=BUSY_S, what="the end of the program")


def test_output_is_prefixed_with_the_program_it_comes_from(supervise):
    supervised = supervise("plain")

    supervised.process.terminate()
    output = supervised.process.communicate(timeout=FINISH_S)[0]

    assert "program-0       | hello from parent\n" in output
    assert "program-0       | hello from child\n" in output


def test_a_program_that_fails_gives_its_last_line_as_the_reason():
    supervise_one = """
import sys
from energyapp.serve.supervisor import Program, ProgramFailed, Supervisor
with Supervisor() as supervisor:
    try:
        supervisor.run_to_end(Program(name="one", quiet=True, command=[sys.executable, "-c", sys.argv[1]]))
    except ProgramFailed as error:
        print(error)
"""
    failing = "import sys; print('first'); sys.stdout.write('the reason'); sys.stdout.flush(); sys.exit(3)"
    done = subprocess.run([sys.executable, "-c", supervise_one, failing], capture_output=True, text=True, check=True)

    assert done.stdout == "one failed (exit code 3): the reason\n"


def test_a_program_that_does_not_exist_is_reported_without_a_traceback():
    supervise_one = """
from energyapp.serve.supervisor import Program, ProgramFailed, Supervisor
with Supervisor() as supervisor:
    try:
        supervisor.start(Program(name="one", command=["/nowhere/at-all"]))
    except ProgramFailed as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", supervise_one], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("one cannot be started: ")
