"""Estimates in place of Spotify's features: keys and tempi of pieces that are known, and proxies that keep their word."""

import csv
from functools import cache, partial

import numpy as np
import pytest
import soxr
from scipy.signal import butter, sosfilt
from scipy.stats import spearmanr

from modeling.core import decoding, tonality
from modeling.core.analysis import Analysis
from modeling.core.demo_music import composition
from modeling.core.demo_music.synthesis import RATE_HZ as DEMO_RATE_HZ
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.loudness import integrated_loudness
from modeling.core.rhythm import estimate_tempo_bpm
from modeling.core.spotify_like import danceability_proxy, energy_proxy
from modeling.core.tonality import estimate_key
from tests.audio_signals import RATE_HZ, everything, noise, pulses, tone

SPOTIFY_LIKE = FEATURE_SETS["spotify_like"]
MAJOR_SCALE, MINOR_SCALE = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)

KRUMHANSL_KESSLER = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)
TEMPERLEY = ((5, 2, 3.5, 2, 4.5, 4, 2, 4.5, 2, 3.5, 1.5, 4), (5, 2, 3.5, 4.5, 2, 4, 2, 4.5, 3.5, 2, 1.5, 4))


def estimated(waveform: np.ndarray) -> dict[str, float]:
    return dict(zip(SPOTIFY_LIKE.columns, SPOTIFY_LIKE.compute(waveform).tolist(), strict=True))


def energy(waveform: np.ndarray) -> float:
    return energy_proxy(Analysis(waveform))


def danceability(waveform: np.ndarray) -> float:
    analysis = Analysis(waveform)
    return danceability_proxy(analysis, estimate_tempo_bpm(analysis.onset_strength))


# ---- Names


def test_nobody_can_take_an_estimate_for_spotifys_own():
    assert not set(SPOTIFY_LIKE.columns) & set(FEATURE_SETS["spotify"].columns)
    assert all(name.endswith(("_estimate", "_proxy", "_confidence")) for name in SPOTIFY_LIKE.columns)
    assert SPOTIFY_LIKE.key == "spotify_like@1"
    assert not SPOTIFY_LIKE.used_in_training


# ---- Key


@cache
def note(midi: int, seconds: float, tilt: float) -> np.ndarray:
    t, hz = np.arange(int(seconds * RATE_HZ)) / RATE_HZ, 440 * 2 ** ((midi - 69) / 12)
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k**tilt for k in range(1, 7) if hz * k < 7500)
    return wave * np.exp(-2 * t) * np.minimum(1, t / 0.01)


