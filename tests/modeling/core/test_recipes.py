import itertools
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from modeling.core.decisions import MacroMaeThresholds, round_to_level
from modeling.core.metrics import macro_mae
from modeling.core.recipes import RECIPES, gp, single_model, svr
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.recipes.scaling import NormalScores, Standardised
from modeling.core.resampling import RESAMPLERS, Rows

# Those with networks have a file of their own: Keras takes six seconds to load.
QUICK = {
    "baseline": {},
    "ridge_thresholds": {},
    "ordinal_logit": {},
    "gp": {},
    "svr": {},
    "xgboost": {"n_trees": 40, "learning_rate": 0.1},
    "xgboost_classifier": {"n_trees": 15, "learning_rate": 0.2, "depth": 3},
    "mean_of_models": {"members": ("ridge_thresholds", "ordinal_logit", "svr", "baseline")},
    "auto": {"candidates": ("ridge_thresholds", "svr", "ordinal_logit")},
}
quick_recipes = pytest.mark.parametrize("name", QUICK)


def make(name, **options):
    return RECIPES[name](**{**QUICK[name], **options})


def tracks(n=200, p=20, seed=0):
    rng = np.random.default_rng(seed)
    y = np.clip(np.round(rng.normal(5.5, 1.8, n)), 1, 10)
    X = rng.normal(size=(n, p)).astype(np.float32)
    X[:, :3] += 0.8 * y[:, None]
    return X, y, np.arange(n) // 3


def test_recipes_are_found_by_their_name():
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert RECIPES["ridge_thresholds"] is RidgeThresholds
    assert set(RECIPES) == {*QUICK, "network", "annotator_ensemble", "crnn"}


@quick_recipes
def test_every_recipe_predicts_new_tracks_far_better_than_a_constant(name):
    X, y, groups = tracks()
    X_new, y_new, _ = tracks(seed=1)

    recipe = make(name).fit(X, y, groups=groups)

    levels, score = recipe.predict(X_new), recipe.predict_score(X_new)
    assert levels.dtype.kind == "i"
    assert np.mean(np.abs(levels - y_new)) < 0.7 * np.mean(np.abs(np.median(y) - y_new))
    assert np.corrcoef(score, y_new)[0, 1] > 0.8
    lower, upper = recipe.predict_interval(X_new, coverage=0.8)
    assert np.mean((lower <= y_new) & (y_new <= upper)) > 0.7
    assert np.mean(upper - lower) < 5


@quick_recipes
def test_a_saved_recipe_predicts_exactly_the_same_and_is_no_pickle(name, tmp_path):
    X, y, groups = tracks(n=120)
    recipe = make(name, seed=7, resampling="smote").fit(X, y, groups=groups)
    recipe.save(tmp_path)

    loaded = RECIPES[name].load(tmp_path)

    assert np.array_equal(loaded.predict_score(X), recipe.predict_score(X))
    assert np.array_equal(loaded.predict(X), recipe.predict(X))
    assert np.array_equal(loaded.predict_interval(X), recipe.predict_interval(X))
    assert (loaded.config, loaded.notes, loaded.details) == (recipe.config, recipe.notes, recipe.details)
    assert loaded.seed == 7
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.npz"]
    with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as stored:
        assert all(stored[array].dtype != object for array in stored)


@quick_recipes
def test_the_same_seed_gives_the_same_model_and_config_makes_the_same_recipe(name):
    X, y, groups = tracks(n=90)
    first = make(name, seed=3, resampling="random_over").fit(X, y, groups=groups)

    second = RECIPES[name](**json.loads(json.dumps(first.config))).fit(X, y, groups=groups)

    assert np.array_equal(first.predict_score(X), second.predict_score(X))
    assert np.array_equal(first.predict(X), second.predict(X))
    assert second.config == first.config


@quick_recipes
def test_scores_stay_on_the_scale_however_strange_the_track(name):
    X, y, _ = tracks(n=120)

    score = make(name).fit(X, y).predict_score(np.vstack([X * 100, X * -100]))

    assert score.min() >= 1
    assert score.max() <= 10


