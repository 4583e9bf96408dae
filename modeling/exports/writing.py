"""A table of the database as a file: for a worker, and for the command line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from modeling.exports.formats import WRITERS
from modeling.exports.registry import TABLES
from modeling.exports.tables import Options

OnProgress = Callable[[float, str], None]
HASH_BYTES = 2**20


class Written(NamedTuple):
    n_rows: int
    n_bytes: int
    sha256: str


def write_table(
    name: str, options: Options, path: Path, *, format: str, on_progress: OnProgress = lambda share, message: None
) -> Written:
    """Write a table to a new file; what was written of it is gone again if that fails.

    Raises
    ------
    JobRefused
        There is nothing to take out; the message says why.
    FileExistsError, OSError
        The file is there already, or cannot be written.
    """
    table = TABLES[name]
    n_expected = table.count(options)
    writer = WRITERS[format](path, table.columns(options))
    try:
        with writer:
            n_rows = 0
            for chunk in table.rows(options):
                writer.write(chunk)
                n_rows += len(chunk)
                on_progress(min(1.0, n_rows / max(1, n_expected)), f"{n_rows:,} rows written")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Written(n_rows, path.stat().st_size, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
