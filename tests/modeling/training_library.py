"""Labelled tracks whose features know the level, and a training of them."""

from modeling import pipeline, services
from modeling.core.dataset import in_evaluation_slice
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector, TrainingRun
from tests.factories import AdminFactory

SPOTIFY = FEATURE_SETS["spotify"]


def add_features(track, level, rng, feature_set=SPOTIFY):
    """Features that know the level, with some noise."""
    values = rng.normal(size=len(feature_set.columns)) * 0.3
    values[0] += level
    FeatureVector.objects.create(track=track, feature_set=feature_set.key, values=values.astype("<f4").tobytes())


def development_uri(library):
    return next(uri for uri in library if not in_evaluation_slice(uri) and library[uri] == 2)


def train(recipe="ridge_thresholds", **kwargs):
    job = services.request_training(requested_by=AdminFactory(), recipe=recipe, **kwargs)
    pipeline.train(job.pk)
    return TrainingRun.objects.select_related("job").get(job=job)
