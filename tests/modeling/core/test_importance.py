"""What predictions rest on: a model with known habits, and columns that say the same."""

import json

import numpy as np
import pytest

from modeling.core import importance
from modeling.core.dataset import Dataset, evaluation_slice
from modeling.core.evaluation import cross_validate
from modeling.core.importance import PermutationImportance
from modeling.core.recipes import RECIPES

SETS = {"loud@1": (0, 2), "noise@1": (2, 5)}
COLUMNS = ("loudness", "loudness_again", "noise_0", "noise_1", "noise_2")


class FirstColumn:
    """Says what the first column says."""

    def predict(self, X):
        return np.clip(np.round(X[:, 0]), 1, 10).astype(int)


def tracks(n=300, *, seed=0):
    rng = np.random.default_rng(seed)
    level = 1 + np.arange(n) % 10
    X = rng.normal(size=(n, 5)).astype(np.float32)
    X[:, 0] += level
    return X, level


def measured(model, X, level, **options):
    found = PermutationImportance(
        X,
        level,
        groups=np.arange(len(X)),
        columns=COLUMNS,
        columns_of_set=SETS,
        rows=np.arange(len(X)),
        seed=0,
        **options,
    )
    for held_out in range(3):
        found.add(model, np.arange(held_out, len(X), 3))
    return found.found()


def test_only_what_the_model_looks_at_counts():
    X, level = tracks()

    found = measured(FirstColumn(), X, level)

    rise = {row["name"]: row["increase"] for row in found["by_feature"]}
    # A level dealt out at random is off by 3.3 on average; before it was off by the noise.
    assert rise["loudness"] == pytest.approx(2.6, abs=0.4)
    assert set(rise.values()) - {rise["loudness"]} == {0.0}
    assert [row["name"] for row in found["by_set"]] == ["loud@1", "noise@1"]
    assert found["by_set"][0]["increase"] == pytest.approx(rise["loudness"], abs=0.2)
    assert 0 < found["by_feature"][0]["se"] < 0.3
    assert json.loads(json.dumps(found)) == found


def test_columns_that_say_the_same_share_their_importance_and_their_set_does_not():
    X, level = tracks(600)
    X[:, 1] = X[:, 0]
    model = RECIPES["ridge_thresholds"](seed=0).fit(X[::2], level[::2])

    found = measured(model, X[1::2], level[1::2])

    rise = {row["name"]: row["increase"] for row in found["by_feature"] + found["by_set"]}
    assert rise["loudness"] < 0.75 * rise["loud@1"]
    assert rise["loudness"] == pytest.approx(rise["loudness_again"], abs=0.3)


def test_the_features_are_left_as_they_were_and_the_seed_decides():
    X, level = tracks()
    before = X.copy()

    first, second = measured(FirstColumn(), X, level), measured(FirstColumn(), X, level)

    assert np.array_equal(X, before)
    assert first == second


def test_many_tracks_are_sampled_evenly_by_level_and_few_are_permuted_several_times(monkeypatch):
    monkeypatch.setattr(importance, "MAX_PREDICTED_ROWS", 7 * 60)
    level = np.repeat([3, 5, 9], [8, 250, 42])
    X = np.random.default_rng(1).normal(size=(300, 5)).astype(np.float32)

    many = PermutationImportance(
        X, level, groups=np.arange(len(X)), columns=COLUMNS, columns_of_set=SETS, rows=np.arange(300), seed=0
    )
    few = PermutationImportance(
        X, level, groups=np.arange(len(X)), columns=COLUMNS, columns_of_set=SETS, rows=np.arange(20), seed=0
    )

    assert np.bincount(level[many.asked])[[3, 5, 9]].tolist() == [8, 26, 26]
    assert (many.n_repeats, few.n_repeats) == (1, 3)


def test_only_models_that_have_not_seen_a_track_are_asked_about_it():
    X, level = tracks(400)
    data = Dataset(X, level, groups=np.arange(400) // 4, uris=[f"t{row}" for row in range(400)], columns=COLUMNS)
    development = np.flatnonzero(~evaluation_slice(data.uris))
    found = PermutationImportance(
        X, level, groups=np.arange(len(X)), columns=COLUMNS, columns_of_set=SETS, rows=development, seed=0
    )

    cross_validate("ridge_thresholds", data, on_fold_model=found.add)

    assert np.array_equal(found.asked, development)
    assert np.count_nonzero(found.rise["loud@1"]) > 0.5 * len(development)
    assert found.found()["by_feature"][0]["name"] == "loudness"


def test_no_more_than_the_highest_features_are_kept():
    X, level = tracks()
    found = PermutationImportance(
        X, level, groups=np.arange(len(X)), columns=COLUMNS, columns_of_set=SETS, rows=np.arange(300), seed=0
    )
    found.add(FirstColumn(), np.arange(300))

    assert [row["name"] for row in found.found(n_features=1)["by_feature"]] == ["loudness"]
    assert found.found(n_features=1)["n_columns"] == 5


def test_of_thousands_of_columns_only_the_sets_are_asked_about(monkeypatch):
    monkeypatch.setattr(importance, "MAX_COLUMNS_EACH", 4)
    X, level = tracks()

    found = measured(FirstColumn(), X, level)

    assert found["by_feature"] == []
    assert [row["name"] for row in found["by_set"]] == ["loud@1", "noise@1"]
