import numpy as np
import pytest

from annotations.clusters import cluster_annotators


def labels_of(group, *, seed, n_tracks=500, n_each=3, taste=1.0):
    """Annotators in groups, each group with a taste of its own; all with their own bias, scale and noise."""
    rng = np.random.default_rng(seed)
    group, n = np.asarray(group), len(group)
    truth, tastes = rng.normal(5.5, 1.8, n_tracks), rng.normal(0, taste, (group.max() + 1, n_tracks))
    tracks = np.repeat(np.arange(n_tracks), n_each)
    annotators = np.concatenate([rng.choice(n, n_each, replace=False) for _ in range(n_tracks)])
    heard = truth[tracks] + tastes[group[annotators], tracks]
    said = 5.5 + rng.normal(0, 0.9, n)[annotators] + rng.uniform(0.7, 1.2, n)[annotators] * (heard - 5.5)
    noise = rng.uniform(0.6, 1.2, n)[annotators] * rng.normal(size=len(tracks))
    return tracks, annotators, np.clip(np.round(said + noise), 1, 10)


def same_group(label):
    return label[:, None] == label[None, :]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("group", [[0, 1] * 3, [0] * 6 + [1] * 4, [0] * 12 + [1] * 8])
def test_two_tastes_are_two_groups_the_larger_first(seed, group):
    found = cluster_annotators(*labels_of(group, seed=seed, n_tracks=100 * len(group)))

    assert found.n_clusters == 2
    assert found.label.tolist() == group


def test_three_tastes_are_three_groups():
    found = cluster_annotators(*labels_of([0] * 5 + [1] * 4 + [2] * 3, seed=0, n_tracks=2000))

    assert found.label.tolist() == [0] * 5 + [1] * 4 + [2] * 3


@pytest.mark.parametrize("n_annotators", [2, 3, 6, 20])
def test_one_taste_is_one_group_however_biases_differ(n_annotators):
    split = [
        cluster_annotators(*labels_of([0] * n_annotators, seed=seed, n_each=2)).n_clusters > 1 for seed in range(20)
    ]

    assert np.mean(split) <= 0.1


def test_somebody_who_answers_at_random_is_no_group():
    tracks, annotators, level = labels_of([0] * 8, seed=1)
    at_random = annotators == 0
    level[at_random] = np.random.default_rng(2).integers(1, 11, at_random.sum())

    found = cluster_annotators(tracks, annotators, level)

    assert found.n_clusters == 1
    assert np.abs(found.similarity[0, 1:]).max() < 0.3


def test_whoever_shares_too_few_tracks_is_in_no_group():
    tracks, annotators, level = labels_of([0, 1] * 3, seed=0)
    tracks, annotators, level = (
        np.append(tracks, [0, 1, 9999]),
        np.append(annotators, [6] * 3),
        np.append(level, [5] * 3),
    )

    found = cluster_annotators(tracks, annotators, level)

    assert found.label.tolist() == [0, 1, 0, 1, 0, 1, -1]


def test_without_shared_tracks_nothing_is_known():
    found = cluster_annotators(np.arange(40), np.repeat([0, 1], 20), np.tile([3, 8], 20))

    assert found.n_clusters == 0
    assert found.label.tolist() == [-1, -1]
    assert np.isnan(found.similarity[0, 1])
    assert found.similarity.diagonal().tolist() == [1, 1]


def test_another_order_of_annotators_changes_only_their_names():
    tracks, annotators, level = labels_of([0] * 6 + [1] * 4, seed=3, n_tracks=800)
    new_name = np.random.default_rng(4).permutation(10)

    before, after = (cluster_annotators(tracks, names, level) for names in (annotators, new_name[annotators]))

    assert (same_group(before.label) == same_group(after.label[new_name])).all()
    assert np.allclose(before.similarity, after.similarity[np.ix_(new_name, new_name)], atol=0.01)


def test_similarity_with_few_shared_tracks_is_shrunken():
    """Two tastes, ten annotators, four shared tracks a pair: similarities keep their sign and lose most of their size."""
    few, many = (cluster_annotators(*labels_of([0, 1] * 5, seed=5, n_tracks=n)).similarity for n in (60, 3000))
    alike = same_group(np.arange(10) % 2) & ~np.eye(10, dtype=bool)

    assert many[alike].mean() > 0.25
    assert 0 < np.nanmean(few[alike]) < many[alike].mean() / 2


def test_all_the_same_level_is_one_group():
    tracks, annotators, level = labels_of([0] * 4, seed=0)

    assert cluster_annotators(tracks, annotators, np.full_like(level, 5)).label.tolist() == [0] * 4


@pytest.mark.parametrize(("level", "message"), [([3, 11], "outside 1..10"), ([3], "found shapes")])
def test_impossible_annotations_are_refused(level, message):
    with pytest.raises(ValueError, match=message):
        cluster_annotators([0, 0], [0, 1], level)
