"""What features cost: the decoder alone, a naive pipeline, each step of ours and the wholes, in one run on the same clips.

Clip by clip all of them take turns, three times, so that the noise of a shared machine falls on all alike; the best of
the three counts. The naive pipeline has a process of its own, and is refused if its features are not ours.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from modeling.core import audio, convnet_weights, decoding
from modeling.core.analysis import Analysis
from modeling.core.benchmarks import clips
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet

N_PROCESSES = (1, 2)
_REPEATS = 3
_MIN_CLIPS_A_RUN = 80
_START_TIMEOUT_S = 300  # TensorFlow takes seconds, on a busy machine a minute
_TOLERANCE = 1e-3
"""Of the largest feature. Decoders differ by a tenth of it; another net, window or filter by much more than it."""

# As the workers have it (energyapp.serve.programs), for the naive pipeline too.
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    **dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(128 * 2**20)),
}
_afresh = get_context("spawn")

Prepare = Callable[[Path, Path], Path]
Say = Callable[[str], object]


class CannotMeasure(Exception):
    """There is nothing to measure with, or to compare with. The message says what was found."""


class Run(NamedTuple):
    """Processes that work through the clips at full speed."""

    clips_an_hour: float
    """By the clock, of all of them together."""

    peak_memory_mb: float
    """Of one of them."""


@dataclass(frozen=True)
class Costs:
    """What was measured."""

    cpu_ms: dict[str, NDArray[np.float64]]
    """CPU milliseconds of each step, shape (n_clips,)."""

    runs: dict[str, dict[int, Run]]
    """Of each whole, by number of processes."""

    left_out: str = ""
    """A sentence on what was not measured, and what to do; "" when all was."""


# ---- What is measured


def decoder_alone(path: Path) -> None:
    """The floor: libsndfile gives every sample, and nobody takes it."""
    with soundfile.SoundFile(path) as sound:
        buffer = np.empty((65_536, sound.channels), np.float32)
        while len(sound.read(out=buffer)):
            pass


def naive_transfer(path: Path) -> NDArray[np.float32]:
    from modeling.core.benchmarks import naive

    return naive.transfer_features(path)


def transfer(path: Path) -> NDArray[np.float32]:
    return _compute("transfer", decoding.load(path).waveform)


def transfer_signal_peaks(path: Path) -> None:
    waveform = decoding.load(path).waveform
    audio.peaks(waveform)
    _compute("signal", waveform)
    _compute("transfer", waveform)


def everything(path: Path) -> None:
    """As a worker does it: sets that can share an analysis do."""
    waveform = decoding.load(path).waveform
    audio.peaks(waveform)
    analysis = Analysis(waveform)
    for feature_set in _measurable_sets():
        assert feature_set.compute_shared is not None
        feature_set.compute_shared(analysis)


def _measurable_sets() -> list[FeatureSet]:
    return [
        feature_set
        for feature_set in FEATURE_SETS.values()
        if feature_set.compute
        and not feature_set.on_request
        and (feature_set.name != "transfer" or convnet_weights.is_installed())
    ]


def _compute(name: str, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    compute = FEATURE_SETS[name].compute
    assert compute is not None
    return compute(waveform)


DECODER, NAIVE, NAIVE_SIGNAL = "decoder alone", "naive transfer, from file", "naive signal"
TRANSFER, WITH_SIGNAL, EVERYTHING = (
    "transfer, from file",
    "transfer + signal + peaks, from file",
    "all sets + peaks, from file",
)
WHOLES = {NAIVE: naive_transfer, TRANSFER: transfer, WITH_SIGNAL: transfer_signal_peaks, EVERYTHING: everything}
WITHOUT_WEIGHTS = (
    "Left out: all that takes the convnet, whose weights are not installed (manage.py install_convnet). "
    f"In {EVERYTHING!r} are the other sets."
)


def measurable_wholes() -> Mapping[str, Callable[[Path], object]]:
    return WHOLES if convnet_weights.is_installed() else {EVERYTHING: everything}


class _Stopwatch:
    """CPU milliseconds, of all threads, by name."""

    def __init__(self) -> None:
        self.cpu_ms: dict[str, float] = {}

    def __call__(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        started = time.process_time()
        result = function(*arguments)
        self.cpu_ms[name] = 1000 * (time.process_time() - started)
        return result


def _time_ours(path: Path) -> dict[str, float]:
    watch = _Stopwatch()
    watch(DECODER, decoder_alone, path)
    waveform = watch("load", decoding.load, path).waveform
    watch("peaks", audio.peaks, waveform)
    for feature_set in _measurable_sets():
        watch(feature_set.name, _compute, feature_set.name, waveform)
    for whole, work in measurable_wholes().items():
        if whole != NAIVE:
            watch(whole, work, path)
    return watch.cpu_ms


def _time_naive(path: Path) -> dict[str, float]:
    from modeling.core.benchmarks import naive

    watch = _Stopwatch()
    if convnet_weights.is_installed():
        watch(NAIVE, naive.transfer_features, path)
    watch(NAIVE_SIGNAL, naive.signal_features, audio.feature_window(decoding.load(path).waveform))
    return watch.cpu_ms


# ---- How


def measure(folder: Path, *, prepare: Prepare, n_clips: int | None, say: Say) -> Costs:
    """Measure with the files under a folder: the first n_clips of those that can be used, or all.

    Parameters
    ----------
    prepare : of `clips.CUT` or `clips.AS_THEY_ARE`
    say : is told of progress, and of files that are left out

    Raises
    ------
    CannotMeasure
        If no file can be used, or the naive features differ from ours.
    ConvnetUnavailable
        If the weights are damaged. Where there are none, what needs them is left out.
    """
    left_out = "" if convnet_weights.is_installed() else WITHOUT_WEIGHTS
    if left_out:
        say(left_out)
    else:
        convnet_weights.load()
    with tempfile.TemporaryDirectory() as name, _as_in_a_worker():
        paths = _prepared(folder, Path(name), prepare=prepare, n_clips=n_clips, say=say)
        cpu_ms = _cpu_ms(paths, say)
        say("Whole pipelines at full speed, in one process and in two ...")
        return Costs(cpu_ms, _runs(paths, say), left_out)


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """For the numeric libraries of processes started meanwhile, as the workers have it."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _prepared(folder: Path, temporary: Path, *, prepare: Prepare, n_clips: int | None, say: Say) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise CannotMeasure(f"There are no files in {folder}.")
    prepared: list[Path] = []
    for path in files:
        if len(prepared) == n_clips:
            break
        try:
            prepared.append(prepare(path, temporary / f"{len(prepared)} {path.stem}.mp3"))
        except clips.Unusable as problem:
            say(f"Left out: {path.name}, {problem}")
    if not prepared:
        raise CannotMeasure(f"None of the {len(files)} files in {folder} can be used.")
    return prepared


