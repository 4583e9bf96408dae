from dataclasses import replace as but
from pathlib import Path

import numpy as np
import pytest

from modeling.core import replay as replay_module
from modeling.core.dataset import Dataset
from modeling.core.decisions import round_to_level
from modeling.core.intervals import ConformalIntervals
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.replay import Curves, keys, replay


def a_dataset(n=120, *, seed=0, n_artists=60, level_from=lambda X: X[:, 0]):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = np.clip(np.round(5.5 + 2 * level_from(X)), 1, 10)
    names = np.array([str(row) for row in range(n)])
    return Dataset(X, y, np.array([f"artist {row % n_artists}" for row in range(n)]), names)


def quick(**options):
    return RidgeThresholds(n_folds=2, **options)


@pytest.fixture
def watched(monkeypatch):
    """A strategy that notes what it is told, and chooses as random does."""
    told = []

    def watching(pool, n, seed):
        told.append(pool)
        return replay_module.STRATEGIES["random"](pool, n, seed)

    monkeypatch.setitem(replay_module.STRATEGIES, "watching", watching)
    return told


def test_the_error_falls_as_labels_come_in():
    curves = replay(a_dataset(), ["random"], make_recipe=quick, n_repeats=4, batch=30, start=5)

    assert list(curves.sizes) == [5, 35, 65]
    assert curves.error["random"].shape == (4, 3)
    assert curves.mean("random")[0] > 1.5 * curves.mean("random")[-1]


def test_with_every_label_known_all_strategies_have_learnt_the_same():
    data = a_dataset(90, n_artists=90)

    curves = replay(data, ["random", "k_center"], make_recipe=quick, n_repeats=2, batch=53, start=10)

    assert list(curves.sizes) == [10, 63]  # of 90 tracks 27 are held out
    assert np.array_equal(curves.error["random"][:, [0, 1]], curves.error["k_center"][:, [0, 1]])


def test_the_same_seed_is_the_same_replay_whichever_other_strategies_are_asked():
    both, one = (
        replay(a_dataset(), names, make_recipe=quick, n_repeats=2, batch=20, most=50, seed=3)
        for names in (["k_center", "random"], ["random"])
    )

    assert np.array_equal(both.error["random"], one.error["random"])
    assert np.array_equal(both.error["k_center"][:, 0], one.error["random"][:, 0])


def test_strategies_are_never_told_of_held_out_artists(watched):
    data = a_dataset()
    row_of = {key: row for row, key in enumerate(keys(data.uris).tolist())}

    replay(data, ["watching"], make_recipe=quick, n_repeats=3, batch=20)

    for pool in watched:
        seen = data.rows(np.array([row_of[key] for key in pool.key.tolist()]))
        others = ~np.isin(data.uris, seen.uris)
        assert 0.2 * len(data.y) < others.sum() < 0.4 * len(data.y)
        assert not set(data.groups[others]) & set(seen.groups)
        known = ~np.isnan(pool.level)
        assert np.array_equal(pool.level[known], seen.y[known])
        assert np.array_equal(pool.is_open, ~known)


class MeanLevel:
    """Predicts the mean label; its held-out scores are labels plus 100, its scores of other tracks are 0."""

    def fit(self, X, y, *, groups):
        self.level, self.intervals = round_to_level(y.mean()), ConformalIntervals(y + 100, y)
        return self

    def predict(self, X):
        return np.full(len(X), self.level)

    def predict_score(self, X):
        return np.zeros(len(X))


def test_strategies_are_told_held_out_scores_of_labelled_tracks_and_scores_of_open_ones(watched):
    replay(a_dataset(), ["watching"], make_recipe=MeanLevel, n_repeats=2, batch=20)

    for pool in watched:
        known = ~np.isnan(pool.level)
        assert np.array_equal(pool.score[known], pool.level[known] + 100)
        assert not pool.score[~known].any()


@pytest.mark.parametrize(("sign", "error"), [(-1, 5.0), (1, 3.0)], ids=["high levels first", "low levels first"])
def test_errors_are_those_by_hand(monkeypatch, sign, error):
    """A third of the tracks each of levels 1, 2 and 9; three random labels, then 57 of the highest or the lowest."""
    level = np.tile([1.0, 2.0, 9.0], 100)
    data = but(a_dataset(300, n_artists=300), X=level[:, None], y=level)

    def first(pool, n, seed):
        return np.argsort(np.where(pool.is_open, sign * pool.X[:, 0], np.inf), kind="stable")[:n]

    monkeypatch.setitem(replay_module.STRATEGIES, "first", first)
    curves = replay(data, ["first"], make_recipe=MeanLevel, n_repeats=3, start=3, batch=57, most=60)

    # The mean of 57 labels of level 9 and any three rounds to 9: (8 + 7 + 0) / 3; of level 1, to 1: (0 + 1 + 8) / 3.
    assert list(curves.error["first"][:, 1]) == [error] * 3