def piece(tonic: int, is_major: bool, seed: int) -> np.ndarray:
    """Eight chords with their bass, a melody that strays through the scale, drums, and noise 5 dB under all that."""
    rng = np.random.default_rng([tonic, is_major, seed])
    scale = MAJOR_SCALE if is_major else MINOR_SCALE
    chords = [(0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3)] if is_major else [(0, 3, 4, 0), (0, 5, 6, 0), (0, 3, 0, 4)]
    degrees, tilt, wave = chords[rng.integers(3)], rng.choice([0.8, 1.2, 1.6]), np.zeros(8 * RATE_HZ)

    def pitch(degree: int) -> int:
        return 48 + tonic + scale[degree % 7] + 12 * (degree // 7)

    for i, bar in enumerate(np.split(wave, 8)):
        degree = degrees[i % 4]
        for midi in (pitch(degree) - 12, pitch(degree), pitch(degree + 2), pitch(degree + 4)):
            bar += 0.3 * note(midi, 1, tilt)
        for half in np.split(bar, 2):
            sung = degree + 2 * rng.integers(3) if rng.random() < 0.7 else rng.integers(7)
            half += 0.4 * note(pitch(int(sung)) + 12, 0.5, tilt)
    wave += pulses(120, 8)
    return (0.2 * (wave + rng.normal(0, wave.std() * 10 ** (-5 / 20), len(wave)))).astype(np.float32)


@pytest.fixture(scope="module")
def pieces() -> list[tuple[tuple[int, bool], Analysis]]:
    """Two in each of the 24 keys."""
    keys = [(tonic, is_major) for tonic in range(12) for is_major in (True, False)]
    return [(key, Analysis(piece(*key, seed))) for key in keys for seed in range(2)]


def share_right(pieces) -> float:
    found = [(estimate_key(analysis), key) for key, analysis in pieces]
    return np.mean([(estimate.tonic, estimate.is_major) == key for estimate, key in found])


def test_keys_are_found_in_noise_in_major_and_minor_from_every_tonic(pieces):
    assert share_right(pieces) > 0.8


@pytest.mark.parametrize("older", [KRUMHANSL_KESSLER, TEMPERLEY], ids=["Krumhansl and Kessler", "Temperley"])
def test_the_profiles_in_use_find_more_keys_than_older_ones(older, pieces, monkeypatch):
    ours = share_right(pieces)
    monkeypatch.setattr(tonality, "_profiles", partial(tonality._normalized, *older))

    assert ours > share_right(pieces)


def test_a_key_that_is_wrong_is_less_confident(pieces):
    found = [(estimate_key(analysis), key) for key, analysis in pieces]
    right = [estimate.confidence for estimate, key in found if (estimate.tonic, estimate.is_major) == key]
    wrong = [estimate.confidence for estimate, key in found if (estimate.tonic, estimate.is_major) != key]

    assert np.median(right) > np.median([*wrong, 0])


def test_scales_without_any_harmony_have_their_key():
    for tonic, is_major in [(0, True), (9, False), (6, True)]:
        scale = MAJOR_SCALE if is_major else MINOR_SCALE
        degrees = (0, 1, 2, 3, 4, 3, 2, 1, 0, 2, 4, 2, 0)  # up to the fifth and home again
        hz = [261.626 * 2 ** ((tonic + scale[degree]) / 12) for degree in degrees]
        found = estimate_key(Analysis(np.concatenate([tone(at, seconds=0.5) for at in hz])))
        assert (found.tonic, found.is_major) == (tonic, is_major)


# ---- Composed pieces, whose tempo and key are known


@pytest.fixture(scope="module")
def composed() -> list[tuple[composition._Song, Analysis]]:
    """One of each genre that has drums, as energetic as it gets."""
    return [composed_piece(i, name, genre) for i, (name, genre) in enumerate(composition.GENRES.items()) if genre.drums]


def composed_piece(seed: int, name: str, genre: composition.Genre) -> tuple[composition._Song, Analysis]:
    level = max(genre.levels)
    song = composition._decide(np.random.default_rng(seed), genre, energy=(level - 1) / 9)
    wave = composition.compose(np.random.default_rng(seed), genre=name, level=level, duration_s=15)
    return song, Analysis(soxr.resample(wave.astype(np.float32), DEMO_RATE_HZ, RATE_HZ))


def test_tempi_of_composed_pieces_are_found_but_for_an_octave(composed):
    ratios = [estimate_tempo_bpm(analysis.onset_strength) / song.tempo_bpm for song, analysis in composed]

    assert sum(min(abs(ratio / k - 1) for k in (0.5, 1, 2)) < 0.02 for ratio in ratios) >= len(ratios) - 1


def test_most_keys_of_composed_pieces_are_found(composed):
    found = [(estimate_key(analysis), song) for song, analysis in composed]
    tonics = sum(estimate.tonic == song.root % 12 for estimate, song in found)

    assert tonics >= 6  # of 8: with drums, distortion and two voices out of tune


# ---- Energy


def assert_never_falls(values: list[float], *, at_least: float) -> None:
    assert np.diff(values).min() >= -1e-6
    assert values[-1] - values[0] > at_least


def test_louder_never_lowers_the_energy():
    waveform = everything()

    assert_never_falls([energy(np.float32(10 ** (db / 20)) * waveform) for db in range(-40, 13, 4)], at_least=0.4)


def test_denser_never_lowers_the_energy():
    floor = noise(0.001, 30)

    assert_never_falls([energy(0.3 * pulses(bpm) + floor) for bpm in (15, 30, 60, 120, 240, 480)], at_least=0.1)


def test_brighter_never_lowers_the_energy():
    """A high shelf: more and more of what lies over 2 kHz."""
    waveform = everything()
    high = sosfilt(butter(4, 2000, "high", fs=RATE_HZ, output="sos"), waveform)

    assert_never_falls(
        [energy((waveform + gain * high).astype(np.float32)) for gain in (0, 0.5, 1, 2, 4, 8)], at_least=0.05
    )


def test_of_two_equally_loud_clips_the_steadier_has_more_energy():
    steady, swell = tone(440), tone(0.1).astype(np.float32) + np.float32(0.55)
    gain_db = integrated_loudness(Analysis(steady)) - integrated_loudness(Analysis(steady * swell))

    assert energy(steady) > energy(np.float32(10 ** (gain_db / 20)) * steady * swell)


def test_energy_lies_between_silence_and_noise_at_full_scale():
    assert energy(np.zeros(RATE_HZ, np.float32)) == pytest.approx(0.1)  # perfectly steady, and nothing else
    assert energy(np.sign(noise(1.0)) * np.float32(0.99)) > 0.7


def test_on_real_music_energy_ranks_as_level_and_flux_do(shared_data):
    """Measured by others from the whole files. No validation: what people hear is not in there."""
    with (shared_data / "music" / "clips.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row["duration_s"]) < 60]
    proxies = [energy(decoding.load(shared_data / "music" / row["file"]).waveform) for row in rows]

    assert len(rows) >= 8
    for name in ("rms_dbfs", "flux"):
        assert spearmanr(proxies, [float(row[name]) for row in rows]).statistic > 0.5, name


# ---- Danceability


def four_on_the_floor(bpm: float) -> np.ndarray:
    return pulses(bpm, hz=60) + 0.2 * pulses(2 * bpm) + noise(0.001, 30)


def scattered(n_hits: int) -> np.ndarray:
    """As many kicks, at random times."""
    kick = pulses(120, 1, hz=60)[: RATE_HZ // 10]
    wave = noise(0.001, 30)
    for at in np.random.default_rng(0).integers(0, len(wave) - len(kick), n_hits):
        wave[at : at + len(kick)] += kick
    return wave


def test_a_steady_kick_is_danceable_and_the_same_kicks_scattered_are_not():
    assert danceability(four_on_the_floor(120)) > 0.8
    assert danceability(scattered(60)) < 0.35
    assert danceability(noise(0.1, 30)) < 0.3
    assert danceability(np.zeros(RATE_HZ, np.float32)) == 0


def test_danceability_does_not_know_how_loud_it_is():
    assert danceability(0.1 * four_on_the_floor(124)) == pytest.approx(danceability(four_on_the_floor(124)), abs=0.01)


def test_a_tempo_near_120_is_more_danceable_than_a_slow_one():
    assert danceability(four_on_the_floor(120)) > danceability(four_on_the_floor(80))


# ---- The whole row


def test_known_answers_of_a_piece_in_a_minor():
    waveform = piece(9, False, 1)
    found, signal = estimated(waveform), FEATURE_SETS["signal"]

    assert (found["key_estimate"], found["mode_estimate"]) == (9, 0)
    assert found["tempo_bpm_estimate"] == pytest.approx(120, rel=0.01)
    assert found["loudness_db_estimate"] == signal.compute(waveform)[signal.columns.index("loudness_lufs")]


@pytest.mark.parametrize(
    "waveform",
    [np.zeros(480_000), np.ones(16_000), np.array([0.5]), noise(0.1)[:700], np.eye(1, 480_000, 240_000)[0]],
    ids=["silence", "constant", "one sample", "700 samples", "one click"],
)
def test_degenerate_input_gives_finite_estimates_in_range(waveform):
    found = estimated(waveform.astype(np.float32))

    assert np.isfinite(list(found.values())).all()
    assert 50 <= found["tempo_bpm_estimate"] <= 211
    assert found["key_estimate"] in range(12)
    assert found["mode_estimate"] in (0, 1)
    for name in ("key_confidence", "danceability_proxy", "energy_proxy"):
        assert 0 <= found[name] <= 1, name


def test_silence_has_no_key_and_no_pulse():
    found = estimated(np.zeros(480_000, np.float32))

    assert found["tempo_bpm_estimate"] == 120
    assert found["key_confidence"] == found["danceability_proxy"] == 0