@quick_recipes
def test_a_track_with_missing_features_is_refused_with_its_place(name):
    X, y, _ = tracks(n=60)
    recipe = make(name).fit(X, y)
    X[4, 2] = np.nan

    with pytest.raises(ValueError, match="feature 2 of row 4 is nan"):
        recipe.predict(X)
    with pytest.raises(ValueError, match="feature 2 of row 4 is nan"):
        make(name).fit(X, y)


@quick_recipes
def test_constant_and_doubled_columns_are_harmless(name):
    X, y, _ = tracks(n=90)
    widened = np.hstack([X, np.full((90, 2), [0.1, 1e6], dtype=np.float32), X[:, :1]])

    recipe = make(name).fit(widened, y)

    assert np.mean(np.abs(recipe.predict(widened) - y)) < 1


@quick_recipes
def test_a_single_artist_is_learnt_from_by_holding_out_tracks_and_noted(name):
    X, y, _ = tracks(n=90)

    recipe = make(name).fit(X, y, groups=np.zeros(90))

    assert np.mean(np.abs(recipe.predict(X) - y)) < 0.9
    assert "all tracks are of one group" in recipe.notes[0]


@quick_recipes
def test_labels_between_levels_and_levels_between_which_one_is_missing_are_learnt(name):
    X, y, groups = tracks(n=150)
    gap = np.where(y == 6, 7, y)

    assert not np.isin(make(name).fit(X, np.clip(gap + 0.3, 1, 10), groups=groups).predict(X), [1, 10]).all()
    assert np.mean(np.abs(make(name).fit(X, gap, groups=groups).predict(X) - gap)) < 0.9


@pytest.mark.parametrize("name", [name for name in QUICK if name != "ridge_thresholds"])
def test_too_few_tracks_or_levels_are_refused_with_what_to_do(name):
    X, y, _ = tracks(n=60)

    with pytest.raises(
        ValueError, match=r"found 9 tracks of \d levels; .* expects at least 10 .* use ridge_thresholds"
    ):
        make(name).fit(X[:9], y[:9])
    with pytest.raises(ValueError, match="found 60 tracks of 1 levels"):
        make(name).fit(X, np.full(60, 4))


@quick_recipes
def test_two_levels_in_groups_of_one_level_each_are_learnt(name):
    X, _, _ = tracks(n=40)
    y = np.repeat([4.0, 8.0], 20)
    X[:, 0] = y

    # Two artists: what is held out leaves a single level to learn from.
    recipe = make(name).fit(X, y, groups=y)

    assert set(recipe.predict(X)) <= {4, 5, 6, 7, 8}


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_very_few_tracks_are_enough_for_the_ridge(n):
    X, y, groups = tracks(n=n, p=160)

    levels = RidgeThresholds().fit(X, y, groups=groups).predict(X)

    assert set(levels) <= set(range(1, 11))


def test_a_single_level_is_what_the_ridge_predicts():
    X, _, groups = tracks(n=30)

    assert set(RidgeThresholds().fit(X, np.full(30, 4), groups=groups).predict(X)) == {4}


def test_labels_between_levels_move_the_score():
    X, y, groups = tracks()
    recipe = RidgeThresholds().fit(X, np.clip(y + 0.4, 1, 10), groups=groups)

    shift = recipe.predict_score(X) - RidgeThresholds().fit(X, y, groups=groups).predict_score(X)

    assert np.median(shift) == pytest.approx(0.4, abs=0.05)


