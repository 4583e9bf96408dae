"""Who gets which track, and what becomes of an answer."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotations import labelling
from annotations.models import Annotation, AppendOnlyViolation, Decision, LabellingRules, Lease, Skip, Track
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    LeaseFactory,
    SkipFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db


HEARD = labelling.Listening(listened_s=4.0)


def next_for(annotator):
    """The lease of the track to hear now; None when nothing is left."""
    leases = labelling.claim(annotator=annotator, rules=LabellingRules.objects.current())
    return leases[0] if leases else None


def answer(lease, level=7, **kwargs):
    return labelling.annotate(
        annotator=lease.annotator,
        track_id=lease.track_id,
        level=level,
        **{"submission_id": uuid4(), "listening": HEARD, **kwargs},
    )


def test_an_annotator_gets_a_playable_track_that_nobody_has_labelled(annotator):
    AnnotationFactory()
    TrackFactory(audio_state=Track.AudioState.WAITING)
    TrackFactory(audio_state=Track.AudioState.BAD, audio_problem="silent")
    free = TrackFactory()

    assert next_for(annotator).track == free


def test_asking_again_keeps_the_track(annotator):
    TrackFactory.create_batch(3)

    first, again = (next_for(annotator) for _ in range(2))

    assert first == again


def test_two_annotators_never_hold_the_same_track(annotator):
    track = TrackFactory()
    next_for(annotator)

    assert next_for(AnnotatorFactory()) is None
    assert Lease.objects.get().track == track


def test_a_lease_that_ran_out_goes_to_whoever_asks_next(annotator):
    old = LeaseFactory(expires_at=timezone.now() - timedelta(seconds=1))

    assert next_for(annotator).track == old.track
    assert Lease.objects.count() == 1


def test_the_database_refuses_a_second_lease_on_a_track():
    lease = LeaseFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        LeaseFactory(track=lease.track)


def test_tracks_are_handed_out_in_their_random_order(annotator):
    late, early = TrackFactory(queue_order=2), TrackFactory(queue_order=1)

    order = []
    for _ in range(2):
        lease = next_for(annotator)
        order.append(lease.track)
        answer(lease)

    assert order == [early, late]


def test_labelling_stores_the_level_and_lets_go_of_the_track():
    lease = LeaseFactory(taken_at=timezone.now() - timedelta(seconds=12))

    annotation = answer(lease, level=7, listening=labelling.Listening(listened_s=9.5))

    assert (annotation.level, annotation.listened_s, annotation.source) == (7, 9.5, Annotation.Source.LABEL)
    assert 12 <= annotation.answered_s < 100
    assert not Lease.objects.exists()


def test_the_same_submission_twice_is_one_annotation():
    lease = LeaseFactory()
    submission_id = uuid4()

    first, second = answer(lease, submission_id=submission_id), answer(lease, submission_id=submission_id)

    assert first == second
    assert Annotation.objects.count() == 1


def test_a_label_for_a_track_that_is_not_held_is_refused(annotator):
    lease = LeaseFactory()

    with pytest.raises(labelling.NoLease):
        labelling.annotate(annotator=annotator, track_id=lease.track_id, level=3, submission_id=uuid4())

    assert not Annotation.objects.exists()


def test_a_label_given_on_the_review_page_meanwhile_stands():
    lease = LeaseFactory()
    theirs = AnnotationFactory(track=lease.track, annotator=lease.annotator, level=3, source="review")

    assert answer(lease, level=7) == theirs
    assert not Lease.objects.exists()


def test_a_late_answer_counts_while_nobody_else_has_taken_the_track():
    lease = LeaseFactory(expires_at=timezone.now() - timedelta(hours=1))

    assert answer(lease).track == lease.track


@pytest.mark.parametrize("level", [0, 11])
def test_the_database_refuses_levels_outside_the_scale(level):
    with pytest.raises(IntegrityError), transaction.atomic():
        AnnotationFactory(level=level)


def test_the_database_refuses_a_second_root_for_the_same_track_and_annotator():
    old = AnnotationFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        AnnotationFactory(track=old.track, annotator=old.annotator)


def test_the_database_refuses_a_history_that_forks():
    root = AnnotationFactory()
    AnnotationFactory(track=root.track, annotator=root.annotator, supersedes=root)

    with pytest.raises(IntegrityError), transaction.atomic():
        AnnotationFactory(track=root.track, annotator=root.annotator, supersedes=root)


def test_a_relabel_supersedes_and_keeps_the_old_row():
    old = AnnotationFactory(level=3)
    new = AnnotationFactory(track=old.track, annotator=old.annotator, level=7, supersedes=old)

    assert list(Annotation.objects.current()) == [new]
    assert Annotation.objects.count() == 2


def test_history_cannot_be_changed_through_the_model():
    annotation = AnnotationFactory()

    with pytest.raises(AppendOnlyViolation, match="is history"):
        annotation.save()
    with pytest.raises(AppendOnlyViolation, match="cannot be deleted"):
        annotation.delete()


@pytest.mark.parametrize("statement", ["UPDATE {} SET note = ''", "DELETE FROM {}"])
def test_history_cannot_be_changed_behind_the_models_back(statement):
    DecisionFactory()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format("annotations_decision"))


def test_annotations_cannot_be_changed_behind_the_models_back():
    AnnotationFactory()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Annotation.objects.update(level=1)


def test_a_skipped_track_goes_to_others_only(annotator):
    lease = LeaseFactory(annotator=annotator)

    labelling.skip(annotator=annotator, track_id=lease.track_id, reason=Skip.Reason.CANNOT_JUDGE)

    assert next_for(annotator) is None
    assert next_for(AnnotatorFactory()).track == lease.track


def test_a_skip_that_comes_late_is_kept_as_nothing_an_annotator_says_is_lost(annotator):
    track = LeaseFactory().track  # of somebody else by now, who goes on labelling it

    labelling.skip(annotator=annotator, track_id=track.pk, reason=Skip.Reason.BROKEN)

    assert [(skip.annotator, skip.track, skip.reason) for skip in Skip.objects.all()] == [(annotator, track, "broken")]
    assert Lease.objects.filter(track=track).exists()


def test_a_late_skip_changes_nothing_where_the_track_is_labelled_since_or_gone(annotator):
    labelled = AnnotationFactory(annotator=annotator).track

    for track_id in (labelled.pk, 10**9):
        labelling.skip(annotator=annotator, track_id=track_id, reason=Skip.Reason.BROKEN)

    assert not Skip.objects.exists()


def test_the_database_refuses_to_skip_a_track_twice():
    skip = SkipFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        SkipFactory(track=skip.track, annotator=skip.annotator)


def test_overlap_asks_for_as_many_annotators_as_are_set(settings, annotator):
    settings.LABELS_PER_TRACK = 2
    track = AnnotationFactory().track

    assert next_for(annotator).track == track
    AnnotationFactory(track=track)
    Lease.objects.all().delete()
    assert next_for(annotator) is None


def test_a_second_opinion_that_a_lead_waits_for_comes_first(annotator):
    TrackFactory(queue_order=0)
    decision = DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER)
    asked = decision.flag.annotation.track

    lease = next_for(annotator)
    assert lease.track == asked

    answer(lease)
    assert asked not in Track.objects.awaiting_second_opinion()


def test_the_accused_annotator_is_not_asked_for_the_second_opinion():
    decision = DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER)

    assert next_for(decision.flag.annotation.annotator) is None


def test_a_track_settled_by_another_flag_waits_for_no_second_opinion():
    decision = DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER)
    other = FlagFactory(annotation=AnnotationFactory(track=decision.flag.annotation.track, created_at=long_ago()))
    DecisionFactory(flag=other, verdict=Decision.Verdict.CHANGE, level=8)

    assert not Track.objects.awaiting_second_opinion().exists()


def long_ago():
    return timezone.now() - timedelta(days=30)


def test_changing_the_level_after_excluding_brings_the_track_back():
    decision = DecisionFactory(verdict=Decision.Verdict.EXCLUDE)
    other = FlagFactory(annotation=AnnotationFactory(track=decision.flag.annotation.track))
    DecisionFactory(flag=other, verdict=Decision.Verdict.CHANGE, level=8)

    assert decision.flag.annotation.track in Track.objects.in_training()


def test_an_excluded_track_is_not_handed_out(settings, annotator):
    settings.LABELS_PER_TRACK = 5
    DecisionFactory(verdict=Decision.Verdict.EXCLUDE)

    assert next_for(annotator) is None


def test_finding_the_next_track_takes_few_queries(django_assert_max_num_queries, annotator):
    TrackFactory.create_batch(30)

    with django_assert_max_num_queries(8):
        next_for(annotator)
