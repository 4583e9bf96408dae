"""Champion against challenger: by hand, on made-up runs, and as a training keeps it."""

import numpy as np
import pytest
from scipy.stats import t

from annotations.models import Annotation
from modeling import services
from modeling.core.dataset import in_evaluation_slice
from modeling.models import Prediction, TrainingRun
from modeling.retraining.champion import ENOUGH_ARTISTS, ENOUGH_TRACKS, Comparison, standing
from modeling.retraining.comparison import compare, measured
from modeling.training_data import read_training_data
from tests.factories import AdminFactory, AnnotationFactory, PredictionFactory, TrackFactory, TrainingRunFactory
from tests.modeling.training_library import add_features, train


def test_the_figures_are_those_of_a_calculation_by_hand():
    truth, artists = np.array([2, 2, 2, 8]), ["a", "b", "c", "d"]
    before, after = np.array([2, 4, 3, 5]), np.array([2, 3, 3, 7])

    found = measured(truth, before=before, after=after, artists=artists)

    # Level 2: errors 0, 2, 1 become 0, 1, 1; level 8: 3 becomes 1.
    macro = found["macro_mae"]
    assert macro["before"] == pytest.approx((1 + 3) / 2)
    assert macro["after"] == pytest.approx((2 / 3 + 1) / 2)
    assert macro["change"] == pytest.approx((-1 / 3 - 2) / 2)
    # Differences 0, -1, 0 about -1/3: a sum of squares of 2/3 with 4 - 2 degrees of freedom, for both levels.
    assert macro["se"] == pytest.approx(np.sqrt(1 / 3 * (1 / 3 + 1)) / 2)
    reach = t.ppf(0.975, 3)
    assert (macro["low"], macro["high"]) == pytest.approx(
        (macro["change"] - reach * macro["se"], macro["change"] + reach * macro["se"])
    )
    assert (found["mae"]["before"], found["mae"]["after"]) == (6 / 4, 3 / 4)
    assert (found["within_1"]["before"], found["within_1"]["after"], found["within_1"]["change"]) == (0.5, 1.0, 0.5)


def test_tracks_of_one_artist_say_less_than_as_many_of_different_ones():
    rng = np.random.default_rng(1)
    truth = np.repeat([3, 7], 30)
    before, after = truth + 2, truth + np.repeat(rng.integers(0, 4, 20), 3)

    by_one = measured(truth, before=before, after=after, artists=np.repeat(np.arange(20), 3))
    by_many = measured(truth, before=before, after=after, artists=np.arange(60))

    assert by_one["mae"]["change"] == by_many["mae"]["change"]
    assert by_one["mae"]["se"] > 1.3 * by_many["mae"]["se"]