@quick_recipes
def test_tracks_without_weight_are_as_if_not_there_and_little_weight_counts_little(name):
    X, y, groups = tracks(n=120)
    wrong = y.copy()
    wrong[:40] = 11 - wrong[:40]

    # Not the decision that makes every level weigh the same, however little its tracks weigh.
    def score(rows, **options):
        fitted = make(name, decision="lowest_mae").fit(X[rows], wrong[rows], groups=groups[rows], **options)
        return fitted.predict_score(X)

    none, little, full = (score(np.arange(120), sample_weight=np.repeat([w, 1.0], [40, 80])) for w in (0, 0.02, 1))
    without = score(np.arange(40, 120))

    assert np.array_equal(none, without)
    assert np.abs(little - without).mean() < 0.6 * np.abs(full - without).mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decision": "best"}, "found decision 'best'; expected one of"),
        ({"resampling": "smoot"}, "found resampling 'smoot'; expected one of"),
        ({"k_neighbors": 0}, "found 0 neighbours"),
        ({"n_folds": 1}, "and 1 folds"),
        ({"n_folds": 0, "decision": "lowest_macro_mae"}, "and 0 folds"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RidgeThresholds(**options)


@pytest.mark.parametrize(
    ("X", "y", "options", "message"),
    [
        (np.ones((20, 2)), np.ones(19), {}, r"labels of shape \(19,\)"),
        (np.ones((20, 2)), np.full(20, 11.0), {}, "each 1..10"),
        (np.ones((20, 2)), np.full(20, np.nan), {}, "each 1..10"),
        (np.ones((20, 2)), np.ones(20), {"groups": np.ones(3)}, r"groups of shape \(3,\)"),
        (np.ones((20, 2)), np.ones(20), {"sample_weight": -np.ones(20)}, "expected .* >= 0"),
        (np.ones((0, 2)), np.ones(0), {}, "not empty"),
    ],
)
def test_what_does_not_fit_together_is_refused(X, y, options, message):
    with pytest.raises(ValueError, match=message):
        RidgeThresholds().fit(X, y, **options)


def test_a_model_of_an_earlier_version_is_refused_with_what_to_do(tmp_path):
    np.savez(tmp_path / "ridge_thresholds.npz", mean=np.zeros(3))

    with pytest.raises(ValueError, match=r"earlier version .* train it again"):
        RidgeThresholds.load(tmp_path)


# ---- Decisions


@pytest.mark.parametrize("name", ["ridge_thresholds", "ordinal_logit", "xgboost"])
def test_each_decision_lowers_its_metric(name):
    def skewed(seed, n=1500):
        rng = np.random.default_rng(seed)
        y = np.clip(np.round(rng.normal(5.8, 1.4, n)), 1, 10)
        return (y[:, None] + rng.normal(0, 1.6, (n, 3))).astype(np.float32), y

    X, y = skewed(0)
    X_new, y_new = skewed(1)

    macro, plain = (
        make(name, decision=decision).fit(X, y).predict(X_new) for decision in ("lowest_macro_mae", "lowest_mae")
    )

    assert macro_mae(y_new, macro) < macro_mae(y_new, plain) - 0.05
    assert np.mean(np.abs(plain - y_new)) < np.mean(np.abs(macro - y_new)) - 0.05


@pytest.mark.parametrize("name", ["baseline", "xgboost_classifier"])
def test_classifiers_predict_the_most_likely_level_unless_asked_otherwise(name):
    X, y, groups = tracks(n=120)
    recipe = make(name).fit(X, y, groups=groups)
    probabilities = recipe.scorer.probabilities(X)

    assert np.array_equal(recipe.predict(X), np.unique(y)[probabilities.argmax(axis=1)])
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert recipe.predict_score(X) == pytest.approx(probabilities @ np.unique(y))
    rounded = make(name, decision="lowest_mae").fit(X, y, groups=groups)
    assert np.array_equal(rounded.predict(X), round_to_level(rounded.predict_score(X)))


def test_the_cuts_are_those_of_the_held_out_scores():
    X, y, groups = tracks()
    recipe = RidgeThresholds().fit(X, y, groups=groups)

    expected = MacroMaeThresholds().fit(recipe.intervals.score, y).thresholds

    assert np.array_equal(recipe.thresholds.thresholds, expected)
    assert not np.allclose(recipe.intervals.score, recipe.predict_score(X))


# ---- Nothing leaks


@pytest.mark.parametrize("method", RESAMPLERS)
def test_resampling_never_sees_a_track_that_is_held_out_nor_its_artist(method, monkeypatch):
    X, y, _ = tracks(n=120)
    X[:, 0] = np.arange(120)  # a track's number is its feature
    groups = np.arange(120) // 4
    seen = []
    resample = single_model.resample

    def spy(rows, *arguments, **options):
        seen.append(set(rows.X[:, 0].astype(int)))
        return resample(rows, *arguments, **options)

    monkeypatch.setattr(single_model, "resample", spy)
    recipe = RidgeThresholds(resampling=method)
    recipe.fit(X, y, groups=groups)

    *folds, everything = seen
    assert everything == set(range(120))
    held_out = [everything - known for known in folds]
    assert sorted(itertools.chain.from_iterable(held_out)) == list(range(120))
    assert all(
        not {groups[row] for row in out} & {groups[row] for row in known}
        for out, known in zip(held_out, folds, strict=True)
    )


@pytest.mark.parametrize("method", ["random_over", "smote", "smote_tomek"])
def test_labels_that_have_nothing_to_do_with_features_cannot_be_predicted_through_copies(method):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 5)), rng.choice([2.0, 5, 8], 150, p=[0.15, 0.7, 0.15])
    deep = {"n_trees": 60, "depth": 8, "learning_rate": 0.3, "row_share": 1.0, "column_share": 1.0}

    honest = make("xgboost", resampling=method, **deep).fit(X, y).intervals
    copied = single_model.resample(Rows(X, y, np.ones(150)), method, rng=rng).rows
    planted = make("xgboost", **deep).fit(copied.X, copied.y).intervals

    assert abs(np.corrcoef(honest.score, honest.label)[0, 1]) < 0.3
    assert np.corrcoef(planted.score, planted.label)[0, 1] > 0.6


