"""The figures that justify the default recipe and the suspicion, on 552 real tracks (data not included)."""

import os
from pathlib import Path

import numpy as np
import pytest

from modeling.core.benchmarks import emomusic

DATA = Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
TRACKS = DATA / "emomusic" / "tracks.csv"

pytestmark = pytest.mark.skipif(not TRACKS.is_file(), reason=f"{TRACKS} is missing (set ENERGYAPP_SHARED_DATA)")


@pytest.fixture(scope="module")
def tracks():
    return emomusic.read_tracks(TRACKS)


def test_thresholds_beat_rounding_the_same_scores(tracks):
    found = emomusic.compare_decisions(tracks)

    assert found.macro_mae_gain > 2 * found.macro_mae_gain_se
    assert found.macro_mae_thresholds < 1.0
    # A perfect predictor of the noise-free mean would score .70: anything below has seen the answers.
    assert found.macro_mae_thresholds > 0.70
    assert found.mae_thresholds - found.mae_rounded < 0.15


def test_planted_errors_are_found(tracks):
    found = [emomusic.planted_errors_found(tracks, seed=seed) for seed in range(4)]

    assert np.mean(found) > 0.70


def test_taking_out_annotator_bias_finds_errors_that_bias_hides(tracks):
    hidden, found = (
        np.mean(
            [
                emomusic.planted_errors_found(
                    tracks, seed=seed, bias_sd=emomusic.ANNOTATOR_BIAS_SD, annotators_known=annotators_known
                )
                for seed in range(4)
            ]
        )
        for annotators_known in (False, True)
    )

    assert found > 0.73
    assert found > hidden + 0.1


def test_average_precision_of_a_small_ranking_is_that_by_hand():
    suspect, wrong = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])

    assert emomusic.average_precision(suspect, wrong) == pytest.approx((1 + 2 / 3) / 2)


def test_planting_moves_the_stated_share_by_three_levels_or_more():
    level = np.tile(np.arange(1, 11), 40)

    moved, planted = emomusic.plant_errors(level, np.random.default_rng(0))

    assert planted.sum() == 30
    assert np.array_equal(moved != level, planted)
    assert np.abs(moved - level)[planted].min() >= 3
    assert moved.min() >= 1
    assert moved.max() <= 10
