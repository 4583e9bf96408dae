"""A library that can be learnt from: labelled tracks whose feature vectors know the level, with some noise."""

import numpy as np

from annotations.models import Annotation
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector
from tests.factories import AnnotationFactory, AnnotatorFactory, TrackFactory


def make_labelled_library(n_tracks: int, *, feature_set: str = "spotify") -> list[Annotation]:
    """Levels 1 to 10 in turn, said by three annotators in turn."""
    rng, chosen = np.random.default_rng(7), FEATURE_SETS[feature_set]
    annotators = AnnotatorFactory.create_batch(3)
    vectors, annotations = [], []
    for index in range(n_tracks):
        level = 1 + index % 10
        track = TrackFactory(uri=f"library:{index}", peaks=b"")
        values = rng.normal(size=len(chosen.columns)) * 0.3
        values[0] += level
        vectors.append(FeatureVector(track=track, feature_set=chosen.key, values=values.astype("<f4").tobytes()))
        annotations.append(AnnotationFactory(track=track, annotator=annotators[index % 3], level=level))
    FeatureVector.objects.bulk_create(vectors)
    return annotations
