"""The signal features: what level, dynamics, rhythm, timbre and harmony a clip has, from one shared STFT at 16 kHz.

The transfer convnet normalises every clip and cannot hear loudness: these columns carry it. Where librosa defines a
descriptor its definition is used, and tests hold each to it. `signal_columns.COLUMNS` names, describes and sources every
number; bump VERSION there when one of them changes its meaning. What it costs: `modeling.core.benchmarks.features`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modeling.core.analysis import Analysis
from modeling.core.loudness import level, loudness
from modeling.core.rhythm import rhythm
from modeling.core.timbre import bands, contrast, flux, mfcc, shape, zero_crossings
from modeling.core.tonality import chroma

_GROUPS = (level, loudness, rhythm, flux, bands, shape, contrast, zero_crossings, mfcc, chroma)
"""In the order of COLUMNS."""


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
    return describe(Analysis(waveform))


def describe(analysis: Analysis) -> NDArray[np.float32]:
    """The same of what has been analysed already."""
    return np.array([value for group in _GROUPS for value in group(analysis)], np.float32)
