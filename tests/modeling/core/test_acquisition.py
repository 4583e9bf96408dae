from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.core import acquisition_space
from modeling.core.acquisition import STRATEGIES, odds_of_levels
from modeling.core.acquisition_space import Sight
from modeling.core.pool import Pool

# One that asks for second opinions as well has its own tests.
OF_NEW_TRACKS = [name for name in STRATEGIES if name != "relabel_or_new"]
GREEDY = [name for name in OF_NEW_TRACKS if name != "random"]
of_new_tracks = pytest.mark.parametrize("name", OF_NEW_TRACKS)
greedy = pytest.mark.parametrize("name", GREEDY)
few = settings(max_examples=10)


def a_pool(X, level, *, score=None, is_open=None, key=None):
    X, level = np.asarray(X, np.float32), np.asarray(level, float)
    key = np.random.default_rng(9).integers(2**63, size=len(X)) if key is None else key
    is_open = np.isnan(level) if is_open is None else np.asarray(is_open)
    return Pool(X, np.asarray(key, np.uint64), level, is_open, score)


def on_a_line(known, open_, *, level=5.0, score=None):
    """Ten labelled tracks at each of the places known, of one feature."""
    X = np.concatenate([np.repeat(known, 10), open_])[:, None]
    levels = np.concatenate([np.full(10 * len(known), level), np.full(len(open_), np.nan)])
    if score is not None:
        score = np.concatenate([np.full(10 * len(known), level), score])
    return a_pool(X, levels, score=score), 10 * len(known)


@st.composite
def pools(draw, *, least_open=0):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_known, n_open, n_shut = (
        draw(st.integers(0, 25)),
        draw(st.integers(least_open, 12)),
        draw(st.integers(0, 4)),
    )
    n = n_known + n_open + n_shut
    level = np.full(n, np.nan)
    level[:n_known] = rng.integers(1, 11, n_known)
    # Of shut tracks some are labelled, as those of the evaluation slice.
    level[n_known + n_open :][::2] = 3
    is_open = np.arange(n) - n_known
    is_open = (is_open >= 0) & (is_open < n_open)
    X = rng.integers(-2, 3, (n, 3)) if draw(st.booleans()) else rng.normal(size=(n, 3))
    score = rng.uniform(1, 10, n) if draw(st.booleans()) else None
    return a_pool(X, level, score=score, is_open=is_open, key=rng.permutation(n) if n else [])


@of_new_tracks
@few
@given(pool=pools(), n=st.integers(0, 15), seed=st.integers(0, 3))
def test_what_is_chosen_is_open_and_chosen_once_and_as_many_as_asked_for(name, pool, n, seed):
    chosen = STRATEGIES[name](pool, n, seed)

    assert pool.is_open[chosen].all()
    assert np.isnan(pool.level[chosen]).all()
    assert len(np.unique(chosen)) == len(chosen) == min(n, pool.is_open.sum())


@of_new_tracks
@few
@given(pool=pools(least_open=2), seed=st.integers(0, 3), shuffle=st.randoms(use_true_random=False))
def test_another_order_of_rows_changes_nothing(name, pool, seed, shuffle):
    order = np.array(shuffle.sample(range(len(pool.key)), len(pool.key)))
    score = None if pool.score is None else pool.score[order]
    moved = a_pool(pool.X[order], pool.level[order], score=score, is_open=pool.is_open[order], key=pool.key[order])

    first, again = STRATEGIES[name](pool, 8, seed), STRATEGIES[name](moved, 8, seed)

    assert np.array_equal(pool.key[first], moved.key[again])


@of_new_tracks
def test_a_labelled_track_is_not_chosen_even_where_it_is_said_to_be_open(name):
    pool, n_known = on_a_line([0.0], [1.0, 2.0, 3.0], score=[1.0, 5.0, 9.0])
    pool = replace(pool, is_open=np.ones(n_known + 3, bool))

    assert set(STRATEGIES[name](pool, 20, 0)) == {n_known, n_known + 1, n_known + 2}


