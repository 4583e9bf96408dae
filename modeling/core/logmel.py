"""A clip as a small picture of its sound: 64 mel bands over 117 steps of a quarter of a second, for recipes that look at it.

A step is a mean of power, so nothing is skipped, but what comes faster than twice a second is not told apart any more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modeling.core.analysis import Analysis
from modeling.core.logmel_columns import FLOOR_DB, FRAMES_PER_STEP, N_BANDS, N_STEPS
from modeling.core.spectra import MEAN_SQUARE


def describe(analysis: Analysis) -> NDArray[np.float32]:
    """Shape (N_BANDS * N_STEPS,), band after band, in dB: 0 is a mean square of 1 (full scale) in every Hz of a band.

    Of the loudest 30 s. A shorter clip is followed by FLOOR_DB: it is not repeated, because a clip that ends is heard to
    end (only what is under 1 s is, by `Analysis.clip`).
    """
    power = analysis.spectra.mel * np.float32(MEAN_SQUARE)
    starts = np.arange(0, len(power), FRAMES_PER_STEP)[:N_STEPS]
    n_frames = np.diff(starts, append=len(power))
    mean_power = np.add.reduceat(power, starts, axis=0) / n_frames[:, None]
    spectrogram = np.full((N_BANDS, N_STEPS), FLOOR_DB, np.float32)
    spectrogram[:, : len(starts)] = 10 * np.log10(np.maximum(mean_power.T, 10 ** (FLOOR_DB / 10)))
    return spectrogram.ravel()
