import numpy as np
import pytest

from modeling.core.lab.catalogue import LearningCurve
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import learning_curve
from modeling.core.lab.experiments.learning_curve import answer
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent


def ask(data, **options):
    return answer(LearningCurve(**{"n_repeats": 2, "n_points": 4, **options}), data, on_progress=silent)


def test_with_many_features_more_tracks_help_and_twice_as_many_would():
    findings = ask(lab_data(400, n_features=80, noise=8.0), n_repeats=3)

    measured, more = findings.tables
    errors = [estimate.value for estimate in column(measured, "macro-MAE")]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] - errors[-1] > 0.3
    assert column(measured, "learnt from")[0] == 20
    error, twice, four = column(more, "macro-MAE")
    assert four < twice < error < errors[-2]
    assert column(more, "change, from")[1] < twice - error < column(more, "change, to")[1] <= 0
    assert "This is an extrapolation" in findings.conclusions[2]


def test_where_a_few_tracks_say_all_more_are_not_said_to_help():
    findings = ask(lab_data(400, n_features=2, noise=1.5))

    assert "no gain that could be told from chance" in findings.conclusions[1]
    assert column(findings.tables[1], "change")[1] > -0.1


def test_each_set_holds_the_smaller_ones(monkeypatch):
    sets = []
    fit = learning_curve.fit

    def spy(recipe, dataset, rows, *others):
        sets.append(set(np.flatnonzero(rows)))
        return fit(recipe, dataset, rows, *others)

    monkeypatch.setattr(learning_curve, "fit", spy)
    ask(lab_data(150), n_repeats=1, n_points=3, n_folds=2)

    for smallest, middle, largest in (sets[:3], sets[3:]):
        assert smallest < middle < largest
        assert len(smallest) == 20
    assert not sets[2] & sets[5]  # what one fold learns from is what the other is judged by


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (lab_data(40), "needs 60: label more"),
        (lab_data(level=[5] * 100), "same level"),
        (lab_data(level=[4, 8] * 100).tracks(np.arange(2)), "label more"),
    ],
)
def test_too_little_is_refused_with_what_to_do(data, what):
    with pytest.raises(TooLittleData, match=what):
        ask(data)


def test_a_recipe_that_wants_more_than_the_smallest_set_has_is_refused_with_what_it_wants():
    level = np.resize([3, 5, 7], 120)
    annotations = labels_by(level, {"ann": (range(120), 0, 0.5)})

    with pytest.raises(TooLittleData, match="annotator_ensemble cannot learn from these 20 tracks: found 20 labels"):
        ask(lab_data(level=level, annotations=annotations), recipe="annotator_ensemble")
