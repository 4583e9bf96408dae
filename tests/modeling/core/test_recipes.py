import numpy as np
import pytest

from modeling.core.recipes import RECIPES
from modeling.core.recipes.ridge_thresholds import RidgeThresholds


def tracks(n=200, p=20, seed=0):
    rng = np.random.default_rng(seed)
    y = np.clip(np.round(rng.normal(5.5, 1.8, n)), 1, 10)
    X = rng.normal(size=(n, p)).astype(np.float32)
    X[:, :3] += 0.8 * y[:, None]
    return X, y, np.arange(n) // 3


def test_recipes_are_found_by_their_name():
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert RECIPES["ridge_thresholds"] is RidgeThresholds


def test_a_fitted_ridge_predicts_levels_close_to_the_truth():
    X, y, groups = tracks()
    X_new, y_new, _ = tracks(seed=1)

    recipe = RidgeThresholds().fit(X, y, groups=groups)

    assert np.mean(np.abs(recipe.predict(X_new) - y_new)) < 0.7
    assert recipe.predict(X_new).dtype.kind == "i"


def test_scores_stay_on_the_scale_however_strange_the_track():
    X, y, _ = tracks()
    score = RidgeThresholds().fit(X, y).predict_score(np.vstack([X * 100, X * -100]))

    assert score.min() == 1
    assert score.max() == 10


def test_a_saved_ridge_predicts_the_same_and_is_no_pickle(tmp_path):
    X, y, groups = tracks()
    recipe = RidgeThresholds(seed=7).fit(X, y, groups=groups)
    recipe.save(tmp_path)

    loaded = RidgeThresholds.load(tmp_path)

    assert np.array_equal(loaded.predict_score(X), recipe.predict_score(X))
    assert np.array_equal(loaded.predict(X), recipe.predict(X))
    assert loaded.seed == 7
    with np.load(tmp_path / "ridge_thresholds.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored)


def test_the_same_seed_gives_the_same_model():
    X, y, groups = tracks()

    first, second = (RidgeThresholds(seed=3).fit(X, y, groups=groups) for _ in range(2))

    assert np.array_equal(first.predict(X), second.predict(X))


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_very_few_tracks_are_enough_to_predict(n):
    X, y, groups = tracks(n=n, p=160)

    levels = RidgeThresholds().fit(X, y, groups=groups).predict(X)

    assert set(levels) <= set(range(1, 11))


def test_a_single_level_is_what_is_predicted():
    X, _, groups = tracks(n=30)

    assert set(RidgeThresholds().fit(X, np.full(30, 4), groups=groups).predict(X)) == {4}


def test_a_single_artist_is_learnt_from_by_holding_out_tracks():
    X, y, _ = tracks()

    recipe = RidgeThresholds().fit(X, y, groups=np.zeros(len(y)))

    assert np.mean(np.abs(recipe.predict(X) - y)) < 0.7


def test_labels_between_levels_are_learnt():
    X, y, groups = tracks()
    recipe = RidgeThresholds().fit(X, np.clip(y + 0.4, 1, 10), groups=groups)

    shift = recipe.predict_score(X) - RidgeThresholds().fit(X, y, groups=groups).predict_score(X)

    assert np.median(shift) == pytest.approx(0.4, abs=0.05)


def test_a_track_with_missing_features_is_refused():
    X, y, _ = tracks()
    recipe = RidgeThresholds().fit(X, y)
    X[0, 0] = np.nan

    with pytest.raises(ValueError, match="feature 0 of row 0 is nan"):
        recipe.predict(X)


def test_tracks_without_weight_are_not_learnt_from():
    X, y, groups = tracks()
    wrong = y.copy()
    wrong[:60] = 11 - wrong[:60]
    weight = np.repeat([1e-9, 1.0], [60, 140])

    weighted = RidgeThresholds().fit(X, wrong, groups=groups, sample_weight=weight).predict_score(X)
    without = RidgeThresholds().fit(X[60:], y[60:], groups=groups[60:]).predict_score(X)

    assert np.allclose(weighted, without, atol=0.05)
