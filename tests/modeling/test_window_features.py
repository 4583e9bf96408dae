"""Whole songs, window by window: what is kept beside a track's vector, and what a model makes of it."""

import numpy as np
import pytest
import soundfile
from django.conf import settings

from annotations.models import Track
from modeling import feature_extraction, window_features
from modeling.core import audio
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.core.recipes import RECIPES
from modeling.models import FeatureVector
from modeling.window_features import WindowsMissing
from tests.audio_files import track_with_audio
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db

SIGNAL = FEATURE_SETS["signal"]


def level(waveform):
    return np.array([np.sqrt(np.mean(waveform**2)), len(waveform)], np.float32)


def a_set(name, version=1, compute=level, columns=("rms", "n_samples")) -> FeatureSet:
    return FeatureSet(name, version, columns, compute)


LEVEL = a_set("level")


@pytest.fixture(autouse=True)
def _windows_of_this_test(settings, tmp_path):
    settings.WINDOWS_DIR = tmp_path / "windows"


def computed(track: Track, feature_set: FeatureSet = LEVEL) -> Track:
    assert feature_extraction.compute_features(track.pk, [feature_set]) == ""
    track.refresh_from_db()
    return track


def song(**fields) -> Track:
    """66 s: two whole windows and one of 6 s."""
    return computed(track_with_audio(audio_state="waiting", duration_s=66, **fields))


# ---- What is kept


def test_a_short_track_has_one_window_which_is_its_vector_and_no_file():
    track = computed(track_with_audio(audio_state="waiting", duration_s=34))

    stored = np.frombuffer(track.feature_vectors.get().values, "<f4")
    assert np.array_equal(window_features.read(track, LEVEL), stored[None])
    assert not settings.WINDOWS_DIR.exists()


def test_each_window_of_a_song_is_described_as_if_it_were_a_track():
    track = song()

    rows = window_features.read(track, LEVEL)

    windows = audio.windows(feature_extraction.decoding.load(track.audio.path).waveform)
    assert np.array_equal(rows, [level(window) for window in windows])
    assert rows[:, 1].tolist() == [480_000, 480_000, 96_000]
    assert rows.dtype == np.float32


def test_windows_that_were_deleted_are_computed_again_and_the_vector_is_left_alone():
    track = song()
    before, vector = window_features.read(track, LEVEL), track.feature_vectors.get()
    path = window_features.path_of(track, LEVEL)
    path.unlink()

    with pytest.raises(WindowsMissing, match="compute_features"):
        window_features.read(track, LEVEL)
    assert list(window_features.tracks_without([LEVEL])) == [track.pk]
    computed(track)

    assert np.array_equal(window_features.read(track, LEVEL), before)
    assert track.feature_vectors.get() == vector
    assert not list(window_features.tracks_without([LEVEL]))


def test_windows_of_a_set_that_cannot_be_computed_are_not_missing(settings, tmp_path):
    settings.WINDOWS_DIR = tmp_path
    track = TrackFactory(duration_s=65.0)
    track.feature_vectors.create(feature_set=LEVEL.key, values=b"")

    assert not list(window_features.tracks_without([LEVEL]))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def empty(path):
    path.write_bytes(b"")


def store_another_shape(path):
    np.save(path, np.zeros((2, 2), np.float32))


def store_doubles(path):
    np.save(path, np.zeros((3, 2)))


def store_nan(path):
    np.save(path, np.full((3, 2), np.nan, np.float32))


@pytest.mark.parametrize("damage", [truncate, empty, store_another_shape, store_doubles, store_nan])
def test_damaged_windows_are_not_read_but_computed_again(damage):
    track = song()
    before = window_features.read(track, LEVEL)
    damage(window_features.path_of(track, LEVEL))

    with pytest.raises(WindowsMissing, match="compute_features"):
        window_features.read(track, LEVEL)

    assert np.array_equal(window_features.read(computed(track), LEVEL), before)


