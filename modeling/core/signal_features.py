"""The signal features: what level, dynamics, rhythm, timbre and harmony a clip has, from one shared STFT at 16 kHz.

The transfer convnet normalises every clip and cannot hear loudness: these columns carry it. Definitions are librosa's
(frame 1024, hop 512, periodic Hann, centred with zeros) wherever librosa has one, and tests hold them to it; librosa
itself is not imported, because it takes its STFT again for every descriptor: about 12 ms of CPU for all of this
against 80 one by one (see `modeling.core.benchmarks.features`).

Loudness is ITU-R BS.1770: its K-weighting is applied to the spectrum (its response at each bin) instead of to the
samples, which agrees with pyloudnorm to a few tenths of a LU.

`signal_columns.COLUMNS` names and describes every number; bump VERSION there when one of them changes its meaning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import savgol_filter

from modeling.core import filterbanks
from modeling.core.audio import SAMPLE_RATE_HZ, feature_window, lengthened
from modeling.core.signal_columns import BAND_EDGES_HZ, LEVEL_PERCENTILES, N_MFCC

FRAME, HOP = 1024, 512
_N_BINS, _N_MELS = FRAME // 2 + 1, 64
FRAMES_PER_S = SAMPLE_RATE_HZ / HOP
MIN_SAMPLES = SAMPLE_RATE_HZ
"""Shorter waveforms are looped to one second: a tempo or a spread of two frames means nothing, but must not fail."""

_TINY = 1e-10
"""Power under which a frame is silence (-100 dB), as librosa's `amin`."""

_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0  # BS.1770-4
_BLOCK, _BLOCK_STEP = 12, 3  # frames: 0.38 s every 0.1 s, for the standard's 0.4 s every 0.1 s
_SHORT_TERM = 94  # frames: 3 s
_TEMPO_RANGE_BPM = (40.0, 220.0)
_TEMPO_CENTRE_BPM, _TEMPO_SPREAD_OCTAVES = 120.0, 1.0  # the prior of librosa.feature.tempo
_ONSET_LOCAL, _ONSET_AROUND, _ONSET_RISE_DB = (
    3,
    13,
    1.0,
)  # frames (0.1 s, 0.4 s) and dB of mean mel rise above the surroundings


