"""Sound in every format that can be uploaded, for tests of decoding."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np
import soundfile

Writer = Callable[[Path, np.ndarray, int], None]


def tone(seconds: float, *, rate_hz: int = 22_050, amplitude: float = 0.3) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def music(seconds: float, *, rate_hz: int = 48_000, n_channels: int = 2) -> np.ndarray:
    """Notes of a quarter of a second, different in each channel, over faint noise: shape (n_frames, n_channels)."""
    chance = np.random.default_rng(0)
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    note = (4 * time_s).astype(int)
    pitch_hz = chance.uniform(200, 2_000, (n_channels, note[-1] + 1))[:, note]
    envelope = np.exp(-6 * (4 * time_s - note))
    sound = 0.4 * envelope * np.sin(2 * np.pi * np.cumsum(pitch_hz, axis=1) / rate_hz)
    return (sound + 0.005 * chance.standard_normal(sound.shape)).T.astype(np.float32)


def write(path: Path, samples: np.ndarray, rate_hz: int = 22_050) -> Path:
    """A WAV file of float samples, whatever its name."""
    soundfile.write(path, samples, rate_hz, subtype="FLOAT", format="WAV")
    return path


def _by_libsndfile(path: Path, samples: np.ndarray, rate_hz: int, *, format: str, subtype: str) -> None:
    with soundfile.SoundFile(path, "w", rate_hz, samples.shape[1], subtype=subtype, format=format) as file:
        for start in range(0, len(samples), 4_096):  # libsndfile's Vorbis encoder crashes on long blocks
            file.write(samples[start : start + 4_096])


def _by_ffmpeg(
    path: Path, samples: np.ndarray, rate_hz: int, *, format: str, codec: str = "aac", **options: str
) -> None:
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(path, "w", format=format, options=options) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        stream.format = "s16p" if codec == "alac" else "fltp"
        for start in range(0, len(samples), 1_024):
            block = samples[start : start + 1_024].T
            if codec == "alac":
                block = (block * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format=stream.format.name, layout=layout)
            frame.sample_rate, frame.pts = rate_hz, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


WRITERS: dict[str, Writer] = {
    "wav 8 bit": partial(_by_libsndfile, format="WAV", subtype="PCM_U8"),
    "wav 16 bit": partial(_by_libsndfile, format="WAV", subtype="PCM_16"),
    "wav 24 bit": partial(_by_libsndfile, format="WAV", subtype="PCM_24"),
    "wav 32 bit": partial(_by_libsndfile, format="WAV", subtype="PCM_32"),
    "wav float": partial(_by_libsndfile, format="WAV", subtype="FLOAT"),
    "wav double": partial(_by_libsndfile, format="WAV", subtype="DOUBLE"),
    "wav extensible": partial(_by_libsndfile, format="WAVEX", subtype="PCM_24"),
    "wav rf64": partial(_by_libsndfile, format="RF64", subtype="PCM_16"),
    "aiff": partial(_by_libsndfile, format="AIFF", subtype="PCM_16"),
    "aifc": partial(_by_libsndfile, format="AIFF", subtype="FLOAT"),
    "caf": partial(_by_libsndfile, format="CAF", subtype="PCM_16"),
    "flac 16 bit": partial(_by_libsndfile, format="FLAC", subtype="PCM_16"),
    "flac 24 bit": partial(_by_libsndfile, format="FLAC", subtype="PCM_24"),
    "mp3": partial(_by_libsndfile, format="MP3", subtype="MPEG_LAYER_III"),
    "vorbis": partial(_by_libsndfile, format="OGG", subtype="VORBIS"),
    "opus": partial(_by_libsndfile, format="OGG", subtype="OPUS"),
    "m4a": partial(_by_ffmpeg, format="mp4"),
    "m4a, index first": partial(_by_ffmpeg, format="mp4", movflags="faststart"),
    "m4a, lossless": partial(_by_ffmpeg, format="mp4", codec="alac"),
    "aac": partial(_by_ffmpeg, format="adts"),
}
