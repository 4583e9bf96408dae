"""A strategy against chance, in planted worlds where it helps, hurts, and does neither."""

import numpy as np
import pytest

from modeling.core import live_comparison
from modeling.core.dataset import Dataset, evaluation_slice
from modeling.core.gain_of_more import TooFewLabels
from modeling.core.live_comparison import error_when_asked, share_of, worth


def helpful(from_middle, rng):
    """As many of what is rare as of what is common: in macro-MAE each level counts as much."""
    return np.argsort(rng.exponential(size=len(from_middle)) * np.exp(-(from_middle**2) / 2))


def harmful(from_middle, rng):
    """More of what is known."""
    return np.argsort(from_middle)


def neither(from_middle, rng):
    return rng.permutation(len(from_middle))


def worth_of(strategy, *, seed=0, n_tracks=3_000, known=1.0):
    """Of 100 labels that the strategy chose and 50 drawn, in a library of rare extremes; before, none had a label that was
    further from the middle than what is known."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_tracks, 3))
    heard = 5.5 + X.sum(axis=1) / np.sqrt(3)
    level = np.clip(np.round(heard + 0.3 * rng.normal(size=n_tracks)), 1, 10).astype(int)
    uris, artist = [f"world {seed}:{row}" for row in range(n_tracks)], [f"artist {row // 2}" for row in range(n_tracks)]
    random, rest = np.split(rng.permutation(np.flatnonzero(~evaluation_slice(uris))), [50])
    before, rest = np.split(rest[np.argsort(np.abs(heard[rest] - 5.5) > known, kind="stable")], [50])
    ranked = rest[strategy(np.abs(heard[rest] - 5.5), rng)[:100]]
    chosen = {"before": before, "ranked": ranked, "random": random}
    masks = {name: np.isin(np.arange(n_tracks), rows) for name, rows in chosen.items()}
    return worth(Dataset(X, level, artist, uris), level, **masks, seed=seed)


@pytest.fixture
def few_subsets(monkeypatch):
    monkeypatch.setattr(live_comparison, "N_SUBSETS", 8)


pytestmark = pytest.mark.usefixtures("few_subsets")


@pytest.mark.parametrize(("strategy", "sign"), [(helpful, -1), (harmful, 1)])
def test_what_a_strategy_does_is_often_clear_and_never_clearly_the_opposite(strategy, sign):
    found = [worth_of(strategy, seed=seed) for seed in range(8)]

    assert sum(sign * each.change > 0 and not each.low <= 0 <= each.high for each in found) >= 2
    assert not any(sign * each.change < 0 and not each.low <= 0 <= each.high for each in found)
    assert sign * np.mean([each.change for each in found]) > 0.1


def test_as_many_of_either_are_learnt_from_and_the_difference_is_that_of_both():
    found = worth_of(helpful)

    assert found.n_ranked == found.n_random == 50
    assert found.change == pytest.approx(found.ranked - found.random)
    assert found.low < found.change < found.high


def test_of_a_strategy_that_is_chance_the_interval_covers_0():
    found = [worth_of(neither, seed=seed, n_tracks=800, known=np.inf) for seed in range(12)]

    assert sum(each.low <= 0 <= each.high for each in found) >= 11
    assert abs(np.mean([each.change for each in found])) < 0.1


def test_what_is_missing_is_said():
    none = np.zeros(200, bool)
    dataset = Dataset(np.ones((200, 1)), np.full(200, 5.0), ["her"] * 200, [f"t:{row}" for row in range(200)])
    ranked = np.arange(200) < 30

    with pytest.raises(TooFewLabels, match="20 tracks drawn at random since, there are 0"):
        worth(dataset, dataset.y, before=none, ranked=ranked, random=none)
    few = dataset.rows(np.flatnonzero(~evaluation_slice(dataset.uris)))
    with pytest.raises(TooFewLabels, match="30 labelled tracks of the evaluation slice, there are 0"):
        worth(few, few.y, before=none[: len(few.y)], ranked=none[: len(few.y)], random=none[: len(few.y)])


def test_errors_are_compared_level_by_level():
    """Of level 2 the strategy asks where the model is 3 off and not 1, of level 5 both where it is 1 off; it picks more of
    level 2. Over tracks it would be 2.5 against 1."""
    level = np.repeat([2, 5, 2, 5, 9], [30, 10, 10, 30, 5])
    ranked = np.arange(85) < 40
    error = np.select([ranked & (level == 2), level == 9], [3.0, 8.0], 1.0)

    found = error_when_asked(error, level, np.arange(85), ranked=ranked, random=~ranked)

    assert (found.ranked, found.random, found.change) == (2.0, 1.0, 1.0)
    assert (found.n_ranked, found.n_random) == (40, 40)  # of level 9 the strategy has none


def test_tracks_that_no_model_had_predicted_are_left_out():
    ranked = np.arange(80) < 40
    error = np.where(np.arange(80) % 40 < 25, 1.0, np.nan)

    assert error_when_asked(error, np.full(80, 4), np.arange(80), ranked=ranked, random=~ranked).n_ranked == 25
    with pytest.raises(TooFewLabels, match="of the strategy's there are 0, of those drawn 0"):
        error_when_asked(error * np.nan, np.full(80, 4), np.arange(80), ranked=ranked, random=~ranked)


def test_a_share_of_none_of_twenty_is_not_known_to_be_none():
    ranked = np.arange(60) < 40
    found = share_of(np.arange(60) < 10, ranked=ranked, random=~ranked)

    assert (found.ranked, found.random, found.change) == (0.25, 0.0, 0.25)
    assert 0 < found.low < 0.25 < found.high
    # Worked out by hand: 11/42 - 1/22, and 1.96 * sqrt(11/42 * 31/42 / 42 + 1/22 * 21/22 / 22).
    assert (found.low, found.high) == pytest.approx((0.0576, 0.3753), abs=1e-3)
    with pytest.raises(TooFewLabels, match="the strategy has 40, drawn are 0"):
        share_of(ranked, ranked=ranked, random=ranked & ~ranked)