def signal_features(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe the loudest 30 s of a waveform.

    Parameters
    ----------
    waveform : shape (n_samples,), float32
        Mono, 16 kHz. Of more than 30 s the loudest 30 s are taken; less than 1 s is looped up to that length.

    Returns
    -------
    shape (len(signal_columns.COLUMNS),), float32
        In the order of COLUMNS, always finite.

    Raises
    ------
    ValueError
        If the waveform is empty.
    """
    clip = lengthened(feature_window(waveform), MIN_SAMPLES)
    power = _power_spectrogram(clip)
    mel_db = _decibels(power @ filterbanks.mel(SAMPLE_RATE_HZ, FRAME, n_bands=_N_MELS))
    values = [
        *_level(clip),
        *_loudness(power),
        *_rhythm(mel_db),
        *_flux(power),
        *_bands(power),
        *_shape(power),
        *_zero_crossings(clip),
        *_mfcc(mel_db),
        *_chroma(power),
    ]
    return np.array(values, np.float32)


def _power_spectrogram(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """|STFT|^2, shape (n_frames, 513), frame t centred on sample t * HOP, as librosa.stft does with its defaults."""
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(clip, FRAME // 2), FRAME)[::HOP]
    spectrum = scipy.fft.rfft(frames * hann, axis=1)
    return spectrum.real**2 + spectrum.imag**2


def _decibels(power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, _TINY))


def _db(power: float) -> float:
    return float(_decibels(np.asarray(power)))


def _halves(per_sample: NDArray[np.float32], *, reduce: np.ufunc = np.add) -> NDArray[np.float32]:
    """One number a hop; frame t is halves t and t + 1. Zeros before and after the clip, as for the STFT."""
    padded = np.pad(per_sample, FRAME // 2)
    return reduce.reduce(padded[: len(padded) // HOP * HOP].reshape(-1, HOP), axis=1)


def _level(clip: NDArray[np.float32]) -> list[float]:
    squares, magnitudes = clip * clip, np.abs(clip)
    halves, highest = _halves(squares), _halves(magnitudes, reduce=np.maximum)
    frame_power = (halves[:-1] + halves[1:]) / FRAME
    frame_peak = np.maximum(highest[:-1], highest[1:])
    rms, level_db = np.sqrt(frame_power), _decibels(frame_power)
    percentiles = np.percentile(level_db, LEVEL_PERCENTILES)
    whole_db, peak_db = _db(squares.mean(dtype=np.float64)), _db(float(magnitudes.max()) ** 2)
    return [
        whole_db,
        *percentiles,
        level_db.mean(),
        level_db.std(),
        percentiles[-1] - percentiles[1],
        rms.mean(),
        rms.std(),
        np.mean(rms < 0.5 * rms.mean()),
        np.mean(level_db < -50),
        peak_db,
        peak_db - whole_db,
        np.median(_decibels(frame_peak**2) - level_db),
        np.mean(magnitudes > 0.99),
        np.abs(np.diff(level_db)).mean(),
    ]


def _loudness(power: NDArray[np.float32]) -> list[float]:
    # Parseval for Hann frames: the sum of the squared window is 3/8 of its length; single-sided spectrum, hence the 2.
    frame_power = power @ filterbanks.k_weighting(SAMPLE_RATE_HZ, FRAME) * (2 / (FRAME * FRAME * 3 / 8))
    momentary = _running_mean(frame_power, _BLOCK)[::_BLOCK_STEP]
    short_term = _running_mean(frame_power, _SHORT_TERM)[::_BLOCK_STEP]
    integrated = _lufs(_gated(momentary, relative_lu=_RELATIVE_GATE_LU).mean())
    heard = _lufs(_gated(short_term, relative_lu=-20.0))  # EBU Tech 3342
    low, high = np.percentile(heard, [10, 95])
    return [
        integrated,
        _lufs(momentary.max()),
        _lufs(short_term.max()),
        high - low,
        np.abs(_lufs(momentary) - integrated).mean(),
    ]


# Any: a scalar or an array, which the numpy stubs of our two Pythons type differently.
def _lufs(power: Any) -> Any:
    return _decibels(power) - 0.691


def _gated(power: NDArray[np.float64], *, relative_lu: float) -> NDArray[np.float64]:
    """Blocks that count: over -70 LUFS, then over the mean of those plus relative_lu. All of them if none does."""
    loud = power[_lufs(power) > _ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return power
    return loud[_lufs(loud) > _lufs(loud.mean()) + relative_lu]


def _running_mean(values: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """Mean of each full stretch of that many frames; of everything if there are fewer."""
    width = min(width, len(values))
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.maximum(total[width:] - total[:-width], 0) / width


def _rhythm(mel_db: NDArray[np.float32]) -> list[float]:
    # 80 dB under the clip's maximum nothing is heard: without it, the start of near-silence is the largest onset.
    audible = np.maximum(mel_db, mel_db.max() - 80)
    strength = np.concatenate([[0.0], np.maximum(np.diff(audible, axis=0), 0).mean(axis=1)])
    onsets = _onsets(strength)
    intervals_s = np.diff(onsets) / FRAMES_PER_S
    return [
        strength.mean(),
        strength.std(),
        np.percentile(strength, 95),
        strength.max(),
        len(onsets) / (len(strength) / FRAMES_PER_S),
        intervals_s.std() if len(intervals_s) else 0.0,
        strength[onsets].mean() if len(onsets) else 0.0,
        *_tempo(strength),
    ]


def _onsets(strength: NDArray[np.float64]) -> NDArray[np.intp]:
    """Frames whose strength is the largest around and stands out of its surroundings."""
    largest = strength == maximum_filter1d(strength, 2 * _ONSET_LOCAL + 1)
    outstanding = strength > uniform_filter1d(strength, 2 * _ONSET_AROUND + 1) + _ONSET_RISE_DB
    return np.flatnonzero(largest & outstanding)


def _tempo(strength: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Tempo in BPM; autocorrelation at it, at half, at twice, and at its highest. Zeros without a pulse."""
    centred = strength - strength.mean()
    n = scipy.fft.next_fast_len(2 * len(centred))
    autocorrelation = scipy.fft.irfft(np.abs(scipy.fft.rfft(centred, n)) ** 2, n)[: len(centred)]
    if autocorrelation[0] < _TINY:
        return _TEMPO_CENTRE_BPM, 0.0, 0.0, 0.0, 0.0
    autocorrelation = np.maximum(autocorrelation / autocorrelation[0], 0)
    slowest, fastest = _TEMPO_RANGE_BPM
    lags = np.arange(int(60 * FRAMES_PER_S / fastest), min(int(60 * FRAMES_PER_S / slowest), len(centred) - 2) + 1)
    octaves = np.log2(60 * FRAMES_PER_S / lags / _TEMPO_CENTRE_BPM)
    best = int(lags[np.argmax(autocorrelation[lags] * np.exp(-0.5 * (octaves / _TEMPO_SPREAD_OCTAVES) ** 2))])
    bpm = 60 * FRAMES_PER_S / _vertex(autocorrelation, best)
    at = np.interp([best, 2 * best, best / 2], np.arange(len(autocorrelation)), autocorrelation)
    return bpm, *at.tolist(), float(autocorrelation[lags].max())


def _vertex(values: NDArray[np.float64], i: int) -> float:
    """Where the parabola through i - 1, i, i + 1 has its maximum: a frame is 32 ms, too coarse for fast tempi."""
    before, here, after = values[i - 1 : i + 2]
    bend = before - 2 * here + after
    return i + float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else float(i)


def _flux(power: NDArray[np.float32]) -> list[float]:
    magnitude = np.sqrt(power)
    rise = np.maximum(np.diff(magnitude, axis=0), 0)
    low, high = _bin(250), _bin(2000)
    values: list[float] = []
    for band in (slice(None), slice(0, low), slice(high, None)):
        flux = rise[:, band].sum(axis=1) / (FRAME / 2)  # a full-scale sine has magnitude FRAME / 4
        values += [flux.mean(), flux.std(), np.percentile(flux, 95)]
    return values


def _bands(power: NDArray[np.float32]) -> list[float]:
    edges = [_bin(hz) for hz in BAND_EDGES_HZ[:-1]]
    by_band = np.add.reduceat(power, edges, axis=1) * (2 / (FRAME * FRAME * 3 / 8))
    by_frame_db, mean = _decibels(by_band), by_band.mean(axis=0, dtype=np.float64)
    mean_db, total_db = _decibels(mean), _decibels(mean.sum())
    return np.stack([mean_db, mean_db - total_db, by_frame_db.std(axis=0)], axis=1).ravel().tolist()


def _bin(hz: float) -> int:
    """The first STFT bin at or over a frequency."""
    return -int(-hz * FRAME // SAMPLE_RATE_HZ)


def _shape(power: NDArray[np.float32]) -> list[float]:
    magnitude = np.sqrt(power)
    hz = np.arange(_N_BINS, dtype=np.float32) * (SAMPLE_RATE_HZ / FRAME)
    total = magnitude.sum(axis=1)
    sounding = np.maximum(total, np.finfo(np.float32).tiny)
    centroid = magnitude @ hz / sounding
    second_moment = magnitude @ hz**2 / sounding
    bandwidth = np.sqrt(np.maximum(second_moment - centroid**2, 0))
    cumulated = np.cumsum(magnitude, axis=1)
    rolloffs = [hz[np.argmax(cumulated >= share * cumulated[:, -1:], axis=1)] for share in (0.85, 0.95)]
    audible = np.maximum(power, _TINY)
    logarithm, power_sum = np.log(audible), audible.sum(axis=1)
    flatness = np.exp(logarithm.mean(axis=1)) / (power_sum / _N_BINS)
    entropy = (np.log(power_sum) - np.einsum("ij,ij->i", audible, logarithm) / power_sum) / np.log(_N_BINS)
    return _means_and_spreads(centroid, bandwidth, *rolloffs, flatness, entropy)


def _means_and_spreads(*series: NDArray[np.floating]) -> list[float]:
    return [value for one in series for value in (one.mean(dtype=np.float64), one.std(dtype=np.float64))]


def _zero_crossings(clip: NDArray[np.float32]) -> list[float]:
    # Of the frames wholly inside the clip: what librosa makes of its padded edges (copies of a sample) is an artefact.
    negative = clip < -_TINY
    crossings = np.concatenate([[False], negative[1:] != negative[:-1]])
    inside = len(clip) // HOP * HOP
    halves = crossings[:inside].reshape(-1, HOP).sum(axis=1)
    first = crossings[: inside - HOP : HOP]  # between a frame's first sample and the one before it
    return _means_and_spreads((halves[:-1] + halves[1:] - first) / FRAME)


def _mfcc(mel_db: NDArray[np.float32]) -> list[float]:
    audible = np.maximum(mel_db, mel_db.max() - 80)  # librosa.power_to_db's top_db
    coefficients = scipy.fft.dct(audible, axis=1, norm="ortho")[:, :N_MFCC]
    slopes = savgol_filter(coefficients[:, :13], 9, polyorder=1, deriv=1, axis=0, mode="interp")
    return np.concatenate([coefficients.mean(axis=0), coefficients.std(axis=0), slopes.std(axis=0)]).tolist()


def _chroma(power: NDArray[np.float32]) -> list[float]:
    raw = power @ filterbanks.chroma(SAMPLE_RATE_HZ, FRAME)
    chroma = raw / np.maximum(raw.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    change = np.abs(np.diff(chroma, axis=0)).mean()
    return [*chroma.mean(axis=0), *chroma.std(axis=0), float(change)]
