"""The drawings, read back with an XML parser."""

import math
import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from django.utils.safestring import SafeString

from energyapp.charts import (
    Point,
    Ridge,
    ScatterPoint,
    agreement_triangle,
    confusion_matrix,
    level_histogram,
    line_with_band,
    ridges,
    scatter,
    share_bar,
    value_bar,
)

NASTY = "<script>alert(\"1\")</script> & 'x'"
COUNTS = [0, 10, 20, 40, 0, 0, 0, 0, 0, 30]


def parse(markup: str) -> ET.Element:
    return ET.fromstring(markup)


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def titles(root: ET.Element) -> list[str]:
    return [title.text or "" for title in root.iter("title")]


def runs(n: int, **changes) -> list[Point]:
    return [Point(f"run {i}", 2 - i / 100, 1.9 - i / 100, 2.1 - i / 100, **changes) for i in range(1, n + 1)]


MATRIX = [[8 if i == j else 1 if i == j + 1 else 0 for j in range(10)] for i in range(10)]

ALL: dict[str, Callable[[str], SafeString]] = {
    "histogram": lambda text: level_histogram(COUNTS, outline=[1] * 10, label=text, hrefs=[text] * 10),
    "mini histogram": lambda text: level_histogram(COUNTS, label=text, size="mini"),
    "line": lambda text: line_with_band(
        [Point(text, 1.0, 0.9, 1.1, text), Point(text, 1.2)],
        second=[Point(text, 2.0), None],
        second_label=text,
        label=text,
        target=0.5,
        target_label=text,
        change=(1, text),
    ),
    "matrix": lambda text: confusion_matrix(
        MATRIX, label=text, href=lambda row, column: text, row_name=text, column_name=text
    ),
    "scatter": lambda text: scatter([ScatterPoint(text, 1, 2, text, True)], x_label=text, y_label=text, label=text),
    "share bar": lambda text: share_bar(0.5, label=text),
    "value bar": lambda text: value_bar(3, maximum=4, label=text),
    "ridges": lambda text: ridges([Ridge(text, COUNTS, text), Ridge(text, [1] * 10)], label=text),
    "triangle": lambda text: agreement_triangle(
        [text, text, text], [[None] * 3, [0.7, None, None], [-0.4, None, None]], n_shared=[[12] * 3] * 3, label=text
    ),
    "no ridges": lambda text: ridges([], label=text),
    "nobody to agree with": lambda text: agreement_triangle([text], [[None]], n_shared=[[0]], label=text),
    "no runs": lambda text: line_with_band([], label=text),
    "no points": lambda text: scatter([], x_label=text, y_label=text, label=text),
}


@pytest.mark.parametrize("draw", ALL.values(), ids=ALL)
class TestEveryDrawing:
    def test_is_well_formed_and_marked_safe(self, draw):
        markup = draw("Labels")

        assert isinstance(markup, SafeString)
        assert parse(markup).tag == "svg"

    def test_escapes_its_texts(self, draw):
        markup = draw(NASTY)

        assert "<script" not in markup
        assert NASTY in parse(markup).get("aria-label", "")

    def test_needs_no_inline_style_or_script(self, draw):
        for element in parse(draw("Labels")).iter():
            assert element.tag != "style"
            assert not {name for name in element.keys() if name == "style" or name.startswith("on")}  # noqa: SIM118

    def test_is_an_image_only_without_links(self, draw):
        root = parse(draw("/somewhere"))

        assert root.get("role") == ("group" if list(root.iter("a")) else "img")

    def test_has_no_number_that_svg_cannot_read(self, draw):
        assert not re.search(r"\b(nan|inf)\b", draw("Labels"))


def heights(markup: str) -> list[float]:
    return [float(bar.get("height", "")) for bar in of_class(parse(markup), "bar")]


def test_bars_are_as_high_as_their_counts_say():
    # 150 high less 4 for the outline's stroke: the largest, 40, is 146 high.
    assert heights(level_histogram(COUNTS, label="Labels")) == [0, 36.5, 73, 146, 0, 0, 0, 0, 0, 109.5]


