"""What stands beside drawings, values with intervals, differences of matrices, small bars and labels below a line."""

from datetime import date
from math import inf, nan
from xml.etree import ElementTree

import pytest

from energyapp.charts import (
    Column,
    Dot,
    Point,
    Table,
    difference_matrix,
    dots,
    line_with_band,
    spark_bars,
)


def drawn(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)


def shapes(markup: str, class_: str) -> list[ElementTree.Element]:
    return [each for each in drawn(markup).iter() if each.get("class") == class_]


TABLE = Table(
    [
        Column("Who"),
        Column("Labels", "count"),
        Column("MAE", "number"),
        Column("Bias", "signed"),
        Column("Level", "level"),
        Column("Day"),
    ],
    [["=1+1", 1234, 0.125, -0.5, 7, date(2026, 11, 3)], ["<b>", None, nan, 0.0, 1, None]],
    ["/a/?x=1&y=2", None],
)


def test_a_table_is_written_for_people():
    html = drawn(TABLE.html())
    cells = [["".join(cell.itertext()) for cell in row] for row in html.iter("tr")]

    assert cells == [
        ["Who", "Labels", "MAE", "Bias", "Level", "Day"],
        ["=1+1", "1,234", "0.12", "−0.50", "7", "03 Nov 2026"],
        ["<b>", "–", "–", "0.00", "1", "–"],
    ]
    assert [link.get("href") for link in html.iter("a")] == ["/a/?x=1&y=2"]
    assert [head.get("scope") for head in html.iter("th")] == ["col"] * 6 + ["row"] * 2


def test_and_for_programs_with_formulas_defused():
    assert TABLE.csv().splitlines() == [
        "Who,Labels,MAE,Bias,Level,Day",
        "'=1+1,1234,0.125,-0.5,7,2026-11-03",
        "<b>,,,0.0,1,",
    ]


def test_the_largest_of_a_column_has_the_longest_bar():
    table = Table([Column("Who"), Column("Open", "count", has_bar=True)], [["a", 10], ["b", 5], ["c", 0]])
    widths = [float(bar.get("width")) for bar in shapes(table.html(), "meter-value")]

    assert widths == [150, 75]


def test_rows_and_links_have_to_fit():
    with pytest.raises(ValueError, match="found a row of 2 cells; expected 1"):
        Table([Column("a")], [[1, 2]])
    with pytest.raises(ValueError, match="found 1 links; expected one a row, 2"):
        Table([Column("a")], [[1], [2]], ["/"])


def test_an_interval_lies_about_its_dot_and_one_that_is_not_known_is_not_drawn():
    markup = dots([Dot("ann", 0.5, 0.25, 0.75, "/ann/"), Dot("ben", -0.5)], x_label="change", middle=0, label="Who")
    ann, ben = shapes(markup, "dot")
    (whisker,) = shapes(markup, "whisker")
    (middle,) = shapes(markup, "middle")

    assert float(whisker.get("x1")) < float(ann.get("cx")) < float(whisker.get("x2"))
    assert float(ben.get("cx")) < float(middle.get("x1")) < float(whisker.get("x1"))
    assert 'aria-label="ann: 0.50 (0.25 to 0.75)"' in markup
    assert "<title>ben: −0.50</title>" in markup
    assert "Nothing to draw yet" in dots([], x_label="x", label="Who")
    with pytest.raises(ValueError, match="must be finite"):
        dots([Dot("ann", inf)], x_label="x", label="Who")


def test_a_difference_of_matrices_has_signs():
    markup = difference_matrix([[3, 1], [0, 2]], [[1, 1], [4, 2]], label="Difference")

    assert "label 1, predicted 1: −2" in markup
    assert "label 2, predicted 1: +4" in markup
    assert len(shapes(markup, "cell empty")) == 2
    assert "Difference: 2 cells differ" in markup
    assert [float(cell.get("fill-opacity")) for cell in shapes(markup, "cell")] == [0.7]  # the largest change
    for wrong in ([], [[1, 2]], [[1]]):
        with pytest.raises(ValueError, match="two square ones of one size"):
            difference_matrix(wrong, [[1, 2], [3, 4]], label="x")


def test_small_bars_share_a_maximum():
    bars = shapes(spark_bars([0, 5, 10], maximum=20, label="ann"), "meter-value")

    assert [float(bar.get("height")) for bar in bars] == [6.5, 13]
    with pytest.raises(ValueError, match="maximum > 0"):
        spark_bars([1], maximum=0, label="ann")


def test_notes_stand_below_the_labels_of_a_line_and_make_room_for_themselves():
    points = [Point(str(n), 1 + n / 10, note=f"{n}k") for n in range(3)]
    with_notes, without = line_with_band(points, label="x"), line_with_band([Point("1", 1.0)], label="x")

    heights = [float(drawn(each).get("viewBox").split()[3]) for each in (with_notes, without)]
    assert heights[0] > heights[1]
    (label,) = [text for text in drawn(with_notes).iter("text") if text.text == "2"]
    (note,) = [text for text in drawn(with_notes).iter("text") if text.text == "2k"]
    assert (note.get("x"), float(note.get("y")) > float(label.get("y"))) == (label.get("x"), True)
