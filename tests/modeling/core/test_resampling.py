from collections import Counter

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import TomekLinks

from modeling.core.resampling import RESAMPLERS, Rows, balanced, resample, tomek_links


def rows(counts, p=4, seed=0):
    """As many rows of each level as `counts` says, by level."""
    rng = np.random.default_rng(seed)
    y = np.repeat(list(counts), list(counts.values())).astype(float)
    return Rows(rng.normal(size=(len(y), p)) + 0.5 * y[:, None], y, np.ones(len(y)))


def resampled(found_rows, method, seed=0, **options):
    return resample(found_rows, method, rng=np.random.default_rng(seed), **options)


def counts(of):
    levels, n = np.unique(of.level, return_counts=True)
    return dict(zip(levels.tolist(), n.tolist(), strict=True))


def contains(all_rows, some):
    known = {row.tobytes() for row in all_rows.X}
    return [row.tobytes() in known for row in some.X]


def test_none_changes_nothing():
    data = rows({3: 5, 4: 2})

    assert resampled(data, "none").rows is data


def test_random_over_fills_levels_up_with_copies():
    data = rows({3: 20, 4: 5, 9: 1})

    found = resampled(data, "random_over").rows

    assert counts(found) == {3: 20, 4: 20, 9: 20}
    assert np.array_equal(found.X[:26], data.X)
    assert all(contains(data, found))


def test_random_under_thins_levels_without_taking_a_row_twice():
    data = rows({3: 20, 4: 5, 9: 7})

    found = resampled(data, "random_under")

    assert counts(found.rows) == {3: 5, 4: 5, 9: 5}
    assert all(contains(data, found.rows))
    assert len(np.unique(found.rows.X, axis=0)) == 15
    assert found.notes == ("15 of 32 rows are left: 5 of each level",)


def test_smote_puts_rows_between_two_of_the_same_level():
    data = rows({3: 40, 8: 10})

    found = resampled(data, "smote", k_neighbors=3)

    assert counts(found.rows) == {3: 40, 8: 40}
    assert np.array_equal(found.rows.X[:50], data.X)
    assert not found.notes
    own = data.X[40:]
    for new in found.rows.X[50:]:
        # On a segment between two rows the distances to its ends add up to its length.
        ends = np.linalg.norm(own[:, None] - own, axis=2)
        to_new = np.linalg.norm(own - new, axis=1)
        assert np.isclose(to_new[:, None] + to_new, ends, rtol=1e-5)[~np.eye(10, dtype=bool)].any()


def test_smote_by_hand_goes_to_the_nearest_in_standardised_features():
    # In plain units the first feature decides, and the third row is nearest to both others; in spreads the first two are
    # each other's nearest.
    X = np.array([[0.0, 0.0], [900.0, 0.1], [100.0, 3.0], *[[5000.0, 9.0]] * 4])
    data = Rows(X, np.array([2.0, 2, 2, 7, 7, 7, 7]), np.ones(7))

    new = [resampled(data, "smote", seed, k_neighbors=1).rows.X[7] for seed in range(20)]

    slopes = {round(float(second / first), 6) for first, second in new}
    assert slopes == {round(0.1 / 900, 6), 0.03}


def test_smote_draws_along_the_same_segments_as_imbalanced_learn():
    data = rows({3: 2_000, 8: 10}, seed=1)
    spread = Rows((data.X - data.X.mean(axis=0)) / data.X.std(axis=0), data.y, data.weight)
    theirs, _ = SMOTE(k_neighbors=3, random_state=0).fit_resample(spread.X, spread.level)

    ours = resampled(spread, "smote", k_neighbors=3).rows.X

    assert ours.shape == theirs.shape
    drawn, expected = (segments(spread.X[2_000:], found[2_010:]) for found in (ours, theirs))
    assert set(drawn) == set(expected)
    # Each as often, but for chance: 1,990 points, some 60 a segment.
    assert max(abs(drawn[ends] - expected[ends]) / np.sqrt(drawn[ends] + expected[ends]) for ends in drawn) < 4


