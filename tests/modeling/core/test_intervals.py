import numpy as np
import pytest

from modeling.core.intervals import ConformalIntervals, coverage


def shrunken(n=4000, seed=0):
    """Labels and scores as a regression's: drawn to the middle, so that the ends are missed to one side."""
    rng = np.random.default_rng(seed)
    label = np.clip(np.round(rng.normal(5.5, 1.9, n)), 1, 10)
    return np.clip(5.5 + 0.7 * (label - 5.5) + rng.normal(0, 0.9, n), 1, 10), label


def test_intervals_hold_the_stated_share_on_every_level_where_a_constant_width_does_not():
    intervals = ConformalIntervals(*shrunken())
    score, label = shrunken(seed=1)

    found = coverage(label, *intervals.around(score, coverage=0.9))
    half_width = np.quantile(np.abs(score - label), 0.9)
    constant = coverage(label, score - half_width, score + half_width)

    assert found.share == pytest.approx(0.9, abs=0.02)
    assert found.worst_level(at_least=50) > 0.86
    assert constant.worst_level(at_least=50) < 0.75


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_other_shares_are_held_too(share):
    intervals = ConformalIntervals(*shrunken())
    score, label = shrunken(seed=2)

    assert share - 0.01 < coverage(label, *intervals.around(score, coverage=share)).share < share + 0.04


def test_with_few_tracks_rare_levels_are_held_nearly_as_often_as_with_many():
    held = {2: [], 5: [], 9: []}
    for seed in range(40):
        intervals = ConformalIntervals(*shrunken(n=60, seed=seed))
        score, label = shrunken(seed=100 + seed)
        by_level = coverage(label, *intervals.around(score, coverage=0.9)).by_level
        for level, shares in held.items():
            shares.append(by_level[level][1])

    assert min(np.mean(shares) for shares in held.values()) > 0.86


def test_a_larger_share_makes_wider_intervals_around_the_same_score():
    intervals = ConformalIntervals(*shrunken())
    score = np.linspace(-1, 12, 50)

    inner, outer = (intervals.around(score, coverage=share) for share in (0.6, 0.9))

    assert np.all(outer[0] <= inner[0])
    assert np.all(inner[0] <= inner[1])
    assert np.all(inner[1] <= outer[1])


def test_intervals_rise_with_the_score_and_stay_on_the_scale():
    lower, upper = ConformalIntervals(*shrunken()).around(np.linspace(-5, 15, 100), coverage=0.9)

    assert np.all(np.diff(lower) >= 0)
    assert np.all(np.diff(upper) >= 0)
    assert lower.min() == 1
    assert upper.max() == 10


def test_by_hand_exact_scores_have_no_width():
    label = np.repeat(np.arange(1.0, 11), 3)

    lower, upper = ConformalIntervals(label, label).around([4.0, 7.5], coverage=0.9)

    assert lower == pytest.approx([4, 7.5])
    assert upper == pytest.approx([4, 7.5])


def test_by_hand_scores_that_are_always_one_too_high_move_the_interval_down():
    label = np.repeat(np.arange(1.0, 10), 3)

    lower, upper = ConformalIntervals(label + 1, label).around([6.0], coverage=0.9)

    assert lower == pytest.approx([5])
    assert upper == pytest.approx([5])


def test_levels_that_were_never_seen_borrow_from_the_nearest():
    rng = np.random.default_rng(0)
    label = rng.integers(4, 7, 300).astype(float)

    lower, upper = ConformalIntervals(label + rng.normal(0, 0.5, 300), label).around([1.0, 5.0, 10.0], coverage=0.9)

    assert upper[0] < 2.5
    assert lower[2] > 8.5
    assert (lower[1], upper[1]) == pytest.approx((4.1, 5.9), abs=0.3)


def test_few_tracks_give_their_extremes():
    lower, upper = ConformalIntervals(np.array([4.0, 6.5]), np.array([5.0, 5.0])).around([5.0], coverage=0.9)

    assert lower == pytest.approx([3.5])
    assert upper == pytest.approx([6])


@pytest.mark.parametrize("share", [0, 1, -0.1, 90])
def test_a_share_outside_zero_and_one_is_refused(share):
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        ConformalIntervals(np.ones(3), np.ones(3)).around([5.0], coverage=share)


def test_no_tracks_are_refused():
    with pytest.raises(ValueError, match="not empty"):
        ConformalIntervals(np.empty(0), np.empty(0))


def test_coverage_is_reported_by_level_with_half_a_level_going_up():
    found = coverage([2.5, 3, 9], [2, 3.5, 8], [3, 4, 10])

    assert found.by_level == {3: (2, 0.5), 9: (1, 1.0)}
    assert found.share == pytest.approx(2 / 3)
    assert found.mean_width == pytest.approx(3.5 / 3)
    assert found.worst_level(at_least=2) == 0.5
    assert np.isnan(found.worst_level())


def test_coverage_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match="expected three times"):
        coverage([1, 2], [1], [2])
