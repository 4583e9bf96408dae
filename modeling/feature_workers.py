"""Processes of this machine that work through tracks without a broker: one thread each, of bounded memory and time.

A file may kill the process that reads it. That costs this one track: its process is replaced, and the others never
shared anything with it. Processes are started afresh, not forked: each has its own connections and its own models.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import FrameType

from energyapp.serve.programs import KEEP_MEMORY, ONE_THREAD
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.worker_limits import SOFT_TIME_LIMIT_S, TIME_LIMIT_S, limit_memory

# Everything is imported in that time, from a cold disk too.
START_TIME_LIMIT_S = 120
# When so many ended and none finished a track in between, it is not the files.
MAX_DEATHS_IN_A_ROW = 10
# For the tracks under way when the work is broken off.
GRACE_S = 10

_afresh = multiprocessing.get_context("spawn")


class WorkersKeepDying(Exception):
    """Process after process ended before it finished a track. What they wrote to stderr says why."""


def compute(
    track_ids: Iterable[int], feature_sets: Iterable[FeatureSet], *, n_workers: int
) -> Generator[tuple[int, str], None, None]:
    """Compute what these tracks lack of these sets: gives each one's id when it is done, and why it cannot be used, or "".

    Closing the iterator lets the tracks under way be finished.

    Raises
    ------
    WorkersKeepDying
    """
    left, names = deque(track_ids), [feature_set.name for feature_set in feature_sets]
    workers: list[_Worker] = []
    n_deaths = 0
    try:
        workers += [_Worker(names) for _ in range(min(n_workers, len(left)))]
        while workers:
            for worker in _heard_of(workers):
                done, problem = worker.track_id, worker.answer()
                if done is not None:
                    yield done, problem
                n_deaths = n_deaths + 1 if worker.has_died else 0 if done is not None else n_deaths
                if n_deaths == MAX_DEATHS_IN_A_ROW:
                    raise WorkersKeepDying(
                        f"{n_deaths} processes in a row ended before they finished a track. {problem}"
                    )
                if not left:
                    workers.remove(worker)
                    _end([worker])
                elif worker.has_died:
                    worker.start()
                else:
                    worker.give(left.popleft())
    finally:
        _end(workers)


class _Worker:
    """One process, which can be replaced, and the track that it is at; None while it starts."""

    def __init__(self, feature_set_names: Sequence[str]) -> None:
        self._feature_set_names = feature_set_names
        self.start()

    def start(self) -> None:
        self.connection, theirs = _afresh.Pipe()
        self.process = _afresh.Process(target=_serve, args=(theirs, self._feature_set_names), daemon=True)
        # Libraries read it when they are loaded, which is in the new process.
        os.environ.update({**ONE_THREAD, **KEEP_MEMORY})
        # Ctrl-C goes to the whole group; what becomes of the others is for this process to say. What is ignored stays so.
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, interrupted)
        theirs.close()  # so that its end is the end of the pipe
        self.track_id: int | None = None
        self.deadline = time.monotonic() + START_TIME_LIMIT_S
        self.has_died = False

    def give(self, track_id: int) -> None:
        self.track_id = track_id
        self.deadline = time.monotonic() + TIME_LIMIT_S
        with suppress(OSError):  # it has died: the next answer says so
            self.connection.send(track_id)

    def answer(self) -> str:
        try:
            problem: str = self.connection.recv()
        except (EOFError, OSError):
            self.has_died = True
            return self._obituary()
        return problem

    def _obituary(self) -> str:
        self.process.join()
        if time.monotonic() > self.deadline:
            return "It took too long, and its process was stopped."
        code = self.process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"Its process {how}."


def _heard_of(workers: Sequence[_Worker]) -> list[_Worker]:
    """Those that answered or died; none after a while, in which the overdue are ended."""
    now = time.monotonic()
    heard = wait([worker.connection for worker in workers], timeout=max(0, min(w.deadline for w in workers) - now))
    for worker in workers:
        if worker.connection not in heard and time.monotonic() > worker.deadline:
            worker.process.kill()
    return [worker for worker in workers if worker.connection in heard]


def _end(workers: Sequence[_Worker]) -> None:
    """A closed pipe tells a process to end after its track."""
    deadline = time.monotonic() + GRACE_S
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        worker.process.join(max(0, deadline - time.monotonic()))
        worker.process.kill()


# ---- In the new process


def _serve(connection: Connection, feature_set_names: Sequence[str]) -> None:
    """Take ids until nobody is there who gives any."""
    limit_memory()
    import django

    django.setup()
    from modeling.feature_extraction import compute_features

    feature_sets = [FEATURE_SETS[name] for name in feature_set_names]
    signal.signal(signal.SIGALRM, _stop)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send("")
        while True:
            track_id = connection.recv()
            signal.alarm(SOFT_TIME_LIMIT_S)
            problem = compute_features(track_id, feature_sets)
            signal.alarm(0)
            connection.send(problem)


def _stop(signum: int, frame: FrameType | None) -> None:
    from celery.exceptions import SoftTimeLimitExceeded

    raise SoftTimeLimitExceeded
