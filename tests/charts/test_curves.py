"""Several series in one drawing: what is where, and what is told in words."""

import re

import pytest

from energyapp.charts import Curve, bars, confusion_matrix, curves

AXES = {"x_label": "tracks", "y_label": "macro-MAE", "label": "Learning curve"}


def titles(drawing):
    return re.findall("<title>(.*?)</title>", drawing)


def test_each_point_is_told_with_its_series_and_standard_error():
    drawing = curves([Curve("gp", (10, 20), (1.4, 1.1), (0.2, 0.1)), Curve("svr", (10,), (1.3,))], **AXES)

    assert titles(drawing) == ["gp, 10: 1.40 ± 0.20", "gp, 20: 1.10 ± 0.10", "svr, 10: 1.30"]
    assert 'aria-label="Learning curve: macro-MAE by tracks of gp, svr"' in drawing


def test_only_series_with_standard_errors_have_a_band():
    assert curves([Curve("gp", (1, 2), (1, 2), (0.1, 0.1)), Curve("svr", (1, 2), (1, 2))], **AXES).count("band") == 1


def test_the_band_is_one_standard_error_to_either_side():
    drawing = curves([Curve("gp", (0, 10), (1, 1), (1, 1))], **AXES)

    top, bottom = 38.0, 230.0  # of 2 and 0, the ends of the axis
    ys = {float(y) for y in re.findall(r" ([\d.]+)", re.search('class="band look-1" d="(.*?)Z"', drawing)[1])}
    assert ys == {top, bottom}


def test_a_computed_line_lies_below_what_was_measured_and_has_no_dots():
    many = [float(n) for n in range(25)]
    drawing = curves([Curve("measured", (1, 2), (1, 2), (0.1, 0.1)), Curve("fitted", many, many)], **AXES)

    assert titles(drawing) == ["measured, 1: 1.00 ± 0.10", "measured, 2: 2.00 ± 0.10"]
    assert drawing.index('"series look-2" d=') < drawing.index('"series look-1" d=')


def test_the_name_of_the_y_axis_stands_above_its_numbers():
    drawing = curves([Curve("gp", (1, 2), (1, 2))], **AXES)

    name = float(re.search(r' y="([\d.]+)"[^>]*>macro-MAE<', drawing)[1])
    numbers = [float(y) for y in re.findall(r' y="([\d.]+)" text-anchor="end"', drawing)]
    assert name + 12 <= min(numbers)


def test_a_missing_value_is_left_out():
    assert titles(curves([Curve("gp", (1, 2, 3), (1.0, None, 2.0))], **AXES)) == ["gp, 1: 1.00", "gp, 3: 2.00"]


def test_a_single_point_and_no_point_at_all_are_drawn():
    assert titles(curves([Curve("gp", (5,), (1.0,), (0.1,))], **AXES)) == ["gp, 5: 1.00 ± 0.10"]
    assert "Nothing to draw yet" in curves([], **AXES)
    assert "Nothing to draw yet" in bars([Curve("gp", (1,), (None,))], **AXES)


def test_bars_stand_beside_one_another_on_zero_under_their_names():
    drawing = bars([Curve("gp", (0, 1), (1, -1)), Curve("svr", (1,), (2,))], x_names=("none", "smote"), **AXES)

    assert titles(drawing) == ["gp, none: 1.00", "gp, smote: -1.00", "svr, smote: 2.00"]
    assert ">none</text>" in drawing
    boxes = re.findall(r'class="block look-(\d)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawing)
    (_, _, y1, w1, h1), (_, x2, y2, w2, _), (_, x3, _, _, _) = [tuple(map(float, box)) for box in boxes[:3]]
    assert y1 + h1 == pytest.approx(y2, abs=0.2)  # one ends on the line where the other begins
    assert x2 + w2 <= x3
    assert w1 == w2


def test_a_legend_names_several_series_and_is_left_out_for_one():
    many = [Curve(f"contender number {n}", (1, 2), (n, n)) for n in range(8)]

    assert curves(many[:1], **AXES).count("contender number") == 3  # the label, and two titles
    drawing = curves(many, **AXES)
    assert all(f">contender number {n}</text>" in drawing for n in range(8))
    xs = [float(x) for x in re.findall(r'x="([\d.]+)"[^>]*>contender', drawing)]
    assert max(xs) < 560


def test_names_are_escaped():
    assert "<b>" not in curves([Curve("<b>", (1, 2), (1, 2))], **AXES)


@pytest.mark.parametrize(
    "broken", [Curve("gp", (1, 2), (1,)), Curve("gp", (1,), (float("nan"),)), Curve("gp", (1,), (1,), (float("inf"),))]
)
def test_numbers_that_cannot_be_drawn_are_refused(broken):
    with pytest.raises(ValueError, match=r"must be finite|zip"):
        curves([broken], **AXES)


# ---- Matrices of other levels than ten


def test_a_matrix_has_names_and_counts():
    drawing = confusion_matrix([[30, 10], [0, 12_345]], label="Three levels", names=("1-5", "6-10"), written="count")

    assert ">6-10</text>" in drawing
    assert ">12k</text>" in drawing
    assert "true 1-5, predicted 6-10: 10 of 40 (25 %)" in drawing


def test_as_many_names_as_rows():
    with pytest.raises(ValueError, match="names must be as many as rows"):
        confusion_matrix([[1]], label="One", names=("a", "b"))
