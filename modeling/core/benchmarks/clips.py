"""Files to measure with. Cut to one length and one format, so that a figure means the same in every collection of music."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from modeling.core import audio, containers, decoding

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
    try:
        soundfile.info(path)
    except soundfile.LibsndfileError as problem:
        raise Unusable("libsndfile, by which the naive pipeline reads, does not know its format") from problem
    return path


def _waveform(path: Path) -> NDArray[np.float32]:
    try:
        return decoding.load(path).waveform
    except decoding.AudioError as problem:
        raise Unusable(str(problem)) from problem


def _stereo(path: Path, *, start_s: float) -> NDArray[np.float32]:
    """30 s from there, shape (n_samples, 2)."""
    resampler = av.AudioResampler("fltp", "stereo", _RATE_HZ)
    start = round(start_s * _RATE_HZ)
    end, n_done = start + audio.FEATURE_WINDOW_S * _RATE_HZ, 0
    parts: list[NDArray[np.float32]] = []
    try:
        with av.open(str(path), format=containers.container_format(path.read_bytes())) as container:
            for frame in chain(container.decode(audio=0), [None]):  # None: what the resampler holds back
                for resampled in resampler.resample(frame):
                    samples = resampled.to_ndarray().astype(np.float32, copy=False)
                    parts.append(samples[:, max(start - n_done, 0) : max(end - n_done, 0)])
                    n_done += samples.shape[1]
                if n_done >= end:
                    break
    except (av.FFmpegError, ValueError) as problem:  # ValueError: its rate or its channels change
        raise Unusable(f"it is damaged, and cannot be cut: {problem}") from problem
    return np.hstack(parts).T


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
