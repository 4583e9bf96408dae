"""Ticks and axes, against cases worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyapp.charts.scale import Axis, nice_ticks, require_finite, tick_labels


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 7, [0, 2, 4, 6, 8]),
        (0, 6, [0, 1, 2, 3, 4, 5, 6]),
        (0.83, 1.92, [0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]),
        # 0.3 / 0.1 is a hair below 3 and 0.7 / 0.1 a hair below 7: neither may cost a tick.
        (0.3, 0.7, [0.3, 0.4, 0.5, 0.6, 0.7]),
        (-0.4, 0.9, [-0.5, 0.0, 0.5, 1.0]),
        (130, 2600, [0, 500, 1000, 1500, 2000, 2500, 3000]),
        (1_000_000, 6_000_000, [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 6_000_000]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, expected):
    assert nice_ticks(low, high) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, [-1.0, -0.5, 0.0, 0.5, 1.0]), (5.0, [4.4, 4.6, 4.8, 5.0, 5.2, 5.4, 5.6])]
)
def test_a_single_value_gets_room_on_either_side(value, expected):
    assert nice_ticks(value, value) == expected


def test_fewer_ticks_mean_a_wider_step():
    assert nice_ticks(0, 10, max_ticks=3) == [0, 5, 10]


@given(
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    max_ticks=st.integers(3, 12),
)
def test_any_range_is_covered_by_at_most_max_ticks(low, width, max_ticks):
    ticks = nice_ticks(low, low + width, max_ticks=max_ticks)

    slack = 1e-6 * (ticks[1] - ticks[0])
    assert 2 <= len(ticks) <= max_ticks
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + width - slack
    assert len(set(tick_labels(ticks))) == len(ticks)


@pytest.mark.parametrize(("low", "high"), [(2, 1), (math.nan, 1), (0, math.inf)])
def test_a_range_that_is_none_is_refused(low, high):
    with pytest.raises(ValueError, match="low <= high"):
        nice_ticks(low, high)


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([0.8, 1.0, 1.2], ["0.8", "1.0", "1.2"]),
        ([-1.0, 0.0, 1.0], ["−1", "0", "1"]),
        ([1.0, 1.05, 1.1], ["1.00", "1.05", "1.10"]),
        ([0.0, 500.0, 1000.0], ["0", "500", "1000"]),
    ],
)
def test_ticks_are_written_with_the_decimals_their_step_needs(ticks, expected):
    assert tick_labels(ticks) == expected


def test_an_axis_maps_its_ends_and_may_run_upwards():
    axis = Axis([0, 1, 2], start=200, end=0)

    assert [axis(0), axis(0.5), axis(2)] == [200, 150, 0]
    assert axis.labelled() == [("0", 200), ("1", 100), ("2", 0)]


def test_the_refusal_names_what_was_found():
    with pytest.raises(ValueError, match="heights must be finite, found nan"):
        require_finite([1.0, math.nan], "heights")
