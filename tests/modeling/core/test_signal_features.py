"""Signal features of signals with known answers, and of degenerate input. Against librosa: test_signal_against_librosa."""

import numpy as np
import pytest

from modeling.core import decoding
from modeling.core.analysis import Analysis
from modeling.core.rhythm import estimate_tempo_bpm
from modeling.core.signal_columns import COLUMNS
from modeling.core.signal_features import signal_features
from tests.audio_signals import RATE_HZ, everything, noise, pulses, tone


def described(waveform: np.ndarray) -> dict[str, float]:
    names = [column.name for column in COLUMNS]
    return dict(zip(names, signal_features(waveform.astype(np.float32)).tolist(), strict=True))


def test_known_answers_of_a_sine():
    found = described(tone(1000, amplitude=0.5))

    assert found["rms_db"] == pytest.approx(-9.03, abs=0.01)
    assert found["peak_db"] == pytest.approx(-6.02, abs=0.01)
    assert found["crest_db"] == pytest.approx(3.01, abs=0.01)
    assert found["loudness_lufs"] == pytest.approx(-9.03, abs=0.1)
    assert found["band_1000_2000_db"] == pytest.approx(-9.03, abs=1.5)  # the window spreads it over the band's edge
    assert found["centroid_hz_mean"] == pytest.approx(1000, rel=0.01)
    assert found["zero_crossing_rate_mean"] == pytest.approx(2000 / RATE_HZ, rel=0.02)
    assert found["loudness_range_lu"] == pytest.approx(0, abs=0.1)
    assert (found["clipped_share"], found["quiet_share"]) == (0, 0)


def test_known_answers_of_white_noise():
    found = described(noise(0.1))

    assert found["rms_db"] == pytest.approx(-20, abs=0.1)
    assert found["centroid_hz_mean"] == pytest.approx(4000, rel=0.02)
    assert found["rolloff_85_hz_mean"] == pytest.approx(0.85 * 8000, rel=0.02)
    assert found["flatness_mean"] == pytest.approx(np.exp(-np.euler_gamma), rel=0.02)  # of exponential powers
    assert found["zero_crossing_rate_mean"] == pytest.approx(0.5, rel=0.02)
    assert found["band_4000_8000_share_db"] == pytest.approx(-3.01, abs=0.1)
    assert found["pulse_clarity"] < 0.3


def test_known_answers_of_silence():
    found = described(np.zeros(480_000))

    assert (found["rms_db"], found["peak_db"], found["true_peak_db"]) == (-100, -100, -100)
    assert found["quiet_share"] == 1
    assert found["loudness_lufs"] == pytest.approx(-100.69, abs=0.01)
    assert found["onset_rate_hz"] == found["onset_strength_max"] == found["pulse_clarity"] == 0
    assert all(found[f"flux_{band}_mean"] == 0 for band in ("full", "low", "high"))


def test_a_chord_shows_its_pitch_classes():
    found = described(tone(261.6, 0.3) + tone(329.6, 0.3) + tone(392.0, 0.3))  # C E G

    by_class = {name[7:-5]: value for name, value in found.items() if name[:7] == "chroma_" and name[-5:] == "_mean"}
    assert set(sorted(by_class, key=by_class.__getitem__)[-3:]) == {"c", "e", "g"}


def test_a_crescendo_has_range_and_a_steady_tone_has_none():
    swell = 10 ** (np.linspace(-40, 0, 30 * RATE_HZ) / 20)  # 40 dB in 30 s
    steady, growing = described(tone(1000, seconds=30)), described(swell * tone(1000, seconds=30))

    # Loudness of 3 s ends 1.9 LU under the end and has its mean power 11.0 under it; 20 LU under that counts.
    assert growing["loudness_range_lu"] == pytest.approx(0.85 * (11.0 + 20 - 1.9), abs=0.3)
    assert growing["level_range_db"] == pytest.approx(0.85 * 40, abs=0.5)
    assert growing["dynamic_complexity_lu"] > 5 > 0.1 > steady["dynamic_complexity_lu"]


