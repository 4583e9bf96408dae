import json

import numpy as np
import pytest

from modeling.core import evaluation
from modeling.core.dataset import Dataset, evaluation_slice
from modeling.core.evaluation import CannotLearn, Leak, cross_validate, summary
from modeling.core.metrics import macro_mae
from modeling.core.recipes import Recipe


class Spy(Recipe):
    """Remembers which tracks it learnt from (their number is their feature), and predicts 5."""

    name = "spy"
    made: list["Spy"]

    def fit(self, X, y, *, groups=None, sample_weight=None, annotations=None):
        self.learnt, self.asked = set(np.asarray(X)[:, 0].astype(int)), set()
        self.made.append(self)
        return self

    def predict_score(self, X):
        self.asked |= set(np.asarray(X)[:, 0].astype(int))
        return np.full(len(X), 5.2)

    def predict(self, X):
        return np.full(len(X), 5)

    def predict_interval(self, X, coverage=0.9):
        return np.full(len(X), 4.0), np.full(len(X), 6.5)

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError


def dataset(n=300, n_artists=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.clip(np.round(rng.normal(5.5, 1.8, n)), 1, 10)
    X = np.column_stack([np.arange(n), rng.normal(size=(n, 5)) + y[:, None]])
    return Dataset(X, y, groups=rng.integers(n_artists, size=n), uris=[f"t{row}" for row in range(n)])


@pytest.fixture
def spies(monkeypatch):
    monkeypatch.setattr(Spy, "made", [], raising=False)
    return Spy


def test_no_track_is_predicted_by_a_model_that_learnt_from_it_or_from_the_slice(spies):
    data = dataset()
    in_slice = set(np.flatnonzero(evaluation_slice(data.uris)))

    cross_validate(spies, data)

    assert len(spies.made) == 6
    assert all(not spy.learnt & spy.asked and not spy.learnt & in_slice for spy in spies.made)
    last = spies.made[-1]
    assert last.learnt == set(range(300)) - in_slice
    assert last.asked == in_slice


def test_fold_models_never_saw_an_artist_they_predict(spies):
    data = dataset()

    cross_validate(spies, data)

    for spy in spies.made[:-1]:
        artists_learnt, artists_asked = (set(data.groups[list(rows)]) for rows in (spy.learnt, spy.asked))
        assert not artists_learnt & artists_asked


def test_a_fold_that_splits_an_artist_is_refused(monkeypatch):
    monkeypatch.setattr(evaluation, "grouped_stratified_folds", lambda y, groups, **options: np.arange(len(y)) % 5)

    with pytest.raises(Leak, match="artists are on both sides of a fold"):
        cross_validate("ridge_thresholds", dataset())


def test_rows_that_were_copied_before_the_split_are_refused():
    data = dataset()

    with pytest.raises(Leak, match="2 tracks are there twice, t0 first: resample inside folds"):
        cross_validate("ridge_thresholds", data.rows(np.append(np.arange(300), [0, 7])))


def test_fold_models_are_handed_over_with_the_development_tracks_they_have_not_seen(spies):
    data, seen = dataset(), []

    def remember(model, rows):
        assert not model.learnt & set(rows)
        seen.extend(rows)

    cross_validate(spies, data, on_fold_model=remember)

    assert sorted(seen) == np.flatnonzero(~evaluation_slice(data.uris)).tolist()


def test_a_recipe_that_refuses_what_is_left_of_the_tracks_says_so():
    data = dataset(n=30, n_artists=2)

    with pytest.raises(CannotLearn, match=r"gp cannot learn from \d+ tracks: found"):
        cross_validate("gp", data.rows(np.arange(14)), n_folds=2)


def test_held_out_intervals_hold_about_nine_labels_of_ten():
    data = dataset(n=1500, n_artists=300)

    found = cross_validate("ridge_thresholds", data)

    assert np.all((found.lower >= 1) & (found.lower <= found.upper) & (found.upper <= 10))
    for rows in (found.in_slice, ~found.in_slice):
        holds = (found.lower <= data.y) & (data.y <= found.upper)
        assert holds[rows].mean() == pytest.approx(0.9, abs=0.04)


def test_predictions_in_chunks_are_those_of_all_rows_at_once(monkeypatch):
    data = dataset()
    model = evaluation.RECIPES["ridge_thresholds"](seed=0).fit(data.X, data.y)
    whole = evaluation.predictions_of(model, data.X)

    monkeypatch.setattr(evaluation, "CHUNK_ROWS", 7)
    chunked = evaluation.predictions_of(model, data.X)

    for name, values in vars(whole).items():
        assert np.allclose(values, getattr(chunked, name), rtol=0, atol=1e-9), name


def test_every_track_gets_a_prediction_and_the_slice_is_marked():
    data = dataset()

    found = cross_validate("ridge_thresholds", data)

    assert np.array_equal(found.in_slice, evaluation_slice(data.uris))
    assert np.isfinite(found.score).all()
    assert np.isfinite(found.unseen_artist_score).all()
    assert set(found.level) | set(found.unseen_artist_level) <= set(range(1, 11))
    assert np.array_equal(found.score[~found.in_slice], found.unseen_artist_score[~found.in_slice])
    assert macro_mae(data.y.astype(int), found.level) < 1


def test_a_slice_track_of_an_artist_without_development_tracks_keeps_the_prediction_of_the_whole_model():
    data = dataset(n_artists=250)

    found = cross_validate("ridge_thresholds", data)

    known = np.isin(data.groups, data.groups[~found.in_slice])
    new = found.in_slice & ~known
    assert new.any()
    assert np.array_equal(found.score[new], found.unseen_artist_score[new])
    assert not np.allclose(found.score[found.in_slice & known], found.unseen_artist_score[found.in_slice & known])


def test_progress_rises_to_one():
    shares = []

    cross_validate("ridge_thresholds", dataset(), on_progress=lambda share, message: shares.append(share))

    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert len(shares) == 7


def test_progress_may_stop_the_work():
    class Cancelled(Exception):
        pass

    def cancel(share, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        cross_validate("ridge_thresholds", dataset(), on_progress=cancel)


def test_without_a_slice_all_tracks_are_out_of_fold():
    found = cross_validate("ridge_thresholds", dataset(), slice_share=0)

    assert not found.in_slice.any()


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="found recipe 'rigde'; expected one of"):
        cross_validate("rigde", dataset())


def test_the_summary_is_json_and_measures_against_the_higher_level():
    found = summary([2.5, 7, 7.4, 10], [3, 7, 8, 9], n_resamples=50)

    assert json.loads(json.dumps(found)) == found
    assert found["mae"] == 0.5
    assert found["macro_mae"] == pytest.approx((0 + 0.5 + 1) / 3)
    assert found["accuracy"] == 0.5
    assert np.sum(found["confusion_matrix"]) == 4
    assert found["macro_mae_interval"][0] <= found["macro_mae"] <= found["macro_mae_interval"][1]
