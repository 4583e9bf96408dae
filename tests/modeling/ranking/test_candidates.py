"""What strategies know of the tracks they choose among: labels, and scores of models that had not seen them."""

import numpy as np
import pytest

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import Track
from modeling import services
from modeling.ranking.candidates import read_candidates
from tests.factories import AnnotationFactory
from tests.modeling.ranking.test_ranking_job import new_tracks
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db


def scores(found):
    return dict(zip(found.track_ids.tolist(), found.pool.score.tolist(), strict=True))


def test_with_too_few_labels_there_are_no_scores(db):
    new_tracks(3)
    AnnotationFactory(track=new_tracks(1, prefix="labelled")[0])

    assert read_candidates().pool.score is None


def test_labels_are_known_and_new_tracks_are_scored_near_what_they_sound_like(library):
    (calm,) = new_tracks(1)

    found = read_candidates()

    known = {uri: level for uri, level in library.items() if not in_evaluation_slice(uri)}
    level_of = dict(zip(found.track_ids.tolist(), found.pool.level, strict=True))
    assert {track.uri: level_of[track.pk] for track in Track.objects.filter(uri__in=known)} == known
    assert found.pool.is_open.sum() == np.isnan(found.pool.level).sum() == 1
    assert len(found.pool.annotations.level) == len(known)
    assert scores(found)[calm.pk] == pytest.approx(1, abs=1.5)


def test_a_labelled_track_has_the_score_of_a_model_that_had_not_seen_its_label(library):
    track = next(each for each in Track.objects.order_by("pk") if not in_evaluation_slice(each.uri))
    before = scores(read_candidates())

    AnnotationFactory(track=track, level=10)
    AnnotationFactory(track=track, level=10)

    assert scores(read_candidates())[track.pk] == pytest.approx(before[track.pk], abs=0.5)


def test_labels_of_the_evaluation_slice_move_no_score_whatever_the_model_in_use_has_learnt(library, admin):
    train()
    new_tracks(3)
    before = scores(read_candidates())

    for track in Track.objects.filter(uri__in=[uri for uri in library if in_evaluation_slice(uri)]):
        AnnotationFactory(track=track, level=10)
        AnnotationFactory(track=track, level=10)
    services.promote(run=train(), promoted_by=admin)

    assert scores(read_candidates()) == before
