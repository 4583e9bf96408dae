import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, mean_absolute_error

from modeling.core.estimates import Estimate, ratio
from modeling.core.lab.comparison import HeldOut, Protocol, check_enough, compare, comparison_table, contender, notes_of
from modeling.core.lab.data import TooLittleData
from modeling.core.metrics import LEVELS
from modeling.core.recipes import RECIPES

from .odd import odd_data

RIDGE = {"ridge": contender("ridge_thresholds")}


def held_out(truth, *levels):
    return HeldOut(np.array(truth), np.arange(len(truth)), np.array(levels, float), np.array(levels), 0.0)


@pytest.fixture(scope="module")
def dataset():
    return odd_data().using().dataset


def test_figures_are_those_one_computes_by_hand():
    found = held_out([1, 10, 10, 10], [5, 10, 10, 7])

    assert found.error.tolist() == [4, 0, 0, 3]
    assert found.macro_mae.value == (4 + 1) / 2
    assert found.macro_mae.se == pytest.approx(np.sqrt(np.var([0, 0, 3], ddof=1) / 3) / 2)
    assert found.mae.value == 7 / 4
    assert found.within(3).value == 3 / 4
    assert found.large_errors.tolist() == [1, 0, 0, 1]
    assert found.distance_when_wrong.value == 3.5


def test_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, level = rng.integers(1, 11, 300), rng.integers(1, 11, 300)
    found = held_out(truth, level)

    assert found.mae.value == pytest.approx(mean_absolute_error(truth, level))
    assert found.within(0).value == pytest.approx(accuracy_score(truth, level))
    assert found.macro_mae.value == pytest.approx(
        np.mean([mean_absolute_error(truth[truth == k], level[truth == k]) for k in LEVELS])
    )
    assert found.matrix("all").counts == tuple(map(tuple, confusion_matrix(truth, level, labels=list(LEVELS)).tolist()))


def test_repeats_count_as_one_track_in_errors_and_as_several_in_matrices():
    found = held_out([3, 5], [3, 5], [4, 9])

    assert found.error.tolist() == [0.5, 2]
    assert found.large_errors.tolist() == [0, 0.5]
    assert sum(map(sum, found.matrix("both").counts)) == 4


def test_paired_differences_are_known_better_than_either_error():
    rng = np.random.default_rng(1)
    truth = rng.integers(1, 11, 400)
    common = np.clip(truth + rng.integers(-3, 4, 400), 1, 10)
    nudged = np.where(rng.random(400) < 0.1, np.clip(common + 1, 1, 10), common)
    one, other = held_out(truth, common), held_out(truth, nudged)

    difference = other.macro_mae_less(one)

    assert difference.value == pytest.approx(other.macro_mae.value - one.macro_mae.value)
    assert difference.se < 0.5 * min(one.macro_mae.se, other.macro_mae.se)
    assert other.mae_less(one).se == pytest.approx((other.error - one.error).std(ddof=1) / 20)
    assert one.macro_mae_less(one) == Estimate(0.0, 0.0)


def test_the_standard_error_of_a_ratio_is_how_far_it_scatters():
    rng = np.random.default_rng(2)
    drawn = [ratio(rng.gamma(2, 1, 200), rng.gamma(3, 1, 200)) for _ in range(400)]

    assert np.std([each.value for each in drawn]) == pytest.approx(np.mean([each.se for each in drawn]), rel=0.15)
    assert np.isnan(ratio([0.0], [0.0]).value)


def test_every_track_is_predicted_by_a_model_that_knows_neither_it_nor_its_artist(dataset):
    known = []

    class Watched(RECIPES["ridge_thresholds"]):
        def fit(self, X, y, **about):
            known.append(X)
            return super().fit(X, y, **about)

        def predict(self, X):
            rows = {row.tobytes() for row in known[-1]}
            seen = {artist for row, artist in zip(dataset.X, dataset.groups, strict=True) if row.tobytes() in rows}
            asked = {artist_of[row.tobytes()] for row in X}
            assert not seen & asked
            return super().predict(X)

    artist_of = {row.tobytes(): artist for row, artist in zip(dataset.X, dataset.groups, strict=True)}

    found = compare({"watched": lambda seed: Watched(seed=seed)}, dataset, Protocol(n_folds=3, n_repeats=2))

    assert len(known) == 6
    assert np.isfinite(found["watched"].score).all()
    assert found["watched"].level.min() >= 1