def _cpu_ms(paths: list[Path], say: Say) -> dict[str, NDArray[np.float64]]:
    rows = []
    with ProcessPoolExecutor(1, _afresh) as ours, ProcessPoolExecutor(1, _afresh, _hush) as naive:

        def run(path: Path) -> dict[str, float]:
            return ours.submit(_time_ours, path).result() | naive.submit(_time_naive, path).result()

        say("Loading and compiling what is to be measured ...")
        run(paths[0])
        for i, path in enumerate(paths, start=1):
            say(f"{i} of {len(paths)}: {path.name}")
            if convnet_weights.is_installed():
                _check_agreement(
                    path, ours.submit(transfer, path).result(), naive.submit(naive_transfer, path).result()
                )
            runs = [run(path) for _ in range(_REPEATS)]
            rows.append({step: min(run[step] for run in runs) for step in runs[0]})
    return {step: np.array([row[step] for row in rows]) for step in rows[0]}


def _check_agreement(path: Path, ours: NDArray[np.float32], naive: NDArray[np.float32]) -> None:
    difference = float(np.abs(ours - naive).max() / np.abs(ours).max())
    if difference > _TOLERANCE:
        raise CannotMeasure(
            f"The naive features of {path.name} differ from ours by {difference:.1e} of the largest, more than "
            f"{_TOLERANCE:g}: the two pipelines do not compute the same, so their times cannot be compared."
        )


def _runs(paths: list[Path], say: Say) -> dict[str, dict[int, Run]]:
    runs: dict[str, dict[int, Run]] = {}
    for name, work in measurable_wholes().items():
        runs[name] = {}
        for n_processes in N_PROCESSES:
            say(f"{name}: {n_processes} at once ...")
            runs[name][n_processes] = _run(work, paths, n_processes)
    return runs


def _run(work: Callable[[Path], object], paths: list[Path], n_processes: int) -> Run:
    rounds = paths * -(-_MIN_CLIPS_A_RUN // len(paths))
    ready = _afresh.Barrier(n_processes + 1)
    with ProcessPoolExecutor(n_processes, _afresh, _get_ready, (ready, work, paths[0])) as pool:
        answers = [pool.submit(_work, work, path) for path in rounds]
        ready.wait(_START_TIMEOUT_S)
        started = time.perf_counter()
        for answer in answers:
            answer.result()
        took_s = time.perf_counter() - started
        return Run(3600 * len(rounds) / took_s, pool.submit(_peak_memory_mb).result())


def _get_ready(ready: Barrier, work: Callable[[Path], object], path: Path) -> None:
    _hush()
    work(path)
    ready.wait(_START_TIMEOUT_S)


def _hush() -> None:
    """TensorFlow tells stderr how it was built, more than once. What goes wrong comes back as an exception."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _work(work: Callable[[Path], object], path: Path) -> None:
    work(path)


def _peak_memory_mb() -> float:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's ru_maxrss begins with the size of the process that started this one
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
