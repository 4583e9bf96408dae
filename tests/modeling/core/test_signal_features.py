"""Signal features against librosa and pyloudnorm, against signals with known answers, and on degenerate input."""

import os
from pathlib import Path

import librosa
import numpy as np
import pyloudnorm
import pytest

from modeling.core import audio, decoding, filterbanks
from modeling.core.signal_columns import COLUMNS
from modeling.core.signal_features import FRAME, HOP, signal_features

SHARED = Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[3] / "../shared/data"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent (set ENERGYAPP_SHARED_DATA)")
RATE_HZ = audio.SAMPLE_RATE_HZ
SETTINGS = {"n_fft": FRAME, "hop_length": HOP}


def described(waveform: np.ndarray) -> dict[str, float]:
    names = [column.name for column in COLUMNS]
    return dict(zip(names, signal_features(waveform.astype(np.float32)).tolist(), strict=True))


def tone(hz: float, amplitude: float = 0.5, seconds: float = 10) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)


def pulses(bpm: float, seconds: float = 30) -> np.ndarray:
    rng, wave = np.random.default_rng(0), np.zeros(int(seconds * RATE_HZ))
    hit = rng.normal(0, 0.3, 1600) * np.exp(-np.arange(1600) / 300)
    for at_s in np.arange(0, seconds - 0.2, 60 / bpm):
        wave[int(at_s * RATE_HZ) :][:1600] += hit
    return wave


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    """Ten seconds that have everything: pulses, two chords, a swell, noise."""
    swell = np.linspace(0.2, 1, 10 * RATE_HZ)
    chords = np.where(swell < 0.6, tone(220) + tone(277.2), tone(196) + tone(247))
    noise = np.random.default_rng(1).normal(0, 0.01, len(swell))
    return (0.3 * swell * chords + pulses(126, 10) + noise).astype(np.float32)


def test_there_are_162_columns_with_names_descriptions_and_units():
    assert len(COLUMNS) == len({column.name for column in COLUMNS}) == 162
    assert all(column.description and column.unit for column in COLUMNS)


def test_descriptors_equal_those_of_librosa(music):
    """Same definitions, other order of float32 operations: 0.1 % of the value, 1 % where bins are ranked (rolloff)."""
    f = librosa.feature
    expected = {
        "rms": (f.rms(y=music, frame_length=FRAME, hop_length=HOP), 1e-3),
        "centroid_hz": (f.spectral_centroid(y=music, sr=RATE_HZ, **SETTINGS), 1e-3),
        "bandwidth_hz": (f.spectral_bandwidth(y=music, sr=RATE_HZ, **SETTINGS), 1e-3),
        "rolloff_85_hz": (f.spectral_rolloff(y=music, sr=RATE_HZ, roll_percent=0.85, **SETTINGS), 1e-2),
        "rolloff_95_hz": (f.spectral_rolloff(y=music, sr=RATE_HZ, roll_percent=0.95, **SETTINGS), 1e-2),
        "flatness": (f.spectral_flatness(y=music, **SETTINGS), 1e-3),
        "zero_crossing_rate": (
            f.zero_crossing_rate(music, frame_length=FRAME, hop_length=HOP, center=False),
            1e-3,
        ),
    }
    found = described(music)

    for name, (series, tolerance) in expected.items():
        assert found[f"{name}_mean"] == pytest.approx(series.mean(), rel=tolerance), name
        assert found[f"{name}_std"] == pytest.approx(series.std(), rel=tolerance), name


def test_cepstra_and_chroma_equal_those_of_librosa(music):
    spectrum = np.abs(librosa.stft(music, **SETTINGS)) ** 2
    mel_db = librosa.power_to_db(librosa.feature.melspectrogram(S=spectrum, sr=RATE_HZ, n_mels=64), top_db=80)
    mfcc = librosa.feature.mfcc(S=mel_db, n_mfcc=20)
    chroma = librosa.feature.chroma_stft(S=spectrum, sr=RATE_HZ, tuning=0, n_chroma=12)
    found = described(music)

    def of(prefix, suffix):
        return [value for name, value in found.items() if name.startswith(prefix) and name.endswith(suffix)]

    deltas = librosa.feature.delta(mfcc[:13]).std(axis=1)
    np.testing.assert_allclose(of("mfcc", "_mean"), mfcc.mean(axis=1), atol=0.01)
    np.testing.assert_allclose(
        [v for n, v in found.items() if n[-4:] == "_std" and n[:4] == "mfcc" and "delta" not in n],
        mfcc.std(axis=1),
        atol=0.01,
    )
    np.testing.assert_allclose(of("mfcc", "_delta_std"), deltas, atol=0.01)
    np.testing.assert_allclose(of("chroma", "_mean"), chroma.mean(axis=1), atol=1e-3)
    np.testing.assert_allclose(of("chroma", "_std"), chroma.std(axis=1), atol=1e-3)


