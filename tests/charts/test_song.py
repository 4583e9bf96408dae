"""The drawing of a song part by part."""

import math
import xml.etree.ElementTree as ET

import pytest

from energyapp.charts.song import song_curve


def draw(scores, **options):
    return ET.fromstring(song_curve(scores, part_s=30, duration_s=30 * len(scores), label="A < B", **options))


def test_each_part_is_a_link_with_its_time_and_score_in_the_colour_of_its_level():
    drawing = draw([2.2, 9.6, 5.0])

    links = drawing.findall("a")
    assert [link.get("href") for link in links] == ["#part-0", "#part-30", "#part-60"]
    assert links[1].get("aria-label") == "From 0:30: 9.6, the most energetic part"
    assert [link.findall("rect")[1].get("class") for link in links] == ["bar bar-2", "bar bar-10", "bar bar-5"]
    assert drawing.get("role") == "group"
    assert drawing.get("aria-label").startswith("A < B: 3 parts, most energetic from 0:30")


def test_higher_scores_are_higher_bars_and_what_is_off_the_scale_stays_on_the_drawing():
    heights = [float(link.findall("rect")[1].get("height")) for link in draw([-3.0, 1.0, 5.0, 10.0, 14.0]).findall("a")]

    assert heights[0] == heights[1] < heights[2] < heights[3] == heights[4] < 240


def test_the_loudest_part_and_the_song_as_a_whole_are_marked():
    drawing = draw([2.0, 3.0], loudest=(12.0, 37.0), whole=(2.5, 1.5, 4.0))

    assert drawing.find("g/title").text == "Loudest part: 0:12 to 0:37"
    assert {shape.get("class") for shape in drawing} >= {"band", "target"}


def test_an_hour_has_no_more_times_below_than_fit():
    times = [text.text for text in draw([5.0] * 120).findall("text") if text.text and ":" in text.text]

    assert times == ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "60:00"]


@pytest.mark.parametrize("scores", [[], [math.nan], [1.0, math.inf]])
def test_what_cannot_be_drawn_is_refused(scores):
    with pytest.raises(ValueError, match="found"):
        song_curve(scores, part_s=30, duration_s=60, label="x")
