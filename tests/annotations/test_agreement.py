import numpy as np
import pytest

from annotations.agreement import ordinal_alpha

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