def test_a_writer_that_is_cut_short_leaves_the_old_file_and_nothing_else(monkeypatch):
    track = song()
    before = window_features.read(track, LEVEL)

    def cut_short(file, rows, **options):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(window_features.np, "save", cut_short)
    with pytest.raises(OSError, match="No space"):
        window_features.write(track, LEVEL, before + 1)

    assert np.array_equal(window_features.read(track, LEVEL), before)
    assert len(list(window_features.path_of(track, LEVEL).parent.iterdir())) == 1


def test_a_new_version_replaces_the_windows_of_the_old_one_and_no_others():
    track = song()
    computed(track, a_set("level_of_another"))

    computed(track, a_set("level", version=2))

    names = {path.name for path in window_features.path_of(track, LEVEL).parent.iterdir()}
    assert names == {"level@2.npy", "level_of_another@1.npy"}


def test_a_set_that_cannot_be_computed_of_a_track_has_no_windows():
    track = TrackFactory()
    FeatureVector.objects.create(track=track, feature_set=LEVEL.key, values=b"")

    with pytest.raises(WindowsMissing, match="has no level@1 features"):
        window_features.read(track, LEVEL)


# ---- What a model says


class SumOfColumns:
    """A model that can be checked by hand."""

    def predict_score(self, X):
        return X.sum(axis=1)


@pytest.fixture
def known_sets(monkeypatch):
    two, three = a_set("two"), a_set("three", compute=None, columns=("c",))
    for feature_set in (two, three):
        monkeypatch.setitem(FEATURE_SETS, feature_set.name, feature_set)
    return two, three


def test_scores_are_of_the_sets_side_by_side_and_an_imported_set_is_the_same_in_every_window(known_sets):
    computable, imported = known_sets
    track = TrackFactory(duration_s=66)
    window_features.write(track, computable, np.array([[1, 2], [5, 3], [4, 0]], np.float32))
    FeatureVector.objects.create(track=track, feature_set=imported.key, values=np.array([0.5], "<f4").tobytes())

    scores = window_features.score(SumOfColumns(), track, ["three@1", "two@1"])

    assert scores.of_windows.tolist() == [3.5, 8.5, 4.5]
    assert scores.maximum == 8.5


def test_a_short_track_is_scored_by_its_vector(known_sets):
    track = TrackFactory(duration_s=20)
    FeatureVector.objects.create(track=track, feature_set="two@1", values=np.array([1, 2], "<f4").tobytes())

    assert window_features.score(SumOfColumns(), track, ["two@1"]).of_windows.tolist() == [3]


def test_a_model_that_learnt_from_another_version_is_not_asked():
    with pytest.raises(WindowsMissing, match="learnt from signal@0"):
        window_features.score(SumOfColumns(), song(), ["signal@0"])


def music(rng, energy: float, duration_s: int) -> np.ndarray:
    """Quiet and sparse at 0, loud and busy at 1: noise bursts, more and louder ones with more energy."""
    n = 16_000 * duration_s
    seconds = np.arange(n) / 16_000
    beat = np.exp(-8 * (seconds * (1 + 3 * energy) % 1))
    return (0.02 + 0.4 * energy) * beat * rng.normal(size=n).astype(np.float32) / 3


def test_a_song_that_is_calm_and_then_loud_is_as_energetic_as_its_loud_part():
    rng = np.random.default_rng(5)
    levels = np.tile(np.arange(1, 11), 2)
    clips = [SIGNAL.compute(music(rng, level / 10, 30).astype(np.float32)) for level in levels]
    model = RECIPES["ridge_thresholds"](seed=0).fit(np.stack(clips), levels, groups=np.arange(20) % 6)
    parts = [music(rng, 0.2, 30), music(rng, 0.2, 30), music(rng, 0.9, 30), music(rng, 0.2, 15)]
    track = track_with_audio(audio_state="waiting", duration_s=1)
    soundfile.write(track.audio.path, np.concatenate(parts), audio.SAMPLE_RATE_HZ)
    computed(track, SIGNAL)

    scores = window_features.score(model, track, [SIGNAL.key])

    assert scores.of_windows.argmax() == 2
    assert scores.maximum == pytest.approx(9, abs=1)
    assert scores.of_windows[[0, 1, 3]] == pytest.approx(2, abs=1)
