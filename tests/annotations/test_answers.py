"""Answers that come twice, late, for others, too soon, or again: what is stored of them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from annotations import labelling
from annotations.examples import Agreed
from annotations.labelling import Listening
from annotations.models import Annotation, Comparison, Decision, LabellingRules, Lease, Reference, Skip, Stream
from tests.annotations.test_labelling import HEARD, answer, next_for
from tests.annotations.test_queue import LONG_AGO
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    AssignmentFactory,
    DecisionFactory,
    LeaseFactory,
    ReferenceFactory,
    RulesFactory,
    SkipFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db


def answer_late(annotator, track, level=7, **kwargs):
    """About a track that they do not hold."""
    return answer(Lease(annotator=annotator, track=track), level=level, **kwargs)


# ---- Twice


def test_a_label_that_is_sent_again_after_it_was_changed_is_still_stored_once():
    lease = LeaseFactory()
    about = {"annotator": lease.annotator, "track_id": lease.track_id}
    ids = [uuid4() for _ in range(3)]
    label = answer(lease, level=3, submission_id=ids[0])
    changes = [labelling.relabel(**about, level=4 + n, submission_id=ids[1 + n]) for n in range(2)]

    assert answer(lease, level=3, submission_id=ids[0]) == label
    for n in (1, 0, 1):
        assert labelling.relabel(**about, level=4 + n, submission_id=ids[1 + n]) == changes[n]
    assert [each.level for each in Annotation.objects.order_by("pk")] == [3, 4, 5]
    assert list(Annotation.objects.current()) == [changes[1]]


def test_a_submission_id_of_somebody_else_is_refused_and_nothing_is_stored():
    theirs = AnnotationFactory()
    lease = LeaseFactory()
    own = AnnotationFactory(annotator=lease.annotator, level=3)

    with pytest.raises(labelling.SubmissionTaken, match="with a new one"):
        answer(lease, submission_id=theirs.submission_id)
    with pytest.raises(labelling.SubmissionTaken):
        labelling.relabel(annotator=lease.annotator, track_id=own.track_id, level=4, submission_id=theirs.submission_id)

    assert Annotation.objects.count() == 2
    assert Lease.objects.get() == lease


# ---- Late


def test_a_late_answer_about_a_track_that_is_free_counts(annotator):
    track = TrackFactory()

    assert answer_late(annotator, track).stream == Stream.NEW
    assert (
        answer_late(annotator, AnnotationFactory().track, rules=RulesFactory(labels_per_track=2)).stream
        == "second opinion"
    )


def test_a_late_answer_to_what_a_lead_has_asked_or_to_gold_counts_whatever_the_overlap(annotator):
    asked = DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER).flag.annotation.track
    sent_back = AnnotationFactory(annotator=annotator, created_at=LONG_AGO)
    AssignmentFactory(annotator=annotator, track=sent_back.track)
    gold = ReferenceFactory(use=Reference.Use.GOLD, track=AnnotationFactory().track).track
    repeat = AnnotationFactory(annotator=annotator, created_at=LONG_AGO).track

    streams = [answer_late(annotator, track).stream for track in (asked, sent_back.track, gold, repeat)]

    assert streams == [Stream.ASKED, Stream.ASSIGNED, Stream.GOLD, Stream.REPEAT]
    assert Annotation.objects.current().get(annotator=annotator, track=sent_back.track).supersedes == sent_back


@pytest.mark.parametrize("reason", ["held", "labelled", "own", "example", "excluded", "no track"])
def test_a_late_answer_that_the_track_has_no_use_for_is_refused(annotator, reason):
    track = TrackFactory()
    if reason == "held":
        LeaseFactory(track=track)
    if reason == "labelled":
        AnnotationFactory(track=track)
    if reason == "own":
        AnnotationFactory(track=track, annotator=annotator)
    if reason == "example":
        ReferenceFactory(track=track)
    if reason == "excluded":
        track = DecisionFactory(verdict=Decision.Verdict.EXCLUDE).flag.annotation.track
    if reason == "no track":
        track.delete()
        track.pk = 10**9
    n_before = Annotation.objects.count()

    with pytest.raises(labelling.LabelledMeanwhile if reason == "labelled" else labelling.NoLease):
        answer_late(annotator, track)

    assert Annotation.objects.count() == n_before


def test_a_label_undoes_a_skip(annotator):
    skip = SkipFactory(annotator=annotator)

    answer_late(annotator, skip.track)
    labelling.skip(annotator=annotator, track_id=skip.track_id, reason=Skip.Reason.OTHER)  # sent again

    assert not Skip.objects.exists()


def test_a_skip_stays_when_the_label_that_would_undo_it_is_refused(annotator):
    skip = SkipFactory(annotator=annotator, track=AnnotationFactory().track)

    with pytest.raises(labelling.LabelledMeanwhile):
        answer_late(annotator, skip.track)

    assert Skip.objects.get() == skip


# ---- Overlap


def test_a_track_that_has_enough_labels_meanwhile_is_refused_and_let_go_of():
    lease = LeaseFactory()
    AnnotationFactory(track=lease.track, source="import")

    with pytest.raises(labelling.LabelledMeanwhile, match="no further label"):
        answer(lease)

    assert not Lease.objects.exists()
    assert next_for(lease.annotator) is None


@pytest.mark.parametrize("stream", [Stream.ASKED, Stream.GOLD, Stream.ASSIGNED])
def test_what_leads_ask_for_is_not_limited_by_overlap(stream):
    lease = LeaseFactory(stream=stream)
    AnnotationFactory(track=lease.track)

    assert answer(lease).stream == stream


# ---- Heard


def test_a_track_that_was_not_heard_long_enough_cannot_be_labelled_yet():
    lease = LeaseFactory()

    with pytest.raises(labelling.NotHeard, match=r"1\.0 s of this track were heard; it takes 3\.0 s"):
        answer(lease, listening=Listening(listened_s=1))

    assert Lease.objects.get() == lease
    assert answer(lease, listening=Listening(listened_s=3))


def test_more_than_can_have_been_heard_is_refused():
    lease = LeaseFactory(taken_at=timezone.now() - timedelta(seconds=10))

    with pytest.raises(labelling.NotHeard, match="4000 s are said to have been heard"):
        answer(lease, listening=Listening(listened_s=4000))
    assert answer(lease, listening=Listening(listened_s=20)).listened_s == 20  # at twice the speed


def test_who_does_not_say_what_they_heard_must_have_held_the_track_as_long(monkeypatch):
    lease = LeaseFactory()
    monkeypatch.setattr(timezone, "now", lambda: lease.taken_at + timedelta(seconds=2))

    with pytest.raises(labelling.NotHeard):
        answer(lease, listening=Listening())

    monkeypatch.setattr(timezone, "now", lambda: lease.taken_at + timedelta(seconds=4))
    assert answer(lease, listening=Listening()).listened_s is None


def test_nearly_all_of_a_short_track_is_enough():
    lease = LeaseFactory(track__duration_s=2.0)

    with pytest.raises(labelling.NotHeard, match=r"it takes 1\.8 s"):
        answer(lease, listening=Listening(listened_s=1.5))
    assert answer(lease, listening=Listening(listened_s=1.9))


def test_the_answer_took_no_longer_than_the_track_was_held():
    lease = LeaseFactory(taken_at=timezone.now() - timedelta(seconds=10))

    assert 10 <= answer(lease, listening=Listening(4, answered_s=3600)).answered_s < 100


# ---- Changes of mind, and comparing


def test_a_change_of_mind_continues_the_chain(annotator):
    root = AnnotationFactory(annotator=annotator, level=3)
    about = {"annotator": annotator, "track_id": root.track_id}

    second = labelling.relabel(**about, level=4, submission_id=uuid4())
    same = labelling.relabel(**about, level=4, submission_id=uuid4())
    third = labelling.relabel(**about, level=3, submission_id=uuid4())

    assert (second.supersedes, same, third.supersedes) == (root, second, second)
    assert third.source == Annotation.Source.RELABEL


def test_what_one_has_not_labelled_cannot_be_changed(annotator):
    track = AnnotationFactory().track

    with pytest.raises(labelling.NothingToChange, match="no label to change"):
        labelling.relabel(annotator=annotator, track_id=track.pk, level=3, submission_id=uuid4())


def compare(annotator, track_id, example, submission_id=None):
    agreed = Agreed(example.track, example.level)
    return labelling.compare(
        annotator=annotator, track_id=track_id, other=agreed, answer="calmer", submission_id=submission_id or uuid4()
    )


def test_a_comparison_is_kept_once(annotator):
    example, track, submission_id = ReferenceFactory(level=7), TrackFactory(), uuid4()

    for _ in range(2):
        compare(annotator, track.pk, example, submission_id)

    comparison = Comparison.objects.get()
    assert (comparison.track, comparison.other, comparison.other_level) == (track, example.track, 7)
    with pytest.raises(labelling.SubmissionTaken):
        compare(AnnotatorFactory(), track.pk, example, submission_id)


def test_a_track_is_not_compared_with_itself_nor_one_that_is_not_there(annotator):
    example = ReferenceFactory()

    for track_id in (example.track_id, 10**9):
        with pytest.raises(labelling.Refused, match="no such track"):
            compare(annotator, track_id, example)


# ---- Leases


def claim(annotator, n=2):
    return labelling.claim(annotator=annotator, rules=LabellingRules.objects.current(), n=n)


def test_two_places_are_filled_and_asking_again_keeps_both(annotator):
    TrackFactory.create_batch(4)

    first, again = claim(annotator), claim(annotator)

    assert first == again
    assert [lease.place for lease in first] == [0, 1]
    assert claim(annotator, n=1) == first


def test_the_track_that_was_loaded_ahead_is_heard_next_and_one_more_comes(annotator):
    TrackFactory.create_batch(4)
    now, ahead = claim(annotator)

    answer(now, listening=HEARD)
    leases = claim(annotator)

    assert leases[0] == ahead
    assert len(leases) == 2
    assert leases[1].track != now.track


def test_keeping_prolongs_and_frees_what_others_have_left(annotator):
    soon = timezone.now() + timedelta(minutes=2)
    LeaseFactory(annotator=annotator, expires_at=soon)
    left = LeaseFactory(expires_at=timezone.now() - timedelta(seconds=1))

    kept = labelling.keep(annotator=annotator)

    lease = Lease.objects.get()
    assert kept == [lease.track_id] != [left.track_id]
    assert lease.expires_at > soon + timedelta(minutes=10)


def test_an_own_lease_that_ran_out_is_kept_where_nobody_took_it(annotator):
    old = LeaseFactory(annotator=annotator, expires_at=timezone.now() - timedelta(hours=1))

    [lease] = claim(annotator)

    assert lease.track == old.track
    assert lease.expires_at > timezone.now()


def test_one_lets_go_of_own_tracks_only(annotator):
    own, other = LeaseFactory(annotator=annotator), LeaseFactory()

    labelling.release(annotator=annotator, track_ids=[own.track_id, other.track_id])

    assert list(Lease.objects.all()) == [other]
