import dataclasses

import numpy as np
import pytest

from modeling.core.dataset import Dataset, evaluation_slice, grouped_stratified_folds, in_evaluation_slice


def dataset(**changes):
    values = {
        "X": np.arange(8).reshape(4, 2),
        "y": [1, 2.5, 10, 7],
        "groups": ["a", "a", "b", "c"],
        "uris": ["t1", "t2", "t3", "t4"],
        "columns": ("left", "right"),
    }
    return Dataset(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"X": np.arange(8).reshape(4, 2) + 0.5},
        {"y": [1, 2.5, 10, 8]},
        {"groups": ["a", "a", "b", "d"]},
        {"uris": ["t1", "t2", "t3", "t5"]},
        {"columns": ("left", "rihgt")},
    ],
)
def test_the_digest_changes_with_every_part(changes):
    assert dataset(**changes).digest() != dataset().digest()


def test_the_digest_does_not_depend_on_the_types_given():
    assert (
        dataset(X=np.arange(8.0).reshape(4, 2), y=np.array([1, 2.5, 10, 7], np.float32)).digest() == dataset().digest()
    )


def test_the_digest_stays_the_same_over_releases():
    assert dataset().digest() == "2f323622b96323c13aa5771f69f5af3932ea666000fa2160a3a6f4abd554b068"


def test_a_saved_dataset_loads_with_the_same_digest(tmp_path):
    dataset().save(tmp_path / "dataset.npz")

    loaded = Dataset.load(tmp_path / "dataset.npz")

    assert loaded.digest() == dataset().digest()
    assert loaded.columns == ("left", "right")


def test_a_dataset_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset().y = []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [1, 2, 3]}, "found shapes"),
        ({"y": [1, 2, 3, 11]}, "outside 1..10"),
        ({"y": [1, 2, 3, np.nan]}, "outside 1..10"),
        ({"columns": ("left",)}, "found 1 column names; expected 2"),
    ],
)
def test_rows_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataset(**changes)


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_never_split_and_levels_are_spread(seed):
    rng = np.random.default_rng(seed)
    groups = rng.zipf(1.5, 3000).clip(max=800)
    y = np.clip(np.round(rng.normal(5.8, 1.6, 3000)), 1, 10)

    fold = grouped_stratified_folds(y, groups, seed=seed)

    assert all(len(np.unique(fold[groups == group])) == 1 for group in np.unique(groups))
    assert set(fold) == set(range(5))


def test_single_tracks_are_spread_to_within_one_track_a_level():
    y = np.repeat(np.arange(1, 11), [5, 10, 50, 51, 52, 53, 54, 50, 11, 6])

    fold = grouped_stratified_folds(y, np.arange(len(y)), seed=3)

    counts = np.array([np.bincount(fold[y == level], minlength=5) for level in range(1, 11)])
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1
    assert np.ptp(np.bincount(fold)) <= 3


def test_a_giant_group_has_a_fold_for_itself():
    groups = np.array(["giant"] * 300 + [f"artist {number}" for number in range(100)])
    y = np.tile(np.arange(1, 11), 40)

    fold = grouped_stratified_folds(y, groups)

    others = np.bincount(fold[300:], minlength=5)
    assert others[fold[0]] == 0
    assert np.ptp(np.delete(others, fold[0])) <= 1


def test_fewer_groups_than_folds_give_as_many_folds_as_groups():
    fold = grouped_stratified_folds([1, 2, 3, 4, 5], ["a", "a", "b", "c", "c"])

    assert sorted(set(fold)) == [0, 1, 2]


def test_fewer_than_two_groups_are_refused():
    with pytest.raises(ValueError, match="found 1 groups for 5 folds; expected at least 2 of each"):
        grouped_stratified_folds([1, 2, 3], ["a", "a", "a"])


def test_folds_repeat_by_seed_and_differ_between_seeds():
    y, groups = np.tile(np.arange(1, 11), 20), np.arange(200)

    assert np.array_equal(grouped_stratified_folds(y, groups, seed=1), grouped_stratified_folds(y, groups, seed=1))
    assert not np.array_equal(grouped_stratified_folds(y, groups, seed=1), grouped_stratified_folds(y, groups, seed=2))


def test_the_evaluation_slice_is_the_same_for_ever():
    # Golden: whoever changes the hash moves tracks between development and evaluation in every installation.
    assert [number for number in range(20) if in_evaluation_slice(f"spotify:track:{number}")] == [2, 7, 17]


def test_the_evaluation_slice_is_uniform_and_nested():
    uris = [f"track:{number}" for number in range(20_000)]
    fifth, tenth = evaluation_slice(uris), evaluation_slice(uris, share=0.1)

    assert fifth.mean() == pytest.approx(0.2, abs=0.01)
    assert np.all(fifth[tenth])
    assert not evaluation_slice(uris, share=0).any()
    assert evaluation_slice(uris, share=1).all()
