"""Leaks are planted, and must be said."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from modeling.core.dataset import Dataset
from modeling.core.estimates import Estimate
from modeling.core.lab import leaks
from modeling.core.lab.catalogue import Resampling
from modeling.core.lab.comparison import Protocol, compare, contender, notes_of
from modeling.core.lab.running import run_experiment
from modeling.core.recipes import RECIPES
from modeling.core.resampling import Rows, resample

from .odd import odd_data

RIDGE = {"ridge": contender("ridge_thresholds")}


@pytest.fixture
def honest():
    return odd_data().using().dataset


def suspicions(notes):
    return [note for note in notes if "suspect" in note]


def report_notes(data):
    return run_experiment(Resampling(recipe="ridge_thresholds", n_folds=2), data).findings.notes


def test_honest_tracks_are_not_suspected(honest):
    assert leaks.in_tracks(honest) == ()
    assert leaks.in_tracks(odd_data().dataset) == ()
    assert suspicions(report_notes(odd_data())) == []


@pytest.mark.parametrize("disguise", [lambda y: y, lambda y: -3 * y + 1, np.exp, lambda y: y + 0.001])
def test_a_column_made_of_the_label_is_named_in_every_report(disguise):
    data = odd_data()
    X = data.dataset.X.copy()
    X[:, 7] = disguise(data.dataset.y)

    notes = suspicions(report_notes(replace(data, dataset=replace(data.dataset, X=X))))

    assert notes[0].startswith("suspect: column_7 alone orders tracks as their labels do")
    assert "is below what labels people give allow" in notes[1]


def test_many_columns_made_of_the_label_are_one_sentence(honest):
    copies = np.tile(honest.y, (8, 1)).T

    note, *_ = leaks.in_tracks(replace(honest, X=copies, columns=()))

    assert note.startswith("suspect: column 0, column 1, column 2, column 3, column 4 and 3 more alone")


def test_tracks_that_are_there_twice_under_other_artists_are_counted(honest):
    twice = np.r_[np.arange(len(honest.y)), 0, 1]
    data = replace(honest.rows(twice), groups=np.r_[honest.groups, ["else", "nobody"]])
    renamed = replace(data, uris=np.r_[honest.uris, ["copy 0", "copy 1"]])
    same_artist = honest.rows(twice)

    uris, features = leaks.in_tracks(data)

    assert uris.startswith("suspect: 4 tracks have the same uri")
    assert features.startswith("suspect: 4 tracks have exactly the same features")
    assert [note.split(" as ")[0] for note in leaks.in_tracks(renamed)] == [
        "suspect: 4 tracks have exactly the same features"
    ]
    assert leaks.in_tracks(same_artist) == ()
    assert len(suspicions(leaks.in_tracks(same_artist, by_artist=False))) == 2


def test_tracks_without_any_features_are_not_copies_of_each_other(honest):
    X = honest.X.copy()
    X[:10] = np.nan

    assert leaks.in_tracks(replace(honest, X=X)) == ()


def test_holding_out_tracks_of_known_artists_is_said(honest):
    (note,) = leaks.in_tracks(honest, by_artist=False)

    assert note.startswith(f"tracks are held out one by one: {_n_of_several(honest)} of {len(honest.y)} are by artists")
    assert leaks.in_tracks(replace(honest, groups=honest.uris), by_artist=False) == ()


def test_balancing_before_tracks_are_held_out_is_seen(honest):
    balanced = resample(
        Rows(honest.X, honest.y, np.ones(len(honest.y))), "random_over", rng=np.random.default_rng(0)
    ).rows
    names = np.array([f"row {row}" for row in range(len(balanced.y))])

    (note,) = leaks.in_tracks(Dataset(X=balanced.X, y=balanced.y, groups=names, uris=names))

    assert "exactly the same features" in note


def test_a_recipe_that_sees_held_out_labels_is_caught_by_its_error(honest):
    label_of = {row.tobytes(): label for row, label in zip(honest.X, honest.y, strict=True)}

    class Peeking(RECIPES["ridge_thresholds"]):
        def predict(self, X):
            return np.array([label_of[row.tobytes()] for row in X], dtype=int)

    found = compare({**RIDGE, "peeking": lambda seed: Peeking(seed=seed)}, honest, Protocol(n_folds=2))

    (note,) = suspicions(notes_of(found))
    assert note.startswith("peeking: suspect: a held-out macro-MAE of 0.00 is below what labels people give allow")


def test_an_error_that_chance_may_have_made_low_is_not_suspected():
    assert leaks.in_error(Estimate(0.65, 0.04)) == ()
    assert leaks.in_error(Estimate(0.65, 0.01)) != ()
    assert leaks.in_error(Estimate(0.95, 0.01)) == ()


def test_rank_correlation_is_scipy_s():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=200), rng.integers(1, 11, 200)

    assert leaks.rank_correlation(x, y + x) == pytest.approx(spearmanr(x, y + x).statistic)
    assert leaks.rank_correlation(np.ones(5), np.arange(5)) == 0


def _n_of_several(dataset):
    artists, counts = np.unique(dataset.groups, return_counts=True)
    return sum(np.isin(dataset.groups, artists[counts > 1]))
