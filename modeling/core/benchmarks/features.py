"""CPU time of decoding and of each feature set, beside the plain librosa way, in one run.

    python -m modeling.core.benchmarks.features DIR [--n-files 8]

takes the first files of DIR that load, decodes each, and describes 30 s of it. Set OMP_NUM_THREADS=1 (as workers do)
before comparing figures: the columns are CPU milliseconds, which threads would add up.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from modeling.core import audio, convnet, decoding
from modeling.core.signal_features import signal_features

T = TypeVar("T")
_REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n-files", type=int, default=8)
    arguments = parser.parse_args()
    paths = list(
        islice(
            filter(_loads, sorted(path for path in arguments.folder.rglob("*") if path.is_file())), arguments.n_files
        )
    )
    if not paths:
        parser.error(f"{arguments.folder} holds no audio file that loads")
    print(f"{len(paths)} files, CPU milliseconds per 30 s of audio, medians")
    print(f"{'step':<10} {'ours':>8} {'librosa':>8} {'ratio':>6}")
    for step, (ours, theirs) in _measure(paths).items():
        print(f"{step:<10} {ours:8.1f} " + (f"{theirs:8.1f} {theirs / ours:6.1f}" if theirs else f"{'-':>8} {'-':>6}"))


def _measure(paths: list[Path]) -> dict[str, tuple[float, float | None]]:
    import librosa

    waveforms = [decoding.load(path).waveform for path in paths]
    per_30_s = [30 / audio.duration_s(waveform) for waveform in waveforms]
    windows = [audio.lengthened(audio.feature_window(waveform), 30 * audio.SAMPLE_RATE_HZ) for waveform in waveforms]
    naive_signal(windows[0][: audio.SAMPLE_RATE_HZ])  # numba compiles on the first call
    steps: dict[str, tuple[float, float | None]] = {
        "load": (
            _median_ms(decoding.load, paths, per_30_s),
            _median_ms(lambda path: librosa.load(path, sr=audio.SAMPLE_RATE_HZ), paths, per_30_s),
        ),
        "peaks": (_median_ms(audio.peaks, waveforms, per_30_s), None),
        "signal": (_median_ms(signal_features, windows), _median_ms(naive_signal, windows)),
    }
    if convnet.is_installed():
        steps["transfer"] = (_median_ms(convnet.transfer_features, windows), None)
    else:
        print(f"transfer features left out: no weights in {convnet.models_folder()}")
    return steps


def naive_signal(waveform: NDArray[np.float32]) -> None:
    """What a first version would do for about the same descriptors: librosa's functions one by one, a STFT in each."""
    import librosa

    f, rate_hz = librosa.feature, audio.SAMPLE_RATE_HZ
    f.rms(y=waveform, frame_length=1024)
    f.zero_crossing_rate(waveform, frame_length=1024)
    f.spectral_flatness(y=waveform, n_fft=1024)
    for describe in (f.spectral_centroid, f.spectral_bandwidth, f.spectral_rolloff, f.chroma_stft):
        describe(y=waveform, sr=rate_hz, n_fft=1024, hop_length=512)
    f.delta(f.mfcc(y=waveform, sr=rate_hz, n_mfcc=20, n_mels=64, n_fft=1024, hop_length=512))
    librosa.onset.onset_detect(y=waveform, sr=rate_hz)
    f.tempo(y=waveform, sr=rate_hz)


def _median_ms(function: Callable[[T], object], inputs: list[T], scales: list[float] | None = None) -> float:
    """Median over the inputs of the fastest of three calls, each times its scale."""
    scales = scales or [1.0] * len(inputs)
    return statistics.median(1000 * scale * _fastest_s(function, x) for scale, x in zip(scales, inputs, strict=True))


def _fastest_s(function: Callable[[T], object], x: T) -> float:
    times = []
    for _ in range(_REPEATS):
        started = time.process_time()
        function(x)
        times.append(time.process_time() - started)
    return min(times)


def _loads(path: Path) -> bool:
    """Whether both ways can read the file: librosa has no m4a."""
    try:
        decoding.load(path)
        soundfile.read(path)
    except (decoding.AudioError, soundfile.LibsndfileError):
        return False
    return True


if __name__ == "__main__":
    main()