def test_of_two_equally_good_models_hardly_ever_one_is_called_better():
    """60 tracks, some levels with one alone: the plain standard error calls one of twelve better, ours one of forty."""
    rng = np.random.default_rng(7)
    shares = [0.02, 0.05, 0.1, 0.14, 0.17, 0.18, 0.15, 0.1, 0.06, 0.03]
    n_better, n_times = 0, 600
    for _ in range(n_times):
        truth = rng.choice(np.arange(1, 11), size=60, p=shares)
        off = rng.choice([0, 1, 2], size=(2, 60), p=[0.4, 0.4, 0.2])
        found = measured(truth, before=truth + off[0], after=truth + off[1], artists=np.arange(60) // 2)
        n_better += Comparison(1, 60, 30, measures=found).is_better

    assert n_better / n_times < 0.04


# ---- What is compared


@pytest.fixture
def champion(library):
    """A run that has predicted every slice track, two levels too high; levels by track."""
    run = TrainingRunFactory()
    for annotation in Annotation.objects.select_related("track"):
        if in_evaluation_slice(annotation.track.uri):
            said = min(10, annotation.level + 2)
            PredictionFactory(run=run, track=annotation.track, part="slice", true_level=annotation.level, level=said)
    return run


def compared(champion, *, off=0):
    """With a challenger that is so many levels too low everywhere."""
    data = read_training_data()
    in_slice = np.array([in_evaluation_slice(uri) for uri in data.dataset.uris])
    level = np.maximum(1, data.true_level - off)
    return compare(data, FoundLevels(in_slice, level), champion), data


class FoundLevels:
    """As much of an evaluation as is compared."""

    def __init__(self, in_slice, level):
        self.in_slice, self.level = in_slice, level


@pytest.mark.django_db
def test_both_are_held_against_the_levels_of_now(champion):
    changed = Annotation.objects.get(track=champion.predictions.filter(true_level=1).first().track_id)
    AnnotationFactory(track=changed.track, annotator=changed.annotator, level=3, supersedes=changed)

    found, data = compared(champion)

    said = dict(champion.predictions.values_list("track", "level"))
    truth = dict(zip(data.track_ids, data.true_level.tolist(), strict=True))
    assert truth[changed.track_id] == 3
    assert found["measures"]["mae"]["before"] == pytest.approx(np.mean([abs(truth[k] - said[k]) for k in said]))
    assert found["measures"]["mae"]["after"] == 0
    assert found["n"] == len(said)


@pytest.mark.django_db
def test_tracks_that_the_champion_had_not_held_out_are_left_out_and_counted(champion):
    learnt, new, *_ = champion.predictions.order_by("pk")
    Prediction.objects.filter(pk=learnt.pk).update(part="out-of-fold")
    Prediction.objects.filter(pk=new.pk).delete()
    PredictionFactory(run=champion, track=TrackFactory(), part="slice", level=3)
    n_before = champion.predictions.filter(part="slice").count()

    found, _ = compared(champion)

    assert found["left_out"] == {"new": 1, "learnt": 1, "gone": 1}
    assert found["n"] == n_before - 1
    notes = Comparison(**found).notes
    assert len(notes) == 3
    assert any("had learnt from" in note for note in notes)


@pytest.mark.django_db
def test_without_a_track_in_common_nothing_is_said_and_nothing_breaks(library):
    found, _ = compared(TrainingRunFactory())

    assert (found["n"], found["measures"]) == (0, {})
    assert "no track of the evaluation slice in common" in Comparison(**found).verdict
    assert not Comparison(**found).is_better


# ---- What it means


def a_comparison(low, high, *, n=ENOUGH_TRACKS, n_artists=ENOUGH_ARTISTS, within=(-0.1, 0.1)):
    def measure(low, high):
        return {"before": 1.0, "after": 1.0 + (low + high) / 2, "change": (low + high) / 2, "se": 0.1} | {
            "low": low,
            "high": high,
        }

    measures = {"macro_mae": measure(low, high), "mae": measure(-0.1, 0.1), "within_1": measure(*within)}
    return Comparison(7, n, n_artists, measures=measures)


@pytest.mark.parametrize(
    ("comparison", "is_better", "said"),
    [
        (a_comparison(-0.4, -0.1), True, "better: its macro-MAE is lower by 0.10 to 0.40 levels"),
        (a_comparison(-0.4, 0.0), False, "chance"),
        (a_comparison(-0.4, 0.1), False, "chance"),
        (a_comparison(0.1, 0.4), False, "worse: its macro-MAE is higher by 0.10 to 0.40 levels"),
        (a_comparison(-0.4, -0.1, n=ENOUGH_TRACKS - 1), False, "too few to tell"),
        (a_comparison(-0.4, -0.1, n_artists=ENOUGH_ARTISTS - 1), False, "too few to tell"),
        (a_comparison(-0.4, -0.1, within=(-0.3, -0.1)), False, "But it is worse by Within one level"),
        (a_comparison(-0.4, -0.1, within=(0.1, 0.3)), True, "is better"),
    ],
)
def test_better_is_only_said_where_the_whole_interval_is_on_that_side_and_tracks_are_enough(
    comparison, is_better, said
):
    assert comparison.is_better == is_better
    assert said in comparison.verdict


# ---- As a training keeps it


@pytest.mark.django_db
def test_a_run_is_held_against_the_one_in_use_and_not_against_the_one_before(library):
    first, second = train(), train("baseline")
    assert first.metrics["champion"] is None
    services.promote(run=first, promoted_by=AdminFactory())

    third = train()

    assert (second.metrics["champion"]["run"], third.metrics["champion"]["run"]) == (first.pk, first.pk)
    assert third.metrics["since_previous"]["run"] == second.pk
    found = third.metrics["champion"]
    assert found["n"] == third.metrics["slice"]["n"]
    # The same labels and the same recipe: the same predictions.
    assert found["measures"]["macro_mae"]["change"] == 0
    assert found["measures"]["macro_mae"]["after"] == pytest.approx(third.metrics["slice"]["macro_mae"])
    assert "too few" in Comparison.of(third).verdict


@pytest.mark.django_db
def test_who_is_in_use_who_is_newest_and_what_was_in_use_before(library):
    assert standing().live is None
    rng = np.random.default_rng(3)
    first = train()
    assert (standing().live, standing().challenger, standing().before) == (first, None, None)

    track = TrackFactory(uri="lib:more")
    add_features(track, 4, rng)
    AnnotationFactory(track=track, level=4)
    second = train()
    assert (standing().live, standing().challenger) == (first, second)
    assert standing().is_of_now

    services.promote(run=second, promoted_by=AdminFactory())
    assert (standing().live, standing().challenger, standing().before) == (second, None, first)
    assert standing().comparison.run == first.pk

    services.promote(run=first, promoted_by=AdminFactory())
    third = train()
    services.promote(run=second, promoted_by=AdminFactory())
    assert (standing().live, standing().challenger, standing().before) == (second, third, first)
    assert not standing().is_of_now
    assert TrainingRun.objects.live() == second