def test_bars_take_the_colours_of_the_scale_in_order():
    bars = of_class(parse(level_histogram(COUNTS, label="Labels")), "bar")

    assert [bar.get("class") for bar in bars] == [f"bar bar-{i}" for i in range(1, 11)]


def test_the_outline_covers_the_same_area_as_the_bars():
    # Counts sum to 4 and the pool to 40: scaled by a tenth to 2 and 2, half as high as the largest bar would be at 3.
    root = parse(level_histogram([3, 1], outline=[20, 20], label="Labels"))

    (outline,) = of_class(root, "outline")
    assert outline.get("d") == "M0.0 52.7H180.0L180.0 52.7H360.0"  # 150 - 146 * 2 / 3


def test_a_histogram_of_nothing_is_flat():
    assert heights(level_histogram([0] * 10, label="Labels", outline=[0] * 10)) == [0] * 10


def test_a_histogram_says_its_counts_to_those_who_cannot_see_it():
    assert parse(level_histogram([3, 0.25], label="Labels")).get("aria-label") == "Labels: 1: 3, 2: 0.25"


def test_the_whole_column_of_a_rare_level_is_a_link():
    root = parse(level_histogram([0, 5], label="Labels", hrefs=["/1", "/2?a=1&b=2"]))

    links = list(root.iter("a"))
    assert [link.get("href") for link in links] == ["/1", "/2?a=1&b=2"]
    assert all(of_class(link, "hit")[0].get("height") == "150" for link in links)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": []}, "at least one count"),
        ({"counts": [1, -1]}, "must be >= 0, found -1"),
        ({"counts": [1, math.nan]}, "finite"),
        ({"counts": [1, 2], "outline": [1]}, "outline must be as long as counts"),
        ({"counts": [1, 2], "hrefs": ["/"]}, "hrefs must be as long as counts"),
    ],
)
def test_a_histogram_refuses_what_it_cannot_draw(arguments, message):
    with pytest.raises(ValueError, match=message):
        level_histogram(**arguments, label="Labels")


def test_a_run_is_a_dot_with_its_value_and_interval():
    root = parse(line_with_band([Point("run 7", 0.934, 0.9, 1.0, "/runs/7"), Point("run 8", 0.9)], label="Error"))

    assert titles(root) == ["run 7: 0.93 (0.90 to 1.00)", "run 8: 0.90"]
    assert [link.get("href") for link in root.iter("a")] == ["/runs/7"]


def test_higher_values_are_drawn_higher():
    low, high = of_class(parse(line_with_band([Point("a", 1), Point("b", 2)], label="Error")), "dot")

    assert (low.get("cy"), high.get("cy")) == ("174", "14")  # the bottom and the top of the plot


def test_one_run_is_drawn_with_its_interval():
    root = parse(line_with_band(runs(1), label="Error"))

    assert len(of_class(root, "dot")) == len(of_class(root, "band")) == 1


def test_runs_without_intervals_have_no_band():
    assert not of_class(parse(line_with_band([Point("a", 1), Point("b", 2)], label="Error")), "band")


def test_sixty_runs_thin_their_labels_and_keep_the_newest():
    root = parse(line_with_band(runs(60), label="Error"))

    written = [t for t in root.iter("text") if (t.text or "").startswith("run")]
    xs = [float(t.get("x", "")) for t in written]
    assert len(of_class(root, "dot")) == 60
    assert written[-1].text == "run 60"
    assert 3 <= len(written) <= 10
    assert min(b - a for a, b in pairwise(xs)) >= 60


def test_a_second_series_skips_the_runs_it_has_nothing_for():
    second = [Point("run 1", 3.0), None, Point("run 3", 3.0)]
    root = parse(line_with_band(runs(3), second=second, second_label="baseline", label="Error"))

    (path,) = of_class(root, "second")[:1]
    assert path.get("d", "").count("L") == 1
    assert "baseline, run 1: 3.00" in titles(root)


