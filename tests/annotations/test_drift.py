"""An annotator who changes is found, and hardly ever one who does not."""

import numpy as np
import pytest

from annotations.drift import MIN_LABELS, clearest_change, find_changes

N_PEOPLE = 20


def normal(rng, n):
    return rng.normal(size=n)


def rounded(rng, n):
    return np.rint(0.8 * rng.normal(size=n))


def with_mistakes(rng, n):
    return 0.8 * rng.normal(size=n) + (rng.random(n) < 0.08) * rng.choice([-4, 4], n)


def skewed(rng, n):
    return rng.exponential(size=n)


def changing(rng, *, n=60, by=2.0, at=0.5):
    return rng.normal(size=n) + by * (np.arange(n) >= at * n)


@pytest.mark.parametrize("draw", [normal, rounded, with_mistakes, skewed])
def test_of_twenty_steady_people_anybody_is_accused_as_seldom_as_is_stated(draw):
    rng, n_libraries, false_alarm_rate = np.random.default_rng(0), 300, 0.05
    n_alarms = 0
    for _ in range(n_libraries):
        annotator = rng.permutation(np.repeat(np.arange(N_PEOPLE), rng.integers(MIN_LABELS, 200, N_PEOPLE)))
        # Ten times as much noise: no change is too small to be said.
        residual = 10 * draw(rng, len(annotator))
        n_alarms += bool(find_changes(annotator, residual, false_alarm_rate=false_alarm_rate))

    print(f"{draw.__name__}: {n_alarms} of {n_libraries} libraries with a false alarm; stated: {false_alarm_rate:.0%}")
    assert n_alarms <= false_alarm_rate * n_libraries


def test_somebody_who_says_two_levels_more_from_some_day_on_is_found_among_others_and_so_is_the_day():
    rng, n_found, off = np.random.default_rng(1), 0, []
    for _ in range(50):
        annotator = np.repeat(np.arange(N_PEOPLE), 60)
        residual = rng.normal(size=len(annotator))
        residual[:60] = changing(rng, at=0.6)
        found = find_changes(annotator, residual)
        assert set(found) <= {0}
        if 0 in found:
            n_found += 1
            off.append(abs(found[0].index - 36))
            assert found[0].after - found[0].before == pytest.approx(2, abs=1.2)

    print(f"found in {n_found} of 50 libraries, on average {np.mean(off):.1f} labels off")
    assert n_found >= 45
    assert np.mean(off) < 3


def test_a_run_of_mistakes_is_no_change():
    residual = np.random.default_rng(2).normal(scale=0.5, size=80)
    residual[40:44] = 6

    assert not find_changes(np.zeros(80, int), residual)


def test_a_change_by_less_than_half_a_level_is_not_worth_a_word():
    residual = changing(np.random.default_rng(3), n=2_000, by=0.4)

    assert clearest_change(residual).p_value < 1e-6
    assert not find_changes(np.zeros(2_000, int), residual)


def test_too_few_labels_and_labels_of_which_nothing_was_expected_say_nothing():
    few = np.repeat([0.0, 9.0], (MIN_LABELS - 1) / 2)
    unknown = np.concatenate([few, np.full(50, np.nan)])

    assert not find_changes(np.zeros(len(unknown), int), unknown)
    assert not find_changes([], [])


def test_the_index_of_a_change_counts_the_labels_of_the_annotator_alone():
    rng = np.random.default_rng(4)
    annotator = np.tile([0, 1], 60)
    residual = rng.normal(scale=0.3, size=120)
    residual[1::2] += 3 * (np.arange(60) >= 40)

    (who, change), *others = find_changes(annotator, residual).items()

    assert (who, change.index, others) == (1, 40, [])


def test_what_does_not_fit_together_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"found shapes \(2,\) and \(3,\); expected twice \(n_annotations,\)"):
        find_changes([0, 0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="found 3 residuals; expected 20 or more, all finite"):
        clearest_change([1.0, 2.0, 3.0])
