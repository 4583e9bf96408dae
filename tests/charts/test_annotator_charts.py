"""Shapes of scales, agreement of each two, and a change over time, read back with an XML parser."""

import math
import re

import pytest

from energyapp.charts import Point, Ridge, agreement_triangle, line_with_band, ridges
from energyapp.charts.ridges import TALLEST, density, mean_level
from tests.charts.test_charts import of_class, parse, titles

EVEN, NARROW = [10] * 10, [0, 0, 0, 0, 50, 50, 0, 0, 0, 0]


def heights(drawn) -> list[float]:
    """Of each ridge above its base."""
    found = []
    for path in of_class(parse(drawn), "ridge"):
        ys = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d"))]
        found.append(max(ys) - min(ys))
    return found


# ---- Ridges


def test_all_shapes_have_the_same_area_so_that_a_narrow_one_is_high():
    step = 10 / (len(density(EVEN)) - 1)
    # What a wide kernel spreads beyond the ends of the scale is not drawn.
    assert sum(density(NARROW)) * step == pytest.approx(math.sqrt(2 * math.pi) * 0.6, rel=0.02)
    assert sum(density(EVEN)) * step == pytest.approx(math.sqrt(2 * math.pi) * 0.6, rel=0.1)

    wide, narrow = heights(ridges([Ridge("a", EVEN), Ridge("b", NARROW)], label="Shape"))

    assert narrow > 3 * wide


def test_the_number_of_labels_changes_no_shape():
    assert density(EVEN) == pytest.approx(density([1000] * 10))


def test_no_ridge_is_higher_than_two_rows_however_narrow():
    one_level = [0] * 9 + [7]

    found = heights(ridges([Ridge(f"p{i}", EVEN) for i in range(9)] + [Ridge("q", one_level)], label="Shape"))

    assert max(found) == pytest.approx(TALLEST, abs=1)


def test_a_ridge_leads_to_its_person_and_says_the_mean_level():
    root = parse(ridges([Ridge("ann", NARROW, "/annotators/3/")], label="Shape"))

    (link,) = root.iter("a")
    assert link.get("href") == "/annotators/3/"
    assert titles(root) == ["ann: mean level 5.5 of 100 labels"]
    assert root.get("role") == "group"
    assert root.get("aria-label") == "Shape: mean level of ann 5.5"


def test_long_names_are_cut_but_not_in_the_title():
    root = parse(ridges([Ridge("Wilhelmina Featherstonehaugh", EVEN)], label="Shape"))

    assert "Wilhelmina Feat…" in [text.text for text in root.iter("text")]
    assert titles(root)[0].startswith("Wilhelmina Featherstonehaugh")


@pytest.mark.parametrize("counts", [[0] * 10, [1] * 9, [-1] + [1] * 9])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError, match="expected 10, >= 0, not all zero"):
        ridges([Ridge("a", EVEN), Ridge("b", counts)], label="Shape")


def test_a_mean_level_is_counted_from_one():
    assert mean_level([2, 0, 2]) == 2.0


# ---- Agreement of each two

KAPPA = [[None, 0.735, None], [0.735, None, -0.5], [None, -0.5, None]]
SHARED = [[0, 40, 3], [40, 0, 22], [3, 22, 0]]


def triangle(**changes):
    return parse(agreement_triangle(["ann", "bob", "cem"], KAPPA, n_shared=SHARED, label="Agreement", **changes))


def test_each_two_are_drawn_once_with_their_value():
    root = triangle()

    assert len(of_class(root, "cell")) == 3
    assert [value.text for value in of_class(root, "value")] == [".73", "−.50"]
    assert titles(root) == [
        "bob and ann: kappa 0.73, 40 shared",
        "cem and ann: too few (3 shared)",
        "cem and bob: kappa -0.50, 22 shared",
    ]


def test_below_chance_is_another_colour_and_unknown_is_empty():
    root = triangle()

    assert len(of_class(root, "below")) == 1
    assert len(of_class(root, "empty")) == 1
    assert root.get("aria-label") == "Agreement: kappa from -0.50 to 0.73"


def test_names_lead_to_people():
    links = list(triangle(hrefs=["/1/", "/2/", "/3/"]).iter("a"))

    assert [link.get("href") for link in links] == ["/1/", "/2/", "/3/"]


def test_a_matrix_that_fits_no_names_is_refused():
    with pytest.raises(ValueError, match="found 2 names"):
        agreement_triangle(["a", "b"], KAPPA, n_shared=SHARED, label="x")


# ---- A change over time

POINTS = [Point(f"day {i}", 0.1 * i, 0.1 * i - 0.2, 0.1 * i + 0.2) for i in range(6)]


def test_a_change_stands_between_the_points_before_and_after():
    root = parse(line_with_band(POINTS, label="Drift", target=0, target_label="", change=(3, "changed")))

    dots = [float(dot.get("cx")) for dot in of_class(root, "dot")]
    (upright,) = [line for line in of_class(root, "target") if line.get("x1") == line.get("x2")]
    assert dots[2] < float(upright.get("x1")) < dots[3]
    assert "changed" in [text.text for text in root.iter("text")]
    assert len(of_class(root, "target")) == 2
    assert "0" not in [text.text for text in root.iter("text")]  # the axis has 0.0, and the line no name
