"""Estimates from audio of those of Spotify's features that can be estimated honestly, for tracks that have none.

They are never Spotify's own numbers, so they have a feature set and column names of their own, and training leaves them
alone: they say again what the signal features say. Loudness, tempo, key and mode are measured. Danceability and energy
are **proxies**: fixed formulas of what the words mean, fitted to nobody's labels. Speechiness, acousticness,
instrumentalness, liveness, valence and the time signature are not estimated: nothing simple here can tell them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modeling.core.analysis import Analysis
from modeling.core.loudness import integrated_loudness, loudness_spread_lu
from modeling.core.rhythm import comes_back, estimate_tempo_bpm
from modeling.core.spectra import FRAMES_PER_S
from modeling.core.tonality import estimate_key

_DANCE_TEMPO_BPM, _DANCE_SPREAD_OCTAVES = 120.0, 0.5
_LOUDNESS_RANGE_LUFS = (-40.0, -5.0)
_ONSET_RANGE_DB = (0.0, 2.5)
_BRIGHTNESS_RANGE_HZ = (250.0, 4000.0)
_SPREAD_RANGE_LU = (10.0, 0.0)


def describe(analysis: Analysis) -> NDArray[np.float32]:
    """Shape (len(spotify_columns.SPOTIFY_LIKE),), in their order, always finite."""
    tempo_bpm, key = estimate_tempo_bpm(analysis.onset_strength), estimate_key(analysis)
    return np.array(
        [
            integrated_loudness(analysis),
            tempo_bpm,
            key.tonic,
            key.is_major,
            key.confidence,
            danceability_proxy(analysis, tempo_bpm),
            energy_proxy(analysis),
        ],
        np.float32,
    )


def danceability_proxy(analysis: Analysis, tempo_bpm: float) -> float:
    """0..1: half for onsets that come back after a beat, 0.3 for bass that does, 0.2 for a tempo near 120 BPM.

    How loud the clip is does not matter. Without a pulse no tempo is a good one.
    """
    # After one beat or two: a backbeat comes on every second.
    beats = 60 * FRAMES_PER_S / tempo_bpm * np.array([1, 2])
    onsets = float(comes_back(analysis.onset_strength, beats).max())
    bass = float(comes_back(analysis.spectra.rise[1:, 0], beats).max())
    suits = np.exp(-0.5 * (np.log2(tempo_bpm / _DANCE_TEMPO_BPM) / _DANCE_SPREAD_OCTAVES) ** 2)
    return float(0.5 * onsets + 0.3 * bass + 0.2 * suits * min(2 * onsets, 1))


def energy_proxy(analysis: Analysis) -> float:
    """0..1: half for loudness, 0.25 for onsets, 0.15 for brightness, 0.1 for a steady level.

    Louder, denser or brighter never lowers it. Each part is linear between two ends and flat beyond them.
    """
    frame_power = analysis.spectra.bands.sum(axis=1)
    # Weighted by power: what lies in pauses is not heard.
    centroid_hz = float(frame_power @ analysis.spectra.centroid_hz / max(frame_power.sum(), 1e-10))
    return (
        0.5 * _between(integrated_loudness(analysis), _LOUDNESS_RANGE_LUFS)
        + 0.25 * _between(float(analysis.onset_strength.mean()), _ONSET_RANGE_DB)
        + 0.15 * _between(np.log2(max(centroid_hz, 1)), np.log2(_BRIGHTNESS_RANGE_HZ))
        + 0.1 * _between(loudness_spread_lu(analysis), _SPREAD_RANGE_LU)
    )


def _between(value: float, ends: tuple[float, float] | NDArray[np.float64]) -> float:
    """0 at the first end, 1 at the second.

    >>> _between(-12, (-16, -8)), _between(3, (10, 0)), _between(99, (0, 1))
    (0.5, 0.7, 1.0)
    """
    first, second = ends
    return float(np.clip((value - first) / (second - first), 0, 1))
