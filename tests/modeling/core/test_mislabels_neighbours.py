"""What similar tracks by others say of an annotation, on cases that can be checked by hand."""

import numpy as np
import pytest

from modeling.core import neighbours
from modeling.core.mislabels import neighbour_expectation

# Directions from the mean track (the origin): rows 0 to 2 point one way, rows 3 to 5 the other.
X = np.array([[1.0, 1.0], [1.0, 1.1], [1.0, 0.8], [-1.0, -1.0], [-1.0, -1.05], [-1.0, -0.85]])


def test_the_mean_level_of_the_nearest_and_the_distance_from_it():
    found = neighbour_expectation(X, [2, 3, 6, 9, 8, 4], groups=list("abcdef"), n=2)

    assert found.expected.tolist() == [4.5, 4, 2.5, 6, 6.5, 8.5]
    assert found.distance.tolist() == [2.5, 1, 3.5, 3, 1.5, 4.5]
    assert found.indices[[0, 5]].tolist() == [[1, 2], [3, 4]]
    assert found.bias_by_annotator == {}


def test_a_track_counts_once_with_the_mean_of_its_annotations():
    several = np.vstack([X, X[1], X[1]])  # of b: 3, 5 and 10

    found = neighbour_expectation(several, [2, 3, 6, 9, 8, 4, 5, 10], groups=list("abcdefbb"), n=2)

    assert found.expected[0] == 6  # (3 + 5 + 10) / 3 = 6 and 6
    assert found.indices[0].tolist() == [1, 2]
    assert found.expected[[1, 6, 7]].tolist() == [4, 4, 4]
    assert found.distance[[1, 6, 7]].tolist() == [1, 1, 6]


def test_no_label_of_the_same_artist_counts():
    levels, groups = np.array([2, 3, 6, 9, 8, 4]), ["a", "a", "c", "d", "e", "f"]
    changed = levels.copy()
    changed[:2] = [9, 1]

    before, after = (neighbour_expectation(X, y, groups=groups, n=2).expected for y in (levels, changed))

    assert before[:2].tolist() == after[:2].tolist()
    assert before[2] == 2.5
    assert after[2] == 5


def test_where_other_artists_have_few_tracks_the_mean_is_over_those():
    found = neighbour_expectation(X, [2, 3, 6, 9, 8, 4], groups=list("aaaaaf"), n=3)

    assert found.expected[:5].tolist() == [4] * 5
    assert found.indices[0].tolist() == [5, -1, -1]
    assert np.isnan(found.similarity[0, 1:]).all()
    assert found.indices[5, :2].tolist() == [3, 4]


def test_the_same_features_by_two_artists_are_two_tracks():
    found = neighbour_expectation(np.vstack([X, X[0]]), [2, 3, 6, 9, 8, 4, 7], groups=list("abcdefg"), n=1)

    assert found.indices[[0, 6], 0].tolist() == [6, 0]
    assert found.expected[[0, 6]].tolist() == [7, 2]


def test_annotators_biases_are_taken_out_of_labels_and_neighbours():
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, 9, 600)
    features = truth[:, None] * [1, -1] + rng.normal(0, 0.3, (600, 2))
    annotators = rng.choice(["severe", "mild"], 600)
    y = truth + np.where(annotators == "mild", 1.0, -1.0)

    known, unknown = (
        neighbour_expectation(features, y, annotators=told, groups=np.arange(600)) for told in (annotators, None)
    )

    bias = known.bias_by_annotator
    assert bias["mild"] - bias["severe"] == pytest.approx(2, abs=0.2)
    told = np.array([bias[name] for name in annotators])
    assert np.allclose(known.distance, np.abs(y - told - known.expected))
    assert np.median(known.distance) < 0.7 * np.median(unknown.distance)


def test_chunks_make_no_difference(monkeypatch):
    rng = np.random.default_rng(1)
    features, y, groups = rng.normal(size=(90, 4)), rng.integers(1, 11, 90), rng.integers(30, size=90)
    whole = neighbour_expectation(features, y, groups=groups)
    monkeypatch.setattr(neighbours, "CHUNK_CELLS", 200)  # two rows at a time

    in_parts = neighbour_expectation(features, y, groups=groups)

    assert np.array_equal(whole.indices, in_parts.indices)
    assert np.array_equal(whole.expected, in_parts.expected)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": list("aaaaaa")}, "found 1 group"),
        ({"groups": list("abc")}, r"\(6,\) labels and \(3,\) groups"),
        ({"y": [1, 2, 3, 4, 5, np.nan]}, "finite"),
        ({"annotators": ["x"]}, "one for each annotation"),
        ({"n": 0}, "n >= 1"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    given = {"y": [2, 3, 6, 9, 8, 4], "groups": list("abcdef")} | changed

    with pytest.raises(ValueError, match=message):
        neighbour_expectation(X, **given)
