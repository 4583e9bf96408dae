"""Mel bands, pitch classes, octave bands and K-weighting as matrices on power spectra, each computed once a process."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import freqz

from modeling.core.signal_columns import BAND_EDGES_HZ, CONTRAST_EDGES_HZ, FLUX_EDGES_HZ

# Biquads of BS.1770-4 (shelf, then high pass), given for 48 kHz; we only use their response in Hz, valid at any rate.
_K_WEIGHTING = (
    ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585]),
    ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]),
)
_K_WEIGHTING_RATE_HZ = 48_000


@cache
def side_by_side(rate_hz: int, n_fft: int, *, n_mels: int) -> tuple[NDArray[np.float32], dict[str, slice]]:
    """Every bank in one matrix, shape (n_fft // 2 + 1, n_filters), and the columns of each: one product costs half."""
    banks = {
        "mel": mel(rate_hz, n_fft, n_bands=n_mels),
        "chroma": chroma(rate_hz, n_fft),
        "bands": _bands(rate_hz, n_fft, edges_hz=BAND_EDGES_HZ),
        "k_weighted": k_weighting(rate_hz, n_fft)[:, None],
    }
    ends = np.cumsum([bank.shape[1] for bank in banks.values()]).tolist()
    columns = {name: slice(end - bank.shape[1], end) for (name, bank), end in zip(banks.items(), ends, strict=True)}
    return np.hstack(list(banks.values())), columns


@cache
def k_weighting(rate_hz: int, n_fft: int) -> NDArray[np.float32]:
    """Power response |H|^2 of BS.1770's K-weighting at each bin, shape (n_fft // 2 + 1,)."""
    hz = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
    responses = [freqz(b, a, worN=hz, fs=_K_WEIGHTING_RATE_HZ)[1] for b, a in _K_WEIGHTING]
    return (np.abs(np.prod(responses, axis=0)) ** 2).astype(np.float32)


@cache
def mel(rate_hz: int, n_fft: int, *, n_bands: int) -> NDArray[np.float32]:
    """Slaney's mel filters up to half the rate, as librosa.filters.mel(...).T: shape (n_fft // 2 + 1, n_bands)."""
    bins_hz = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(rate_hz / 2), n_bands + 2))
    distances, widths = edges_hz[:, None] - bins_hz, np.diff(edges_hz)[:, None]
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    area = 2 / (edges_hz[2:] - edges_hz[:-2])
    return (np.maximum(0, np.minimum(rising, falling)) * area[:, None]).T.astype(np.float32)


@cache
def chroma(rate_hz: int, n_fft: int) -> NDArray[np.float32]:
    """Gaussian filters around the pitch classes C to B, as librosa.filters.chroma(...).T: (n_fft // 2 + 1, 12)."""
    hz = np.arange(1, n_fft) * rate_hz / n_fft
    semitones = 12 * np.log2(hz / (440 / 16))
    semitones = np.concatenate([[semitones[0] - 18], semitones])  # bin 0 has no pitch: 1.5 octaves below bin 1
    widths = np.concatenate([np.maximum(np.diff(semitones), 1), [1]])
    distances = np.remainder(semitones - np.arange(12)[:, None] + 126, 12) - 6
    weights = np.exp(-0.5 * (2 * distances / widths) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-0.5 * ((semitones / 12 - 5) / 2) ** 2)  # centred on octave 5, two octaves wide
    return np.roll(weights, -3, axis=0)[:, : n_fft // 2 + 1].T.astype(np.float32)


@cache
def flux_bands(rate_hz: int, n_fft: int) -> NDArray[np.float32]:
    """Low, middle and high: shape (n_fft // 2 + 1, 3)."""
    return _bands(rate_hz, n_fft, edges_hz=FLUX_EDGES_HZ)


@cache
def contrast_bands(rate_hz: int, n_fft: int) -> tuple[tuple[slice, int], ...]:
    """The octaves up to 6,400 Hz of librosa.feature.spectral_contrast: bins, and how many of them are a peak or a valley.

    Its last octave is left out: at 16 kHz the resampler has emptied it, and its weakest bins are rounding noise.
    """
    hz = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
    bands = []
    for low, high in pairwise(CONTRAST_EDGES_HZ):
        first, last = np.flatnonzero((hz >= low) & (hz <= high))[[0, -1]].tolist()
        first -= low > 0  # each starts a bin early,
        bands.append((slice(first, last), max(round(0.02 * (last + 1 - first)), 1)))  # and only counts its last bin
    return tuple(bands)


def _bands(rate_hz: int, n_fft: int, *, edges_hz: tuple[int, ...]) -> NDArray[np.float32]:
    """1 where a bin lies in a band: shape (n_fft // 2 + 1, n_bands). A bin on an edge belongs to the band above it,
    the last bin to the last band."""
    hz = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
    edges = np.array([*edges_hz[:-1], np.inf])
    return ((hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