def test_filterbanks_equal_those_of_librosa():
    np.testing.assert_allclose(
        filterbanks.mel(RATE_HZ, FRAME, n_bands=64).T,
        librosa.filters.mel(sr=RATE_HZ, n_fft=FRAME, n_mels=64),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        filterbanks.chroma(RATE_HZ, FRAME).T, librosa.filters.chroma(sr=RATE_HZ, n_fft=FRAME), atol=1e-5
    )


def test_loudness_agrees_with_pyloudnorm(music):
    """Blocks of 0.38 s for 0.4 s, and the response of the 48 kHz filter itself: within 0.3 LU."""
    meter = pyloudnorm.Meter(RATE_HZ)
    for waveform in (music, 0.05 * music, np.concatenate([0.01 * music, music]), tone(1000)):
        expected = meter.integrated_loudness(np.asarray(waveform, np.float64))
        assert described(waveform)["loudness_lufs"] == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("bpm", [72, 96, 128, 174])
def test_the_tempo_of_regular_pulses_is_found(bpm):
    found = described(pulses(bpm))

    # 32 ms frames: a tempo is known to about 1.5 %; 174 may be heard as 87.
    assert min(abs(found["tempo_bpm"] / bpm - factor) for factor in (0.5, 1)) < 0.015
    assert found["pulse_clarity"] > 0.5
    assert found["onset_rate_hz"] == pytest.approx(bpm / 60, rel=0.1)


def test_known_answers_of_a_sine():
    found = described(tone(1000, amplitude=0.5))

    assert found["rms_db"] == pytest.approx(-9.03, abs=0.01)
    assert found["peak_db"] == pytest.approx(-6.02, abs=0.01)
    assert found["crest_db"] == pytest.approx(3.01, abs=0.01)
    assert found["band_1000_2000_db"] + 0 == pytest.approx(-9.03, abs=1.5)  # the window spreads it over the band's edge
    assert found["centroid_hz_mean"] == pytest.approx(1000, rel=0.01)
    assert found["clipped_share"] == 0


def test_level_features_follow_gain_and_shape_features_do_not(music):
    loud, quiet = described(music), described(0.1 * music)

    for name in ("rms_db", "peak_db", "loudness_lufs", "level_p50_db", "band_250_500_db"):
        assert loud[name] - quiet[name] == pytest.approx(20, abs=0.1), name
    for name in ("centroid_hz_mean", "tempo_bpm", "onset_rate_hz", "chroma_a_mean", "crest_db", "loudness_range_lu"):
        assert loud[name] == pytest.approx(quiet[name], rel=0.01, abs=0.01), name


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(480_000),
        np.zeros(10),
        np.full(480_000, 1e-12),
        np.ones(16_000),
        np.array([0.5]),
        np.random.default_rng(0).normal(0, 0.1, 700),
        np.eye(1, 480_000, 240_000)[0],
        8 * np.sign(tone(50)),
    ],
    ids=[
        "silence",
        "10 zeros",
        "nearly nothing",
        "constant",
        "one sample",
        "700 samples",
        "one click",
        "8 times full scale",
    ],
)
def test_degenerate_input_gives_finite_features(waveform):
    assert np.isfinite(signal_features(waveform.astype(np.float32))).all()


def test_an_empty_waveform_is_refused():
    with pytest.raises(ValueError, match="empty"):
        signal_features(np.empty(0, np.float32))


@needs_shared
def test_formats_of_one_clip_have_the_same_features():
    """The level within 0.5 dB, the loudness within 0.5 LU and the tempo within 2 %, for mp3, m4a and opus alike."""
    reference = described(decoding.load(SHARED / "formats/060_Apple_Cider.mp3").waveform)
    for suffix in ("m4a", "opus"):
        other = described(decoding.load(SHARED / f"formats/060_Apple_Cider.{suffix}").waveform)
        for name, tolerance in (("rms_db", 0.5), ("loudness_lufs", 0.5), ("level_p50_db", 0.5), ("onset_rate_hz", 0.5)):
            assert other[name] == pytest.approx(reference[name], abs=tolerance), (suffix, name)
        assert other["tempo_bpm"] == pytest.approx(reference["tempo_bpm"], rel=0.02), suffix
        assert other["centroid_hz_mean"] == pytest.approx(reference["centroid_hz_mean"], rel=0.1), suffix
