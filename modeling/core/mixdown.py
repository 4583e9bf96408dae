"""Decoded frames of any rate, channels and sample format to one checked mono 16 kHz waveform."""

from __future__ import annotations

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from modeling.core.audio import SAMPLE_RATE_HZ

MAX_DURATION_S = 15 * 60
MIN_SOURCE_RATE_HZ, MAX_SOURCE_RATE_HZ = 8_000, 192_000
MAX_CHANNELS = 8
MAX_AMPLITUDE = 8.0
"""Full scale is 1; float files of real music stay under 2. Beyond 8 the samples are not audio."""

_BLOCK_FRAMES = 32_768
"""numpy costs by the call, so that frames of 1,152 are gathered; longer blocks would leave the processor's cache."""

_DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}


class AudioError(Exception):
    """The file cannot be used as audio. The message says what was found and what was expected, for people."""


class AnotherSound(Exception):
    """A frame is unlike those before it: its header is damaged, or another file was appended."""


class Mixdown:
    """Frames in, one waveform out."""

    def __init__(self, first: av.AudioFrame) -> None:
        rate_hz, n_channels, sample_format = self._sound = _sound(first)
        if not MIN_SOURCE_RATE_HZ <= rate_hz <= MAX_SOURCE_RATE_HZ:
            limits = f"{MIN_SOURCE_RATE_HZ} to {MAX_SOURCE_RATE_HZ} Hz"
            raise AudioError(f"The sample rate is {rate_hz} Hz; expected {limits}")
        if not 1 <= n_channels <= MAX_CHANNELS:
            raise AudioError(f"The file has {n_channels} channels; expected 1 to {MAX_CHANNELS}")
        self._rate_hz = rate_hz
        self._dtype = np.dtype(_DTYPES[sample_format.removesuffix("p")])
        # Planar formats (fltp) have a plane a channel; in the others the channels take turns in one plane.
        self._n_planes = n_channels if sample_format.endswith("p") else 1
        self._gathered = av.AudioFifo()
        self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        self._samples = np.empty((MAX_DURATION_S + 1) * SAMPLE_RATE_HZ, np.float32)  # takes memory where written
        self._n_samples = 0

    @property
    def duration_s(self) -> float:
        return self._gathered.samples_written / self._rate_hz

    def fits(self, frame: av.AudioFrame) -> bool:
        return _sound(frame) == self._sound

    def add(self, frame: av.AudioFrame) -> None:
        if not self.fits(frame):  # the fifo would read channels that are not there
            raise AnotherSound
        frame.pts = None  # the fifo takes no clock that jumps
        self._gathered.write(frame)
        if self.duration_s > MAX_DURATION_S:
            raise AudioError(f"The track is longer than {MAX_DURATION_S // 60} minutes, which is the limit")
        while block := self._gathered.read(_BLOCK_FRAMES):
            self._mix(block)

    def waveform(self) -> NDArray[np.float32]:
        if rest := self._gathered.read():
            self._mix(rest)
        self._put(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        n_samples = -(-self._gathered.samples_written * SAMPLE_RATE_HZ // self._rate_hz)
        self._put(np.zeros(max(n_samples - self._n_samples, 0), np.float32))  # soxr rounds down, librosa up
        return self._samples[:n_samples]

    def _mix(self, block: av.AudioFrame) -> None:
        # Not block.to_ndarray(): PyAV shows nine planes where there are eight, and reading the ninth crashes.
        planes = [
            np.frombuffer(memoryview(plane), self._dtype).reshape(block.samples, -1)
            for plane in block.planes[: self._n_planes]
        ]
        mono = _mean(planes)
        _check(mono)
        self._put(self._resampler.resample_chunk(mono))

    def _put(self, samples: NDArray[np.float32]) -> None:
        end = self._n_samples + len(samples)
        self._samples[self._n_samples : end] = samples
        self._n_samples = end


def _sound(frame: av.AudioFrame) -> tuple[int, int, str]:
    return frame.sample_rate, frame.layout.nb_channels, frame.format.name


def _mean(planes: list[NDArray]) -> NDArray[np.float32]:
    """Mean of the channels, of which each plane, shape (n_frames, n_channels), holds one or all; full scale is 1."""
    dtype = planes[0].dtype
    full_scale = 1 if dtype.kind == "f" else 2 ** (8 * dtype.itemsize - 1)
    with np.errstate(over="ignore", invalid="ignore"):  # `_check` finds what comes of it
        total = _sum(planes[0])
        for plane in planes[1:]:
            total += plane[:, 0]
        total *= 1 / (sum(plane.shape[1] for plane in planes) * full_scale)
    return total - 1 if dtype == np.uint8 else total


def _sum(plane: NDArray) -> NDArray[np.float32]:
    if plane.shape[1] == 1:
        return plane[:, 0].astype(np.float32)
    # A product: `sum` and `mean` over so short an axis cost as much as decoding an MP3.
    return plane.astype(np.float32, copy=False) @ np.ones(plane.shape[1], np.float32)


def _check(mono: NDArray[np.float32]) -> None:
    highest = np.maximum(mono.max(), -mono.min())  # stays NaN if one is, unlike Python's max
    if not np.isfinite(highest):
        raise AudioError("The file holds samples that are not numbers (NaN or infinite)")
    if highest > MAX_AMPLITUDE:
        raise AudioError(f"Samples reach {highest:.3g} times full scale; real audio stays under {MAX_AMPLITUDE:g}")
