"""What tests of training share."""

import numpy as np
import pytest

from tests.factories import AnnotationFactory, AnnotatorFactory, GenreFactory, TrackFactory
from tests.modeling.training_library import add_features


@pytest.fixture
def library():
    """60 tracks of levels 1 to 10, each labelled by one of three annotators; what they were made for, by uri."""
    rng = np.random.default_rng(7)
    annotators = AnnotatorFactory.create_batch(3)
    levels = {}
    for index in range(60):
        level = 1 + index % 10
        track = TrackFactory(uri=f"lib:{index}")
        track.genres.add(GenreFactory(name="techno" if index % 2 else "folk"))
        add_features(track, level, rng)
        AnnotationFactory(track=track, annotator=annotators[index % 3], level=level)
        levels[track.uri] = level
    return levels