def test_what_resampling_could_not_do_is_noted_once():
    X, y, groups = tracks(n=150)
    y[y >= 9] = 8
    y[:3] = 10

    recipe = make("svr", resampling="smote", k_neighbors=4).fit(X, y, groups=groups)

    assert "level 10 has 3 rows: 2 neighbours in place of 4 neighbours" in recipe.notes
    assert len(recipe.notes) == len(set(recipe.notes))


# ---- Scorers are evaluated in numpy, and say what the libraries say


def test_support_vectors_say_what_scikit_learn_says():
    X, y, _ = tracks()
    scale = StandardScaler().fit(X.astype(float))

    library = SVR(C=3 * y.std(), epsilon=0.5, gamma=1 / 160).fit(scale.transform(X), y)

    assert make("svr").fit(X, y).scorer.predict(X) == pytest.approx(library.predict(scale.transform(X)), abs=1e-3)


def test_the_baseline_says_what_scikit_learn_says():
    X, y, _ = tracks()
    scale = StandardScaler().fit(X.astype(float))

    library = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(scale.transform(X), y)

    assert np.allclose(
        make("baseline").fit(X, y).scorer.probabilities(X), library.predict_proba(scale.transform(X)), atol=1e-4
    )


def test_the_process_is_the_likeliest_of_its_grid_and_says_what_its_formula_says():
    X, y, _ = tracks(n=60)
    scorer = make("gp").fit(X, y).scorer
    z, labels = NormalScores(scorer.quantiles)(X), y - y.mean()
    distance = ((z[:, None] - z) ** 2).mean(axis=2)

    def log_likelihood(length, signal):
        covariance = signal * np.exp(-distance / (2 * length**2)) + np.eye(60)
        noise = labels @ np.linalg.solve(covariance, labels) / 60
        return -30 * np.log(noise) - np.linalg.slogdet(covariance)[1] / 2

    length, signal = max(itertools.product(gp.LENGTHS, gp.SIGNALS), key=lambda pair: log_likelihood(*pair))
    kernel = np.exp(-distance / (2 * length**2))
    expected = y.mean() + kernel @ np.linalg.solve(kernel + np.eye(60) / signal, labels)

    assert scorer.length == length
    assert scorer.predict(X) == pytest.approx(expected, abs=1e-4)


