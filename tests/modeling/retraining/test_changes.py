"""What has come since a run, and what a training would learn from: counted, held against what a training then says."""

import numpy as np
import pytest
from django.core.cache import cache

from annotations.models import Annotation, AnnotatorExclusion, Track
from modeling.models import TrainingRun
from modeling.retraining.changes import Changes, changes_since
from modeling.retraining.preview import preview
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    LeadFactory,
    TrackFactory,
    TrainingRunFactory,
)
from tests.modeling.training_library import add_features, train

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted_before():
    cache.clear()


def say(annotator, is_excluded):
    AnnotatorExclusion.objects.create(annotator=annotator, is_excluded=is_excluded, decided_by=LeadFactory())


def test_a_run_has_seen_all_that_was_there(library):
    say(AnnotatorFactory(), True)
    DecisionFactory(flag=FlagFactory(annotation=Annotation.objects.first()))

    changes = changes_since(train())

    assert changes == Changes(n_with_features=0)
    assert not changes.matter


def test_what_has_come_since_is_counted_by_its_kind(library):
    zoe, yan = AnnotatorFactory(first_name="Zoe"), AnnotatorFactory(first_name="Yan")
    say(yan, True)
    run = train()
    old = Annotation.objects.first()
    AnnotationFactory(track=old.track, annotator=old.annotator, level=9, supersedes=old)
    new = AnnotationFactory()
    kept = DecisionFactory(flag=FlagFactory(annotation=new))
    DecisionFactory(flag=kept.flag, verdict="undo", undoes=kept, blind_level=None)
    add_features(new.track, 5, np.random.default_rng(1))
    say(zoe, True)
    say(yan, False)

    changes = changes_since(run)

    assert changes == Changes(
        n_added=1,
        n_relabelled=1,
        decisions=[("kept", 1), ("undone", 1)],
        n_tracks=1,
        n_with_features=1,
        excluded=[zoe.display_name],
        taken_back=[yan.display_name],
    )
    assert changes.n_decisions == 2
    assert changes.matter


def test_of_a_run_of_an_earlier_version_the_time_tells():
    AnnotationFactory()
    run = TrainingRunFactory()
    AnnotationFactory.create_batch(2)

    changes = changes_since(run)

    assert (changes.n_added, changes.n_tracks, changes.n_with_features) == (2, 2, None)


def test_before_the_first_run_everything_is_new(library):
    assert (changes_since(None).n_added, changes_since(None).n_with_features) == (60, 60)


def test_new_tracks_without_labels_and_features_are_no_reason_to_train(library):
    run = train()
    TrackFactory()

    assert changes_since(run).n_tracks == 1
    assert not changes_since(run).matter


def test_what_would_be_learnt_from_is_what_a_training_then_learns_from(library):
    AnnotationFactory(level=1)  # without features
    AnnotationFactory(track=TrackFactory(audio_state="bad", audio_problem="It is no music."), level=1)
    AnnotationFactory(track=TrackFactory(audio_state="none", audio=""), level=1)
    excluded = Annotation.objects.filter(track__feature_vectors__isnull=False, level=2).first()
    DecisionFactory(flag=FlagFactory(annotation=excluded), verdict="exclude")

    counted = preview()

    run = train()
    assert counted.n_learnt == run.n_tracks == 59
    assert counted.n_labelled == 62
    assert sum(n for n, _ in counted.left_out) == 4
    assert run.metrics["n_left_out"] == 3
    assert {why: n for n, why in counted.left_out} == {
        "without audio": 1,
        "whose audio cannot be used": 1,
        "whose features are not there yet": 1,
        "excluded by a lead, or all of their labels are set aside": 1,
    }
    assert (counted.n_of_level[1], counted.n_of_level[2]) == (9, 5)
    assert counted.n_labels == 62
    assert (1, 9) in counted.rare_levels
    assert counted.refusal == ""


def test_too_few_tracks_are_said_before_the_training_fails():
    AnnotationFactory.create_batch(3)

    assert preview().refusal.startswith("0 labelled tracks have features; a training needs 20")


def test_a_feature_set_that_most_tracks_lack_leaves_no_track_out(library):
    for track in Track.objects.all()[:2]:
        track.feature_vectors.create(feature_set="signal@2", values=b"1234")

    assert preview().n_learnt == 60


def test_the_counts_are_made_once_until_something_comes(library, django_assert_max_num_queries):
    with django_assert_max_num_queries(11):
        changes_since(TrainingRun.objects.first())
        preview()

    with django_assert_max_num_queries(1):
        preview()
    AnnotationFactory(level=3)
    assert preview().n_labels == 61
