import numpy as np
import pytest

from modeling.core import neighbours
from modeling.core.neighbours import nearest


def brute_force(X, row, n):
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    cosine = z @ z[row] / (np.linalg.norm(z, axis=1) * np.linalg.norm(z[row]))
    cosine[row] = -np.inf
    order = np.argsort(-cosine)[:n]
    return order, cosine[order]


def test_neighbours_are_those_of_a_full_comparison(monkeypatch):
    X = np.random.default_rng(0).normal(5, 2, (200, 12))
    monkeypatch.setattr(neighbours, "CHUNK_CELLS", 700)  # three rows at a time

    found = nearest(X, np.arange(0, 200, 7), n=4)

    for at, row in enumerate(range(0, 200, 7)):
        indices, similarity = brute_force(X, row, 4)
        assert np.array_equal(found.indices[at], indices)
        assert np.allclose(found.similarity[at], similarity)


def test_a_copy_of_the_track_is_nearest_and_the_track_itself_is_left_out():
    X = np.random.default_rng(1).normal(size=(50, 6))
    X[40] = X[3]

    found = nearest(X, [3], n=2)

    assert found.indices[0, 0] == 40
    assert found.similarity[0, 0] == pytest.approx(1)
    assert 3 not in found.indices


def test_the_unit_of_a_feature_and_constant_features_do_not_matter():
    X = np.random.default_rng(2).normal(size=(60, 5))
    changed = np.column_stack([X * [1, 1000, 1, 0.01, 1], np.full(60, 0.1)])

    assert np.array_equal(nearest(X, [0, 9]).indices, nearest(changed, [0, 9]).indices)


def test_neighbours_of_the_own_group_are_left_out_and_the_gap_is_marked():
    X = np.array([[0.0, 1], [0.1, 1], [0.2, 1], [5, 3], [4, 4]])

    found = nearest(X, [0, 3], groups=["a", "a", "b", "c", "c"], n=4)

    assert found.indices[0, 0] == 2
    assert sorted(found.indices[0, 1:]) == [-1, 3, 4]
    assert sorted(found.indices[1, :3]) == [0, 1, 2]
    assert np.isnan(found.similarity[:, 3]).all()
    assert np.isfinite(found.similarity[:, :3]).all()


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="one for each track"):
        nearest([[0.0], [1.0]], [0], groups=["a"])


def test_few_tracks_give_few_neighbours():
    assert nearest([[0.0], [1.0], [5.0]], [0], n=5).indices.shape == (1, 2)
    assert nearest([[0.0]], [0]).indices.shape == (1, 0)
    assert nearest([[0.0], [1.0]], []).indices.shape == (0, 1)


def test_a_row_outside_the_matrix_is_refused():
    with pytest.raises(ValueError, match=r"rows 0\.\.1"):
        nearest([[0.0], [1.0]], [2])
