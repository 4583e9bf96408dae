"""Load files one by one, each in a process of its own that may use so much memory and time: a file may kill it.

python -m tests.modeling.core.contained FILE...

prints a line of JSON for each: the answer, None if the process died, and what it took.
"""

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MAX_DATA_BYTES = 600 * 2**20
MAX_CPU_S = 30


@dataclass(frozen=True)
class Outcome:
    answer: str | None
    status: int
    peak_mb: float
    cpu_s: float


def load_contained(paths: list[Path]) -> list[Outcome]:
    program = subprocess.run(
        [sys.executable, "-m", __name__, *map(str, paths)], capture_output=True, text=True, check=True, timeout=300
    )
    assert program.stderr == ""
    return [Outcome(**json.loads(line)) for line in program.stdout.splitlines()]


def _outcome(path: str) -> Outcome:
    readable, writable = os.pipe()
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
        os.write(writable, _answer(path).encode())
        os._exit(0)
    os.close(writable)
    with open(readable) as pipe:
        answer = pipe.read()
    _, status, usage = os.wait4(child, 0)
    return Outcome(answer or None, status, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def _answer(path: str) -> str:
    from modeling.core import decoding

    try:
        recording = decoding.load(path)
    except decoding.AudioError as error:
        return f"refused: {error}"
    return f"{len(recording.waveform) / 16_000:.1f} s. {recording.damage}".rstrip(". ")


if __name__ == "__main__":
    import modeling.core.decoding  # before the forks, once  # noqa: F401

    for path in sys.argv[1:]:
        print(json.dumps(_outcome(path).__dict__), flush=True)
