import time

import numpy as np
import pytest

from annotations.consensus import estimate, median_level

LEVEL_COUNTS = [30, 52, 109, 111, 105, 116, 99, 74, 39, 9]  # emoMusic's, level 1 to 10


@pytest.mark.parametrize(
    ("levels", "expected"), [([4], 4), ([3, 6], 5), ([3, 5], 4), ([3, 4], 4), ([9, 1, 2], 2), ([1, 2, 3, 10], 3)]
)
def test_the_median_goes_to_the_higher_level(levels, expected):
    assert median_level(levels) == expected


def test_no_levels_have_no_median():
    with pytest.raises(ValueError, match="no levels"):
        median_level([])


def simulate(*, seed, n_each, n_annotators=6):
    """Tracks like emoMusic's, six annotators who differ in bias, scale and noise, the last one answering at random."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(1, 11), LEVEL_COUNTS)
    tracks = np.repeat(np.arange(len(truth)), n_each)
    annotators = np.concatenate([rng.choice(n_annotators, n_each, replace=False) for _ in truth])
    bias, scale = rng.normal(0, 0.9, n_annotators), rng.uniform(0.7, 1.2, n_annotators)
    heard = 5.5 + bias[annotators] + scale[annotators] * (truth[tracks] - 5.5)
    heard += rng.uniform(0.6, 1.2, n_annotators)[annotators] * rng.normal(size=len(tracks))
    level = np.clip(np.round(heard), 1, 10)
    spammer = annotators == n_annotators - 1
    level[spammer] = rng.integers(1, 11, spammer.sum())
    return truth, tracks, annotators, level, bias


def macro_error(truth, estimated):
    error = np.abs(np.floor(np.clip(estimated, 1, 10) + 0.5) - truth)
    return np.mean([error[truth == level].mean() for level in np.unique(truth)])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n_each", "margin"), [(1, 0.0), (2, 0.25), (3, 0.2)])
def test_knowing_annotators_beats_the_mean(seed, n_each, margin):
    truth, tracks, annotators, level, _ = simulate(seed=seed, n_each=n_each)
    mean = np.bincount(tracks, level) / np.bincount(tracks)

    estimated = estimate(tracks, annotators, level).level

    assert macro_error(truth, estimated) < macro_error(truth, mean) - margin


@pytest.mark.parametrize(("n_each", "margin"), [(1, 0.3), (2, 0.05), (3, 0.02)])
def test_a_models_prediction_as_prior_beats_both_it_and_the_annotations_alone(n_each, margin):
    truth, tracks, annotators, level, _ = simulate(seed=0, n_each=n_each)
    rng = np.random.default_rng(1)
    prior = 5.5 + 0.8 * (truth - 5.5) + rng.normal(size=len(truth))

    together = macro_error(truth, estimate(tracks, annotators, level, prior=prior).level)

    assert together < macro_error(truth, estimate(tracks, annotators, level).level) - margin
    assert together < macro_error(truth, prior) - 0.1


def test_a_prior_of_nan_is_no_prior():
    _, tracks, annotators, level, _ = simulate(seed=0, n_each=2)

    without = estimate(tracks, annotators, level).level

    assert np.allclose(without, estimate(tracks, annotators, level, prior=np.full(744, np.nan)).level)


def test_annotators_are_told_apart():
    _, tracks, annotators, level, bias = simulate(seed=1, n_each=3)

    found = estimate(tracks, annotators, level)

    honest = slice(0, 5)
    assert np.corrcoef(found.bias[honest], bias[honest])[0, 1] > 0.95
    assert np.argmax(found.noise) == 5
    assert found.scale[5] < 0.3
    assert found.scale[honest].min() > 0.6


def test_annotators_who_share_few_tracks_get_the_mean():
    """Two annotators a track, two tracks an annotator, as in VGMIDI."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        tracks, annotators = np.repeat(np.arange(100), 2), rng.permutation(np.repeat(np.arange(100), 2))
        truth = rng.integers(1, 11, 100)
        level = np.clip(np.round(truth[tracks] + rng.normal(0, 1.2, 200)), 1, 10)
        mean = np.bincount(tracks, level) / 2

        difference = estimate(tracks, annotators, level).level - mean

        assert np.mean(np.abs(difference)) < 0.15
        assert np.max(np.abs(difference)) < 0.6


