"""What an unsure annotator may hold a track against, and that it tells nothing of tracks they may still get."""

from uuid import uuid4

import pytest

from annotations import labelling
from annotations.examples import agreed_about, examples, near
from tests.factories import AnnotationFactory, AnnotatorFactory, LeaseFactory, ReferenceFactory, TrackFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def agreed(annotator):
    """`agreed(7)`: a track that the annotator and somebody else say is of level 7; `others` say what else."""

    def make(level, *, others=None, **track):
        made = TrackFactory(**track)
        AnnotationFactory(track=made, annotator=annotator, level=level)
        for other in [level] if others is None else others:
            AnnotationFactory(track=made, level=other)
        return made

    return make


def levels_near(level, annotator):
    return [found.level for found in near(level, annotator=annotator)]


def test_examples_of_leads_come_before_tracks_that_annotators_agree_about(annotator, agreed):
    chosen = ReferenceFactory(level=7).track
    agreed(7)

    assert [found.track for found in near(7, annotator=annotator)] == [chosen]


def test_where_leads_have_chosen_none_agreed_tracks_serve_up_to_three_around_the_level(annotator, agreed):
    ReferenceFactory(level=7)
    for level in (2, 5, 6, 9):
        agreed(level)

    assert levels_near(6, annotator) == [5, 6, 7]
    assert levels_near(10, annotator) == [6, 7, 9]


def test_of_several_the_track_labelled_last_serves(annotator, agreed):
    agreed(4)
    newest = agreed(4)

    assert [found.track for found in near(4, annotator=annotator)] == [newest]


@pytest.mark.parametrize("others", [[], [6], [5, 6]], ids=["nobody else", "another says 6", "one of two says 6"])
def test_a_level_is_agreed_when_at_least_two_say_the_same_and_nobody_another(annotator, agreed, others):
    agreed(5, others=others)

    assert levels_near(5, annotator) == []


def test_what_was_said_before_a_change_of_mind_does_not_count(annotator, agreed):
    track = agreed(5, others=[])
    before = AnnotationFactory(track=track, level=6)
    AnnotationFactory(track=track, annotator=before.annotator, level=5, supersedes=before)

    assert levels_near(5, annotator) == [5]


def test_nothing_is_said_of_a_track_that_the_annotator_has_not_labelled(annotator):
    track = TrackFactory()
    AnnotationFactory.create_batch(2, track=track, level=5)

    assert levels_near(5, annotator) == []
    assert agreed_about(track.pk, annotator=annotator) is None


def test_the_track_that_is_being_labelled_again_is_not_held_against_itself(annotator, agreed):
    track = agreed(5)
    LeaseFactory(track=track, annotator=annotator, stream="repeat")

    assert levels_near(5, annotator) == []
    assert agreed_about(track.pk, annotator=annotator) is None


def test_the_level_of_an_example_is_not_said_to_who_has_it_in_hand_since_before_it_was_one(annotator):
    example = ReferenceFactory(level=5)
    LeaseFactory(track=example.track, annotator=annotator)

    assert examples(annotator) == near(5, annotator=annotator) == []
    assert agreed_about(example.track_id, annotator=annotator) is None
    assert len(examples(AnnotatorFactory())) == 1


def test_what_others_say_cannot_be_found_out_by_going_through_the_levels(annotator, agreed):
    track = agreed(5, others=[8])

    for level in (6, 7, 8):
        labelling.relabel(annotator=annotator, track_id=track.pk, level=level, submission_id=uuid4())
        assert agreed_about(track.pk, annotator=annotator) is None
        assert near(level, annotator=annotator) == []


def test_gold_and_what_cannot_be_played_do_not_serve(annotator, agreed):
    ReferenceFactory(track=agreed(5), use="gold", level=5)
    agreed(6, audio_state="none", audio="")

    assert levels_near(5, annotator) == []


def test_a_comparison_may_be_with_an_example_or_with_an_agreed_track(annotator, agreed):
    chosen, track = ReferenceFactory(level=7).track, agreed(4)

    assert agreed_about(chosen.pk, annotator=annotator).level == 7
    assert agreed_about(track.pk, annotator=annotator).level == 4
    assert agreed_about(TrackFactory().pk, annotator=annotator) is None


def test_it_takes_two_queries(annotator, agreed, django_assert_num_queries):
    ReferenceFactory(level=7)
    agreed(4)

    with django_assert_num_queries(2):
        near(5, annotator=annotator)
