import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotations.consensus import estimate, median_level, median_levels

LEVEL_COUNTS = [30, 52, 109, 111, 105, 116, 99, 74, 39, 9]  # emoMusic's, level 1 to 10


@pytest.mark.parametrize(
    ("levels", "expected"), [([4], 4), ([3, 6], 5), ([3, 5], 4), ([3, 4], 4), ([9, 1, 2], 2), ([1, 2, 3, 10], 3)]
)
def test_the_median_goes_to_the_higher_level(levels, expected):
    assert median_level(levels) == expected


def test_no_levels_have_no_median():
    with pytest.raises(ValueError, match="no levels"):
        median_level([])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 10)), min_size=1, max_size=40))
def test_the_medians_of_all_tracks_are_the_median_of_each(labels):
    tracks, level = zip(*labels, strict=True)
    expected = [
        median_level(of_track) if (of_track := [level for track, level in labels if track == each]) else 0
        for each in range(max(tracks) + 1)
    ]

    assert median_levels(tracks, level).tolist() == expected


@pytest.mark.parametrize(("level", "message"), [([3.5], "between whole numbers"), ([11], "outside 1..10")])
def test_medians_are_of_whole_levels(level, message):
    with pytest.raises(ValueError, match=message):
        median_levels([0], level)


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


@pytest.mark.parametrize(("n_each", "margin"), [(1, 0.3), (2, 0.1), (3, 0.05)])
def test_a_models_prediction_as_prior_beats_both_it_and_the_annotations_alone(n_each, margin):
    errors = []
    for seed in range(5):
        truth, tracks, annotators, level, _ = simulate(seed=seed, n_each=n_each)
        prior = 5.5 + 0.8 * (truth - 5.5) + np.random.default_rng(seed + 100).normal(size=len(truth))
        levels = [estimate(tracks, annotators, level, prior=each).level for each in (prior, None)]
        errors.append([macro_error(truth, each) for each in (*levels, prior)])

    together, alone, of_prior = np.mean(errors, axis=0)

    assert together < alone - margin
    assert together < of_prior - 0.1


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


# ---- What holds of any annotations


def aligned(rows):
    tracks, annotators, level = (np.array(column) for column in zip(*rows, strict=True))
    return tracks, np.unique(annotators, return_inverse=True)[1], level


ANNOTATIONS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(1, 10)), min_size=1, max_size=40
).map(aligned)


@given(ANNOTATIONS, st.lists(st.one_of(st.just(np.nan), st.floats(-3, 15)), min_size=7, max_size=7))
def test_whatever_was_said_levels_are_levels_and_everybody_is_known_so_well(labels, prior):
    tracks, annotators, level = labels

    found = estimate(tracks, annotators, level, prior=prior)

    known = (np.bincount(tracks, minlength=7) > 0) | np.isfinite(prior)
    assert (np.isfinite(found.level) == known).all()
    assert ((found.level[known] >= 1) & (found.level[known] <= 10)).all()
    for of_annotator in (found.bias, found.scale, found.noise, found.bias_se, found.scale_se, found.noise_se):
        assert of_annotator.shape == (annotators.max() + 1,)
        assert np.isfinite(of_annotator).all()
    assert min(each.min() for each in (found.scale, found.noise, found.bias_se, found.scale_se, found.noise_se)) > 0
    assert (np.isfinite(found.spread) == (np.bincount(tracks, minlength=7) > 1)).all()


@given(ANNOTATIONS, st.randoms(use_true_random=False))
def test_the_order_of_annotations_tracks_and_annotators_changes_nothing(labels, random):
    tracks, annotators, level = labels
    rows, track_name, annotator_name = (
        np.array(random.sample(range(n), n)) for n in (len(level), int(tracks.max()) + 1, int(annotators.max()) + 1)
    )

    before = estimate(tracks, annotators, level)
    after = estimate(track_name[tracks[rows]], annotator_name[annotators[rows]], level[rows])

    # Names of tracks at the end that nobody annotated are not there any more.
    where = track_name[tracks]
    assert after.level[where] == pytest.approx(before.level[tracks], abs=1e-6)
    assert after.spread[where] == pytest.approx(before.spread[tracks], abs=1e-6, nan_ok=True)
    who = annotator_name[annotators]
    for name in ("bias", "scale", "noise", "bias_se", "scale_se", "noise_se"):
        assert getattr(after, name)[who] == pytest.approx(getattr(before, name)[annotators], abs=1e-6)