def test_beyond_its_rows_the_process_uses_a_part_as_basis_and_says_so(monkeypatch):
    X, y, _ = tracks(n=400)
    X_new, y_new, _ = tracks(seed=1)
    exact = make("gp", n_folds=2).fit(X, y).predict_score(X_new)
    monkeypatch.setattr(gp, "MAX_BASIS_ROWS", 150)
    monkeypatch.setattr(gp, "MAX_ROWS_TO_CHOOSE", 100)

    recipe = make("gp", n_folds=2).fit(X, y)

    assert recipe.notes == ["150 rows, drawn at random, stand for all: more take too long"]
    assert np.abs(recipe.predict_score(X_new) - exact).mean() < 0.3
    assert np.mean(np.abs(recipe.predict(X_new) - y_new)) < 0.8


def test_beyond_its_rows_support_vectors_are_of_a_part_and_it_says_so(monkeypatch):
    X, y, _ = tracks(n=300)
    monkeypatch.setattr(svr, "MAX_ROWS", 100)

    recipe = make("svr").fit(X, y)

    assert recipe.notes == ["100 rows, drawn at random, stand for all: more take too long"]
    assert len(recipe.scorer.support) <= 100


def test_the_ordinal_score_rounds_to_the_answers_of_its_nine_questions():
    X, y, _ = tracks()
    recipe = make("ordinal_logit").fit(X, y)
    scorer = recipe.scorer

    along = Standardised(scorer.mean, scorer.scale)(X) @ scorer.coefficients
    answers = scorer.lowest + np.sum(along[:, None] >= scorer.cuts, axis=1)

    assert np.array_equal(recipe.predict(X), answers)
    assert np.all(np.diff(scorer.cuts) > 0)


def test_the_mean_counts_members_alike_however_wide_their_scores():
    X, y, groups = tracks()
    members = ("ridge_thresholds", "svr")
    mean = make("mean_of_models", members=members).fit(X, y, groups=groups)
    each = [make(name).fit(X, y, groups=groups) for name in members]

    standard = [(one.scorer.predict(X) - one.intervals.score.mean()) / one.intervals.score.std() for one in each]

    assert np.corrcoef(mean.scorer.predict(X), np.mean(standard, axis=0))[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("members", [(), ("ridge",), ("auto",)])
def test_a_mean_of_unknown_members_is_refused(members):
    with pytest.raises(ValueError, match=r"found members .*; expected some of"):
        make("mean_of_models", members=members)


def test_normal_scores_by_hand_are_the_quantiles_of_ranks_with_ties_in_the_middle():
    scores = NormalScores.fit(np.array([[1.0, 7], [1, 7], [2, 7], [100, 7]]))

    found = scores(np.array([[1.0, 7], [2, 3], [100, 9], [1e9, 7]]))

    assert found[:, 0] == pytest.approx([-0.6745, 0.3186, 1.1503, 1.1503], abs=1e-3)
    assert found[:, 1].tolist() == [0, 0, 0, 0]


def test_without_folds_one_model_is_fitted_that_predicts_the_same_and_has_no_intervals(tmp_path):
    X, y, groups = tracks()
    recipe = make("svr", decision="lowest_mae", n_folds=0).fit(X, y, groups=groups)
    recipe.save(tmp_path)

    loaded = RECIPES["svr"].load(tmp_path)

    usual = make("svr", decision="lowest_mae").fit(X, y, groups=groups)
    for quick in (recipe, loaded):
        assert np.array_equal(quick.predict_score(X), usual.predict_score(X))
        assert np.array_equal(quick.predict(X), usual.predict(X))
        with pytest.raises(ValueError, match="svr of 0 folds; intervals come from held-out tracks"):
            quick.predict_interval(X)


def test_a_mean_of_models_cannot_do_without_folds():
    with pytest.raises(ValueError, match="and 0 folds"):
        make("mean_of_models", decision="lowest_mae", n_folds=0)