def test_a_thinned_level_is_rarer_in_what_may_be_chosen_and_nowhere_else(watched):
    data = a_dataset(400, n_artists=400)

    replay(data, ["watching"], make_recipe=quick, n_repeats=1, batch=20, most=40)
    replay(data, ["watching"], make_recipe=quick, n_repeats=1, batch=20, most=40, thin={5: 0.25})

    as_it_is, thinned = (np.isin(keys(data.uris), pool.key) for pool in watched)
    before, after = (np.bincount(data.y[rows].astype(int), minlength=11) for rows in (as_it_is, thinned))
    assert after[5] == pytest.approx(0.25 * before[5], abs=4)
    assert np.array_equal(np.delete(before, 5), np.delete(after, 5))


def test_progress_is_told_up_to_the_whole():
    told = []

    replay(
        a_dataset(), ["random", "k_center"], make_recipe=quick, n_repeats=2, batch=30,
        on_progress=lambda share, message: told.append((share, message)),
    )  # fmt: skip

    assert told[-1] == (1.0, "Repeat 2 of 2: k_center, 80 labels")
    assert [share for share, _ in told] == sorted(share for share, _ in told)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["nothing"], {}, "nothing"),
        ([], {}, "one or more"),
        (["random"], {"batch": 0}, "batch 0"),
        (["random"], {"start": 100}, "a start and one batch"),
        (["random"], {"make_recipe": lambda: RidgeThresholds(decision="lowest_mae", n_folds=0)}, "held-out"),
    ],
)
def test_what_cannot_be_played_back_is_refused(names, options, message):
    with pytest.raises(ValueError, match=message):
        replay(a_dataset(), names, **({"make_recipe": quick, "n_repeats": 1} | options))


def test_tracks_of_one_level_are_refused():
    data = a_dataset()

    with pytest.raises(ValueError, match="at least two levels"):
        replay(but(data, y=np.full(len(data.y), 4.0)), ["random"], make_recipe=quick)


def test_a_strategy_that_chooses_labelled_tracks_is_found_out(monkeypatch):
    monkeypatch.setitem(
        replay_module.STRATEGIES, "again", lambda pool, n, seed: np.flatnonzero(~np.isnan(pool.level))[:n]
    )

    with pytest.raises(ValueError, match="20 labels after again chose; expected 40"):
        replay(a_dataset(), ["again"], make_recipe=quick, n_repeats=1)


CURVES = Curves(
    np.array([20, 40, 60, 80]),
    {
        "random": np.array([[2.0, 1.6, 1.2, 0.8], [2.2, 1.8, 1.4, 1.0]]),
        "good": np.array([[2.0, 1.2, 0.8, 0.8], [2.2, 1.4, 0.8, 0.8]]),
        "bad": np.array([[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]]),
    },
)


def test_means_and_standard_errors_are_over_repeats():
    assert CURVES.mean("random") == pytest.approx([2.1, 1.7, 1.3, 0.9])
    assert CURVES.se("random") == pytest.approx([0.1] * 4)


def test_the_area_between_curves_is_paired_by_repeat():
    found = CURVES.area_less("good")

    # Repeat 1: (0, -.4, -.4, 0), repeat 2: (0, -.4, -.6, -.2); means -.2 and -.3.
    assert found.value == pytest.approx(-0.25)
    assert found.se == pytest.approx(0.05)
    assert CURVES.area_less("random") == (0, 0)


def test_labels_to_equal_lie_on_straight_lines_between_sizes():
    # Random has 1.3 at 60; good has it at 40. At 50 random has 1.5: good between 2.1 (20) and 1.3 (40).
    assert CURVES.labels_to_equal("good", 60) == pytest.approx(40)
    assert CURVES.labels_to_equal("good", 50) == pytest.approx(35)
    assert CURVES.labels_to_equal("random", 50) == pytest.approx(50)
    assert CURVES.labels_to_equal("bad", 60) == np.inf
    low, high = CURVES.labels_to_equal_interval("good", 60)
    assert low <= 40 <= high
    assert CURVES.labels_to_equal_interval("bad", 60) == (np.inf, np.inf)


def test_a_curve_that_rises_for_a_while_is_first_made_to_fall():
    curves = Curves(np.array([10, 20, 30, 40]), {"random": np.array([[4.0, 2.0, 3.0, 1.0]])})

    # 2 and 3 become 2.5: what 4 and 1 say of 25 labels is unchanged.
    assert curves.labels_to_equal("random", 25) == pytest.approx(25)
    assert np.isnan(curves.se("random")).all()


def test_on_real_tracks_every_new_batch_of_labels_helps(shared_data: Path):
    from modeling.core.benchmarks.emomusic import read_tracks

    tracks = read_tracks(shared_data / "emomusic" / "tracks.csv")
    curves = replay(tracks, ["random"], make_recipe=RidgeThresholds, n_repeats=3, batch=100, most=320)

    assert curves.mean("random")[-1] < curves.mean("random")[0] - 0.2
    # Below .70 no honest model can be: labels are that noisy.
    assert curves.mean("random")[-1] > 0.7