@given(ANNOTATIONS, st.integers(1, 10))
def test_all_the_same_level_is_that_level(labels, same):
    tracks, annotators, _ = labels

    found = estimate(tracks, annotators, np.full(len(tracks), same))

    assert found.level[tracks] == pytest.approx(same)
    assert found.bias == pytest.approx(0)


@given(st.lists(st.integers(1, 10), min_size=1, max_size=60))
def test_one_annotator_alone_is_believed_in_the_order_of_levels_and_nearly_to_the_level(level):
    found = estimate(np.arange(len(level)), np.zeros(len(level), int), level)

    order = np.argsort(level, kind="stable")
    assert (np.diff(found.level[order]) >= -1e-9).all()
    assert np.abs(found.level - level).max() < 0.5


@settings(max_examples=20)
@given(st.integers(0, 100), st.integers(0, 5), st.floats(-2, 2))
def test_a_constant_bias_of_one_annotator_is_found_and_moves_levels_little(seed, who, shift):
    rng = np.random.default_rng(seed)
    tracks, annotators = np.repeat(np.arange(300), 3), np.concatenate([rng.permutation(6)[:3] for _ in range(300)])
    level = np.clip(rng.normal(5.5, 1, 300)[tracks] + rng.normal(0, 0.8, 900), 3, 8)

    before, after = (estimate(tracks, annotators, level + (annotators == who) * each) for each in (0, shift))

    assert after.bias[who] - np.delete(after.bias, who).mean() == pytest.approx(
        before.bias[who] - np.delete(before.bias, who).mean() + shift, abs=0.05 + 0.2 * abs(shift)
    )
    # The middle of all annotations moves by a sixth of the shift, and with it all levels.
    moved = after.level - before.level
    assert np.abs(moved - moved.mean()).max() < 0.05 + 0.1 * abs(shift)
    assert abs(moved.mean()) < 0.05 + abs(shift) / 5


def test_groups_that_share_nothing_do_not_disturb_each_other():
    truth, tracks, annotators, level, _ = simulate(seed=0, n_each=2)

    alone = estimate(tracks, annotators, level)
    both = estimate(
        *(
            np.concatenate(each)
            for each in ((tracks, tracks + len(truth)), (annotators, annotators + 6), (level, level))
        )
    )

    assert both.level == pytest.approx(np.tile(alone.level, 2), abs=0.02)
    assert both.bias == pytest.approx(np.tile(alone.bias, 2), abs=0.02)