def test_the_axis_reaches_down_to_the_target():
    root = parse(line_with_band(runs(3), target=0.2, label="Error"))

    (target,) = of_class(root, "target")
    assert float(target.get("y1", "")) <= 174
    assert any(t.text == "target 0.2" for t in root.iter("text"))


def test_a_line_refuses_a_second_series_of_another_length():
    with pytest.raises(ValueError, match="second must be as long as points"):
        line_with_band(runs(2), second=[None], label="Error")


def test_a_line_refuses_a_value_that_is_not_finite():
    with pytest.raises(ValueError, match="finite"):
        line_with_band([Point("a", math.nan)], label="Error")


def test_a_cell_says_its_count_and_its_per_cent_of_the_true_level():
    root = parse(confusion_matrix([[3, 1], [0, 0]], label="Confusion"))

    assert titles(root) == ["true 1, predicted 1: 3 of 4 (75 %)", "true 1, predicted 2: 1 of 4 (25 %)"]
    assert [value.text for value in of_class(root, "value")] == ["75", "25"]
    assert len(of_class(root, "empty")) == 2


def test_the_stronger_cell_is_the_one_with_the_larger_share():
    cells = of_class(parse(confusion_matrix([[3, 1], [0, 900]], label="Confusion")), "cell")

    opacities = [cell.get("fill-opacity") for cell in cells]
    assert opacities == ["0.54", "0.22", None, "0.70"]  # 0.06 + 0.64 * 0.75, * 0.25, empty, * 1


def test_only_cells_with_tracks_are_links():
    root = parse(confusion_matrix(MATRIX, label="Confusion", href=lambda row, column: f"/?t={row}&p={column}"))

    hrefs = [link.get("href") for link in root.iter("a")]
    assert len(hrefs) == 19
    assert hrefs[:3] == ["/?t=1&p=1", "/?t=2&p=1", "/?t=2&p=2"]


def test_a_tiny_share_is_not_written_as_none():
    root = parse(confusion_matrix([[999, 1], [0, 1]], label="Confusion"))

    assert [value.text for value in of_class(root, "value")] == ["100", "<1", "100"]


@pytest.mark.parametrize("counts", [[], [[1, 2]], [[1, -1], [0, 0]], [[math.inf]]])
def test_a_matrix_refuses_what_it_cannot_draw(counts):
    with pytest.raises(ValueError, match="counts"):
        confusion_matrix(counts, label="Confusion")


@pytest.mark.parametrize(("share", "width"), [(0.25, "14"), (1, "56")])
def test_a_share_bar_is_filled_by_the_share(share, width):
    (value,) = of_class(parse(share_bar(share)), "meter-value")

    assert value.get("width") == width


def test_an_empty_bar_has_no_round_end():
    assert not of_class(parse(share_bar(0)), "meter-value")


def test_a_bar_beside_its_number_is_hidden_from_screen_readers():
    assert parse(share_bar(0.5)).get("aria-hidden") == "true"


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        share_bar(share)


def test_a_value_bar_is_cut_off_at_the_maximum():
    widths = [of_class(parse(value_bar(v, maximum=2)), "meter-value")[0].get("width") for v in (1, 2, 9)]

    assert widths == ["75", "150", "150"]


@pytest.mark.parametrize(("value", "maximum"), [(-1, 2), (1, 0), (math.nan, 1)])
def test_a_value_bar_refuses_what_it_cannot_draw(value, maximum):
    with pytest.raises(ValueError, match="maximum"):
        value_bar(value, maximum=maximum)


def test_highlighted_points_are_drawn_over_the_others():
    points = [ScatterPoint("odd", 1, 3, highlighted=True), ScatterPoint("plain", 0, 0)]
    root = parse(scatter(points, x_label="spread", y_label="error", label="Error"))

    assert titles(root) == ["plain: error 0.00, spread 0.00", "odd: error 3.00, spread 1.00"]
    assert root.get("aria-label") == "Error: 2 points, 1 highlighted"


def test_a_scatter_refuses_a_point_that_is_not_finite():
    with pytest.raises(ValueError, match="finite"):
        scatter([ScatterPoint("a", math.nan, 0)], x_label="x", y_label="y", label="z")
