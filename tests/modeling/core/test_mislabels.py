import numpy as np
import pytest

from modeling.core.dataset import grouped_stratified_folds
from modeling.core.mislabels import suspicion, suspicion_details
from modeling.core.ridge import out_of_fold


def labels(n=400, n_annotators=4, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(2, 9, n)
    X = rng.normal(size=(n, 10)).astype(np.float32)
    X[:, :4] += truth[:, None]
    return X, truth, rng.integers(n_annotators, size=n)


def test_a_moved_label_is_the_most_suspect():
    X, truth, _ = labels()
    y = np.round(truth)
    y[17] = 1 if truth[17] > 5 else 10

    assert np.argmax(suspicion(X, y)) == 17


def test_details_explain_the_suspicion():
    X, truth, annotators = labels()
    y = np.round(truth)

    details = suspicion_details(X, y, annotators=annotators)

    assert np.allclose(y - details.expected, details.residual)
    assert np.allclose(suspicion(X, y, annotators=annotators), np.abs(details.residual))
    assert sorted(details.bias_by_annotator) == [0, 1, 2, 3]


def test_an_annotators_bias_is_found_and_taken_out():
    X, truth, annotators = labels()
    y = truth + np.array([2.0, 0.0, 0.0, -2.0])[annotators]

    details = suspicion_details(X, y, annotators=annotators)
    bias = details.bias_by_annotator

    assert bias[0] - bias[1] == pytest.approx(2, abs=0.4)
    assert bias[3] - bias[1] == pytest.approx(-2, abs=0.4)
    assert np.median(np.abs(details.residual)) < 0.5 * np.median(suspicion(X, y))


def test_one_odd_label_does_not_make_its_annotator_biased():
    X, truth, _ = labels()
    y, annotators = truth.copy(), np.array(["many"] * 399 + ["once"])
    y[-1] += 5

    details = suspicion_details(X, y, annotators=annotators)

    assert details.bias_by_annotator["once"] < 5 / 11 + 0.2  # 1 label against 10 of shrinkage
    assert np.argmax(np.abs(details.residual)) == 399


def test_annotations_of_the_same_track_do_not_vouch_for_each_other():
    X, truth, _ = labels(n=60)
    y = np.round(truth)
    # Three annotators of track 0 make the same mistake; its rows are at different places.
    X_repeated = np.vstack([X, X[0], X[0]])
    y_repeated = np.append(y, [0, 0])
    y_repeated[[0, 60, 61]] = 1 if truth[0] > 5 else 10

    expected = suspicion_details(X_repeated, y_repeated).expected

    assert np.ptp(expected[[0, 60, 61]]) == pytest.approx(0, abs=1e-9)
    assert set(np.argsort(-suspicion(X_repeated, y_repeated))[:3]) == {0, 60, 61}


def test_what_is_expected_of_a_group_does_not_depend_on_its_own_labels():
    X, truth, _ = labels(n=100)
    groups, y = np.arange(100) // 5, np.round(truth)
    # The same levels in another order: the folds, which see levels, stay the same.
    turned = y.copy()
    turned[:5] = np.roll(y[:5], 1)
    assert not np.array_equal(turned, y)

    before, after = (suspicion_details(X, labelled, groups=groups).expected for labelled in (y, turned))

    assert np.array_equal(before[:5], after[:5])
    assert not np.allclose(before[5:], after[5:])


def test_wrong_labels_hardly_teach_what_is_expected_of_others():
    X, truth, _ = labels(n=300)
    y, wrong = truth.copy(), np.flatnonzero(truth > 7)[::4]
    y[wrong] = 1  # loud tracks, all wrong the same way: they bend a plain fit

    expected = suspicion_details(X, y, groups=np.arange(300)).expected

    plain = out_of_fold(X, y, grouped_stratified_folds(y, np.arange(300)))
    assert np.mean(np.abs(expected - truth)) < 0.7 * np.mean(np.abs(plain - truth))
    assert set(np.argsort(-np.abs(y - expected))[: len(wrong)]) == set(wrong)


def test_labels_as_they_are_expected_teach_as_in_a_plain_ridge():
    X, _, _ = labels(n=60)
    y = X[:, 0] * 0.1 + 5  # linear without noise

    expected = suspicion_details(X, y, groups=np.arange(60)).expected

    assert np.allclose(expected, out_of_fold(X, y, grouped_stratified_folds(y, np.arange(60))))


def test_two_artists_are_enough_and_one_is_not():
    X, truth, _ = labels(n=40)

    expected = suspicion_details(X, truth, groups=np.arange(40) % 2).expected

    assert np.corrcoef(expected, truth)[0, 1] > 0.8
    with pytest.raises(ValueError, match="at least 2"):
        suspicion_details(X, truth, groups=np.zeros(40))


def test_labels_that_are_all_the_same_are_not_suspect():
    X, _, annotators = labels(n=50)

    assert np.allclose(suspicion(X, np.full(50, 4.0), annotators=annotators), 0)


def test_annotators_of_another_length_are_refused():
    X, truth, annotators = labels()

    with pytest.raises(ValueError, match="one for each annotation"):
        suspicion(X, truth, annotators=annotators[:-1])
