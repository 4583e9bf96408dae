import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.core import metrics

LEVEL = st.integers(1, 10)
PAIRS = st.lists(st.tuples(LEVEL, LEVEL), min_size=1, max_size=40)


def test_macro_mae_counts_each_level_once():
    # Level 1 is off by 4 on its only track, level 10 by 0 and 2 on two.
    assert metrics.macro_mae([1, 10, 10], [5, 10, 8]) == pytest.approx((4 + 1) / 2)


def test_macro_mae_measures_in_levels_when_levels_between_are_absent():
    assert metrics.macro_mae([1, 10], [10, 10]) == 4.5


def test_macro_mae_ignores_levels_that_are_only_predicted():
    assert metrics.macro_mae([5, 5], [4, 6]) == 1.0


def test_float_predictions_are_measured_unrounded():
    assert metrics.mae([3, 4], [3.25, 4.5]) == pytest.approx(0.375)
    assert metrics.macro_mae([3, 4], [3.25, 4.5]) == pytest.approx(0.375)


def test_confusion_matrix_is_ten_by_ten_whichever_levels_occur():
    matrix = metrics.confusion_matrix([1, 10, 10], [10, 10, 9])

    assert matrix.shape == (10, 10)
    assert matrix[0, 9] == matrix[9, 9] == matrix[9, 8] == 1
    assert matrix.sum() == 3


def test_accuracy_within_includes_the_distance_itself():
    assert metrics.accuracy_within([5, 5, 5], [5, 6, 7], 1) == pytest.approx(2 / 3)


def test_by_level_has_a_row_per_level_that_occurs():
    rows = metrics.by_level([2, 2, 9], [2, 5, 8])

    assert rows == [metrics.LevelMetrics(2, 2, 1.5, 0.5, 0.5, 0.5), metrics.LevelMetrics(9, 1, 1.0, 0.0, 1.0, 1.0)]


def test_by_group_counts_a_track_in_each_of_its_genres_once():
    rows = metrics.by_group([1, 10, 10], [3, 10, 10], [("rock", "pop", "rock"), ("rock",), ()])

    assert rows == [metrics.GroupMetrics("rock", 2, 1.0, 1.0), metrics.GroupMetrics("pop", 1, 2.0, 2.0)]


def test_by_group_refuses_a_plain_string_of_genres():
    with pytest.raises(ValueError, match="expected a collection of names"):
        metrics.by_group([1], [1], ["rock"])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1, 2], [1], r"shapes \(2,\) and \(1,\)"),
        ([[1]], [[1]], "shapes"),
        ([], [], "no tracks"),
        ([1], [np.nan], "1 predictions that are not finite"),
        ([0], [1], "y_true holds 0"),
        ([11], [1], "y_true holds 11"),
        ([2.5], [1], "y_true holds 2.5"),
        ([np.nan], [1], "y_true holds nan"),
    ],
)
def test_impossible_input_is_refused_with_what_was_found(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metrics.macro_mae(y_true, y_pred)


def test_confusion_matrix_refuses_predictions_that_are_no_levels():
    with pytest.raises(ValueError, match=r"y_pred holds 4\.5; expected whole levels 1\.\.10"):
        metrics.confusion_matrix([4], [4.5])


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_all_metrics_agree_with_the_confusion_matrix(pairs):
    truth, prediction = np.array(pairs).T
    matrix = metrics.confusion_matrix(truth, prediction)
    distance = np.abs(np.subtract.outer(range(10), range(10)))
    occurs = matrix.sum(axis=1) > 0

    assert metrics.mae(truth, prediction) == pytest.approx((matrix * distance).sum() / len(pairs))
    expected = ((matrix * distance).sum(axis=1)[occurs] / matrix.sum(axis=1)[occurs]).mean()
    assert metrics.macro_mae(truth, prediction) == pytest.approx(expected)
    assert metrics.accuracy_within(truth, prediction, 0) == pytest.approx(np.trace(matrix) / len(pairs))


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_turning_the_scale_around_changes_no_error(pairs):
    truth, prediction = np.array(pairs).T

    assert metrics.macro_mae(11 - truth, 11 - prediction) == pytest.approx(metrics.macro_mae(truth, prediction))
