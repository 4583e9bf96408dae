"""Sums in chunks: the same as at once, in a fraction of the memory."""

import tracemalloc

import numpy as np
import pytest

from modeling.core import chunks as chunked
from modeling.core.chunks import chunks, mean_and_scale, per_chunk, standardised
from modeling.core.resampling import Rows, resample
from modeling.core.ridge import Ridge, checked_matrix


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunked, "CHUNK_ROWS", 7)


def peak_in_sizes_of(X, work):
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / X.nbytes


def tracks(n=12_000, p=100):
    rng = np.random.default_rng(0)
    y = np.clip(np.round(rng.normal(5.5, 1.5, n)), 2, 9)
    return (y[:, None] + rng.normal(0, 2, (n, p))).astype(np.float32), y


@pytest.mark.parametrize("n_rows", [1, 6, 7, 8, 21, 22])
def test_chunks_are_all_rows_in_order(n_rows, small_chunks):
    assert np.concatenate([np.arange(n_rows)[part] for part in chunks(n_rows)]).tolist() == list(range(n_rows))


def test_weighted_means_and_scales_are_those_of_all_rows_at_once(small_chunks):
    X, weight = tracks(n=40, p=3)[0], np.arange(40.0)

    mean, scale = mean_and_scale(X, weight)

    assert mean == pytest.approx(np.average(X.astype(float), axis=0, weights=weight))
    assert scale**2 == pytest.approx(np.average((X - mean) ** 2, axis=0, weights=weight))
    assert per_chunk(X, lambda part: part[:, 0] * 2.0) == pytest.approx(2 * X[:, 0])


def test_a_constant_column_is_0_however_large_it_is(small_chunks):
    X = np.hstack([tracks(n=30, p=1)[0], np.full((30, 1), 0.1), np.full((30, 1), 1e9)]).astype(np.float32)

    z = standardised(X, *mean_and_scale(X))

    assert z.dtype == np.float32
    assert np.all(z[:, 1:] == 0)
    assert z[:, 0].std() == pytest.approx(1)


def test_a_ridge_in_chunks_is_the_ridge_at_once(monkeypatch):
    X, y = tracks(n=200, p=5)
    at_once = Ridge.fit(X, y)
    monkeypatch.setattr(chunked, "CHUNK_ROWS", 7)

    in_chunks = Ridge.fit(X, y)

    assert in_chunks.alpha == at_once.alpha
    assert in_chunks.coefficients == pytest.approx(at_once.coefficients)


def test_float32_features_are_checked_without_a_copy_and_others_become_float64():
    X = tracks(n=20, p=2)[0]

    assert checked_matrix(X) is X
    assert checked_matrix(X.astype(np.float16)).dtype == np.float64


def test_a_ridge_takes_less_memory_than_its_rows():
    X, y = tracks()

    assert peak_in_sizes_of(X, lambda: Ridge.fit(X, y)) < 1  # a float64 copy alone would be 2


def test_smote_holds_little_beside_what_it_returns():
    X, y = tracks()
    found = resample(Rows(X, y, np.ones(len(y))), "smote", rng=np.random.default_rng(0)).rows

    peak = peak_in_sizes_of(
        found.X, lambda: resample(Rows(X, y, np.ones(len(y))), "smote", rng=np.random.default_rng(0))
    )

    assert peak < 1.6
