import time

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from annotations.agreement import (
    agreement_matrix,
    alpha_interval,
    mean_kappa_interval,
    ordinal_alpha,
    weighted_kappa,
    why_undefined,
)

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
PUBLISHED = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


def published_annotations():
    rows = [line.split() for line in PUBLISHED.split("\n") if line]
    found = [
        (unit, observer, int(value))
        for observer, row in enumerate(rows)
        for unit, value in enumerate(row)
        if value != "."
    ]
    return np.array(found).T


def test_the_published_example_gives_the_published_alpha():
    assert ordinal_alpha(*published_annotations()) == pytest.approx(0.815, abs=0.0005)


def test_only_the_order_of_levels_counts():
    units, observers, values = published_annotations()

    assert ordinal_alpha(units, observers, values**2) == pytest.approx(ordinal_alpha(units, observers, values))


def test_identifiers_may_be_names():
    units, observers, values = published_annotations()
    names = np.array(["a", "b", "c", "d"])[observers]
    letters = np.array(list("abcdefghijkl"))[units]

    assert ordinal_alpha(letters, names, values) == ordinal_alpha(units, observers, values)


def test_two_annotators_by_hand():
    """Tracks (1, 1), (2, 2), (1, 2): totals 3 and 3, so the distance is 3^2 = 9.

    Observed: one track of two coincidences 1-2, 2 x 9 = 18. Expected: 2 x 3 x 3 x 9 / 5 = 32.4. Alpha = 1 - 18 / 32.4.
    """
    assert ordinal_alpha([0, 0, 1, 1, 2, 2], [0, 1] * 3, [1, 1, 2, 2, 1, 2]) == pytest.approx(1 - 18 / 32.4)


def test_chance_gives_about_zero_and_opposites_less():
    rng = np.random.default_rng(0)
    tracks, annotators = np.repeat(np.arange(3000), 2), np.tile([0, 1], 3000)
    first = rng.integers(1, 11, 3000)

    assert ordinal_alpha(tracks, annotators, rng.integers(1, 11, 6000)) == pytest.approx(0, abs=0.05)
    assert ordinal_alpha(tracks, annotators, np.column_stack([first, 11 - first]).ravel()) < -0.9


def test_tracks_with_one_annotation_change_nothing():
    units, observers, values = published_annotations()
    more = [np.append(array, extra) for array, extra in ((units, [50, 51]), (observers, [0, 1]), (values, [1, 5]))]

    assert ordinal_alpha(*more) == ordinal_alpha(units, observers, values)


@pytest.mark.parametrize(
    ("tracks", "annotators", "level"), [([], [], []), ([0, 1], [0, 1], [3, 4]), ([0, 0], [0, 1], [3, 3])]
)
def test_agreement_is_undefined_without_pairs_or_without_variation(tracks, annotators, level):
    assert np.isnan(ordinal_alpha(tracks, annotators, level))


def test_two_annotations_of_one_annotator_are_refused():
    with pytest.raises(ValueError, match="found 2 annotations by 1 pairs"):
        ordinal_alpha([0, 0], [0, 0], [3, 4])


def labels_of(*, seed, n_tracks, n_annotators=5, n_each=3):
    rng = np.random.default_rng(seed)
    tracks = np.repeat(np.arange(n_tracks), n_each)
    annotators = (
        np.tile(np.arange(n_each), n_tracks) + rng.integers(n_annotators, size=n_tracks)[tracks]
    ) % n_annotators
    level = np.clip(np.round(rng.normal(5.5, 1.8, n_tracks)[tracks] + rng.normal(size=len(tracks))), 1, 10)
    return tracks, annotators, level


@pytest.mark.parametrize("seed", range(3))
def test_kappa_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 11, 60)
    b = np.clip(a + rng.integers(-2, 4, 60), 1, 10)

    expected = cohen_kappa_score(a, b, weights="quadratic", labels=list(range(1, 11)))

    assert weighted_kappa(a, b) == pytest.approx(expected)


def test_kappa_by_hand():
    """Found: 0 + 0 + 1. Each with each: (0 + 1 + 9) + (1 + 0 + 4) + (4 + 1 + 1) = 21, a third of it by chance."""
    assert weighted_kappa([1, 2, 3], [1, 2, 4]) == pytest.approx(1 - 1 / 7)


@pytest.mark.parametrize(("a", "b"), [([], []), ([4, 4], [4, 4])])
def test_kappa_is_undefined_without_tracks_or_with_one_level(a, b):
    assert np.isnan(weighted_kappa(a, b))


