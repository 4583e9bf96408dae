"""Labels by several people, played back."""

from functools import partial

import numpy as np
import pytest

from modeling.core.acquisition import random
from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset
from modeling.core.decisions import round_to_level
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.replay import keys
from modeling.core.replay_opinions import N_SIMULATED, replay_opinions, simulated_opinions
from modeling.core.second_opinions import relabel_or_new

N_TRACKS = 120


def tracks(*, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_TRACKS, 4)).astype(np.float32)
    level = round_to_level(5.5 + 2 * X[:, 0] + 0.5 * rng.normal(size=N_TRACKS))
    return Dataset(
        X, level, [f"artist {row // 2}" for row in range(N_TRACKS)], [f"track:{row}" for row in range(N_TRACKS)]
    )


def made_up(dataset: Dataset):
    return partial(simulated_opinions, round_to_level(dataset.y))


play = partial(replay_opinions, make_recipe=RidgeThresholds, batch=10, n_repeats=2, start=20, most=50)


def test_nobody_is_asked_twice_about_a_track_and_each_batch_is_of_one_label_a_choice():
    dataset, seen = tracks(), []

    def noting(pool, n, seed):
        """Again and again about the same tracks."""
        seen.append(pool.annotations)
        return np.flatnonzero(pool.may_be_asked)[:n]

    play(dataset, made_up(dataset), {"same": noting}, n_repeats=1)

    assert [len(said.track) for said in seen] == [20, 30, 40]
    assert all(len(set(zip(said.track, said.annotator, strict=True))) == len(said.track) for said in seen)
    assert np.bincount(seen[-1].track).max() == 3


def test_no_strategy_is_told_of_tracks_that_are_held_out():
    dataset, told = tracks(), set()

    def noting(pool, n, seed):
        told.update(pool.key.tolist())
        return random(pool, n, seed)

    play(dataset, made_up(dataset), {"noting": noting}, n_repeats=1)
    artists = dataset.groups[np.isin(keys(dataset.uris), np.array([*told], np.uint64))]

    assert 0.6 < len(told) / N_TRACKS < 0.8
    assert (np.unique(artists, return_counts=True)[1] == 2).all()


def test_strategies_start_with_the_same_labels_and_are_asked_the_same():
    dataset = tracks()

    curves = play(dataset, made_up(dataset), {"random": random, "also": random})

    assert curves.sizes.tolist() == [20, 30, 40, 50]
    assert (curves.error["random"] == curves.error["also"]).all()


def test_the_same_seed_gives_the_same_curves_and_another_other_ones():
    dataset = tracks()
    ways = {"relabel_or_new": relabel_or_new}
    first, again, other = (
        play(dataset, made_up(dataset), ways, seed=seed).error["relabel_or_new"] for seed in (0, 0, 1)
    )

    assert (first == again).all()
    assert (first != other).any()


def test_it_says_how_many_labels_were_second_opinions():
    dataset = tracks()

    share = play(dataset, made_up(dataset)).second_share

    assert (share["random"] == 0).all()
    assert (share["random_mix"] == 0.2).all()
    assert (share["relabel_or_new"] > 0).all()


def test_a_track_that_one_real_person_labelled_gets_no_second_opinion():
    dataset, seen = tracks(), []
    by_two = np.arange(0, N_TRACKS, 3)
    labels = Annotations(
        np.concatenate([np.arange(N_TRACKS), by_two]),
        ["ann"] * N_TRACKS + ["bob"] * len(by_two),
        dataset.y[np.concatenate([np.arange(N_TRACKS), by_two])],
    )

    def noting(pool, n, seed):
        seen.append(pool)
        return random(pool, n, seed)

    play(dataset, lambda rng: labels, {"noting": noting}, n_repeats=1)
    may_be_asked = np.concatenate([pool.key[pool.may_be_asked] for pool in seen])

    assert len(may_be_asked)
    assert np.isin(may_be_asked, keys(dataset.uris[by_two])).all()


def test_a_strategy_that_asks_whom_nobody_can_answer_is_refused():
    dataset = tracks()
    labels = Annotations(np.arange(N_TRACKS), ["ann"] * N_TRACKS, dataset.y)

    with pytest.raises(ValueError, match="expected 10 tracks that may be labelled, each once"):
        play(dataset, lambda rng: labels, {"same": lambda pool, n, seed: np.flatnonzero(~pool.is_open)[:n]})


def test_two_labels_of_a_track_by_one_person_are_refused():
    dataset = tracks()
    twice = Annotations(np.tile(np.arange(N_TRACKS), 2), ["ann"] * 2 * N_TRACKS, np.tile(dataset.y, 2))

    with pytest.raises(ValueError, match="two labels of a track by the same person"):
        play(dataset, lambda rng: twice)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"start": 80}, "found 50 tracks"),
        ({"batch": 0}, "batch 0"),
        ({"ways": {}}, "0 strategies"),
        ({"n_repeats": 0}, "0 repeats"),
    ],
)
def test_too_little_to_play_back_is_refused(odd, message):
    dataset = tracks()

    with pytest.raises(ValueError, match=message):
        play(dataset, made_up(dataset), **odd)


def test_a_recipe_without_held_out_scores_is_refused():
    dataset = tracks()

    with pytest.raises(ValueError, match="0 folds"):
        play(dataset, made_up(dataset), make_recipe=lambda: RidgeThresholds(decision="lowest_mae", n_folds=0))


def test_progress_is_told_to_the_end():
    dataset, told = tracks(), []

    play(dataset, made_up(dataset), n_repeats=1, on_progress=lambda share, message: told.append((share, message)))

    assert told[-1] == (1.0, "Repeat 1 of 1: relabel_or_new, 50 labels")
    assert sorted(told) == told


def test_simulated_people_differ_and_the_last_knows_nothing():
    truth = np.repeat(np.arange(1, 11), 100)

    said = simulated_opinions(truth, np.random.default_rng(3))
    follows = [np.corrcoef(said.level[said.annotator == str(each)], truth)[0, 1] for each in range(N_SIMULATED)]

    assert len(said.track) == N_SIMULATED * len(truth)
    assert min(follows[:-1]) > 0.8
    assert abs(follows[-1]) < 0.1
