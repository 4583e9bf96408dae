"""Real sound for tests: what a browser can play and seek in."""

import wave
from pathlib import Path

import numpy as np
from django.conf import settings

from tests.factories import TrackFactory

SAMPLE_RATE_HZ = 8_000


def write_tone(path: Path, *, duration_s: float, frequency_hz: float = 440.0) -> None:
    """A sine tone as a WAV file: mono, 16 bit."""
    seconds = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    samples = (0.2 * 32_767 * np.sin(2 * np.pi * frequency_hz * seconds)).astype("<i2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())


def track_with_audio(**fields):
    """A track whose file can be played."""
    track = TrackFactory(**fields)
    write_tone(Path(settings.MEDIA_ROOT) / track.audio.name, duration_s=track.duration_s)
    return track
