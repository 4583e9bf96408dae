"""Which stored vectors a training reads."""

import pytest

from modeling.core.feature_sets import FEATURE_SETS
from modeling.training_data import read_training_data
from tests.labelled_library import make_labelled_library

pytestmark = pytest.mark.django_db


def test_training_leaves_our_estimates_of_spotifys_features_alone():
    for annotation in make_labelled_library(40):
        annotation.track.feature_vectors.create(
            feature_set=FEATURE_SETS["spotify_like"].key, values=bytes(4 * len(FEATURE_SETS["spotify_like"].columns))
        )

    data = read_training_data()

    assert data.feature_set_keys == ("spotify@1",)
    assert data.dataset.columns == FEATURE_SETS["spotify"].columns
