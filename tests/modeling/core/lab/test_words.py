import numpy as np

from modeling.core.lab.comparison import HeldOut
from modeling.core.lab.words import better_or_not

TRUTH = np.repeat([1, 5, 9], 30)


def off_by(distance, *, but_for=0):
    """Predictions that far below or above the truth; the first `but_for` of each level are right."""
    level = np.where(TRUTH > 5, TRUTH - distance, TRUTH + distance)
    level = np.where(np.arange(len(TRUTH)) % 30 < but_for, TRUTH, level)
    return HeldOut(TRUTH, np.arange(len(TRUTH)), level[None].astype(float), level[None], 0.0)


def test_the_lowest_is_named_with_those_that_are_as_good():
    first, *_ = better_or_not({"none": off_by(2), "smote": off_by(1), "tomek": off_by(1, but_for=1)}, "none")

    assert first.startswith("Lowest macro-MAE: tomek with 0.97 ")
    assert first.endswith("; not clearly different: smote.")


def test_the_lowest_of_all_is_said_to_be_clearly_below_the_others():
    first, second = better_or_not({"none": off_by(2), "smote": off_by(1)}, "none")

    assert first == "Lowest macro-MAE: smote with 1.00 ± 0.00 levels, clearly below the other."
    assert second == "smote against none: -1.00 ± 0.00 (better)."


def test_many_that_are_as_good_are_counted():
    alike = {f"k {k}": off_by(1) for k in range(6)}
    first, *_ = better_or_not(alike, "k 0")
    with_worse, *_ = better_or_not({"none": off_by(2), **alike}, "none")

    assert first.endswith("; none of the other 5 is clearly different.")
    assert with_worse.endswith("; 5 of the other 6 are not clearly different.")


def test_where_nothing_was_learnt_that_comes_first():
    constant = HeldOut(TRUTH, np.arange(90), np.ones((1, 90)), np.ones((1, 90), int), 0.0)  # 1 for all: errs by 4

    first, *_ = better_or_not({"none": constant, "smote": constant}, "none")
    *_, last = better_or_not({"none": constant, "smote": off_by(1)}, "none")

    assert first == "Nothing was learnt: all err as much as one level for all tracks does (2.67), or more."
    assert last == "Learnt nothing, as one level for all tracks does as well (2.67): none."
