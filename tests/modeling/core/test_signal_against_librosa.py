"""Every descriptor that librosa has, frame by frame against librosa's own function; loudness against pyloudnorm."""

import librosa
import numpy as np
import pyloudnorm
import pytest
from scipy.signal import resample_poly

from modeling.core import audio, decoding, filterbanks, loudness, rhythm, timbre, tonality
from modeling.core.analysis import Analysis
from modeling.core.signal_columns import COLUMNS
from modeling.core.signal_features import describe
from modeling.core.spectra import FRAME, HOP, N_MELS
from tests.audio_signals import RATE_HZ, everything, noise, pulses, tone

f = librosa.feature
STFT = {"n_fft": FRAME, "hop_length": HOP}
RATED = {"sr": RATE_HZ, **STFT}
FRAMED = {"frame_length": FRAME, "hop_length": HOP}
REAL_CLIPS = ("036_speed.ogg", "010_Evening_Fall_Harp.ogg")


@pytest.fixture(scope="module", params=["synthetic", *REAL_CLIPS])
def clip(request):
    if request.param == "synthetic":
        return everything()
    path = request.getfixturevalue("shared_data") / "music" / request.param
    return audio.feature_window(decoding.load(path).waveform)


@pytest.fixture(scope="module")
def analysis(clip):
    return Analysis(clip)


