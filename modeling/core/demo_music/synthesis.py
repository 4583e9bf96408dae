"""Instruments: notes and drum hits as short waveforms, and loops they are put into. All at RATE_HZ, mono, float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

RATE_HZ = 22_050
_TABLE_SIZE = 4096

Wave = NDArray[np.float32]


def note(midi: float, duration_s: float, *, brightness: float, decay_s: float, attack_s: float = 0.005) -> Wave:
    """One note, peak about 1: harmonics that fall off the faster the darker it is, under an attack and a decay.

    Parameters
    ----------
    midi : pitch, 69 = 440 Hz; fractions detune.
    brightness : 0 (nearly a sine) to 1 (nearly a sawtooth).
    decay_s : time constant of the decay; a large one makes a pad.
    """
    hz = 440 * 2 ** ((midi - 69) / 12)
    n = int((duration_s + 0.05) * RATE_HZ)
    phase = (np.arange(n) * (hz / RATE_HZ * _TABLE_SIZE)).astype(np.int64) & (_TABLE_SIZE - 1)
    return _cycle(hz, brightness)[phase] * _envelope(n, attack_s=attack_s, decay_s=decay_s)


def kick(rng: np.random.Generator, *, hardness: float) -> Wave:
    """A falling sine with a click on its start."""
    t = np.arange(int(0.3 * RATE_HZ)) / RATE_HZ
    body = np.sin(2 * np.pi * (48 * t + 4.5 * (1 - np.exp(-t / 0.035)))) * np.exp(-t / 0.11)
    click = rng.standard_normal(len(t)) * np.exp(-t / 0.003)
    return (body + 0.4 * hardness * click).astype(np.float32)


def snare(rng: np.random.Generator, *, hardness: float) -> Wave:
    """Noise over a short tone."""
    t = np.arange(int(0.25 * RATE_HZ)) / RATE_HZ
    rattle = rng.standard_normal(len(t)) * np.exp(-t / (0.04 + 0.05 * hardness))
    return (0.35 * rattle + 0.5 * np.sin(2 * np.pi * 187 * t) * np.exp(-t / 0.05)).astype(np.float32)


def hat(rng: np.random.Generator, *, open_s: float) -> Wave:
    """Noise without its low half."""
    n = int((0.03 + 4 * open_s) * RATE_HZ)
    hiss = np.diff(rng.standard_normal(n + 2), n=2)
    return (0.18 * hiss * np.exp(-np.arange(n) / (open_s * RATE_HZ))).astype(np.float32)


def silence(duration_s: float) -> Wave:
    return np.zeros(round(duration_s * RATE_HZ), np.float32)


def put(loop: Wave, wave: Wave, at_s: float, gain: float) -> None:
    """Add a wave to a loop at a time; what reaches over the end sounds on at its start."""
    start, wave = round(at_s * RATE_HZ) % len(loop), wave[: len(loop)]
    head = min(len(wave), len(loop) - start)
    loop[start : start + head] += gain * wave[:head]
    loop[: len(wave) - head] += gain * wave[head:]


def low_pass(wave: Wave, cutoff_hz: float) -> Wave:
    sections = butter(2, min(cutoff_hz, 0.45 * RATE_HZ), fs=RATE_HZ, output="sos").astype(np.float32)
    return sosfilt(sections, wave).astype(np.float32)


def drive(wave: Wave, amount: float) -> Wave:
    """Soft distortion: 0 leaves the wave alone, 1 squares it off. Keeps its rms."""
    if amount <= 0.02:
        return wave
    before = _rms(wave)
    shaped = np.tanh(wave * (8 * amount / max(before, 1e-6) * 0.35))
    return (shaped * (before / max(_rms(shaped), 1e-6))).astype(np.float32)


def master(wave: Wave, *, rms_db: float, fade_s: float = 0.5) -> Wave:
    """Bring a mix to a level (dBFS), rounding off peaks over 0.6, with a fade at both ends."""
    scaled = wave * np.float32(10 ** (rms_db / 20) / max(_rms(wave), 1e-6))
    # Under 0.85, because MP3 overshoots what it was given.
    beyond = np.maximum(np.abs(scaled) - 0.6, 0)
    limited = np.sign(scaled) * (np.minimum(np.abs(scaled), 0.6) + 0.25 * np.tanh(beyond / 0.25))
    n = min(int(fade_s * RATE_HZ), len(wave) // 4)
    fade = np.linspace(0, 1, n)
    limited[:n] *= fade
    limited[len(wave) - n :] *= fade[::-1]
    return limited.astype(np.float32)


def _cycle(hz: float, brightness: float) -> Wave:
    """One period as a table, without harmonics over 40 % of the rate (they would alias)."""
    harmonics = np.arange(1, max(2, min(48, int(0.4 * RATE_HZ / hz))))
    strength = harmonics ** -(1.05 + 2.5 * (1 - brightness))
    spectrum = np.zeros(_TABLE_SIZE // 2 + 1, np.complex128)
    spectrum[harmonics] = -1j * strength
    cycle = np.fft.irfft(spectrum, _TABLE_SIZE)
    return (cycle / np.abs(cycle).max()).astype(np.float32)


def _envelope(n: int, *, attack_s: float, decay_s: float) -> Wave:
    t = np.arange(n, dtype=np.float32) / RATE_HZ
    release = np.minimum((n / RATE_HZ - t) / 0.05, 1)  # the 50 ms that `note` adds
    return (np.minimum(t / attack_s, 1) * np.exp(-t / decay_s) * release).astype(np.float32)


def _rms(wave: Wave) -> float:
    return float(np.sqrt(np.mean(wave * wave, dtype=np.float64)))
