"""What strategies know of the tracks they choose among: labels, and scores of models that had not seen them."""

import numpy as np
import pytest

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import Track
from modeling.models import Prediction
from modeling.ranking.candidates import read_candidates
from tests.factories import AnnotationFactory
from tests.modeling.ranking.test_ranking_job import new_tracks
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db


def test_before_there_is_a_model_there_are_no_scores_and_labels_are_known(library):
    new_tracks(3)

    found = read_candidates(None)

    assert found.pool.score is None
    known = {uri: level for uri, level in library.items() if not in_evaluation_slice(uri)}
    level_of = dict(zip(found.track_ids.tolist(), found.pool.level, strict=True))
    assert {track.uri: level_of[track.pk] for track in Track.objects.filter(uri__in=known)} == known
    assert found.pool.is_open.sum() == np.isnan(found.pool.level).sum() == 3
    assert len(found.pool.annotations.level) == len(known)


def test_a_labelled_track_has_the_score_of_a_model_that_had_not_seen_its_label(library):
    run = train()
    (since,) = new_tracks(1)
    predicted = Prediction.objects.create(run=run, track=since, part=Prediction.Part.FINAL, score=3.25, level=3)
    AnnotationFactory(track=since, level=9)

    found = read_candidates(run)

    score_of = dict(zip(found.track_ids.tolist(), found.pool.score, strict=True))
    assert score_of.pop(since.pk) == predicted.score
    out_of_fold = run.predictions.filter(part=Prediction.Part.OUT_OF_FOLD)
    assert score_of == dict(out_of_fold.values_list("track", "score"))


def test_what_the_run_has_not_predicted_yet_is_predicted_without_being_stored(library):
    run = train()
    (track,) = new_tracks(1)

    found = read_candidates(run)

    assert found.pool.score[found.pool.is_open] == pytest.approx(1, abs=1.5)
    assert not run.predictions.filter(track=track).exists()
