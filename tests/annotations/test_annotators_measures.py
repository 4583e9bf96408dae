"""What is said of annotators, by hand and against planted habits."""

import numpy as np
import pytest

from annotations.annotators import together
from annotations.annotators.measures import MAX_BLOCKS, Labels, means_of, measure

NAN = float("nan")
DAY_S = 86_400


def labels(track, annotator, level, **changes):
    """As from the label page, each a minute after the one before, unless a test says more."""
    n = len(level)
    usual = {
        "track": np.asarray(track),
        "annotator": np.asarray(annotator),
        "level": np.asarray(level),
        "is_current": np.ones(n, bool),
        "before": np.full(n, NAN),
        "agreed": np.full(n, NAN),
        "answered_s": np.full(n, NAN),
        "said_at": 60.0 * np.arange(n),
    }
    return Labels(**usual | {name: np.asarray(value) for name, value in changes.items()})


def measured(*args, too_fast_s=4.0, **changes):
    return measure(labels(*args, **changes), too_fast_s=too_fast_s)


def simulate(*, bias, scale, noise, n_tracks=400, seed=0):
    """Everybody labels every track, one after the other."""
    rng = np.random.default_rng(seed)
    n = len(bias)
    truth = rng.normal(5.5, 1.8, n_tracks)
    track, annotator = np.repeat(np.arange(n_tracks), n), np.tile(np.arange(n), n_tracks)
    heard = 5.5 + np.asarray(bias)[annotator] + np.asarray(scale)[annotator] * (truth[track] - 5.5)
    heard += np.asarray(noise)[annotator] * rng.normal(size=len(track))
    return track, annotator, np.clip(np.round(heard), 1, 10).astype(int)


# ---- By hand


def test_the_pool_is_what_others_say_of_the_same_tracks_each_track_once():
    # Track 0: 3 by me, 4 and 6 by others. Track 1: 9 by me, 9 by one other. Track 2 is mine alone, track 3 not mine.
    found = measured([0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 0, 1, 0, 1], [3, 4, 6, 9, 9, 1, 10])[0]

    assert found["n_labels"] == 3
    assert found["n_shared"] == 2
    assert found["counts"] == [1, 0, 1, 0, 0, 0, 0, 0, 1, 0]
    assert found["shared_counts"] == [0, 0, 1, 0, 0, 0, 0, 0, 1, 0]
    assert found["pool"] == [0, 0, 0, 0.5, 0, 0.5, 0, 0, 1, 0]


def test_who_shares_no_track_is_compared_with_nobody():
    found = measured([0, 1, 1], [0, 1, 2], [3, 5, 6])[0]

    assert found["n_shared"] == 0
    assert sum(found["pool"]) == 0
    assert found["error"] == {"n": 0, "value": None, "se": None}


def test_the_error_is_the_distance_to_the_mean_of_the_others():
    n = 12
    track, annotator = np.repeat(np.arange(n), 3), np.tile([0, 1, 2], n)
    level = np.tile([7, 4, 5], n)
    level[0] = 4  # once half a level below 4.5, else 2.5 above it

    found = measured(track, annotator, level)[0]

    assert found["error"]["n"] == n
    assert found["error"]["value"] == pytest.approx((0.5 + 11 * 2.5) / 12, abs=0.001)
    assert found["error"]["se"] == pytest.approx(np.std([0.5] + 11 * [2.5], ddof=1) / np.sqrt(12), abs=0.001)


def test_repeats_are_held_against_what_was_said_before_even_when_they_are_changed_later():
    # Twelve tracks labelled, given again a level higher each, and two of these answers taken back.
    first, again, taken_back = np.full(12, 4), np.full(12, 5), np.full(2, 9)
    track = np.concatenate([np.arange(12), np.arange(12), np.arange(2)])
    level = np.concatenate([first, again, taken_back])
    is_current = np.concatenate([np.zeros(12), np.r_[False, False, np.ones(10)], np.ones(2)]).astype(bool)
    before = np.concatenate([np.full(12, NAN), first, np.full(2, NAN)])

    found = measured(track, np.zeros(26, int), level, is_current=is_current, before=before)[0]

    assert found["repeats"] == {"n": 12, "value": 1.0, "se": 0.0}
    assert found["n_labels"] == 12
    assert found["counts"][4] == 10


def test_gold_is_missed_by_levels_and_with_a_sign():
    level = np.array([4] * 5 + [8] * 5)
    found = measured(np.arange(10), np.zeros(10, int), level, agreed=np.full(10, 5.0))[0]

    assert found["gold"]["value"] == 2.0  # five by one, five by three
    assert found["gold_bias"]["value"] == 1.0


def test_speed_is_the_median_and_the_share_below_what_is_too_fast():
    seconds = [1, 2, 3, 10, 11, 12, 13, 14, 15, 16, NAN]
    found = measured(np.arange(11), np.zeros(11, int), np.full(11, 5), answered_s=seconds, too_fast_s=3.0)[0]

    assert found["seconds"] == {"n": 10, "value": 11.5, "se": None}
    assert found["too_fast"]["value"] == 0.2


def test_one_slip_does_not_widen_the_range():
    found = measured(np.arange(60), np.zeros(60, int), [4, 5] * 29 + [6, 10])[0]

    assert found["range"] == [4, 5]


def test_of_few_labels_it_is_said_how_many_and_no_figure():
    found = measured(np.arange(9), np.zeros(9, int), np.full(9, 5))[0]

    assert found["n_labels"] == 9
    for name in ("bias", "scale", "noise"):
        assert found[name] == {"n": 9, "value": None, "se": None}


