"""The part of a waveform that features describe, and what they share of it, computed once, when first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.audio import SAMPLE_RATE_HZ, feature_window, lengthened
from modeling.core.spectra import FRAME, HOP, N_MELS, TINY, Spectra, spectra

MIN_SAMPLES = SAMPLE_RATE_HZ
"""Shorter waveforms are looped to one second: a tempo or a spread of two frames means nothing, but must not fail."""

_AUDIBLE_DB = 80.0
"""What lies further under the clip's maximum is raised to it, as by librosa.power_to_db: without it, the start of
near-silence would be the largest onset of a clip."""


class Analysis:
    """The loudest 30 s of a waveform (mono, 16 kHz), and what is derived from them.

    Hand one to every feature set of the same waveform: the spectra are most of the cost of each.

    Raises
    ------
    ValueError
        When something is asked of an empty waveform.
    """

    def __init__(self, waveform: NDArray[np.float32]) -> None:
        self.waveform = waveform

    @cached_property
    def clip(self) -> NDArray[np.float32]:
        return lengthened(feature_window(self.waveform), MIN_SAMPLES)

    @cached_property
    def hops(self) -> NDArray[np.float32]:
        """The clip between half a frame of zeros, shape (n_frames + 1, HOP): frame t is hops t and t + 1."""
        return self._padded[: len(self._padded) // HOP * HOP].reshape(-1, HOP)

    @cached_property
    def spectra(self) -> Spectra:
        return spectra(self._padded)

    @cached_property
    def mel_db(self) -> NDArray[np.float32]:
        """Mel bands in dB, at most 80 under the clip's maximum, shape (n_frames, N_MELS)."""
        db = decibels(self.spectra.mel)
        return np.maximum(db, db.max() - _AUDIBLE_DB)

    @cached_property
    def onset_strength(self) -> NDArray[np.float32]:
        """Mean rise of the mel bands in dB, shape (n_frames,), as librosa.onset.onset_strength of `mel_db`."""
        rise = np.maximum(self.mel_db[1:] - self.mel_db[:-1], 0)
        # Two frames later than the frame before: where the sound starts, not where a window first reaches it.
        return np.concatenate([np.zeros(2, np.float32), rise[:-1] @ np.full(N_MELS, 1 / N_MELS, np.float32)])

    @cached_property
    def _padded(self) -> NDArray[np.float32]:
        return np.pad(self.clip, FRAME // 2)


# Any: a scalar or an array, which the numpy stubs of our two Pythons type differently.
def decibels(power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, TINY))


def means_and_spreads(*series: NDArray[np.floating]) -> list[float]:
    """Mean and spread of each, one after the other.

    >>> means_and_spreads(np.array([1.0, 3.0]), np.array([5.0, 5.0]))
    [2.0, 1.0, 5.0, 0.0]
    """
    rows = np.stack(series)
    return np.stack([rows.mean(axis=1), rows.std(axis=1)], axis=1).ravel().tolist()


def percentiles(values: NDArray[np.floating], *percents: float) -> NDArray[np.float64]:
    """As np.percentile, which takes four times as long for a few hundred values.

    >>> percentiles(np.array([3.0, 1.0, 2.0]), 0, 75)
    array([1. , 2.5])
    """
    positions = np.asarray(percents) / 100 * (len(values) - 1)
    return np.interp(positions, np.arange(len(values)), np.sort(values))
