"""What is kept of every frame's spectrum: definitions of librosa, all from one STFT.

librosa takes its STFT again for every descriptor. Taking it once leaves as the largest cost the passes over the
(938, 513) matrix of a clip, so the matrix never exists: frames go through in blocks that stay in the processor's cache
(half the time), and all banks of filters lie side by side in one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from modeling.core import filterbanks
from modeling.core.audio import SAMPLE_RATE_HZ
from modeling.core.signal_columns import ROLLOFF_PERCENTS

FRAME, HOP = 1024, 512
FRAMES_PER_S = SAMPLE_RATE_HZ / HOP
N_BINS = FRAME // 2 + 1
N_MELS = 64
MEAN_SQUARE = 2 / (FRAME * FRAME * 3 / 8)
"""Times a sum of power: the mean square of the samples. Parseval for Hann frames: the sum of the squared window is 3/8
of its length; the spectrum is single-sided, hence the 2."""

TINY = 1e-10
"""Power under which nothing is heard (-100 dB), as librosa's `amin`."""

_BLOCK = 128  # frames: 260 kB of magnitudes
_GROUP, _N_GROUPS = 27, 19  # 513 bins are 19 groups of 27
_SILENT = float(np.finfo(np.float32).tiny)
_HZ = SAMPLE_RATE_HZ / FRAME

Float32s = NDArray[np.float32]


@dataclass(frozen=True)
class Spectra:
    """Series over the frames of a clip, each of shape (n_frames,) or (n_frames, n). Powers are those of |STFT|^2."""

    mel: Float32s
    chroma: Float32s
    bands: Float32s
    k_weighted: Float32s
    """Power in each of 64 mel bands, 12 pitch classes, 8 bands of an octave; power weighted as the ear does, (n, 1)."""

    rise: Float32s
    """By how much magnitudes rose since the frame before, summed under 250 Hz, up to 2 kHz, and above."""

    centroid_hz: Float32s
    bandwidth_hz: Float32s
    rolloff_hz: Float32s
    """Under which frequency 85 % and 95 % of the magnitude lie, (n, 2)."""

    flatness: Float32s
    entropy: Float32s
    valleys: Float32s
    peaks: Float32s
    """Mean magnitude of the weakest and of the strongest bins of 6 octaves."""


def spectra(padded: Float32s) -> Spectra:
    """Of a clip with FRAME // 2 zeros before and after: frame t is centred on sample t * HOP, as of librosa.stft."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
    blocks, magnitude = [], np.zeros((_BLOCK + 1, N_BINS), np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = scipy.fft.rfft(frames[start : start + _BLOCK] * hann, axis=1)
        np.abs(spectrum, out=magnitude[1 : len(spectrum) + 1])
        blocks.append(_of_block(magnitude[: len(spectrum) + 1]))
        magnitude[0] = magnitude[-1]
    return Spectra(**{field.name: np.concatenate([block[field.name] for block in blocks]) for field in fields(Spectra)})


def _of_block(with_frame_before: Float32s) -> dict[str, Float32s]:
    magnitude = with_frame_before[1:]
    power = np.square(magnitude)
    matrix, columns = filterbanks.side_by_side(SAMPLE_RATE_HZ, FRAME, n_mels=N_MELS)
    filtered = power @ matrix
    return {
        **{bank: filtered[:, of_bank] for bank, of_bank in columns.items()},
        "rise": _rise(with_frame_before),
        **_distribution(magnitude),
        **_noisiness(power),
        **_ranked(magnitude),
    }


def _rise(magnitude: Float32s) -> Float32s:
    rise = magnitude[1:] - magnitude[:-1]
    return np.maximum(rise, 0, out=rise) @ filterbanks.flux_bands(SAMPLE_RATE_HZ, FRAME)


def _distribution(magnitude: Float32s) -> dict[str, Float32s]:
    sums = magnitude @ _moments_and_groups()
    moments, cumulated = sums[:, :2], sums[:, 2:]
    centroid, second_moment = (moments / np.maximum(cumulated[:, -1:], _SILENT)).T
    top_hz = _HZ * (N_BINS - 1)
    return {
        "centroid_hz": centroid * top_hz,
        "bandwidth_hz": np.sqrt(np.maximum(second_moment - centroid**2, 0)) * top_hz,
        "rolloff_hz": _rolloffs(magnitude, cumulated) * np.float32(_HZ),
    }


def _rolloffs(magnitude: Float32s, cumulated: Float32s) -> NDArray[np.intp]:
    """The bins at which the shares are reached. Looks into one group only: cumulating all bins takes three times as long."""
    wanted = cumulated[:, -1:] * (np.array(ROLLOFF_PERCENTS, np.float32) / 100)
    frame, group = np.arange(len(magnitude))[:, None], np.argmax(cumulated[:, None] >= wanted[..., None], axis=2)
    within = magnitude.reshape(-1, _N_GROUPS, _GROUP)[frame, group].reshape(-1, _GROUP) @ _up_to(_GROUP)
    missing = (wanted - cumulated[frame, group]).reshape(-1, 1) + within[:, -1:]
    # The last bin of a group reaches what the group does, whatever rounding says.
    return group * _GROUP + (within[:, :-1] < missing).sum(axis=1).reshape(group.shape)


@cache
def _moments_and_groups() -> Float32s:
    """f, f^2 (from 0 to 1: in Hz the squares would cost float32 its digits), and 1 for the bins up to the end of each group."""
    f = np.linspace(0, 1, N_BINS)[:, None]
    return np.hstack([f, f**2, np.repeat(_up_to(_N_GROUPS), _GROUP, axis=0)]).astype(np.float32)


@cache
def _up_to(n: int) -> Float32s:
    """A product with this cumulates rows, as np.cumsum would in five times the time."""
    return np.triu(np.ones((n, n), np.float32))


def _noisiness(power: Float32s) -> dict[str, Float32s]:
    """Overwrites the power: a new array would cost more than what is done with it."""
    audible = np.maximum(power, np.float32(TINY), out=power)
    logarithm, ones = np.log(audible), np.ones(N_BINS, np.float32)
    total = audible @ ones
    return {
        "flatness": np.exp(logarithm @ ones / N_BINS) * N_BINS / total,
        "entropy": (np.log(total) - np.vecdot(audible, logarithm) / total) / np.log(np.float32(N_BINS)),
    }


def _ranked(magnitude: Float32s) -> dict[str, Float32s]:
    ranked = magnitude.copy()
    for bins, _ in filterbanks.contrast_bands(SAMPLE_RATE_HZ, FRAME):
        ranked[:, bins].sort(axis=1)
    valleys_and_peaks = ranked @ _ends_of_bands()
    return {"valleys": valleys_and_peaks[:, ::2], "peaks": valleys_and_peaks[:, 1::2]}


@cache
def _ends_of_bands() -> Float32s:
    """Weights that average the lowest, then the highest of the bins of each band, once these are sorted."""
    bands = filterbanks.contrast_bands(SAMPLE_RATE_HZ, FRAME)
    weights = np.zeros((N_BINS, 2 * len(bands)), np.float32)
    for i, (bins, n_ranked) in enumerate(bands):
        weights[bins, 2 * i][:n_ranked] = weights[bins, 2 * i + 1][-n_ranked:] = 1 / n_ranked
    return weights
