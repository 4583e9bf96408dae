"""Log-mel spectrograms: librosa's, in dB of full scale, always of one shape."""

import librosa
import numpy as np
import pytest
from scipy.io import wavfile

from modeling.core import audio, decoding, logmel
from modeling.core.analysis import Analysis
from modeling.core.logmel_columns import COLUMNS, FLOOR_DB, FRAMES_PER_STEP, N_BANDS, N_STEPS
from modeling.core.spectra import FRAME, HOP, MEAN_SQUARE, N_MELS
from tests.audio_signals import RATE_HZ, everything, noise, pulses, tone


def spectrogram(waveform):
    values = logmel.describe(Analysis(waveform))
    assert values.dtype == np.float32
    assert values.shape == (len(COLUMNS),)
    assert np.isfinite(values).all()
    return values.reshape(N_BANDS, N_STEPS)


@pytest.fixture(params=["synthetic", "036_speed.ogg", "010_Evening_Fall_Harp.ogg"])
def clip(request):
    if request.param == "synthetic":
        return everything()
    path = request.getfixturevalue("shared_data") / "music" / request.param
    return audio.feature_window(decoding.load(path).waveform)


def test_it_is_librosas_averaged_over_eight_frames(clip):
    power = librosa.feature.melspectrogram(y=clip, sr=RATE_HZ, n_fft=FRAME, hop_length=HOP, n_mels=N_MELS)

    found = spectrogram(clip)

    n_whole = power.shape[1] // FRAMES_PER_STEP - 1
    averaged = power[:, : n_whole * FRAMES_PER_STEP].reshape(N_BANDS, n_whole, FRAMES_PER_STEP).mean(axis=2)
    expected = np.maximum(librosa.power_to_db(averaged * MEAN_SQUARE, amin=1e-20, top_db=None), FLOOR_DB)
    np.testing.assert_allclose(found[:, :n_whole], expected, atol=0.01)


def test_columns_are_named_by_band_and_step():
    values = dict(zip((column.name for column in COLUMNS), logmel.describe(Analysis(pulses(120))), strict=True))

    found = spectrogram(pulses(120))

    assert values["logmel_00_000"] == found[0, 0]
    assert values["logmel_07_031"] == found[7, 31]
    assert values["logmel_63_116"] == found[63, 116]


def test_nothing_is_skipped_and_no_frame_is_counted_twice():
    """A click of 2 ms in each tenth of a second, and in the last: the power of all steps is that of the clip."""
    wave = np.zeros(30 * RATE_HZ, np.float32)
    for start in [*range(800, len(wave) - 3200, 1600), len(wave) - 800]:
        wave[start : start + 32] = noise(0.1, 0.002)
    frames = Analysis(wave).spectra.mel

    power = 10 ** (spectrogram(wave) / 10) / MEAN_SQUARE

    frames_of_steps = np.array([FRAMES_PER_STEP] * (N_STEPS - 1) + [len(frames) - FRAMES_PER_STEP * (N_STEPS - 1)])
    assert frames_of_steps[-1] == 10
    assert power @ frames_of_steps == pytest.approx(frames.sum(axis=0), rel=1e-3)


def test_white_noise_has_its_own_density_in_every_band_and_half_the_amplitude_is_6_db_less():
    density_db = 10 * np.log10(0.1**2 / (RATE_HZ / 2))

    loud, quiet = spectrogram(noise(0.1, 30)), spectrogram(noise(0.05, 30))

    assert loud.mean(axis=1) == pytest.approx(np.full(N_BANDS, density_db), abs=1)
    assert loud - quiet == pytest.approx(np.full(loud.shape, 20 * np.log10(2)), abs=0.01)


def test_a_tone_is_in_its_band_and_louder_than_full_scale_is_not_cut():
    found = spectrogram(tone(1000, amplitude=4, seconds=30))

    assert set(found.argmax(axis=0)) == {
        int(np.argmin(abs(librosa.mel_frequencies(N_BANDS + 2, fmax=8000) - 1000))) - 1
    }
    assert found.max() - spectrogram(tone(1000, amplitude=1, seconds=30)).max() == pytest.approx(12.04, abs=0.01)


@pytest.mark.parametrize("seconds", [0.1, 1, 5.3, 29.9, 30, 31, 95])
def test_every_length_has_the_same_shape_and_silence_after_its_end(seconds):
    found = spectrogram(noise(0.1, seconds))

    heard_s = min(max(seconds, 1), 30)
    # Frames are centred: the last one reaches half a frame beyond the end.
    n_steps = min(int(np.ceil((heard_s * RATE_HZ // HOP + 1) / FRAMES_PER_STEP)), N_STEPS)
    assert found[:, :n_steps].min() > FLOOR_DB
    assert np.all(found[:, n_steps:] == FLOOR_DB)


def test_silence_is_the_floor_everywhere():
    assert np.all(spectrogram(np.zeros(3 * RATE_HZ, np.float32)) == FLOOR_DB)


def test_of_a_long_track_the_loudest_part_is_described():
    loud = noise(0.1, 30)
    song = np.concatenate([noise(0.001, 30), loud, noise(0.001, 30)])

    assert np.array_equal(spectrogram(song), spectrogram(loud))


def test_stereo_is_mixed_down_like_for_all_other_sets(tmp_path):
    left, right = tone(300, 0.5, 4), noise(0.05, 4)
    wavfile.write(tmp_path / "stereo.wav", RATE_HZ, np.stack([left, right], axis=1))

    found = spectrogram(decoding.load(tmp_path / "stereo.wav").waveform)

    np.testing.assert_allclose(found, spectrogram((left + right) / 2), atol=0.01)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="empty waveform"):
        spectrogram(np.zeros(0, np.float32))