def test_contenders_are_compared_on_the_same_folds_and_the_same_seed_gives_the_same_figures(dataset):
    protocol = Protocol(n_folds=3, n_repeats=2, seed=5)

    found = compare({"one": contender("ridge_thresholds"), "same": contender("ridge_thresholds")}, dataset, protocol)
    again = compare(RIDGE, dataset, protocol)["ridge"]
    other = compare(RIDGE, dataset, Protocol(n_folds=3, n_repeats=2, seed=6))["ridge"]

    assert np.array_equal(found["one"].score, found["same"].score)
    assert np.array_equal(found["one"].score, again.score)
    assert not np.array_equal(found["one"].score, other.score)


@pytest.mark.parametrize("recipe", ["xgboost", "baseline", "svr"])
def test_leaving_out_fits_that_serve_intervals_changes_no_prediction(dataset, recipe):
    options = {} if recipe == "baseline" else {"decision": "lowest_mae"}
    protocol = Protocol(n_folds=2)

    quick = compare({"a": contender(recipe, **options)}, dataset, protocol)["a"]
    full = compare({"a": lambda seed: RECIPES[recipe](seed=seed, **options)}, dataset, protocol)["a"]

    assert contender(recipe, **options)(0).n_folds == 0
    assert contender("svr")(0).n_folds == 5
    assert np.array_equal(quick.score, full.score)
    assert np.array_equal(quick.level, full.level)


def test_progress_comes_before_each_fit_and_may_stop_the_work(dataset):
    class Cancelled(Exception):
        pass

    said = []

    def watch(share, message):
        said.append((share, message))
        if len(said) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        compare(RIDGE, dataset, Protocol(n_folds=4), on_progress=watch)

    assert said == [(0, "ridge: fold 1, repeat 1"), (0.25, "ridge: fold 2, repeat 1"), (0.5, "ridge: fold 3, repeat 1")]


def test_rounded_scores_are_another_decision_on_the_same_scores(dataset):
    found = compare({"svr": contender("svr")}, dataset, Protocol(n_folds=2))["svr"]
    rounded = compare({"svr": contender("svr", decision="lowest_mae")}, dataset, Protocol(n_folds=2))["svr"]

    assert np.array_equal(found.rounded().level, rounded.level)
    assert not np.array_equal(found.level, rounded.level)


def test_some_tracks_of_what_was_held_out():
    part = held_out([1, 5, 9], [2, 5, 9], [1, 4, 8]).tracks(np.array([True, False, True]))

    assert part.truth.tolist() == [1, 9]
    assert part.level.tolist() == [[2, 9], [1, 8]]


def test_too_little_is_refused_with_what_to_do(dataset):
    with pytest.raises(TooLittleData, match=r"9 labelled tracks .* label more"):
        check_enough(dataset.rows(np.arange(9)))
    with pytest.raises(TooLittleData, match="same level"):
        check_enough(dataset.rows(dataset.y == dataset.y[0]))
    one_artist = dataset.rows(np.arange(40))
    one_artist.groups[:] = "one"
    with pytest.raises(TooLittleData, match="one artist"):
        compare(RIDGE, one_artist, Protocol())
    with pytest.raises(TooLittleData, match=r"[89] tracks of \d levels are left to learn from"):
        compare(RIDGE, dataset.rows(np.arange(12)), Protocol())
    assert compare(RIDGE, one_artist, Protocol(by_artist=False))["ridge"].error.shape == (40,)


def test_notes_name_their_contenders_and_come_once_though_numbers_differ():
    truth, level, score = np.array([1, 5, 5]), np.array([[1, 5, 6]]), np.array([[1.0, 5, 6]])
    found = {
        "smote": HeldOut(
            truth, np.arange(len(truth)), score, level, 0, ("level 10 has 5 rows", "level 10 has 4 rows", "slow")
        ),
        "tomek": HeldOut(truth, np.arange(len(truth)), score, level, 0, ("level 10 has 5 rows",)),
    }

    several, slow, single = notes_of(found)

    assert several == "all: level 10 has 5 rows (and 1 more like it)"
    assert slow == "smote: slow"
    assert single.startswith("one track alone is of level 1:")


def test_the_table_points_out_the_best_and_sets_the_thesis_beside():
    found = {"a": held_out([1, 5, 5], [1, 6, 6]), "b": held_out([1, 5, 5], [1, 5, 6])}

    table = comparison_table("both", found, reference="a", thesis={"a": 1.16})

    assert table.best == 1
    assert [column.name for column in table.columns][:4] == ["Contender", "macro-MAE", "thesis", "less a"]
    assert [row[2] for row in table.rows] == [1.16, None]
    assert table.rows[0][3] is None
    assert table.rows[1][3].value == -0.25
