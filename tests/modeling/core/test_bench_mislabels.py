"""The benchmark of mislabels: what it plants, ranks, counts and prints. Not how good anything is."""

import numpy as np
import pytest

from modeling.core.benchmarks import mislabels
from modeling.core.benchmarks.mislabels import CONTENDERS, SCENARIOS, plant, shift, swap
from modeling.core.benchmarks.mislabels_table import CLEANLAB, OURS, THESIS, Results, table
from modeling.core.dataset import Dataset


@pytest.fixture(scope="module")
def tracks():
    rng = np.random.default_rng(0)
    y = rng.integers(1, 11, 200).astype(float)
    X = y[:, None] * rng.normal(size=8) + rng.normal(0, 2, (200, 8))
    return Dataset(X=X, y=y, groups=np.arange(200) // 2, uris=np.arange(200))


def test_a_shift_moves_the_share_by_three_levels_or_more_and_stays_on_the_scale():
    level = np.arange(400) % 10 + 1

    moved = shift(level, np.random.default_rng(0))

    distance = np.abs(moved - level)
    assert np.sum(distance > 0) == 30
    assert distance[distance > 0].min() == 3
    assert (moved.min(), moved.max()) == (1, 10)


@pytest.mark.parametrize("min_distance", [1, 3])
def test_a_swap_exchanges_levels_that_differ(min_distance):
    level = np.arange(400) % 10 + 1

    swapped = swap(level, np.random.default_rng(0), min_distance=min_distance)

    assert sorted(swapped) == sorted(level)
    distance = np.abs(swapped - level)
    assert np.sum(distance > 0) == 30
    assert distance[distance > 0].min() == min_distance


def test_a_planting_follows_from_its_seed(tracks):
    one, again, other = (plant("bias + shift", tracks, seed=seed) for seed in (1, 1, 2))

    assert np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.labels, other.labels)


def test_annotators_have_biases_in_their_scenario_alone_and_a_bias_is_no_error(tracks):
    planted = plant("bias + shift", tracks, seed=1)

    assert sorted(set(planted.annotators)) == [0, 1, 2, 3, 4, 5]
    assert np.sum(planted.wrong) == 15
    assert np.sum(planted.clean != tracks.y) > 15
    assert plant("shift", tracks, seed=1).annotators is None
    assert np.array_equal(plant("shift", tracks, seed=1).clean, tracks.y)


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_ranks_planted_errors_above_chance(tracks, name):
    planted = plant("shift", tracks, seed=0)

    suspect = CONTENDERS[name](planted)

    assert suspect.shape == (200,)
    assert np.median(suspect[planted.wrong]) > np.median(suspect[~planted.wrong])


def results(**precision):
    names = {"ours": OURS, "thesis": THESIS, "regression": CLEANLAB[0], "outre": CLEANLAB[1]}
    return Results({"shift": {names[short]: np.array(found) for short, found in precision.items()}})


def test_differences_are_paired_by_planting():
    found = results(ours=[0.7, 0.8, 0.9], outre=[0.6, 0.7, 0.5])

    mean, se = found.less("shift", OURS, CLEANLAB[1])

    assert mean == pytest.approx(0.2)
    assert se == pytest.approx(0.1)  # .1, .1 and .4: standard deviation .173, over the root of 3
    assert found.mean("shift", OURS).value == pytest.approx(0.8)


def test_ours_is_held_against_cleanlabs_best_and_the_thesis_and_says_so_when_it_loses():
    lines = table(results(ours=[0.7, 0.6], regression=[0.5, 0.5], outre=[0.8, 0.7], thesis=[0.6, 0.5])).splitlines()

    assert any(">= 0.68" in line and line.split()[-3:] == ["0.650", "0.050", "MISSED"] for line in lines)
    assert any("cleanlab's best (cleanlab OUTRE)" in line and "-0.100" in line and "MISSED" in line for line in lines)
    assert any("the thesis's" in line and "0.100" in line and line.endswith("met") for line in lines)


def test_without_ours_there_is_nothing_to_judge():
    lines = table(results(thesis=[0.6, 0.5])).splitlines()

    assert len(lines) == 2
    assert lines[1].split() == [*THESIS.split(), "0.550", "0.050"]


def test_real_labels_are_planted_ranked_and_printed(shared_data, capsys):
    path = str(shared_data / "emomusic" / "tracks.csv")

    mislabels.main([path, "--seeds", "1", "--contenders", OURS, "plain ridge"])

    out = capsys.readouterr().out
    assert out.startswith("552 tracks, 7.5% of the labels wrong, 1 plantings of each kind")
    assert all(scenario in out for scenario in SCENARIOS)
    assert float(next(line for line in out.splitlines() if line.startswith(OURS)).split()[1]) > 0.6
