"""The benchmark of second opinions: whom it compares, what it reads and prints. Not how good anything is."""

import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.benchmarks import second_opinions
from modeling.core.benchmarks.second_opinions import (
    ACTIVE_LAB,
    OURS,
    _odds_of_levels,
    active_lab,
    markdown,
    read_annotations,
    with_slips,
)
from modeling.core.pool import Pool
from modeling.core.replay_opinions import OpinionCurves


def test_active_lab_chooses_among_tracks_that_may_be_labelled_the_least_sure_first():
    score = np.array([5.0, 5, 5, 5, 1, 10])
    said = Annotations([0, 1, 1, 2], ["ann", "ann", "bob", "bob"], [5, 5, 5, 10])
    level = np.array([5.0, 5, 10, np.nan, np.nan, np.nan])
    nobody_left = np.array([False, True, True, False, False, False])
    pool = Pool(
        np.eye(6, dtype=np.float32), np.arange(6, dtype=np.uint64), level, np.isnan(level), score, nobody_left, said
    )

    chosen = active_lab(pool, 5, 0).tolist()

    assert sorted(chosen) == [1, 2, 3, 4, 5]
    assert chosen.index(2) < chosen.index(1)  # five levels off the model, and as the model says


def test_the_odds_of_levels_are_highest_at_the_score():
    odds = _odds_of_levels(np.array([1.0, 4.2, 30.0]), 1.0)

    assert odds.sum(axis=1) == pytest.approx(1)
    assert (odds.argmax(axis=1) + 1).tolist() == [1, 4, 10]


def test_slips_are_three_levels_or_more_off_what_would_have_been_said():
    level = np.full(1_000, 5)
    without, slipped = (
        made_up(level, np.random.default_rng(0)).level for made_up in (second_opinions.simulated_opinions, with_slips)
    )

    moved = np.abs(slipped - without)[slipped != without]

    assert len(moved) == round(0.075 * len(without))
    assert moved.min() >= 3


def test_annotations_are_read_of_known_tracks_alone(tmp_path):
    path = tmp_path / "annotations.csv"
    path.write_text("energy,track_uri,annotator_id\n3,a:1,ann\n4,a:9,ann\n7,a:2,bob\n", encoding="utf-8")

    said = read_annotations(path, ["a:2", "a:1"])

    assert (said.track.tolist(), said.annotator.tolist(), said.level.tolist()) == ([1, 0], ["ann", "bob"], [3, 7])


def test_the_table_says_what_is_missed():
    flat = np.ones((3, 2))
    error = {"random": flat, OURS: flat - [0.1, 0.2], ACTIVE_LAB: flat - 0.3}
    curves = OpinionCurves(np.array([60, 300]), error, dict.fromkeys(error, np.full(3, 0.25)))

    lines = list(markdown(curves))

    assert lines[3] == f"| {OURS} | 25% | 0.900 | 0.800 | -0.150 ± 0.000 | -0.200 ± 0.000 |"
    assert lines[-2].endswith("met")
    assert lines[-1].endswith("MISSED")