def test_two_tracks_by_one_annotator_keep_their_labels():
    """By hand: labels 4 and 6 lie at -1 and +1 around their mean 5, so bias is 0, and with one label each

    level = 5 -+ (scale x 1 / noise^2) / (scale^2 / noise^2 + 1/40).
    """
    found = estimate([0, 1], [0, 0], [4, 6])

    assert found.bias == pytest.approx([0], abs=1e-9)
    offset = (found.scale[0] / found.noise[0] ** 2) / (found.scale[0] ** 2 / found.noise[0] ** 2 + 1 / 40)
    assert found.level == pytest.approx([5 - offset, 5 + offset])
    assert found.level == pytest.approx([4, 6], abs=0.1)


def test_a_constant_shift_between_two_annotators_is_bias_shared_between_them():
    """By hand: b labels every track 2 above a, so nothing is noise: biases -1 and +1, levels the midpoints."""
    truth = np.tile([3, 4, 5, 6, 7], 40)
    tracks = np.tile(np.arange(200), 2)

    found = estimate(tracks, np.repeat([0, 1], 200), np.concatenate([truth - 1, truth + 1]))

    assert found.bias == pytest.approx([-1, 1], abs=0.06)
    assert np.abs(found.level - truth).max() < 0.1
    assert np.nanmax(found.spread) < 0.3


def test_spread_finds_the_ambiguous_tracks_better_than_the_raw_standard_deviation():
    truth, tracks, annotators, level, _ = simulate(seed=2, n_each=3)
    rng = np.random.default_rng(3)
    ambiguous = rng.random(len(truth)) < 0.15
    shaken = np.clip(np.round(level + ambiguous[tracks] * rng.normal(0, 2, len(level))), 1, 10)

    spread = estimate(tracks, annotators, shaken).spread
    n = np.bincount(tracks)
    raw = np.bincount(tracks, shaken**2) / n - (np.bincount(tracks, shaken) / n) ** 2

    def auc(ranking):
        return np.mean(ranking[ambiguous][:, None] > ranking[~ambiguous][None, :])

    assert auc(spread) > 0.75
    assert auc(spread) > auc(raw) + 0.05


def test_spread_is_about_one_where_annotators_are_as_noisy_as_usual():
    rng = np.random.default_rng(0)
    tracks, annotators = np.repeat(np.arange(2000), 3), np.tile(np.arange(3), 2000)
    level = np.clip(rng.uniform(4, 7, 2000)[tracks] + rng.normal(size=6000), 1, 10)

    spread = estimate(tracks, annotators, level).spread

    assert np.sqrt(np.mean(spread**2)) == pytest.approx(1, abs=0.15)


def test_spread_of_a_single_annotation_is_unknown():
    found = estimate([0, 0, 1], [0, 1, 0], [3, 5, 4])

    assert np.isfinite(found.spread[0])
    assert np.isnan(found.spread[1])


def test_a_track_nobody_annotated_has_no_level_unless_a_prior_says_one():
    assert np.isnan(estimate([0, 2], [0, 0], [3, 5]).level[1])
    assert estimate([0, 2], [0, 0], [3, 5], prior=[np.nan, 7.0, np.nan]).level[1] == pytest.approx(7)


def test_identical_labels_are_their_own_consensus():
    found = estimate([0, 0, 1, 1], [0, 1, 0, 1], [10, 10, 10, 10])

    assert found.level == pytest.approx([10, 10])
    assert found.spread == pytest.approx([0, 0])


def test_a_hundred_thousand_annotations_take_about_a_second():
    rng = np.random.default_rng(0)
    tracks, annotators = rng.integers(42_000, size=100_000), rng.integers(20, size=100_000)
    level = np.clip(np.round(rng.normal(5.5, 1.8, 42_000)[tracks] + rng.normal(size=100_000)), 1, 10)
    start = time.process_time()

    estimate(tracks, annotators, level)

    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("tracks", "annotators", "level", "message"),
    [
        ([0], [0, 1], [3], "found shapes"),
        ([], [], [], "not empty"),
        ([-1], [0], [3], "track_index is int64 from -1"),
        ([0.5], [0], [3], "track_index is float64"),
        ([0], [0], [11], r"outside 1\.\.10"),
        ([0], [0], [np.nan], r"outside 1\.\.10"),
    ],
)
def test_impossible_annotations_are_refused(tracks, annotators, level, message):
    with pytest.raises(ValueError, match=message):
        estimate(tracks, annotators, level)


def test_a_prior_for_too_few_tracks_is_refused():
    with pytest.raises(ValueError, match="found track index 1 and 1 priors"):
        estimate([0, 1], [0, 0], [3, 4], prior=[3.0])