def test_means_leave_out_what_is_not_known():
    count, mean, se = means_of(np.array([1.0, 3.0, NAN, 7.0]), np.array([0, 0, 0, 2]), 3)

    assert count.tolist() == [2, 0, 1]
    assert mean[[0, 2]].tolist() == [2.0, 7.0]
    assert se[0] == 1.0
    assert np.isnan([mean[1], se[1], se[2]]).all()


# ---- Planted habits are found, and nothing else is


def test_planted_bias_scale_and_noise_are_found_within_their_intervals():
    bias, scale, noise = [0.0, 1.5, -1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.5, 1.0], [0.6, 0.6, 0.6, 0.6, 1.6]
    found = measured(*simulate(bias=bias, scale=scale, noise=noise))

    middle = np.mean([each["bias"]["value"] for each in found])
    for each, truth in zip(found, np.array(bias) - np.mean(bias), strict=True):
        assert each["bias"]["value"] - middle == pytest.approx(truth, abs=0.2)
    assert found[3]["scale"]["value"] == pytest.approx(0.5 * found[0]["scale"]["value"], abs=0.1)
    assert found[4]["noise"]["value"] > found[0]["noise"]["value"] + 0.7
    for each in found:
        assert 0 < each["bias"]["se"] < 0.3
        assert 0 < each["scale"]["se"] < 0.2
        assert 0 < each["noise"]["se"] < 0.2


def test_a_planted_change_is_found_where_it_is_and_only_with_who_changed():
    track, annotator, level = simulate(bias=[0, 0, 0], scale=[1, 1, 1], noise=[0.7] * 3)
    said_at = DAY_S * track.astype(float)
    changed = (annotator == 1) & (track >= 240)
    level = np.where(changed, np.minimum(level + 2, 10), level)

    found = measured(track, annotator, level, said_at=said_at)

    change = found[1]["drift"]["change"]
    assert abs(change["since"] / DAY_S - 240) < 20
    assert change["after"] - change["before"] == pytest.approx(1.8, abs=0.5)
    assert found[1]["drift"]["blocks"][-1]["value"] > 0.5 > -0.3 > found[1]["drift"]["blocks"][0]["value"]
    assert len(found[1]["drift"]["blocks"]) == MAX_BLOCKS
    assert sum(block["n"] for block in found[1]["drift"]["blocks"]) == 400


def test_without_a_change_blocks_lie_about_what_was_expected():
    found = measured(*simulate(bias=[1, -1, 0], scale=[1, 1, 1], noise=[0.7] * 3))

    for each in found:
        assert each["drift"]["change"] is None
        far = [abs(block["value"]) > 3 * block["se"] for block in each["drift"]["blocks"]]
        assert sum(far) <= 1


def test_imported_labels_have_no_time_and_so_no_drift():
    track, annotator, level = simulate(bias=[0, 0], scale=[1, 1], noise=[1, 1])

    found = measured(track, annotator, level, said_at=np.full(len(level), NAN))

    assert [each["drift"] for each in found] == [{"blocks": [], "change": None}] * 2


def test_the_order_of_annotators_changes_nothing_but_the_order():
    track, annotator, level = simulate(bias=[0, 1, -1], scale=[1, 0.8, 1.1], noise=[1, 0.5, 0.8], n_tracks=60)

    found, other_way = measured(track, annotator, level), measured(track, 2 - annotator, level)

    for each, same in zip(found, reversed(other_way), strict=True):
        assert each["pool"] == same["pool"]
        assert each["bias"]["value"] == pytest.approx(same["bias"]["value"], abs=0.002)
        assert each["drift"] == same["drift"]


# ---- Together


def test_agreement_is_told_two_by_two_with_those_who_share_most_first():
    track = np.concatenate([np.arange(30), np.arange(30), np.arange(12)])
    annotator = np.repeat([0, 1, 2], [30, 30, 12])
    level = np.concatenate([1 + np.arange(30) % 10, 1 + np.arange(30) % 10, 10 - np.arange(12) % 10])

    matrix, partners = together.matrix_and_partners(labels(track, annotator, level), [11, 22, 33])

    assert matrix["ids"] == [11, 22, 33]
    assert matrix["kappa"][1][0] == 1.0
    assert matrix["kappa"][2][0] < -0.5
    assert matrix["kappa"][0][0] is None
    assert [(pk, n) for pk, _, _, n in partners[0]] == [(22, 30), (33, 12)]
    assert partners[0][0][1:3] == [1.0, 0.0]


def test_with_few_shared_tracks_no_kappa_is_told():
    track, annotator = np.tile(np.arange(9), 2), np.repeat([0, 1], 9)

    matrix, partners = together.matrix_and_partners(labels(track, annotator, 1 + track), [1, 2])

    assert matrix["kappa"][1][0] is None
    assert matrix["n_shared"][1][0] == 9
    assert partners[0] == [[2, None, 0.0, 9]]


def test_where_nobody_shares_a_track_it_is_said_why_nothing_is_defined():
    alone = labels([0, 1, 2], [0, 1, 1], [3, 5, 7])

    found = together.overall(alone)

    assert found["n_shared"] == 0
    assert found["alpha"] == found["kappa"] == [None, None, None]
    assert found["why_undefined"] == "No track has labels by two annotators."
    assert together.groups(alone, [4, 5]) == {"unknown": [5, 4], "members": [], "n_asked": 2}


def test_only_those_with_most_labels_are_in_the_matrix():
    n = together.N_IN_MATRIX + 3
    annotator = np.repeat(np.arange(n), np.arange(n) + 1)
    track = np.concatenate([np.arange(each + 1) for each in range(n)])

    matrix, partners = together.matrix_and_partners(labels(track, annotator, 1 + track % 10), list(range(n)))

    assert matrix["ids"] == list(range(n - 1, 2, -1))
    assert len(partners) == n
    assert max(map(len, partners)) == together.N_PARTNERS
