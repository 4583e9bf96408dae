"""What an export costs, and whether another installation makes the same of it: whole processes, as people start them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

from annotations.benchmarks.database import address
from modeling.exports.models import Export


class NotTheSame(Exception):
    """What was taken in is not what was taken out, so the figures mean nothing."""


@dataclass(frozen=True)
class Cost:
    """`cpu_s` and `peak_mb` of the process, start of Python and Django included."""

    cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.cpu_s:6.2f} s of CPU, at most {self.peak_mb:4.0f} MB"


def lines(n_labels: int, *, formats: Sequence[str] = Export.Format.values) -> Iterator[str]:
    """Take out, take in elsewhere, take out again."""
    nothing = _manage(address(), "check")
    yield f"{connection.vendor}, {n_labels:,} labels"
    yield f"{'a process that does nothing':34}{nothing}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for format in formats:
            cost = _manage(address(), "export_table", "history", str(folder / f"history.{format}"))
            yield f"{f'history as {format}':34}{cost}"
        elsewhere = f"sqlite:///{folder / 'elsewhere.sqlite3'}"
        _manage(elsewhere, "migrate", "-v0")
        yield f"{'import of the history elsewhere':34}{_manage(elsewhere, 'import_tracks', str(folder / 'history.csv'))}"
        _manage(elsewhere, "export_table", "history", str(folder / "again.csv"))
        if (folder / "again.csv").read_bytes() != (folder / "history.csv").read_bytes():
            raise NotTheSame("The history that another installation has taken in is another there.")
        yield "taken out there again: the same, byte by byte"


def _manage(database: str, *arguments: str) -> Cost:
    """Raises OSError where the command fails; what it said is on standard error."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(
        sys.executable, command, {**os.environ, "ENERGYAPP_DATABASE_URL": database}, file_actions=quiet
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        raise OSError(f"manage.py {arguments[0]} failed")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
