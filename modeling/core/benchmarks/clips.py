"""Files to measure with. Cut to one length and one format, so that a figure means the same in every collection of music."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from modeling.core import audio, decoding

_RATE_HZ, _BIT_RATE = 44_100, 128_000


@dataclass(frozen=True)
class Preparation:
    """What becomes of each file before it is measured with."""

    description: str
    prepare: Callable[[Path, Path], Path]
    """The file, and where a new one may be written, to the one that is measured. Raises Unusable."""


class Unusable(Exception):
    """A file that cannot be measured with. The message says why."""


def _cut(path: Path, clip: Path) -> Path:
    """The loudest 30 s, as a preview of a streaming service would be."""
    waveform = _waveform(path)
    if audio.duration_s(waveform) < audio.FEATURE_WINDOW_S:
        raise Unusable(f"it has {audio.duration_s(waveform):.1f} s, fewer than {audio.FEATURE_WINDOW_S}")
    start_s, _ = audio.loudest_part(waveform, audio.FEATURE_WINDOW_S)
    _encode(_stereo(path, start_s=start_s), clip)
    return clip


def _as_it_is(path: Path, clip: Path) -> Path:
    """The file itself, if both we and the naive pipeline can decode it."""
    _waveform(path)
    return path


def _waveform(path: Path) -> NDArray[np.float32]:
    try:
        soundfile.info(path)  # librosa reads with it alone, and knows no m4a
        return decoding.load(path).waveform
    except soundfile.LibsndfileError as problem:
        raise Unusable(problem.error_string) from problem
    except decoding.AudioError as problem:
        raise Unusable(str(problem)) from problem


def _stereo(path: Path, *, start_s: float) -> NDArray[np.float32]:
    """30 s from there, shape (n_samples, 2)."""
    with soundfile.SoundFile(path) as sound:
        sound.seek(round(start_s * sound.samplerate))
        samples = sound.read(audio.FEATURE_WINDOW_S * sound.samplerate, dtype="float32", always_2d=True)
        samples = soxr.resample(samples, sound.samplerate, _RATE_HZ)
    return samples[:, :2] if samples.shape[1] > 1 else np.repeat(samples, 2, axis=1)


def _encode(samples: NDArray[np.float32], path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=_RATE_HZ, layout="stereo", format="fltp")
        stream.bit_rate = _BIT_RATE
        for start in range(0, len(samples), _RATE_HZ):
            planes = np.ascontiguousarray(samples[start : start + _RATE_HZ].T)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
            frame.rate = _RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


CUT = Preparation("the loudest 30 s of each file, as MP3 of 128 kbit/s, 44.1 kHz, stereo", _cut)
AS_THEY_ARE = Preparation("the files as they are", _as_it_is)
