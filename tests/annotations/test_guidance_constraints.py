"""What the database refuses of rules, references, orders, comparisons, leases; and what its triggers do."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotations.models import Annotation, Comparison, LabellingRules, Lease, RankedTrack, Reference, Track
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    LeaseFactory,
    ReferenceFactory,
    RulesFactory,
    SkipFactory,
    TrackFactory,
    rank,
)

pytestmark = pytest.mark.django_db


def comparison(**about):
    other = TrackFactory()
    kept = {"annotator": AnnotatorFactory(), "track": TrackFactory(), "other": other, "other_level": 5}
    return Comparison.objects.create(**{**kept, "answer": "same", "submission_id": uuid4(), **about})


def comparison_with_itself():
    track = TrackFactory()
    comparison(track=track, other=track)


def ranked_twice():
    track = TrackFactory()
    rank("by list", track, track)


def near_twice():
    track, other = TrackFactory.create_batch(2)
    rank("a strategy", track, near={track: [other, other]})


def near_itself():
    track = TrackFactory()
    rank("a strategy", track, near={track: [track]})


def referred_to_twice():
    track = TrackFactory()
    for use in Reference.Use:
        ReferenceFactory(track=track, use=use)


def two_leases_in_one_place():
    LeaseFactory(annotator=LeaseFactory(place=1).annotator, place=1)


def the_same_comparison_twice():
    comparison(submission_id=comparison().submission_id)


@pytest.mark.parametrize(
    ("constraint", "violate"),
    [
        ("rules_labels_per_track_positive", lambda: RulesFactory(labels_per_track=0)),
        ("rules_shares_within_hundred", lambda: RulesFactory(second_share=60, gold_share=41, repeat_share=0)),
        ("rules_random_share_within_hundred", lambda: RulesFactory(random_share=4)),
        ("rules_random_share_within_hundred", lambda: RulesFactory(random_share=101)),
        ("rules_min_listened_not_negative", lambda: RulesFactory(min_listened_s=-1)),
        ("reference_level_in_scale", lambda: ReferenceFactory(level=11)),
        ("reference_use_known", lambda: ReferenceFactory(use="both")),
        ("annotations_reference", referred_to_twice),
        ("ranked_track_once_per_order|rankedtrack", ranked_twice),
        ("near_track_once_per_order|neartrack", near_twice),
        ("near_track_is_another", near_itself),
        ("comparison_of_two_tracks", comparison_with_itself),
        ("comparison_level_in_scale", lambda: comparison(other_level=0)),
        ("comparison_answer_known", lambda: comparison(answer="louder")),
        ("annotations_comparison", the_same_comparison_twice),
        ("lease_one_per_annotator_and_place|annotations_lease", two_leases_in_one_place),
        ("lease_place_known", lambda: LeaseFactory(place=2)),
        ("lease_stream_known", lambda: LeaseFactory(stream="chance")),
        ("annotation_stream_known", lambda: AnnotationFactory(stream="chance")),
        ("annotation_source_known", lambda: AnnotationFactory(source="guess")),
        ("skip_reason_known", lambda: SkipFactory(reason="dull")),
    ],
)
def test_the_database_refuses(constraint, violate):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        violate()


@pytest.mark.parametrize("make", [RulesFactory, comparison, AnnotationFactory])
def test_history_is_only_added_to(make):
    rows = type(make()).objects.all()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows.update(created_at=timezone.now())
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows._raw_delete(using="default")


def test_a_track_counts_its_annotators_and_not_their_changes_of_mind():
    first = AnnotationFactory()
    AnnotationFactory(track=first.track, annotator=first.annotator, supersedes=first)
    Annotation.objects.bulk_create(
        AnnotationFactory.build(track=first.track, annotator=AnnotatorFactory()) for _ in "ab"
    )

    assert Track.objects.get().n_annotators == 3


def test_the_first_label_takes_a_track_out_of_every_order():
    labelled, other = TrackFactory.create_batch(2)
    for order in ("by list", "another"):
        rank(order, labelled, other)

    AnnotationFactory(track=labelled)

    assert list(RankedTrack.objects.values_list("track", flat=True)) == [other.pk, other.pk]


def test_one_person_has_two_places_and_the_newest_rules_hold():
    lease = LeaseFactory()
    LeaseFactory(annotator=lease.annotator, place=1)
    RulesFactory(labels_per_track=2)
    newest = RulesFactory(labels_per_track=3)

    assert Lease.objects.filter(annotator=lease.annotator).count() == Lease.N_PLACES
    assert LabellingRules.objects.current() == newest