def test_between_samples_a_wave_can_be_higher_than_any_of_them():
    """A quarter of the rate, between its samples' phases: every sample is 3 dB under the crest."""
    wave = np.sin(np.pi / 2 * np.arange(2 * RATE_HZ) + np.pi / 4)

    found = described(0.5 * wave)

    assert found["peak_db"] == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.01)
    assert found["true_peak_db"] == pytest.approx(20 * np.log10(0.5), abs=0.2)


def test_clipped_samples_are_counted():
    assert described(np.clip(2 * tone(440, 1.0), -1, 1))["clipped_share"] == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize("bpm", [72, 96, 128, 174])
def test_regular_pulses_are_found_with_their_tempo(bpm):
    found = described(pulses(bpm))

    # A beat is a whole number of 32 ms: a tempo is known to half of that; 174 may be heard as 87.
    half_a_frame = 0.016 * found["tempo_bpm"] / 60
    assert min(abs(found["tempo_bpm"] / bpm - factor) for factor in (0.5, 1)) < half_a_frame * 1.01
    assert found["pulse_clarity"] > 0.5
    assert found["onset_rate_hz"] == pytest.approx(bpm / 60, rel=0.1)


@pytest.mark.parametrize("bpm", [60, 72, 87, 100, 120.5, 128, 150])
def test_the_estimated_tempo_is_finer_than_a_frame_and_of_the_right_octave(bpm):
    assert estimate_tempo_bpm(Analysis(pulses(bpm)).onset_strength) == pytest.approx(bpm, rel=0.005)


def test_level_features_follow_gain_and_shape_features_do_not():
    loud, quiet = described(everything()), described(0.1 * everything())

    for name in ("rms_db", "peak_db", "true_peak_db", "loudness_lufs", "level_p50_db", "band_250_500_db"):
        assert loud[name] - quiet[name] == pytest.approx(20, abs=0.1), name
    for name in (
        *("centroid_hz_mean", "tempo_bpm", "onset_rate_hz", "chroma_a_mean", "crest_db", "loudness_range_lu"),
        *("onset_strength_mean", "mfcc_01_mean", "pulse_clarity", "contrast_800_1600_db_mean"),
    ):
        assert loud[name] == pytest.approx(quiet[name], rel=0.01, abs=0.01), name


def test_of_a_long_waveform_the_loudest_thirty_seconds_are_described():
    quiet, loud = noise(0.001, 20), noise(0.1, 30)

    assert signal_features(np.concatenate([quiet, loud, quiet])).tolist() == signal_features(loud).tolist()


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(480_000),
        np.zeros(10),
        np.full(480_000, 1e-12),
        np.ones(16_000),
        np.array([0.5]),
        noise(0.1)[:700],
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


@pytest.mark.parametrize("n_samples", [16_000, 16_001, 16_383, 16_384, 65_536, 65_537, 131_071])
def test_every_length_has_features(n_samples):
    """Lengths around multiples of a hop, a frame and the block of frames that are computed at once."""
    assert np.isfinite(signal_features(noise(0.1, 9)[:n_samples])).all()


def test_an_empty_waveform_is_refused():
    with pytest.raises(ValueError, match="empty"):
        signal_features(np.empty(0, np.float32))


def test_formats_of_one_clip_have_the_same_features(shared_data):
    """The level within 0.5 dB, the loudness within 0.5 LU and the tempo within 2 %, for mp3, m4a and opus alike."""
    reference, *others = (
        described(decoding.load(shared_data / f"formats/060_Apple_Cider.{suffix}").waveform)
        for suffix in ("mp3", "m4a", "opus")
    )
    for other in others:
        for name, tolerance in (("rms_db", 0.5), ("loudness_lufs", 0.5), ("level_p50_db", 0.5), ("onset_rate_hz", 0.5)):
            assert other[name] == pytest.approx(reference[name], abs=tolerance), name
        assert other["tempo_bpm"] == pytest.approx(reference["tempo_bpm"], rel=0.02)
        assert other["centroid_hz_mean"] == pytest.approx(reference["centroid_hz_mean"], rel=0.1)
