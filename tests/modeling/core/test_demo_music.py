"""The generated library: the same bytes twice, unbalanced but complete, and something a model can learn from."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modeling.core import audio, convnet, convnet_weights, decoding, demo_music
from modeling.core.demo_music.composition import GENRES
from modeling.core.demo_music.library import THESIS_LEVEL_COUNTS, level_counts
from modeling.core.signal_features import signal_features

PUBLISHED = (
    Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[3] / "../shared/data"))
    / "convnet/model_best.hdf5"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Forty tracks of six seconds, with their waveforms."""
    folder = tmp_path_factory.mktemp("demo")
    tracks = demo_music.write_library(folder, seed=7, n_tracks=40, duration_s=6)
    return tracks, [decoding.load(folder / track.file_name).waveform for track in tracks]


def macro_mae_of_ridge(features: np.ndarray, levels: np.ndarray) -> float:
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
    folds = KFold(5, shuffle=True, random_state=0)
    predicted = np.rint(np.clip(cross_val_predict(model, features, levels, cv=folds), 1, 10))
    return float(np.mean([np.abs(predicted - levels)[levels == level].mean() for level in np.unique(levels)]))


def test_the_same_seed_writes_the_same_bytes_in_any_number_of_processes(tmp_path):
    demo_music.write_library(tmp_path / "one", seed=3, n_tracks=4, duration_s=3, n_processes=1)
    demo_music.write_library(tmp_path / "two", seed=3, n_tracks=4, duration_s=3, n_processes=2)

    written = {name: [p.read_bytes() for p in sorted((tmp_path / name).iterdir())] for name in ("one", "two")}

    assert len(written["one"]) == 4
    assert written["one"] == written["two"]
    demo_music.write_library(tmp_path / "other", seed=4, n_tracks=4, duration_s=3, n_processes=1)
    assert (tmp_path / "other/demo_001.mp3").read_bytes() not in written["one"]


def test_levels_are_as_unbalanced_as_the_thesis_with_two_of_each():
    tracks = demo_music.plan_library(seed=1)
    counts = Counter(track.level for track in tracks)

    assert [counts[level] for level in range(1, 11)] == level_counts(60)
    assert min(counts.values()) == 2
    assert np.argmax(level_counts(60)) == np.argmax(THESIS_LEVEL_COUNTS)
    assert all(sum(level_counts(n)) == n for n in (1, 5, 10, 20, 37, 60, 256))


def test_every_level_is_played_in_several_genres_and_every_genre_at_several_levels():
    assert all(sum(level in genre.levels for genre in GENRES.values()) >= 2 for level in range(2, 11))
    assert all(len(genre.levels) >= 4 for genre in GENRES.values())


def test_tracks_have_unique_names_and_about_twenty_artists_who_say_they_are_generated():
    tracks = demo_music.plan_library(seed=1)

    assert tracks == demo_music.plan_library(seed=1)
    assert tracks[0].uri == "demo:001"
    for attribute in ("uri", "file_name", "title"):
        assert len({getattr(track, attribute) for track in tracks}) == 60
    assert 14 <= len({track.artist for track in tracks}) <= 20
    assert all(track.artist.endswith("(generated)") for track in tracks)
    assert all(track.level in GENRES[track.genres[0]].levels for track in tracks)
    with pytest.raises(ValueError, match="expected 1 to 256"):
        demo_music.plan_library(seed=1, n_tracks=257)


def test_the_files_are_as_long_as_asked_and_not_clipped(library):
    _, waveforms = library

    assert all(6.0 <= audio.duration_s(waveform) < 6.1 for waveform in waveforms)
    assert max(np.mean(np.abs(waveform) > 0.995) for waveform in waveforms) < 1e-3


def test_the_levels_can_be_learned_from_signal_features_but_not_from_loudness_alone(library):
    tracks, waveforms = library
    levels = np.array([track.level for track in tracks])

    error = macro_mae_of_ridge(np.stack([signal_features(waveform) for waveform in waveforms]), levels)
    rms_db = np.array([[20 * np.log10(np.sqrt(np.mean(waveform**2)))] for waveform in waveforms])

    print(
        f"ridge on signal features: macro-MAE {error:.2f}; on the level alone {macro_mae_of_ridge(rms_db, levels):.2f}"
    )
    assert error < 1.0
    assert error < 0.85 * macro_mae_of_ridge(rms_db, levels)
    assert error < macro_mae_of_ridge(np.random.default_rng(0).permutation(rms_db), levels) / 2


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"{PUBLISHED} is absent (set ENERGYAPP_SHARED_DATA)")
def test_the_levels_can_be_learned_from_transfer_features(library, tmp_path):
    tracks, waveforms = library
    convnet_weights.install(PUBLISHED, tmp_path)
    features = np.stack([convnet.transfer_features(waveform, folder=tmp_path) for waveform in waveforms])

    assert macro_mae_of_ridge(features, np.array([track.level for track in tracks])) < 1.0


def test_annotations_have_the_thesis_columns_and_leave_twelve_tracks_to_label():
    tracks = demo_music.plan_library(seed=1)

    rows, _ = demo_music.simulated_annotations(tracks, seed=1)

    assert list(rows[0]) == ["energy", "track_uri", "track_preview_url", "annotator_id", "genres", "title", "artist"]
    per_track = Counter(row["track_uri"] for row in rows)
    assert Counter(per_track.values()) == {1: 32, 3: 16}
    assert len({(row["track_uri"], row["annotator_id"]) for row in rows}) == len(rows) == 80
    assert {row["energy"] for row in rows} <= set(range(1, 11))
    assert len({row["annotator_id"] for row in rows}) == 6
    labelled_levels = {track.level for track in tracks if track.uri in per_track}
    assert labelled_levels == set(range(1, 11))


def test_planted_mistakes_are_far_off_and_nothing_else_is():
    tracks = demo_music.plan_library(seed=1)
    intended = {track.uri: track.level for track in tracks}

    rows, planted = demo_music.simulated_annotations(tracks, seed=1)

    shifts = {(r["track_uri"], r["annotator_id"]): abs(r["energy"] - intended[r["track_uri"]]) for r in rows}
    assert len(planted) == 6
    assert len({uri for uri, _ in planted}) == 6
    assert min(shifts[pair] for pair in planted) >= 4
    assert max(shift for pair, shift in shifts.items() if pair not in planted) < 4


def test_mistakes_are_planted_only_where_the_caller_allows():
    tracks = demo_music.plan_library(seed=1)
    allowed = {track.uri for track in tracks if int(track.uri[-3:]) % 2}

    _, planted = demo_music.simulated_annotations(tracks, seed=1, may_plant=allowed.__contains__)
    _, nowhere = demo_music.simulated_annotations(tracks, seed=1, may_plant=lambda uri: False)

    assert len(planted) == 6
    assert {uri for uri, _ in planted} <= allowed
    assert not nowhere