@greedy
@pytest.mark.parametrize("apart", [0.0, 0.01], ids=["the same features", "nearly the same features"])
@pytest.mark.parametrize("n_known", [0, 30], ids=["cold", "with a model"])
def test_of_two_copies_the_second_waits_until_all_others_are_chosen(name, apart, n_known):
    rng = np.random.default_rng(3)
    open_ = rng.normal(size=(12, 6))
    known = rng.normal(size=(n_known, 6))
    copy_of_known = known[:1] + apart
    X = np.concatenate([known, open_, open_ + apart, copy_of_known])
    level = np.full(len(X), np.nan)
    level[:n_known] = rng.integers(1, 11, n_known)
    score = rng.uniform(1, 10, len(X)) if n_known else None

    chosen = STRATEGIES[name](a_pool(X, level, score=score), len(X), 0) - n_known

    assert len(set(chosen[:12] % 12)) == 12
    assert 24 not in chosen[:12]
    assert len(chosen) == len(X) - n_known


@of_new_tracks
def test_without_labels_and_without_a_model_tracks_are_chosen_all_the_same(name):
    X = np.random.default_rng(1).normal(size=(20, 4))

    assert len(STRATEGIES[name](a_pool(X, np.full(20, np.nan)), 5, 0)) == 5


@greedy
def test_a_cold_start_spreads_over_the_features(name):
    """Two crowds and one track between them: of three choices each gets one."""
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(-10, 0.1, (15, 2)), rng.normal(10, 0.1, (15, 2)), [[0.0, 0.0]]])

    chosen = STRATEGIES[name](a_pool(X, np.full(31, np.nan)), 3, 0)

    assert {-1, 0, 1} == {round(float(X[row, 0]) / 10) for row in chosen}


@of_new_tracks
@pytest.mark.parametrize("score", [None, np.full(32, 5.0)], ids=["no model", "a model that knows nothing"])
def test_features_and_levels_that_say_nothing_are_no_obstacle(name, score):
    level = np.concatenate([np.full(12, 5.0), np.full(20, np.nan)])

    chosen = STRATEGIES[name](a_pool(np.ones((32, 3)), level, score=score), 6, 0)

    assert len(set(chosen)) == 6
    assert chosen.min() >= 12


@of_new_tracks
def test_the_only_open_track_is_chosen(name):
    pool, n_known = on_a_line([0.0, 1.0], [0.5], score=[4.0])

    assert list(STRATEGIES[name](pool, 10, 0)) == [n_known]


@pytest.mark.parametrize("name", ["random", "rare_levels", "k_center"])
def test_another_seed_is_another_choice(name):
    X = np.ones((40, 2)) if name == "k_center" else np.random.default_rng(0).normal(size=(40, 2))
    level = np.concatenate([np.tile([4.0, 6.0], 10), np.full(20, np.nan)])
    pool = a_pool(X, level, score=np.linspace(3, 7, 40))

    assert list(STRATEGIES[name](pool, 5, 1)) != list(STRATEGIES[name](pool, 5, 2))


def test_at_random_every_track_comes_first_about_as_often():
    pool = a_pool(np.ones((4, 1)), np.full(4, np.nan), key=[1, 2, 3, 4])

    first = np.bincount([STRATEGIES["random"](pool, 1, seed)[0] for seed in range(1000)], minlength=4)

    # Standard deviation 14.
    assert np.abs(first - 250).max() < 50


def test_k_center_takes_the_farthest_then_the_farthest_of_both():
    pool, n_known = on_a_line([0.0], [1.0, 4.0, 10.0])

    # 10 is 10 away; then 4 is 4 away from 0, and 1 is 1 away.
    assert list(STRATEGIES["k_center"](pool, 3, 0) - n_known) == [2, 1, 0]


def test_igs_multiplies_distance_in_features_and_in_level():
    pool, n_known = on_a_line([0.0], [1.0, 3.0, 2.0], score=[9.0, 6.0, 5.0])

    # 1 x |9 - 5| = 4 is the largest; then 3 x |6 - 5| = 3 (to the chosen one 2 x 3 = 6); 2 x |5 - 5| = 0 is last.
    assert list(STRATEGIES["greedy_inputs_outputs"](pool, 3, 0) - n_known) == [0, 1, 2]


