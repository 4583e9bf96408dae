"""How a clip sounds: where its spectrum lies, how noisy, how bright, how much of it moves."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from modeling.core.analysis import Analysis, decibels, means_and_spreads, percentiles
from modeling.core.signal_columns import N_DELTAS, N_MFCC
from modeling.core.spectra import FRAME, MEAN_SQUARE, N_MELS, TINY

_DELTA_REACH = 4  # frames on either side: the width of 9 of librosa.feature.delta


def flux(analysis: Analysis) -> list[float]:
    low, middle, high = analysis.spectra.rise[1:].T / (FRAME / 2)  # a full-scale sine has magnitude FRAME / 4
    return [
        value
        for band in (low + middle + high, low, high)
        for value in (band.mean(), band.std(), float(percentiles(band, 95)[0]))
    ]


def bands(analysis: Analysis) -> list[float]:
    by_band = analysis.spectra.bands * MEAN_SQUARE
    by_frame_db, mean = decibels(by_band), by_band.mean(axis=0, dtype=np.float64)
    mean_db, total_db = decibels(mean), decibels(mean.sum())
    return np.stack([mean_db, mean_db - total_db, by_frame_db.std(axis=0)], axis=1).ravel().tolist()


def shape(analysis: Analysis) -> list[float]:
    found = analysis.spectra
    return means_and_spreads(found.centroid_hz, found.bandwidth_hz, *found.rolloff_hz.T, found.flatness, found.entropy)


def contrast(analysis: Analysis) -> list[float]:
    return means_and_spreads(*contrast_db(analysis).T)


def contrast_db(analysis: Analysis) -> NDArray[np.float32]:
    """Strongest over weakest bins, shape (n_frames, 6), as the first octaves of librosa.feature.spectral_contrast."""
    peaks, valleys = (decibels(magnitude) for magnitude in (analysis.spectra.peaks, analysis.spectra.valleys))
    return np.maximum(peaks, peaks.max() - 80) - np.maximum(valleys, valleys.max() - 80)


def zero_crossings(analysis: Analysis) -> list[float]:
    return means_and_spreads(zero_crossing_rate(analysis))


def zero_crossing_rate(analysis: Analysis) -> NDArray[np.float32]:
    """As librosa.feature.zero_crossing_rate, which repeats the first and the last sample beyond the edges."""
    negative = analysis.clip < -TINY
    crossings = np.zeros(analysis.hops.shape, np.uint8)
    crossings.ravel()[FRAME // 2 + 1 :][: len(negative) - 1] = negative[1:] != negative[:-1]
    counts = np.add.reduce(crossings, axis=1, dtype=np.uint16)
    # A change between a frame's first sample and the one before it lies outside of the frame.
    return (counts[:-1] + counts[1:] - crossings[:-1, 0]) / np.float32(FRAME)


def mfcc(analysis: Analysis) -> list[float]:
    coefficients = cepstra(analysis)
    return [*coefficients.mean(axis=1), *coefficients.std(axis=1), *slopes(coefficients[:N_DELTAS]).std(axis=1)]


def cepstra(analysis: Analysis) -> NDArray[np.float32]:
    """Shape (N_MFCC, n_frames), as librosa.feature.mfcc."""
    cosines = scipy.fft.dct(np.eye(N_MELS, dtype=np.float32), axis=1, norm="ortho")[:, :N_MFCC]
    return np.ascontiguousarray((analysis.mel_db @ cosines).T)


def slopes(series: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of straight lines through 9 frames, as librosa.feature.delta: at the edges the first and the last line.

    >>> slopes(np.arange(10, dtype=np.float32)[None] * 2)[0, [0, 5, 9]]
    array([2., 2., 2.], dtype=float32)
    """
    n_lines = series.shape[1] - 2 * _DELTA_REACH
    lines = np.zeros((len(series), n_lines), np.float32)
    for k in range(1, _DELTA_REACH + 1):
        ahead, behind = series[:, _DELTA_REACH + k :][:, :n_lines], series[:, _DELTA_REACH - k :][:, :n_lines]
        lines += (ahead - behind) * np.float32(k / 60)  # 60 = 2 * (1 + 4 + 9 + 16)
    return np.pad(lines, ((0, 0), (_DELTA_REACH, _DELTA_REACH)), mode="edge")
