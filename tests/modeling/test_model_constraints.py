"""What the database refuses of runs, predictions, promotions and features."""

import pytest
from django.db import IntegrityError, transaction

from modeling.models import FeatureVector, Promotion
from tests.factories import PredictionFactory, PromotionFactory, TrackFactory, TrainingRunFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("broken", [{"artifact_digest": ""}, {"metrics": None}, {"n_tracks": None}])
def test_a_run_has_all_of_its_results_or_none(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRunFactory(**broken)


@pytest.mark.parametrize(
    "broken",
    [
        {"level": 0},
        {"part": "guess"},
        {"true_level": None},
        {"lower": 5, "upper": 4},
        {"lower": 5, "upper": None},
        {"lower": None, "upper": 5},
    ],
)
def test_predictions_that_make_no_sense_are_refused(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        PredictionFactory(**broken)


def test_one_prediction_a_run_track_and_part():
    prediction = PredictionFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        PredictionFactory(run=prediction.run, track=prediction.track)


def test_the_database_refuses_to_forget_a_promotion():
    PromotionFactory()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Promotion.objects.all().delete()


def test_one_vector_a_track_and_set():
    track = TrackFactory()
    FeatureVector.objects.create(track=track, feature_set="signal@1", values=b"")

    with pytest.raises(IntegrityError), transaction.atomic():
        FeatureVector.objects.create(track=track, feature_set="signal@1", values=b"")