def segments(own, between):
    """How many of these points lie between each two rows."""
    to_own = np.linalg.norm(between[:, None] - own, axis=2)
    length = np.linalg.norm(own[:, None] - own, axis=2) + np.diag(np.full(len(own), np.inf))
    detour = np.where(np.eye(len(own), dtype=bool), np.inf, to_own[:, :, None] + to_own[:, None] - length)
    ends = detour.reshape(len(between), -1).argmin(axis=1)
    return Counter(tuple(sorted(divmod(int(end), len(own)))) for end in ends)


def test_a_level_with_few_rows_uses_the_neighbours_it_has_and_says_so():
    found = resampled(rows({3: 20, 4: 3, 9: 1}), "smote", k_neighbors=5)

    assert counts(found.rows) == {3: 20, 4: 20, 9: 20}
    assert found.notes == (
        "level 4 has 3 rows: 2 neighbours in place of 5 neighbours",
        "level 9 has 1 rows: copies in place of 5 neighbours",
    )
    assert len(np.unique(found.rows.X[found.rows.level == 9], axis=0)) == 1


def test_labels_and_weights_move_along_with_the_features():
    data = Rows(
        np.array([[0.0], [1.0], *[[9.0]] * 5]), np.array([5.6, 6.4, *[3.0] * 5]), np.array([1.0, 3, *[1.0] * 5])
    )

    new = resampled(data, "smote").rows.take(np.arange(7, 10))

    assert new.y == pytest.approx(5.6 + 0.8 * new.X[:, 0])
    assert new.weight == pytest.approx(1 + 2 * new.X[:, 0])
    assert set(new.level) == {6}


def test_tomek_links_are_those_of_imbalanced_learn():
    data = rows({3: 60, 4: 50, 5: 40}, seed=3)
    spread = Rows((data.X - data.X.mean(axis=0)) / data.X.std(axis=0), data.y, data.weight)
    expected = TomekLinks(sampling_strategy="all").fit(spread.X, spread.level)
    expected.fit_resample(spread.X, spread.level)

    kept = np.flatnonzero(~tomek_links(data))

    assert np.array_equal(kept, np.sort(expected.sample_indices_))
    assert len(kept) < 150


def test_smote_tomek_takes_both_rows_of_a_link_away():
    # 4.9 and 5.1 are each other's nearest, of different levels.
    data = Rows(np.array([[1.0], [2.0], [4.9], [5.1], [8.0], [9.5]]), np.array([3.0, 3, 3, 6, 6, 6]), np.ones(6))

    assert resampled(data, "smote_tomek").rows.X[:, 0].tolist() == [1, 2, 8, 9.5]


def test_tomek_links_never_take_a_level_away():
    data = Rows(np.array([[1.0], [1.1]]), np.array([3.0, 6.0]), np.ones(2))

    assert counts(resampled(data, "smote_tomek").rows) == {3: 1, 6: 1}


@pytest.mark.parametrize("method", RESAMPLERS)
@pytest.mark.parametrize("level_counts", [{5: 1}, {5: 8}, {1: 1, 10: 1}, {1: 1, 2: 2, 3: 3, 9: 30}])
def test_any_counts_are_balanced_with_no_level_lost_and_the_same_seed_gives_the_same(method, level_counts):
    data = rows(level_counts)

    first, second = (resampled(data, method, seed=4).rows for _ in range(2))

    assert set(counts(first)) == set(level_counts)
    assert np.array_equal(first.X, second.X)
    assert np.isfinite(first.X).all()


def test_constant_columns_and_duplicates_do_no_harm():
    data = rows({3: 12, 4: 5})
    doubled = Rows(np.hstack([np.repeat(data.X[:1], 17, axis=0), np.full((17, 1), 7.0)]), data.y, data.weight)

    found = resampled(doubled, "smote_tomek").rows

    assert np.isfinite(found.X).all()
    assert set(counts(found)) == {3, 4}


def test_float32_stays_float32():
    data = rows({3: 9, 4: 4})

    assert resampled(Rows(data.X.astype(np.float32), data.y, data.weight), "smote").rows.X.dtype == np.float32


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="found resampling 'smoothe'; expected one of"):
        resampled(rows({3: 2}), "smoothe")


def test_balanced_weights_give_every_level_the_same():
    data = Rows(np.zeros((5, 1)), np.array([2.0, 2, 2, 2, 9]), np.array([1.0, 1, 1, 1, 2]))

    assert balanced(data) == pytest.approx([0.625, 0.625, 0.625, 0.625, 2.5])