def assert_equal(found, expected, tolerance=1e-5):
    """To within that share of the largest value: same definitions, other order of float32 operations."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def named(analysis):
    return dict(zip((column.name for column in COLUMNS), describe(analysis).tolist(), strict=True))


def test_descriptors_of_the_spectrum_are_those_of_librosa(clip, analysis):
    found = analysis.spectra

    assert_equal(found.centroid_hz, f.spectral_centroid(y=clip, **RATED)[0])
    assert_equal(found.bandwidth_hz, f.spectral_bandwidth(y=clip, **RATED)[0])
    assert_equal(found.flatness, f.spectral_flatness(y=clip, **STFT)[0], 1e-3)  # has the rounding noise of empty bins
    assert_equal(timbre.contrast_db(analysis).T, f.spectral_contrast(y=clip, **RATED)[:6], 1e-2)
    assert_equal(tonality.pitch_classes(analysis), f.chroma_stft(y=clip, tuning=0.0, **RATED))


@pytest.mark.parametrize(("i", "share"), [(0, 0.85), (1, 0.95)])
def test_rolloffs_are_those_of_librosa(i, share, clip, analysis):
    expected = f.spectral_rolloff(y=clip, roll_percent=share, **RATED)[0]

    # It cumulates 513 bins in float32, which can miss by a bin of 15.6 Hz.
    assert np.abs(analysis.spectra.rolloff_hz[:, i] - expected).max() <= RATE_HZ / FRAME
    assert np.mean(analysis.spectra.rolloff_hz[:, i] == expected) > 0.99


def test_mel_bands_cepstra_and_their_slopes_are_those_of_librosa(clip, analysis):
    mel = f.melspectrogram(y=clip, n_mels=N_MELS, **RATED)
    mfcc = f.mfcc(y=clip, n_mfcc=20, n_mels=N_MELS, **RATED)

    assert_equal(analysis.spectra.mel.T, mel)
    assert_equal(analysis.mel_db.T, librosa.power_to_db(mel, top_db=80), 1e-4)
    assert_equal(timbre.cepstra(analysis), mfcc)
    assert_equal(timbre.slopes(timbre.cepstra(analysis)), f.delta(mfcc))


def test_onset_strength_onsets_and_tempo_are_those_of_librosa(clip, analysis):
    strength = librosa.onset.onset_strength(y=clip, n_mels=N_MELS, **RATED)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=RATE_HZ, hop_length=HOP, **rhythm.PEAK_PICKING)
    tempogram = f.tempogram(onset_envelope=strength, sr=RATE_HZ, hop_length=HOP, win_length=rhythm.TEMPOGRAM_FRAMES)
    tempo = f.tempo(onset_envelope=strength, sr=RATE_HZ, hop_length=HOP)

    assert_equal(analysis.onset_strength, strength)
    assert rhythm.detect_onsets(analysis.onset_strength).tolist() == onsets.tolist()
    assert_equal(rhythm.mean_tempogram(analysis.onset_strength), tempogram.mean(axis=1))
    assert 60 * RATE_HZ / HOP / rhythm.tempo_lag(analysis.onset_strength) == pytest.approx(tempo.item())


def test_flux_is_librosas_onset_strength_of_magnitudes(clip, analysis):
    # Which is a mean over the bins, two frames later.
    expected = librosa.onset.onset_strength(S=np.abs(librosa.stft(clip, **STFT)), **RATED)[2:]

    assert_equal(analysis.spectra.rise[1:-1].sum(axis=1) / (FRAME // 2 + 1), expected)


def test_rms_and_zero_crossings_are_those_of_librosa_at_the_edges_too(clip, analysis):
    found = named(analysis)
    rms = f.rms(y=clip, **FRAMED)

    assert (found["rms_mean"], found["rms_std"]) == pytest.approx((rms.mean(), rms.std()), rel=1e-5)
    assert_equal(timbre.zero_crossing_rate(analysis), f.zero_crossing_rate(clip, **FRAMED)[0])


def test_columns_are_means_and_spreads_of_these_series():
    clip = everything()
    found = named(Analysis(clip))
    series = {
        "centroid_hz": f.spectral_centroid(y=clip, **RATED),
        "bandwidth_hz": f.spectral_bandwidth(y=clip, **RATED),
        "rolloff_85_hz": f.spectral_rolloff(y=clip, roll_percent=0.85, **RATED),
        "rolloff_95_hz": f.spectral_rolloff(y=clip, roll_percent=0.95, **RATED),
        "flatness": f.spectral_flatness(y=clip, **STFT),
        "contrast_800_1600_db": f.spectral_contrast(y=clip, **RATED)[3],
        "zero_crossing_rate": f.zero_crossing_rate(clip, **FRAMED),
        "mfcc_03": f.mfcc(y=clip, n_mfcc=20, n_mels=N_MELS, **RATED)[3],
        "chroma_d_sharp": f.chroma_stft(y=clip, tuning=0.0, **RATED)[3],
    }

    for name, values in series.items():
        assert found[f"{name}_mean"] == pytest.approx(values.mean(), rel=1e-3, abs=1e-4), name
        assert found[f"{name}_std"] == pytest.approx(values.std(), rel=1e-3, abs=1e-4), name


def test_filterbanks_are_those_of_librosa():
    mel = librosa.filters.mel(sr=RATE_HZ, n_fft=FRAME, n_mels=N_MELS)

    np.testing.assert_allclose(filterbanks.mel(RATE_HZ, FRAME, n_bands=N_MELS).T, mel, atol=1e-6)
    for n_fft in (FRAME, 8192):
        chroma = librosa.filters.chroma(sr=RATE_HZ, n_fft=n_fft)
        np.testing.assert_allclose(filterbanks.chroma(RATE_HZ, n_fft).T, chroma, atol=1e-5)


def test_loudness_is_pyloudnorms_within_a_tenth_of_a_lu(clip):
    meter = pyloudnorm.Meter(RATE_HZ)

    for gain in (1.0, 0.05):
        expected = meter.integrated_loudness(gain * clip.astype(np.float64))
        assert loudness.integrated_loudness(Analysis(np.float32(gain) * clip)) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("waveform", "tolerance_lu"),
    [
        (tone(1000), 0.1),
        (noise(0.1), 0.1),
        (np.concatenate([noise(0.001), noise(0.1)]), 0.1),
        # Hits that start exactly where blocks do: frames of 64 ms let a little of them into the block before.
        (pulses(60, 10) + noise(1e-4), 1.1),
    ],
    ids=["sine", "noise", "quiet, then loud", "hits on the edges of blocks"],
)
def test_loudness_of_hard_cases_is_near_pyloudnorms(waveform, tolerance_lu):
    expected = pyloudnorm.Meter(RATE_HZ).integrated_loudness(waveform.astype(np.float64))

    assert loudness.integrated_loudness(Analysis(waveform)) == pytest.approx(expected, abs=tolerance_lu)


def test_the_loudness_range_is_pyloudnorms_of_the_clip_alone(clip, analysis):
    meter = pyloudnorm.Meter(RATE_HZ)
    meter._append_silence = lambda data, silence_duration_sec: data  # it would widen the range by up to 2 LU
    expected = meter.loudness_range(clip.astype(np.float64))

    assert named(analysis)["loudness_range_lu"] == pytest.approx(expected, abs=0.2)


def test_the_true_peak_is_that_of_the_whole_clip_at_four_times_the_rate(clip, analysis):
    expected = 20 * np.log10(np.abs(resample_poly(clip, 4, 1)).max())
    found = named(analysis)

    assert found["true_peak_db"] == pytest.approx(expected, abs=0.01)
