"""What the next 100 labels would bring, on curves that are known."""

import numpy as np
import pytest

from modeling.core.dataset import Dataset, evaluation_slice, grouped_stratified_folds
from modeling.core.gain_of_more import TooFewLabels, curve_through, gain_of_more

SIZES = [40, 67, 113, 190, 320]


def planted(n_tracks: int, *, n_features: int, noise: float = 0.5, seed: int = 0) -> Dataset:
    """Levels that each feature says a little of: the more there are, the more tracks it takes to learn them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_tracks, n_features))
    y = np.clip(np.round(5.5 + 2 * X.mean(axis=1) * np.sqrt(n_features) + noise * rng.normal(size=n_tracks)), 1, 10)
    uris = [f"planted:{row}" for row in range(n_tracks)]
    return Dataset(X, y, np.array([f"artist {row // 2}" for row in range(n_tracks)]), uris)


def curve_of(law, rng):
    """Through errors of that law, to which artists, fits and tracks add their own."""
    truth, artist = np.arange(400) % 10 + 1, np.arange(400) // 2
    folds = np.stack([grouped_stratified_folds(truth, artist, n_folds=4, seed=repeat) for repeat in range(3)])
    fit = folds + 4 * np.arange(3)[:, None]
    error = law(np.array(SIZES, float))[:, None, None] + 0.3 * rng.normal(size=200)[artist]
    error = error + 0.05 * rng.normal(size=(len(SIZES), 12))[:, fit] + 0.5 * rng.normal(size=(len(SIZES), *folds.shape))
    return curve_through(SIZES, error, truth, artist, folds, rng)


@pytest.mark.parametrize("law", [lambda n: 0.7 + 5 / np.sqrt(n), lambda n: 0.9 + 0 * n], ids=["falling", "flat"])
def test_the_interval_holds_what_a_planted_curve_gains(law):
    gain = float(law(400.0) - law(500.0))
    rng = np.random.default_rng(1)

    changes = [curve_of(law, rng).change(400, 500) for _ in range(25)]

    held = sum(low - 1e-9 <= -gain <= high + 1e-9 for _, low, high in changes)
    assert held >= 22
    assert np.mean([change for change, *_ in changes]) == pytest.approx(-gain, abs=0.01)


def test_where_much_is_left_to_learn_the_next_labels_are_said_to_bring_as_much_as_they_do():
    data = planted(600, n_features=30)
    now, later = (gain_of_more(part, part.y) for part in (data.rows(np.arange(200)), data))

    assert now.n_now == now.n_used == int(np.sum(~evaluation_slice(data.uris[:200])))
    assert now.low > 0.02
    assert now.gain > 2 * later.gain
    assert now.sentence.startswith("The next 100 labels would lower macro-MAE by about 0.")


def test_where_all_is_learnt_they_may_bring_nothing():
    data = planted(300, n_features=2)

    found = gain_of_more(data, data.y)

    assert found.gain < 0.01
    assert "may bring nothing" in found.sentence


def test_tracks_of_the_evaluation_slice_change_nothing():
    data = planted(140, n_features=5)
    rng = np.random.default_rng(0)
    in_slice = evaluation_slice(data.uris)
    scrambled = np.where(in_slice, rng.integers(1, 11, len(data.y)), data.y)
    other = Dataset(np.where(in_slice[:, None], 0, data.X), scrambled, data.groups, data.uris)

    assert gain_of_more(other, scrambled) == gain_of_more(data, data.y)


def test_of_many_tracks_a_part_is_used_and_the_curve_followed_further(monkeypatch):
    monkeypatch.setattr("modeling.core.gain_of_more.MAX_TRACKS", 200)
    data = planted(700, n_features=20)

    found = gain_of_more(data, data.y)

    assert (found.n_used, found.n_now) == (200, int(np.sum(~evaluation_slice(data.uris))))


def test_too_few_labels_say_what_it_takes():
    few = planted(60, n_features=3)
    with pytest.raises(TooFewLabels, match=r"It takes 100 labelled tracks .* there are 4\d"):
        gain_of_more(few, few.y)

    of_one_artist = planted(200, n_features=3)
    of_one_artist.groups[:180] = "she"
    with pytest.raises(TooFewLabels, match=r"are left to learn from; .* takes 50: label tracks of other artists"):
        gain_of_more(of_one_artist, of_one_artist.y)
