"""Level, loudness, peaks and dynamics of a clip: what the transfer convnet, which normalises every clip, cannot hear.

Loudness is ITU-R BS.1770-4's. Its K-weighting is applied to the spectrum (the power response at each bin) rather than to
the samples, which would cost as much as a third of all features: within 0.1 LU of pyloudnorm on real music.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin

from modeling.core.analysis import Analysis, decibels, percentiles
from modeling.core.audio import SAMPLE_RATE_HZ
from modeling.core.signal_columns import LEVEL_PERCENTILES
from modeling.core.spectra import FRAME, HOP, MEAN_SQUARE

_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU, _RANGE_GATE_LU = -70.0, -10.0, -20.0  # BS.1770-4; EBU Tech 3342
_MOMENTARY_S, _SHORT_TERM_S, _STEP_S = 0.4, 3.0, 0.1
_OVERSAMPLING, _REACH, _N_LOUDEST = 4, 10, 16
"""The true peak is that of the 16 loudest hops: on real music the same as of all of them, at a fraction of the cost."""


def level(analysis: Analysis) -> list[float]:
    hops = analysis.hops
    energy, highest = np.vecdot(hops, hops), np.maximum(hops.max(axis=1), -hops.min(axis=1))
    frame_power = (energy[:-1] + energy[1:]) / FRAME
    frame_peak = np.maximum(highest[:-1], highest[1:])
    rms, level_db = np.sqrt(frame_power), decibels(frame_power)
    by_percent = percentiles(level_db, *LEVEL_PERCENTILES)
    whole_db = float(decibels(energy.sum(dtype=np.float64) / len(analysis.clip)))
    peak = float(highest.max())
    peak_db = float(decibels(peak**2))
    return [
        whole_db,
        *by_percent,
        level_db.mean(),
        level_db.std(),
        by_percent[-1] - by_percent[1],
        rms.mean(),
        rms.std(),
        np.mean(rms < 0.5 * rms.mean()),
        np.mean(level_db < -50),
        peak_db,
        float(decibels(max(peak, _true_peak(hops, highest)) ** 2)),
        peak_db - whole_db,
        np.median(decibels(frame_peak**2) - level_db),
        float(np.mean(np.abs(analysis.clip) > 0.99)) if peak > 0.99 else 0.0,
        np.abs(np.diff(level_db)).mean(),
    ]


def _true_peak(hops: NDArray[np.float32], highest: NDArray[np.float32]) -> float:
    """Highest |sample| at four times the rate, looked for where samples are highest already."""
    loudest = np.argsort(highest)[-_N_LOUDEST:, None]
    around = HOP * loudest + np.arange(-_REACH, HOP + _REACH)
    excerpts = hops.ravel()[np.clip(around, 0, hops.size - 1)]
    stretches = np.lib.stride_tricks.sliding_window_view(excerpts, 2 * _REACH, axis=1)
    return float(np.abs(stretches.reshape(-1, 2 * _REACH) @ _interpolators()).max())


@cache
def _interpolators() -> NDArray[np.float32]:
    """Of 20 samples in a row, the weights of the wave's value at four places between the middle two, (20, 4)."""
    # The filter of scipy.signal.resample_poly; its last tap is zero.
    taps = firwin(2 * _REACH * _OVERSAMPLING + 1, 1 / _OVERSAMPLING, window=("kaiser", 5.0))
    return (_OVERSAMPLING * taps[:-1].reshape(-1, _OVERSAMPLING)[::-1]).astype(np.float32)


def loudness(analysis: Analysis) -> list[float]:
    momentary, short_term = (_block_powers(analysis, seconds) for seconds in (_MOMENTARY_S, _SHORT_TERM_S))
    heard = lufs(_gated(short_term, relative_lu=_RANGE_GATE_LU))
    low, high = percentiles(heard, 10, 95)
    return [
        integrated_loudness(analysis),
        lufs(momentary.max()),
        lufs(short_term.max()),
        high - low,
        loudness_spread_lu(analysis),
    ]


def integrated_loudness(analysis: Analysis) -> float:
    """In LUFS, gated."""
    return float(lufs(_gated(_block_powers(analysis, _MOMENTARY_S), relative_lu=_RELATIVE_GATE_LU).mean()))


def loudness_spread_lu(analysis: Analysis) -> float:
    """Mean distance of the loudness of 0.4 s from the integrated loudness."""
    return float(np.abs(lufs(_block_powers(analysis, _MOMENTARY_S)) - integrated_loudness(analysis)).mean())


def _block_powers(analysis: Analysis, seconds: float) -> NDArray[np.float64]:
    """K-weighted mean square of the blocks that start every 0.1 s; of all there is in a clip shorter than a block."""
    width = min(round(seconds * SAMPLE_RATE_HZ), len(analysis.clip))
    starts = np.arange(0, len(analysis.clip) - width + 1, round(_STEP_S * SAMPLE_RATE_HZ))
    frame_power = analysis.spectra.k_weighted[:, 0] * MEAN_SQUARE
    # A frame stands for the hop around its centre; a block's edges lie anywhere in one.
    edges = HOP * np.arange(len(frame_power) + 1) - HOP // 2
    energy = np.concatenate([[0.0], np.cumsum(frame_power, dtype=np.float64)]) * HOP
    return (np.interp(starts + width, edges, energy) - np.interp(starts, edges, energy)) / width


def _gated(power: NDArray[np.float64], *, relative_lu: float) -> NDArray[np.float64]:
    """Blocks that count: over -70 LUFS, then over the mean of those plus relative_lu. All of them if none does."""
    loud = power[lufs(power) > _ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return power
    return loud[lufs(loud) > lufs(loud.mean()) + relative_lu]


# Any: a scalar or an array, which the numpy stubs of our two Pythons type differently.
def lufs(power: Any) -> Any:
    return decibels(power) - 0.691
