import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.core.decisions import DECISIONS, MacroMaeThresholds, round_to_level
from modeling.core.metrics import macro_mae


def test_half_rounds_to_the_higher_level():
    assert round_to_level([1.5, 2.5, 9.5, 2.49]).tolist() == [2, 3, 10, 2]


def test_scores_outside_the_scale_become_its_ends():
    assert round_to_level([-7.0, 0.99, 10.01, 99.0]).tolist() == [1, 1, 10, 10]


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="score holds 1 values that are not finite"):
        round_to_level([1.0, np.inf])


def skewed_scores(rng, n=3000):
    """Levels like the thesis's, and scores shrunken to the middle as a regression's are."""
    level = np.clip(np.round(rng.normal(5.8, 1.6, n)), 1, 10).astype(int)
    return level, np.clip(5.8 + 0.6 * (level - 5.8) + rng.normal(0, 0.7, n), 1, 10)


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_beat_rounding_by_macro_mae_on_shrunken_scores(seed):
    rng = np.random.default_rng(seed)
    level, score = skewed_scores(rng)
    new_level, new_score = skewed_scores(rng)

    decided = MacroMaeThresholds().fit(score, level).predict(new_score)

    assert macro_mae(new_level, decided) < macro_mae(new_level, round_to_level(new_score)) - 0.1


def test_two_balanced_levels_are_cut_in_the_middle_whatever_their_counts():
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.normal(4, 0.5, 5000), rng.normal(5, 0.5, 500)])

    cuts = MacroMaeThresholds().fit(score, np.repeat([4, 5], [5000, 500])).thresholds

    assert cuts[3] == pytest.approx(4.5, abs=0.05)
    assert np.all(cuts[:3] == -np.inf)
    assert np.all(cuts[4:] == np.inf)


def test_levels_outside_the_seen_range_are_never_predicted():
    decision = MacroMaeThresholds().fit([3.0, 3.4, 5.1, 6.3], [3, 3, 5, 6])

    assert decision.predict([-50.0, 50.0]).tolist() == [3, 6]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_single_level_is_predicted_always(n):
    decision = MacroMaeThresholds().fit(np.linspace(2, 9, n), np.full(n, 7))

    assert decision.predict([1.0, 10.0]).tolist() == [7, 7]


def test_a_label_between_two_levels_counts_as_the_higher():
    score = np.linspace(1, 10, 60)
    fractional = MacroMaeThresholds().fit(score, np.repeat([5.5, 6.5, 6.4], 20))
    whole = MacroMaeThresholds().fit(score, np.repeat([6, 7, 6], 20))

    assert np.array_equal(fractional.thresholds, whole.thresholds)


def test_scores_that_fall_with_the_level_do_not_turn_the_decision_around():
    decision = MacroMaeThresholds().fit([9.0, 8.0, 3.0, 2.0], [2, 2, 8, 8])

    assert len(set(decision.predict([1.0, 5.0, 10.0]))) == 1


def test_constant_scores_give_one_level():
    decision = MacroMaeThresholds().fit([5.0] * 6, [2, 4, 5, 6, 8, 8])

    assert decision.predict([5.0]) == 5


def test_perfectly_separable_scores_are_cut_between_the_levels():
    level = np.repeat(np.arange(1, 11), 4)

    assert np.array_equal(MacroMaeThresholds().fit(level.astype(float), level).predict(level), level)


def test_integer_weights_equal_repeated_rows():
    rng = np.random.default_rng(1)
    level, score = skewed_scores(rng, 200)
    times = rng.integers(1, 4, 200)

    weighted = MacroMaeThresholds().fit(score, level, sample_weight=times)
    repeated = MacroMaeThresholds().fit(np.repeat(score, times), np.repeat(level, times))

    finite = np.isfinite(repeated.thresholds)
    assert np.allclose(weighted.thresholds[finite], repeated.thresholds[finite], atol=0.02)


def test_thresholds_out_of_order_are_refused():
    with pytest.raises(ValueError, match="expected 9 ascending"):
        MacroMaeThresholds([2, 1, 3, 4, 5, 6, 7, 8, 9])


def test_no_tracks_are_refused():
    with pytest.raises(ValueError, match="not empty"):
        MacroMaeThresholds().fit([], [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 10), st.floats(1, 10)), min_size=1, max_size=25),
    st.lists(st.floats(-5, 15), min_size=2, max_size=10),
)
def test_any_data_gives_ascending_cuts_and_levels_that_rise_with_the_score(rows, new_scores):
    score, y = np.array(rows).T
    decision = MacroMaeThresholds().fit(score, y)

    levels = decision.predict(np.sort(new_scores))

    assert np.all(decision.thresholds[:-1] <= decision.thresholds[1:])
    assert np.all(np.diff(levels) >= 0)
    seen = round_to_level(y)
    assert seen.min() <= levels.min()
    assert levels.max() <= seen.max()


def test_decisions_have_names_and_the_lowest_mae_is_rounding():
    rng = np.random.default_rng(0)
    level, score = skewed_scores(rng, 500)
    new = np.append(score, [1.5, 2.5, 9.5])

    macro, rounded = (
        DECISIONS[name](score, level, np.ones(500)).predict(new) for name in ("lowest_macro_mae", "lowest_mae")
    )

    assert np.array_equal(rounded, round_to_level(new))
    assert np.array_equal(macro, MacroMaeThresholds().fit(score, level).predict(new))