def test_odds_of_levels_are_as_wide_as_residuals_are():
    level = np.tile([3.0, 7.0], 20)
    off = np.repeat([-2.0, 2.0], 20)
    pool = a_pool(np.zeros((41, 1)), np.append(level, np.nan), score=np.append(level + off, 5.0))

    odds = odds_of_levels(Sight.of(pool, 0))[0]

    # Slope: 160 / (160 + 160) = 1/2, so residuals are y - 5 - (y - 5 + off) / 2: +-2 or 0, spread sqrt(2).
    scale = np.sqrt(2) * np.sqrt(3) / np.pi
    assert odds.sum() == pytest.approx(1)
    assert odds[4] == pytest.approx(np.tanh(0.5 / scale / 2))
    assert odds[3] == pytest.approx(odds[5])


def test_rare_levels_draws_in_proportion_to_what_a_label_takes_off_the_error():
    """Ten labels of level 3, thirty of level 7; two tracks equally far away, one sounding like each."""
    level = np.concatenate([np.full(10, 3.0), np.full(30, 7.0), [np.nan, np.nan]])
    X = np.concatenate([np.zeros(40), [-1.0, 1.0]])[:, None]
    pool = a_pool(X, level, score=np.append(level[:40], [3.0, 7.0]))
    odds = odds_of_levels(Sight.of(pool, 0))
    # Which of both is which, by the key, changes with the seed.
    like_3 = odds[np.argmax(odds[:, 2])]
    labels = np.bincount(level[:40].astype(int), minlength=11)[1:]
    gain_3, gain_7 = like_3 @ (1 / (labels + 1) ** 2.0), np.roll(like_3, 4) @ (1 / (labels + 1) ** 2.0)

    first = np.mean([STRATEGIES["rare_levels"](pool, 1, seed)[0] == 40 for seed in range(250)])

    assert first == pytest.approx(gain_3 / (gain_3 + gain_7), abs=0.09)


def test_of_three_choices_of_the_mixture_two_are_of_k_center():
    rng = np.random.default_rng(2)
    level = np.concatenate([np.tile([3.0, 7.0], 10), np.full(30, np.nan)])
    pool = a_pool(rng.normal(size=(50, 3)), level, score=rng.uniform(3, 7, 50))

    mixed, spread = (STRATEGIES[name](pool, 3, 1) for name in ("k_center_and_rare_levels", "k_center"))

    assert np.array_equal(mixed[:2], spread[:2])
    assert mixed[2] != spread[2]


def test_a_committee_disagrees_more_where_labels_contradict_each_other():
    """Two equally distant places; of one feature's end labels agree, at the other they do not."""
    places = np.concatenate([np.full(15, -1.0), np.full(15, 1.0)])
    level = np.concatenate([np.full(15, 5.0), np.tile([1.0, 5.0, 9.0], 5)])
    X = np.concatenate([places, [-2.0, 2.0]])[:, None]
    pool = a_pool(X, np.append(level, [np.nan, np.nan]), score=np.full(32, 5.0))

    assert [STRATEGIES["committee_spread"](pool, 1, seed)[0] for seed in range(5)] == [31] * 5


def test_density_takes_one_of_a_crowd_before_a_track_as_far_away_and_alone():
    pool, n_known = on_a_line([0.0], [-10.0, 9.0, 10.0, 11.0])

    # 11 / mean(21, 2, 1, 0) = 1.83, 10 / mean(20, 1, 0, 1) = 1.82, 10 / mean(0, 19, 20, 21) = 0.67; then 9 is 2 away from 11.
    assert list(STRATEGIES["density_weighted"](pool, 2, 0) - n_known) == [3, 0]


def test_chance_is_that_of_splitmix():
    """The first output of the published generator from state 0 is the finaliser of its increment."""
    golden = np.array([0x9E3779B97F4A7C15], np.uint64)

    assert acquisition_space._mixed(golden).tolist() == [0xE220A8397B1DCDAF]


def test_arrays_that_are_not_one_for_each_track_are_refused():
    with pytest.raises(ValueError, match="one for each track"):
        a_pool(np.zeros((3, 2)), [np.nan, np.nan])


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        a_pool([[1.0, np.nan]], [np.nan])
