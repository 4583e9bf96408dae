from math import erf, sqrt

import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.lab.catalogue import LabelNoiseCeiling
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import label_noise_ceiling
from modeling.core.lab.experiments.label_noise_ceiling import answer
from modeling.core.lab.noise import LabelNoise, ceiling, median_of_others, medians, noise_free_levels
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent

N = 1200
LEVEL = np.random.default_rng(1).integers(2, 10, N)
EVERYTHING = np.arange(N)


def labelled_by_three(bias=(0, 0, 0), noise=1.0, level=LEVEL):
    rows = np.arange(len(level))
    return labels_by(level, {name: (rows, b, noise) for name, b in zip("abc", bias, strict=True)})


def by_hand(noise):
    """macro-MAE of the true level against labels of it with normal noise, over all combinations of level and label."""
    share = np.zeros((11, 11))  # of true level, label
    for truth in range(2, 10):
        edges = [-np.inf, *(k + 0.5 for k in range(1, 10)), np.inf]
        below = [0.5 * (1 + erf((edge - truth) / noise / sqrt(2))) for edge in edges]
        share[truth, 1:] = np.diff(below)
    error = np.abs(np.subtract.outer(np.arange(11), np.arange(11)))
    of_label = share.sum(axis=0)
    return np.mean([(share[:, k] * error[:, k]).sum() / of_label[k] for k in range(1, 11)])


@pytest.mark.parametrize("noise", [0.6, 1.0, 1.5])
def test_a_planted_noise_is_found_again_whatever_the_biases(noise):
    found = LabelNoise.of(labelled_by_three(bias=(1, -1, 0), noise=noise, level=np.clip(LEVEL, 4, 7)))

    assert found.sd == pytest.approx(noise, rel=0.07)
    assert found.bias == pytest.approx([1, -1, 0], abs=0.1)
    assert found.n_degrees == 3 * N - N - 2


def test_the_ceiling_of_known_noise_is_what_can_be_computed_by_hand():
    annotations = labelled_by_three(noise=1.0)
    noise = LabelNoise.of(annotations)

    found = ceiling(annotations, noise, LEVEL.astype(float), np.random.default_rng(0), 50)

    assert found.single == pytest.approx(by_hand(1.0), abs=0.03)
    assert found.single_by_cuts <= found.single
    assert found.median < 0.75 * found.single


def test_levels_guessed_from_labels_have_the_spread_of_the_true_ones_and_give_about_the_same_ceiling():
    annotations = labelled_by_three(noise=1.0)
    noise = LabelNoise.of(annotations)

    guessed = noise_free_levels(annotations, noise, N)

    assert guessed.std() == pytest.approx(LEVEL.std(), rel=0.05)
    found = ceiling(annotations, noise, guessed, np.random.default_rng(0), 50)
    assert found.single == pytest.approx(by_hand(1.0), abs=0.12)


def test_biases_of_people_raise_the_ceiling_of_single_labels():
    quiet, biased = (
        ceiling(annotations, LabelNoise.of(annotations), LEVEL.astype(float), np.random.default_rng(0), 20).single
        for annotations in (labelled_by_three(noise=0.5), labelled_by_three(bias=(2, -2, 0), noise=0.5))
    )

    assert biased > quiet + 0.5


def test_each_label_is_held_against_the_median_of_the_tracks_others():
    annotations = Annotations([0, 1, 0, 0, 2, 2], list("abcaab"), [2, 9, 5, 8, 3, 6])

    assert median_of_others(annotations).tolist() == [7, 0, 5, 4, 6, 3]


@pytest.fixture(scope="module")
def report():
    level = LEVEL[:300]
    annotations = labelled_by_three(bias=(1.5, 0, 0), noise=0.7, level=level)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_noise_ceiling, "N_RESAMPLES", 30)
        return answer(
            LabelNoiseCeiling(), lab_data(level=level, annotations=annotations, noise=1.2), on_progress=silent
        )


def test_the_report_gives_each_ceiling_an_interval_and_ours_beside(report):
    table = report.tables[0]

    assert len(table.rows) == 6
    for name, value, low, high in table.rows:
        assert low < value < high, name
    assert column(table, "Model and what it is judged by")[-2:] == [
        "ridge_thresholds, median",
        "ridge_thresholds, the tracks' levels",
    ]


def test_a_level_that_is_the_median_of_its_labels_has_no_second_row():
    annotations = labelled_by_three(noise=0.7, level=LEVEL[:120])
    level = medians(annotations.track, annotations.level)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_noise_ceiling, "N_RESAMPLES", 30)
        found = answer(LabelNoiseCeiling(), lab_data(level=level, annotations=annotations), on_progress=silent)

    assert column(found.tables[0], "Model and what it is judged by")[-1] == "ridge_thresholds, median"


def test_a_person_with_a_bias_is_farther_from_the_rest(report):
    table = report.tables[1]
    error, bias = (dict(zip("abc", column(table, name), strict=False)) for name in ("macro-MAE", "bias"))

    assert bias["a"] - bias["b"] == pytest.approx(1.5, abs=0.15)
    assert error["a"].value > error["b"].value + 0.2
    assert column(table, "Annotator") == ["a", "b", "c", "all"]
    assert column(table, "shared labels")[3] == sum(column(table, "shared labels")[:3])


@pytest.mark.parametrize(
    ("annotations", "n"),
    [
        (Annotations.none(), 0),
        (labels_by(LEVEL, {"a": (range(60), 0, 1), "b": (range(60, 120), 0, 1)}), 0),
        (labels_by(LEVEL, {"a": (range(12), 0, 1), "b": (range(12), 0, 1)}), r"\d+"),
    ],
)
def test_without_repeated_labels_it_says_what_to_do(annotations, n):
    with pytest.raises(TooLittleData, match=f"^{n} labelled tracks .* let several people label the same tracks"):
        answer(LabelNoiseCeiling(), lab_data(level=LEVEL[:120], annotations=annotations), on_progress=silent)
