"""Waveforms (mono, 16 kHz) with known answers, for tests of features."""

import numpy as np

from modeling.core.audio import SAMPLE_RATE_HZ as RATE_HZ


def tone(hz: float, amplitude: float = 0.5, seconds: float = 10) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def noise(rms: float, seconds: float = 10, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, rms, int(seconds * RATE_HZ)).astype(np.float32)


def pulses(bpm: float, seconds: float = 30, *, hz: float | None = None) -> np.ndarray:
    """Hits of a tenth of a second, of noise or of a tone."""
    hit = tone(hz, seconds=0.1) if hz else noise(0.3, 0.1, seed=0)
    hit = hit * np.exp(-np.arange(len(hit)) / 300).astype(np.float32)
    wave = np.zeros(int(seconds * RATE_HZ), np.float32)
    for at_s in np.arange(0, seconds - 0.2, 60 / bpm):
        wave[int(at_s * RATE_HZ) :][: len(hit)] += hit
    return wave


def everything() -> np.ndarray:
    """Ten seconds that have pulses, two chords, a swell and noise."""
    swell = np.linspace(0.2, 1, 10 * RATE_HZ).astype(np.float32)
    chords = np.where(swell < 0.6, tone(220) + tone(277.2), tone(196) + tone(247))
    return 0.3 * swell * chords + pulses(126, 10) + noise(0.01)