def test_labels_of_different_tracks_have_no_kappa():
    with pytest.raises(ValueError, match="found shapes"):
        weighted_kappa([1, 2], [1, 2, 3])


def test_the_matrix_holds_every_two_annotators():
    tracks, annotators, level = labels_of(seed=0, n_tracks=60)
    by = [dict(zip(tracks[annotators == who], level[annotators == who], strict=True)) for who in range(5)]

    found = agreement_matrix(tracks, annotators, level)

    for one in range(5):
        for other in set(range(5)) - {one}:
            shared = sorted(by[one].keys() & by[other].keys())
            a, b = ([by[who][track] for track in shared] for who in (one, other))
            assert found.n_shared[one, other] == len(shared)
            assert found.kappa[one, other] == pytest.approx(weighted_kappa(a, b), nan_ok=True)
            assert found.mae[one, other] == pytest.approx(np.mean(np.abs(np.subtract(a, b))), nan_ok=True)
    assert np.isnan(found.kappa.diagonal()).all()


def test_annotators_without_shared_tracks_have_no_agreement():
    found = agreement_matrix([0, 0, 1, 1], ["a", "b", "a", "c"], [3, 4, 5, 5])

    assert found.n_shared.tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert np.isnan(found.mae[1, 2])
    assert found.mae[0, 1] == 1


@pytest.mark.parametrize(("interval", "figure"), [(alpha_interval, ordinal_alpha), (mean_kappa_interval, None)])
def test_the_interval_covers_what_all_tracks_would_give(interval, figure):
    """Of 100 samples of 80 tracks, about 95 intervals hold the figure of very many tracks."""
    truth = interval(*labels_of(seed=1000, n_tracks=20_000), n_bootstrap=2).value

    found = [interval(*labels_of(seed=seed, n_tracks=80), n_bootstrap=200, seed=seed) for seed in range(100)]

    assert 88 <= sum(low <= truth <= high for _, low, high in found) <= 99
    assert all(low <= value <= high for value, low, high in found)
    if figure:
        assert truth == figure(*labels_of(seed=1000, n_tracks=20_000))


def test_the_same_seed_gives_the_same_interval_and_more_coverage_a_wider_one():
    labels = labels_of(seed=0, n_tracks=200)
    narrow, wide = alpha_interval(*labels, coverage=0.5), alpha_interval(*labels)

    assert wide == alpha_interval(*labels)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_two_annotators_have_their_kappa_as_the_mean():
    tracks, annotators, level = labels_of(seed=0, n_tracks=50, n_annotators=2, n_each=2)
    a, b = (level[annotators == who] for who in (0, 1))

    assert mean_kappa_interval(tracks, annotators, level).value == pytest.approx(weighted_kappa(a, b))


@pytest.mark.parametrize(
    ("tracks", "annotators", "level", "why"),
    [
        ([], [], [], "No track has labels by two annotators."),
        ([0, 1], [0, 1], [3, 4], "No track has labels by two annotators."),
        ([0, 0, 1, 1], [0, 1, 0, 1], [3, 3, 3, 3], "All labels of tracks with two or more are level 3"),
        ([0, 0], [0, 1], [3, 5], "Only one track has labels by two annotators"),
    ],
)
def test_where_there_is_no_interval_the_reason_is_a_sentence(tracks, annotators, level, why):
    for interval in (alpha_interval, mean_kappa_interval):
        assert np.isnan(interval(tracks, annotators, level)[1:]).all()
    assert why_undefined(tracks, annotators, level).startswith(why)


def test_kappa_can_be_undefined_where_alpha_is_not():
    """Two annotators said 3 only, two others 5 only."""
    labels = [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3], [3, 3, 3, 3, 5, 5]

    assert ordinal_alpha(*labels) == 1
    assert np.isnan(mean_kappa_interval(*labels).value)
    assert "kappa is undefined" in why_undefined(*labels)


def test_nothing_is_undefined_of_usual_labels():
    assert why_undefined(*labels_of(seed=0, n_tracks=20)) is None


@pytest.mark.parametrize("interval", [alpha_interval, mean_kappa_interval])
def test_intervals_of_three_hundred_thousand_annotations_take_seconds(interval):
    labels = labels_of(seed=0, n_tracks=100_000, n_annotators=20)
    start = time.process_time()

    interval(*labels)

    assert time.process_time() - start < 6


@pytest.mark.parametrize("coverage", [0, 1, 95])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        alpha_interval([0, 0, 1, 1], [0, 1, 0, 1], [3, 4, 5, 5], coverage=coverage)
