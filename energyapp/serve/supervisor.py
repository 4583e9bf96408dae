"""Start processes, show what they print, end them all together.

The contract, tested in tests/services/: when the supervisor is told to stop (SIGINT, SIGTERM, SIGHUP), when a program
ends by itself, and (on Linux) when the supervisor is killed outright, no process that it started stays behind.
"""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import BinaryIO, Self, cast

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Together below 10 s: what `make run` promises for Ctrl-C. A task cut short is done again (see energyapp/jobs).
GRACE_S = 5.0
KILL_WAIT_S = 1.0
# How long a signal or a dead program can go unnoticed.
TICK_S = 0.1
NAME_WIDTH = len("worker-features")

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StopRequested(Exception):
    """Somebody sent SIGINT, SIGTERM or SIGHUP: the ordinary way to end."""


class ProgramEnded(Exception):
    """A program that has to run ended by itself."""


class ProgramFailed(Exception):
    """A program could not be started, or was to end well and did not."""


class NotReady(Exception):
    """What was waited for did not happen in time."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process: a name for its lines, a command, and what it needs beyond our own environment.

    Programs of a higher `stage` are ended first: the broker (stage 0) outlives the workers that report to it.
    """

    name: str
    command: Sequence[str | os.PathLike[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 1
    quiet: bool = False


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    unfinished_line: bytes = b""
    last_line: bytes = b""

    @property
    def last_words(self) -> str:
        return self.last_line.decode(errors="replace") or "it said nothing"

    def kill_group(self) -> None:
        """End whatever is left of the program: granian's workers outlive a granian that was killed hard."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """A context in which programs run; leaving it, for whatever reason, ends them all."""

    def __init__(self, *, output: BinaryIO | None = None, grace_s: float = GRACE_S) -> None:
        self._output = output or sys.stdout.buffer
        self._grace_s = grace_s
        self._running: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._stop_signals: list[int] = []

    def __enter__(self) -> Self:
        for signum in STOP_SIGNALS:
            # `nohup make run` asks us to outlive the terminal; Python hands that wish on as SIG_IGN.
            if not (signum == signal.SIGHUP and signal.getsignal(signum) == signal.SIG_IGN):
                signal.signal(signum, self._remember_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_all()

    def _remember_signal(self, signum: int, frame: FrameType | None) -> None:
        self._stop_signals.append(signum)

    def start(self, program: Program) -> None:
        """Start the program in a process group of its own, so that the terminal's Ctrl-C reaches only us."""
        try:
            process = subprocess.Popen(
                program.command,
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # safe: this process has no threads
            )
        except OSError as error:
            raise ProgramFailed(f"{program.name} cannot be started: {error}") from error
        stdout = cast(BinaryIO, process.stdout)
        os.set_blocking(stdout.fileno(), False)
        self._selector.register(stdout, selectors.EVENT_READ, program.name)
        self._running[program.name] = _Running(program, process)

    def run_to_end(self, program: Program) -> None:
        """Run a program that is meant to end, beside the others; raise ProgramFailed unless its exit code is 0."""
        self.start(program)
        running = self._running[program.name]
        while (code := running.process.poll()) is None:
            self._tick(ignore=program.name)
        self._pass_output_on(0)
        self._forget(running)
        if code:
            raise ProgramFailed(f"{program.name} failed ({_explain(code)}): {running.last_words}")

    def wait_until(self, condition: Callable[[], bool], *, what: str, timeout_s: float) -> None:
        """Keep the programs going until the condition holds.

        Raises
        ------
        NotReady
            After `timeout_s`.
        StopRequested, ProgramEnded
            When that happens first.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise NotReady(f"{what} did not answer within {timeout_s:.0f} s")
            self._tick()

    def run_until_stopped(self) -> None:
        """Keep the programs going until somebody asks to stop (returns) or one of them ends (raises ProgramEnded)."""
        try:
            while True:
                self._tick()
        except StopRequested:
            return

    def _tick(self, *, ignore: str = "") -> None:
        self._pass_output_on(TICK_S)
        if self._stop_signals:
            raise StopRequested
        for running in self._running.values():
            if running.program.name != ignore and (code := running.process.poll()) is not None:
                self._pass_output_on(0)
                raise ProgramEnded(f"{running.program.name} ended by itself ({_explain(code)}): {running.last_words}")

    def _pass_output_on(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._selector.unregister(key.fileobj)
            running = self._running[key.data]
            *lines, running.unfinished_line = (running.unfinished_line + (chunk or b"\n")).split(b"\n")
            self._print(running, [line.rstrip() for line in lines if line.strip()])

    def _print(self, running: _Running, lines: list[bytes]) -> None:
        if not lines:
            return
        running.last_line = lines[-1]
        if not running.program.quiet:
            prefix = f"{running.program.name:<{NAME_WIDTH}} | ".encode()
            self._output.write(b"".join(prefix + line + b"\n" for line in lines))
            self._output.flush()

    def _stop_all(self) -> None:
        for stage in sorted({running.program.stage for running in self._running.values()}, reverse=True):
            self._stop_stage([running for running in self._running.values() if running.program.stage == stage])
        self._selector.close()

    def _stop_stage(self, stage: list[_Running]) -> None:
        for running in stage:
            # Only the leader: celery and granian end their own children in order.
            running.process.terminate()
        self._wait_for(stage, self._grace_s)
        for running in stage:
            running.kill_group()
        self._wait_for(stage, KILL_WAIT_S)
        for running in stage:
            self._forget(running)

    def _wait_for(self, stage: list[_Running], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        # Ctrl-C only: make hands on the SIGTERM that we may have got from elsewhere too.
        n_interrupts = self._stop_signals.count(signal.SIGINT)
        while any(running.process.poll() is None for running in stage) and time.monotonic() < deadline:
            if self._stop_signals.count(signal.SIGINT) > n_interrupts:
                return  # a second Ctrl-C: somebody is in a hurry
            try:
                self._pass_output_on(TICK_S)
            except BrokenPipeError:  # nobody reads our output any more, which is no reason to leave processes behind
                time.sleep(TICK_S)

    def _forget(self, running: _Running) -> None:
        running.kill_group()
        stdout = cast(BinaryIO, running.process.stdout)
        if stdout in self._selector.get_map():
            self._selector.unregister(stdout)
        stdout.close()
        del self._running[running.program.name]


def _end_with_parent() -> None:
    """In the new process: ask Linux to send it SIGTERM should the supervisor be killed with no chance to clean up."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _explain(code: int) -> str:
    """Describe an exit code.

    >>> _explain(3), _explain(-9)
    ('exit code 3', 'killed by SIGKILL')
    """
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