@pytest.mark.parametrize("n_shared", [0, 20])
@pytest.mark.parametrize("with_prior", [False, True])
def test_whoever_labels_only_calm_music_is_not_taken_for_biased(n_shared, with_prior):
    """Two specialists without bias, whose tracks lie five levels apart; a tenth of the tracks shared, or none."""
    rng = np.random.default_rng(0)
    truth = np.concatenate([rng.normal(3, 1, 100), rng.normal(8, 1, 100)])
    tracks = np.concatenate([np.arange(200), np.arange(200)[:: 200 // n_shared] if n_shared else np.arange(0)])
    annotators = np.where(np.arange(len(tracks)) < 200, tracks // 100, 1 - tracks // 100)
    level = np.clip(np.round(truth[tracks] + rng.normal(0, 0.8, len(tracks))), 1, 10)
    prior = 5.5 + 0.6 * (truth - 5.5) + rng.normal(0, 1, 200) if with_prior else None

    found = estimate(tracks, annotators, level, prior=prior)

    assert np.abs(found.bias).max() < 0.6
    assert abs(found.level[:100].mean() - truth[:100].mean()) < 0.5
    assert abs(found.level[100:].mean() - truth[100:].mean()) < 0.75
    assert (np.abs(found.bias) < 1.96 * found.bias_se).all()


def test_a_prior_for_some_tracks_leaves_the_others_nearly_as_they_are():
    truth, tracks, annotators, level, _ = simulate(seed=0, n_each=3)
    prior = np.where(np.arange(len(truth)) % 2, truth, np.nan)

    without, found = estimate(tracks, annotators, level), estimate(tracks, annotators, level, prior=prior)

    unknown = np.isnan(prior)
    assert np.abs(found.level - without.level)[unknown].mean() < 0.3
    assert macro_error(truth[~unknown], found.level[~unknown]) < macro_error(truth[~unknown], without.level[~unknown])


def test_a_prior_may_be_pulled_to_the_middle_and_off_by_a_constant():
    """A ridge predicts too little of the spread; estimates must not inherit that, or rare levels are lost."""
    truth, tracks, annotators, level, _ = simulate(seed=1, n_each=2)
    signal = truth + np.random.default_rng(0).normal(0, 1.5, len(truth))

    straight = estimate(tracks, annotators, level, prior=signal).level
    pulled = estimate(tracks, annotators, level, prior=7 + 0.4 * (signal - 5.5)).level

    assert macro_error(truth, pulled) < macro_error(truth, straight) + 0.05


# ---- How well annotators are known


def standardised_errors(*, seed, n_tracks, n_annotators=20, n_each=3):
    """(found - true) / standard error of biases, scales and noises, against what makes labels of these tracks."""
    rng = np.random.default_rng(seed)
    tracks = np.repeat(np.arange(n_tracks), n_each)
    annotators = np.concatenate([rng.choice(n_annotators, n_each, replace=False) for _ in range(n_tracks)])
    truth = rng.normal(5.5, 1.2, n_tracks)
    bias, scale = rng.normal(0, 0.7, n_annotators), rng.uniform(0.7, 1.2, n_annotators)
    noise = rng.uniform(0.6, 1.2, n_annotators)
    said = (
        5.5
        + bias[annotators]
        + scale[annotators] * (truth[tracks] - 5.5)
        + noise[annotators] * rng.normal(size=len(tracks))
    )
    level = np.clip(said, 1, 10)
    found = estimate(tracks, annotators, level)
    says = np.bincount(annotators) * scale**2 / noise**2
    at_the_middle = 5.5 + bias + scale * (truth.mean() - 5.5) - level.mean()
    return (
        (found.bias - at_the_middle) / found.bias_se,
        (found.scale - scale / np.average(scale, weights=says)) / found.scale_se,
        (found.noise - noise) / found.noise_se,
    )


@pytest.mark.parametrize(("n_tracks", "n_each"), [(60, 2), (300, 3), (2000, 3)])
def test_intervals_of_two_standard_errors_hold_what_is_true(n_tracks, n_each):
    """Of 12, 45 and 300 labels an annotator; with few labels, biases of usual size are allowed for."""
    errors = np.array([standardised_errors(seed=seed, n_tracks=n_tracks, n_each=n_each) for seed in range(15)])

    coverage = (np.abs(errors) < 1.96).mean(axis=(0, 2))

    assert coverage.min() > 0.9
    # Nor are they much too wide where there are labels enough.
    assert n_tracks < 1000 or errors.std(axis=(0, 2)).min() > 0.6


def test_more_labels_make_annotators_better_known():
    few, many = (estimate(*simulate(seed=0, n_each=n)[1:4]) for n in (1, 3))

    assert (many.bias_se < few.bias_se).all()
    assert (many.noise_se < few.noise_se).all()


def test_of_one_label_little_is_known():
    found = estimate([0, 0], [0, 1], [3, 6])

    assert found.bias_se.min() > 0.7
    assert found.scale_se.min() > 0.2


# ---- Time


def test_a_million_annotations_take_seconds():
    rng = np.random.default_rng(0)
    n, n_tracks, n_annotators = 1_000_000, 100_000, 1000
    tracks, annotators = rng.integers(n_tracks, size=n), rng.integers(n_annotators, size=n)
    said = rng.normal(5.5, 1.8, n_tracks)[tracks] + rng.normal(0, 0.9, n_annotators)[annotators] + rng.normal(size=n)
    level = np.clip(np.round(said), 1, 10)
    start = time.process_time()

    estimate(tracks, annotators, level, prior=rng.normal(5.5, 1, n_tracks))
    median_levels(tracks, level)

    # Less than half of that on an idle core.
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("tracks", "annotators", "level", "message"),
    [
        ([0], [0, 1], [3], "found shapes"),
        ([], [], [], "not empty"),
        ([-1], [0], [3], "track_index is int64 from -1"),
        ([0.5], [0], [3], "track_index is float64"),
        ([0], [0], [11], r"outside 1\.\.10"),
        ([0], [0], [np.nan], r"outside 1\.\.10"),
        ([0], [-2], [3], "annotator_index is int64 from -2"),
        ([[0]], [[0]], [[3]], "found shapes"),
    ],
)
def test_impossible_annotations_are_refused(tracks, annotators, level, message):
    with pytest.raises(ValueError, match=message):
        estimate(tracks, annotators, level)


def test_a_prior_for_too_few_tracks_is_refused():
    with pytest.raises(ValueError, match="found track index 1 and 1 priors"):
        estimate([0, 1], [0, 0], [3, 4], prior=[3.0])


@pytest.mark.parametrize(
    ("prior", "message"), [([np.inf], "infinite prior"), ([[3.0]], "expected a prior for each track")]
)
def test_impossible_priors_are_refused(prior, message):
    with pytest.raises(ValueError, match=message):
        estimate([0], [0], [3], prior=prior)
