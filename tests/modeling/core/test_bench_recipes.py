"""The benchmark of recipes: what it counts and prints. Not how good or fast anything is."""

import numpy as np
import pytest

from modeling.core.benchmarks import recipes
from modeling.core.benchmarks.recipes_table import Cost, Results, Run, Target, table
from modeling.core.benchmarks.synthetic import THESIS_COUNTS, synthetic_tracks
from modeling.core.metrics import LEVELS

COST = Cost(seconds=1.5, cpu_seconds=2.5, peak_mb=300, copies=1.25)


def run(*levels, width=1.0, remarks=()):
    """A run of one repeat for each list of levels, with intervals of that width around them."""
    level = np.array(levels)
    return Run(level, np.stack([level - width / 2, level + width / 2]), COST, remarks)


@pytest.fixture
def results():
    y = np.array([2.0, 2, 8, 8])
    return Results(y, {"auto": run([2, 3, 8, 8], [2, 2, 8, 9]), "network": run([3, 3, 8, 6], [3, 3, 8, 6], width=4)})


def test_a_track_counts_once_with_its_error_averaged_over_the_repeats(results):
    mean, standard_error = results.macro_mae("auto")

    assert mean == pytest.approx(0.25)
    # Errors of the tracks are 0, .5, 0, .5: two levels, each of variance 1/8 and two tracks.
    assert standard_error == pytest.approx(np.sqrt(2 * (1 / 8) / 2) / 2)


def test_differences_are_paired_by_track(results):
    mean, standard_error = results.macro_mae_less("auto", "network")

    assert mean == pytest.approx(0.25 - 1.0)
    # By track -1, -.5, 0, -1.5.
    assert standard_error == pytest.approx(np.sqrt((1 / 8 + 9 / 8) / 2) / 2)


def test_coverage_is_of_all_repeats_and_a_level_with_few_tracks_is_not_the_worst(results):
    share, worst, width = results.coverage("auto")

    assert (share, width) == (0.75, 1.0)
    assert np.isnan(worst)


def test_targets_say_what_was_wanted_and_found_and_need_both_recipes(results):
    less = Target("auto", "less", lambda found: found.macro_mae_less("auto", "network")[0], -np.inf, -0.3, "network")
    missed = Target("auto", "macro-MAE", lambda found: found.macro_mae("auto")[0], 0.7, 0.91)
    absent = Target("gp", "macro-MAE", lambda found: found.macro_mae("gp")[0], 0, 1)

    lines = table(results, (less, missed, absent)).splitlines()

    assert any("<= -0.3" in line and "-0.750" in line and line.endswith("met") for line in lines)
    assert any(">= 0.7 <= 0.91" in line and "0.250" in line and line.endswith("MISSED") for line in lines)
    assert not any(line.startswith("gp") for line in lines)


def test_a_row_has_the_differences_that_there_are(results):
    figures = "auto 0.250 0.177 -0.750 0.395 0.250 0.144 0.750 nan 1.00 1.5 2.5 300 1.2"

    auto, network = table(results, ()).splitlines()[1:3]

    assert auto.split() == figures.split()
    assert network.split()[3:5] == ["+0.750", "0.395"]


def test_made_up_tracks_have_the_thesis_s_levels_in_a_world_that_the_seed_makes():
    X, y = synthetic_tracks(sum(THESIS_COUNTS), 3, seed=0)

    assert [np.sum(y == level) for level in LEVELS] == list(THESIS_COUNTS)
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    again, _ = synthetic_tracks(300, 8, seed=0)
    assert np.array_equal(again, synthetic_tracks(300, 8, seed=0)[0])
    assert not np.array_equal(again, synthetic_tracks(300, 8, seed=1)[0])


def test_made_up_features_say_something_of_energy_and_of_each_other():
    X, y = synthetic_tracks(2_000, 40, seed=0)

    correlation = np.corrcoef(np.column_stack([X, y]).T)

    assert 0.2 < np.abs(correlation[-1, :-1]).max() < 0.9
    assert np.mean(np.abs(correlation[:-1, :-1]) > 0.3) > 0.2


def test_made_up_tracks_are_learnt_from_and_printed(capsys):
    recipes.main(["synthetic", "--rows", "300", "--columns", "10", "--recipes", "ridge_thresholds"])

    out, progress = capsys.readouterr()
    assert out.startswith("300 x 10 made-up tracks to learn from, judged on 75 others\nrecipe")
    assert "ridge_thresholds" in out
    assert "seconds to fit" not in out  # the targets are for the thesis's size
    assert "ridge_thresholds: Cost(" in progress


def test_real_labels_are_held_out_and_printed(shared_data, capsys):
    path = str(shared_data / "emomusic" / "tracks.csv")

    recipes.main(["emomusic", path, "--repeats", "1", "--recipes", "ridge_thresholds", "ridge_rounded"])

    out = capsys.readouterr().out
    assert out.startswith("552 tracks, 1 x 5 stratified folds")
    macro_mae = float(out.splitlines()[2].split()[1])
    assert 0.7 < macro_mae < 1.1
