"""One more opinion on a doubtful track, or a first one on a new track."""

import numpy as np
import pytest

from modeling.core.acquisition import STRATEGIES
from modeling.core.annotations import Annotations
from modeling.core.pool import Pool
from modeling.core.replay_opinions import N_SIMULATED, simulated_opinions
from modeling.core.second_opinions import expected_gains, relabel_or_new

N_LABELLED, N_TRACKS = 60, 100
SPAMMER = str(N_SIMULATED - 1)


def a_pool(*, seed: int = 0, labels_each: int = 1) -> Pool:
    """Simulated people have labelled the first 60 of 100 tracks; the model is a level off."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 11, N_TRACKS)
    said = simulated_opinions(truth, rng).of_tracks(np.arange(N_LABELLED))
    asked = np.concatenate(
        [track * N_SIMULATED + rng.permutation(N_SIMULATED)[:labels_each] for track in range(N_LABELLED)]
    )
    return pool_of(
        Annotations(said.track[asked], said.annotator[asked], said.level[asked]), truth + rng.normal(size=N_TRACKS), rng
    )


def pool_of(said: Annotations, score: np.ndarray, rng: np.random.Generator) -> Pool:
    level = np.full(len(score), np.nan)
    level[said.track] = said.level
    key = rng.permutation(len(score)).astype(np.uint64)
    X = rng.normal(size=(len(score), 8)).astype(np.float32)
    return Pool(X, key, level, np.isnan(level), score, ~np.isnan(level), said)


def agreeing(*others: tuple[int, str, int]) -> Pool:
    """Two people who say of 20 tracks what the model says, and what else is said; there are 40 tracks."""
    score = np.append(np.tile([3.0, 4, 5, 6, 7], 6), np.full(10, 5.0))
    own = [(row, name, int(score[row])) for row in range(20) for name in ("ann", "bob")]
    return pool_of(Annotations(*zip(*own, *others, strict=True)), score, np.random.default_rng(0))


def test_a_label_six_levels_off_by_somebody_noisy_comes_before_every_new_track():
    noisy = [(row, "zoe", level) for row, level in enumerate([9, 1, 9, 1, 9, 1, 9, 1])]
    pool = agreeing(*noisy, (20, "zoe", 9))  # the model expects 3

    assert relabel_or_new(pool, 5, 0)[0] == 20


def test_of_tracks_whose_two_labels_agree_with_the_model_nobody_is_asked_again():
    pool = agreeing((20, "ann", 9))

    chosen = relabel_or_new(pool, len(pool.key), 0)

    assert 20 in chosen
    assert not np.isin(np.arange(20), chosen).any()


def test_what_an_opinion_is_worth_is_what_it_takes_off_the_labels_expected_squared_error():
    # By one person, so that nothing is known of bias and noise but what is usual: levels are learnt from as they are, but for a
    # pull to their middle, 3.3. Where others are as the model says, a label 6 above it means nothing: the error is 6 squared.
    said = Annotations(range(20), ["ann"] * 20, [9] + [3] * 19)

    gain, of_new = expected_gains(said, np.full(20, 3.0), np.arange(20, dtype=np.uint64))

    assert gain[0] == pytest.approx(3 / 4 * 6**2, rel=0.1)
    assert of_new == pytest.approx(6**2 / 20, rel=0.1)
    assert (gain[1:] < 0.01).all()


def test_the_more_people_agree_the_less_likely_all_are_wrong():
    alone = agreeing((20, "ann", 9))
    together = agreeing((20, "ann", 9), (20, "bob", 9), (20, "cid", 9))

    one, three = (expected_gains(pool.annotations, pool.score, pool.key)[0][20] for pool in (alone, together))

    assert three < one


def test_most_of_those_asked_about_are_whom_somebody_labelled_who_answers_at_random():
    asked, by_spammer = 0, 0
    for seed in range(10):
        pool = a_pool(seed=seed)
        chosen = relabel_or_new(pool, 20, seed)
        again = chosen[~pool.is_open[chosen]]
        asked += len(again)
        by_spammer += np.isin(again, pool.annotations.track[pool.annotations.annotator == SPAMMER]).sum()

    assert asked > 20
    assert by_spammer > asked / 2  # of all labels, one in six


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("labels_each", [1, 2])
def test_only_tracks_that_may_be_labelled_are_chosen_each_once(seed, labels_each):
    pool = a_pool(seed=seed, labels_each=labels_each)
    rng = np.random.default_rng(seed)
    pool.may_be_asked[rng.permutation(N_TRACKS)[:50]] = False
    pool.is_open[rng.permutation(N_TRACKS)[:50]] = False

    chosen = relabel_or_new(pool, N_TRACKS, seed)

    assert (pool.is_open | pool.may_be_asked)[chosen].all()
    assert len(np.unique(chosen)) == len(chosen)
    assert np.isin(np.flatnonzero(pool.is_open), chosen).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_changes_nothing(seed):
    pool = a_pool(seed=seed)
    order = np.random.default_rng(seed).permutation(N_TRACKS)
    said = pool.annotations
    shuffled = np.random.default_rng(seed).permutation(len(said.track))
    moved = Pool(
        *(each[order] for each in (pool.X, pool.key, pool.level, pool.is_open, pool.score, pool.may_be_asked)),
        Annotations(np.argsort(order)[said.track[shuffled]], said.annotator[shuffled], said.level[shuffled]),
    )

    assert pool.key[relabel_or_new(pool, 40, seed)].tolist() == moved.key[relabel_or_new(moved, 40, seed)].tolist()


def test_of_near_duplicates_not_both_are_chosen():
    pool = agreeing((20, "ann", 9), (25, "bob", 10))
    pool.X[25] = pool.X[20]
    new = np.flatnonzero(pool.is_open)
    pool.X[new[0]] = pool.X[new[1]] = pool.X[new[2]]

    chosen = relabel_or_new(pool, 1 + len(new) - 2, 0)

    assert np.isin([20, 25], chosen).sum() == 1
    assert np.isin(new[:3], chosen).sum() == 1


@pytest.mark.parametrize("lacking", ["score", "may_be_asked", "annotations"])
def test_where_nothing_is_known_of_doubt_all_are_new_tracks(lacking):
    known = vars(agreeing((20, "ann", 9)))
    known[lacking] = Annotations.none() if lacking == "annotations" else None

    chosen = relabel_or_new(pool := Pool(**known), 5, 0)

    assert len(chosen) == 5
    assert pool.is_open[chosen].all()


def test_another_seed_draws_other_new_tracks():
    pool = a_pool()

    assert set(relabel_or_new(pool, 20, 1).tolist()) != set(relabel_or_new(pool, 20, 2).tolist())


def test_it_is_a_strategy_by_name():
    assert STRATEGIES["relabel_or_new"] is relabel_or_new
