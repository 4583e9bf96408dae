"""Every format gives the same sound, and the same sound the same features."""

import os
from pathlib import Path

import numpy as np
import pytest

from modeling.core import convnet, convnet_weights
from modeling.core.audio import SAMPLE_RATE_HZ, duration_s
from modeling.core.decoding import load
from modeling.core.feature_sets import FEATURE_SETS
from tests.modeling.core.encoding import WRITERS, music, write

SHARED = Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[3] / "../shared/data"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent (set ENERGYAPP_SHARED_DATA)")
LOSSY = {"aac", "m4a", "m4a, index first", "mp3", "opus", "vorbis", "wav 8 bit"}
# The largest difference that a codec at 96 kbit/s makes to any signal feature of that unit, and a third more. The most
# are of contrast and MFCC, which measure the valleys of spectra, where codecs leave out most.
SIGNAL_TOLERANCE = {
    **{"dBFS": 1.5, "dBTP": 1.5, "dB": 7, "dB/frame": 0.4, "LUFS": 0.7, "LU": 0.1, "full scale": 0.07, "0..1": 0.03},
    **{"1/s": 0.2, "s": 0.01, "BPM": 0.1, "Hz": 150},
}
CLIPS = ("041_waterworks", "058_Battle_Theme_A", "060_Apple_Cider")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Three seconds, as they sound uncompressed."""
    return load(write(tmp_path_factory.mktemp("reference") / "music.wav", music(3), 48_000)).waveform


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation, sample by sample, over what both have."""
    a, b = a[: len(b)], b[: len(a)]
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_sound_in_the_same_place(tmp_path, reference, kind):
    path = tmp_path / "upload"
    WRITERS[kind](path, music(3), 48_000)

    recording = load(path)

    # Raw AAC cannot say what the encoder put before the sound: 1,024 samples at 48 kHz.
    lead = round(1_024 * SAMPLE_RATE_HZ / 48_000) if kind == "aac" else 0
    assert recording.damage == ""
    assert duration_s(recording.waveform) == pytest.approx(3, abs=0.05)
    assert likeness(recording.waveform[lead:], reference) > (0.98 if kind in LOSSY else 0.9999)


@pytest.mark.parametrize("n_channels", range(1, 9))
@pytest.mark.parametrize("kind", ["wav extensible", "flac 24 bit", "aiff", "vorbis", "opus"])
def test_up_to_eight_channels_are_averaged(tmp_path, kind, n_channels):
    samples = music(1.5, n_channels=n_channels)
    WRITERS[kind](tmp_path / "upload", samples, 48_000)

    waveform = load(tmp_path / "upload").waveform

    expected = load(write(tmp_path / "mono.wav", samples.mean(axis=1), 48_000)).waveform
    # Vorbis and Opus keep but the bass of the sixth channel of six, and of the last of seven or eight.
    assert likeness(waveform, expected) > (0.9 if kind in LOSSY else 0.9999)
    assert np.std(waveform) == pytest.approx(np.std(expected), rel=0.15)


@pytest.mark.parametrize(
    ("kind", "rate_hz"),
    [
        *(("wav 16 bit", rate_hz) for rate_hz in (8_000, 11_025, 16_000, 96_000, 176_400, 192_000)),
        *(("mp3", rate_hz) for rate_hz in (8_000, 12_000, 22_050, 32_000, 44_100)),
        *(("m4a", rate_hz) for rate_hz in (16_000, 32_000, 44_100, 96_000)),
        *(("vorbis", rate_hz) for rate_hz in (8_000, 22_050, 96_000)),
    ],
)
def test_sample_rates_keep_pitch_and_duration(tmp_path, kind, rate_hz):
    tone = 0.3 * np.sin(2 * np.pi * 1_000 * np.arange(2 * rate_hz) / rate_hz)
    WRITERS[kind](tmp_path / "upload", tone[:, None].astype(np.float32), rate_hz)

    waveform = load(tmp_path / "upload").waveform

    strongest_hz = np.argmax(np.abs(np.fft.rfft(waveform))) / duration_s(waveform)
    assert strongest_hz == pytest.approx(1_000, abs=1)
    assert duration_s(waveform) == pytest.approx(2, abs=0.1)


# ---- The same clips of real music, at about 96 kbit/s


@pytest.fixture(scope="module")
def clips():
    """Waveforms by clip and suffix, cut to the length that all formats of the clip have. The first is the reference."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for clip in CLIPS:
        formats = {path.suffix: load(path).waveform for path in sorted((SHARED / "formats").glob(f"{clip}.*"))}
        length = min(map(len, formats.values()))
        reference = ".wav" if ".wav" in formats else ".mp3"
        found[clip] = {suffix: formats[suffix][:length] for suffix in sorted(formats, key=lambda s: s != reference)}
    return found


@needs_shared
def test_formats_of_a_clip_lie_on_each_other(clips):
    for clip, (reference, *others) in ((clip, list(formats.values())) for clip, formats in clips.items()):
        for other in others:
            shifted = [likeness(other[max(shift, 0) :], reference[max(-shift, 0) :]) for shift in range(-20, 21)]
            assert np.argmax(shifted) == 20, clip
            assert max(shifted) > 0.98, clip


@needs_shared
def test_formats_of_a_clip_give_the_same_transfer_features(clips, tmp_path_factory):
    """Euclidean distance, relative: lossless 0.0001; lossy at most 0.34, where other clips lie at 0.84 and more.

    The net hears 80 dB below the loudest band, where codecs at 96 kbit/s leave little; at 320 kbit/s it is 0.01.
    """
    folder = tmp_path_factory.mktemp("models")
    convnet_weights.install(SHARED / "convnet/model_best.hdf5", folder)
    vectors = {
        clip: {suffix: convnet.transfer_features(waveform, folder=folder) for suffix, waveform in formats.items()}
        for clip, formats in clips.items()
    }

    for clip, formats in vectors.items():
        reference, *_ = formats.values()
        others = [vector for other, formats in vectors.items() if other != clip for vector in formats.values()]
        nearest = min(relative_distance(vector, reference) for vector in others)
        for suffix, vector in formats.items():
            distance = relative_distance(vector, reference)
            assert distance < (0.0002 if suffix in {".wav", ".flac"} else 0.4), (clip, suffix)
            assert distance < nearest / 2, (clip, suffix)


@needs_shared
def test_formats_of_a_clip_give_the_same_signal_features(clips):
    signal = FEATURE_SETS["signal"]
    tolerance = np.array([SIGNAL_TOLERANCE[column.unit] for column in signal.documentation])

    for clip, formats in clips.items():
        reference = signal.compute(next(iter(formats.values())))
        for suffix, waveform in formats.items():
            difference = np.abs(signal.compute(waveform) - reference)
            off = difference > (tolerance / 20 if suffix in {".wav", ".flac"} else tolerance)
            assert not off.any(), (clip, suffix, np.array(signal.columns)[off], difference[off])


def relative_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
