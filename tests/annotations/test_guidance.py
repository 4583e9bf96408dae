"""What leads and admins tell the queue: rules, lists, examples and gold, assignments."""

import random

import pytest

from annotations import labelling
from annotations.guiding import guidance
from annotations.guiding.forms import ORDER_WORDS
from annotations.guiding.stream_sizes import stream_sizes
from annotations.guiding.track_lists import CHUNK, find, to_being_assigned, to_being_new
from annotations.models import Assignment, LabellingRules, RankedTrack, Reference, Stream, Track
from annotations.queue import ORDERS, Asking, next_track
from tests.factories import (
    AdminFactory,
    AnnotationFactory,
    AnnotatorFactory,
    AssignmentFactory,
    DecisionFactory,
    LeaseFactory,
    ReferenceFactory,
    RulesFactory,
    SkipFactory,
    TrackFactory,
    rank,
)

pytestmark = pytest.mark.django_db


# ---- Rules


def test_rules_are_added_with_who_has_set_them_and_the_newest_hold(admin):
    first = guidance.set_rules(changed_by=admin, seen=None, gold_share=10)
    guidance.set_rules(changed_by=admin, seen=first.pk, gold_share=20)

    assert LabellingRules.objects.count() == 2
    assert LabellingRules.objects.current().gold_share == 20
    assert LabellingRules.objects.current().changed_by == admin


def test_rules_that_are_so_already_add_nothing(admin):
    rules = RulesFactory(gold_share=10)

    assert guidance.set_rules(changed_by=admin, seen=rules.pk, gold_share=10) == rules
    assert LabellingRules.objects.count() == 1


def test_a_strategy_leads_and_all_other_rules_stay(admin):
    before = RulesFactory(gold_share=11, labels_per_track=4, shows_gold=True, min_listened_s=2.5)

    led = guidance.lead_by(changed_by=admin, seen=before.pk, order="rare_levels", random_share=30)

    assert (led.order, led.random_share, led.changed_by) == ("rare_levels", 30, admin)
    assert (led.gold_share, led.labels_per_track, led.shows_gold, led.min_listened_s) == (11, 4, True, 2.5)
    assert guidance.set_rules(changed_by=admin, seen=led.pk, gold_share=12).random_share == 30
    with pytest.raises(guidance.NotDone, match="changed the rules meanwhile"):
        guidance.lead_by(changed_by=admin, seen=before.pk, order="random", random_share=30)


def test_rules_that_somebody_changed_meanwhile_are_not_overwritten_unseen(admin):
    old = RulesFactory()
    RulesFactory(changed_by=AdminFactory(first_name="Greta"))

    with pytest.raises(guidance.NotDone, match="Greta has changed the rules meanwhile"):
        guidance.set_rules(changed_by=admin, seen=old.pk, gold_share=10)


def test_every_order_of_new_tracks_is_explained():
    assert set(ORDER_WORDS) == set(ORDERS)


def test_a_stream_is_as_big_as_what_the_queue_finds_in_it(annotator):
    """The queue, asked for one stream alone, finds in each what was counted; where nothing was, it hands out a new track."""
    rules = RulesFactory(labels_per_track=2, repeat_after_days=1, order="rare_levels")
    gold = ReferenceFactory(use="gold").track
    ReferenceFactory(use="example")
    new = TrackFactory()
    half = AnnotationFactory().track
    AnnotationFactory(track=AnnotationFactory(track=TrackFactory()).track)  # complete
    TrackFactory(audio_state="none", audio="")
    rank("rare_levels", *Track.objects.all())

    sizes = stream_sizes(rules)

    assert sizes[Stream.RANKED] == 2
    assert sizes[Stream.GOLD] == sizes[Stream.NEW] == sizes[Stream.SECOND] == 1
    assert sizes[Stream.REPEAT] == 0
    for share, track in (("gold_share", gold), ("second_share", half), ("repeat_share", new)):
        only = RulesFactory(labels_per_track=2, **{**dict.fromkeys(LabellingRules.SHARES, 0), share: 100})
        assert next_track(Asking.of(annotator, only, random.Random(1))).track == track


# ---- Lists


def test_a_list_says_line_by_line_what_cannot_be_taken():
    TrackFactory(uri="my:new")
    AnnotationFactory(track__uri="my:labelled")
    ReferenceFactory(track__uri="my:example")
    ReferenceFactory(track__uri="my:gold", use="gold")
    TrackFactory(uri="my:silent", audio_state="none", audio="")
    listed = ["my:new", "my:labelled", "my:example", "my:gold", "my:silent", "nowhere", "my:new"]

    assert find(listed, objection=to_being_new).left_out == {
        "labelled already": ["my:labelled"],
        "an example, which nobody is given to label": ["my:example"],
        "gold, which has a stream of its own": ["my:gold"],
        "without audio that can be played": ["my:silent"],
        "not found": ["nowhere"],
    }
    assert len(find(listed, objection=to_being_new).taken) == 1
    assert len(find(listed, objection=to_being_assigned).taken) == 3


def test_what_a_lead_has_excluded_is_assigned_to_nobody():
    track = DecisionFactory(verdict="exclude").flag.annotation.track

    found = find([track.uri], objection=to_being_assigned)

    assert found.left_out == {"excluded from training by a lead, so nobody is given it": [track.uri]}


def test_a_list_longer_than_one_question_keeps_its_order(django_assert_num_queries):
    tracks = TrackFactory.create_batch(3)
    listed = [tracks[2].uri, *(f"nowhere:{n}" for n in range(CHUNK)), tracks[0].uri]

    with django_assert_num_queries(4):
        found = find(listed, objection=to_being_new)

    assert found.taken == [tracks[2].pk, tracks[0].pk]
    assert found.n_left_out == CHUNK


def test_a_list_is_followed_once_it_is_taken_and_replaces_the_one_before(admin, annotator):
    old, second, first = TrackFactory.create_batch(3)
    guidance.take_list(proposed_by=admin, name=guidance.propose_list(proposed_by=admin, track_ids=[old.pk]))

    name = guidance.propose_list(proposed_by=admin, track_ids=[first.pk, second.pk])
    assert list(RankedTrack.objects.filter(order="by list").values_list("track", flat=True)) == [old.pk]
    assert guidance.take_list(proposed_by=admin, name=name) == 2

    assert list(RankedTrack.objects.order_by("position").values_list("order", "track")) == [
        ("by list", first.pk),
        ("by list", second.pk),
    ]
    rules = RulesFactory(order="by list", **dict.fromkeys(LabellingRules.SHARES, 0))
    assert [lease.track for lease in labelling.claim(annotator=annotator, rules=rules, n=2)] == [first, second]


@pytest.mark.parametrize("name", ["", "proposal 1.x", "by list"])
def test_a_list_that_is_not_waiting_cannot_be_taken(admin, name):
    RankedTrack.objects.create(order="by list", position=0, track=TrackFactory())

    with pytest.raises(guidance.NotDone, match="Send it again"):
        guidance.take_list(proposed_by=admin, name=name)

    assert RankedTrack.objects.count() == 1


def test_nobody_takes_the_list_that_another_has_proposed(admin):
    name = guidance.propose_list(proposed_by=AdminFactory(), track_ids=[TrackFactory().pk])

    with pytest.raises(guidance.NotDone):
        guidance.take_list(proposed_by=admin, name=name)


# ---- Examples and gold


def test_choosing_the_same_again_changes_the_level_and_nothing_else(lead):
    track = TrackFactory()

    for level, n_new in ((4, 1), (4, 0), (6, 0)):
        chosen = guidance.choose_references(
            track_ids=[track.pk], use=Reference.Use.EXAMPLE, level=level, chosen_by=lead
        )
        assert chosen == guidance.Chosen(n_new=n_new, n_withdrawn_assignments=0)

    assert (Reference.objects.get().level, Reference.objects.get().chosen_by) == (6, lead)


def test_a_track_is_never_both_example_and_gold_and_of_several_all_are_chosen_or_none(lead):
    gold, other = ReferenceFactory(use="gold", level=3, track__title="Bright").track, TrackFactory()

    with pytest.raises(guidance.NotDone, match="“Bright” is gold of level 3 already"):
        guidance.choose_references(track_ids=[other.pk, gold.pk], use=Reference.Use.EXAMPLE, level=3, chosen_by=lead)

    assert Reference.objects.get().use == "gold"


def test_what_cannot_be_heard_is_no_example(lead):
    track = TrackFactory(title="Mute", audio_state="none", audio="")

    with pytest.raises(guidance.NotDone, match=r"“Mute” cannot be heard \(no audio\)"):
        guidance.choose_references(track_ids=[track.pk], use=Reference.Use.EXAMPLE, level=3, chosen_by=lead)


def test_nobody_is_asked_any_more_to_label_what_has_become_an_example(lead):
    wanted, other = AssignmentFactory(), AssignmentFactory()
    about = {"level": 3, "chosen_by": lead}

    gold = guidance.choose_references(track_ids=[other.track_id], use=Reference.Use.GOLD, **about)
    example = guidance.choose_references(track_ids=[wanted.track_id], use=Reference.Use.EXAMPLE, **about)

    assert (gold.n_withdrawn_assignments, example.n_withdrawn_assignments) == (0, 1)
    assert list(Assignment.objects.all()) == [other]


def test_withdrawing_twice_is_withdrawing_once():
    track = ReferenceFactory().track

    assert guidance.withdraw_reference(track_id=track.pk) == 1
    assert guidance.withdraw_reference(track_id=track.pk) == 0


# ---- Assignments


def test_what_is_open_for_somebody_already_is_not_assigned_again(lead, annotator):
    tracks = [track.pk for track in TrackFactory.create_batch(3)]
    guidance.assign(shares=[(annotator, tracks[:2])], assigned_by=lead)

    (given,) = guidance.assign(shares=[(annotator, tracks)], assigned_by=lead)

    assert given == guidance.Given(annotator, n_new=1, n_open_before=2)
    assert Assignment.objects.count() == 3


def test_an_assigned_track_comes_before_all_others_and_is_done_when_it_is_labelled_again(lead, annotator):
    TrackFactory.create_batch(3)
    before = AnnotationFactory(annotator=annotator, level=2)
    guidance.assign(shares=[(annotator, [before.track_id])], assigned_by=lead)

    (lease,) = labelling.claim(annotator=annotator, rules=LabellingRules.objects.current())
    assert (lease.track_id, lease.stream) == (before.track_id, Stream.ASSIGNED)
    AnnotationFactory(track=before.track, annotator=annotator, level=5, supersedes=before)

    assert not Assignment.objects.open().exists()
    (given,) = guidance.assign(shares=[(annotator, [before.track_id])], assigned_by=lead)
    assert given.n_new == 1


def test_only_what_is_open_is_withdrawn(annotator):
    done, skipped, wanted = AssignmentFactory.create_batch(3, annotator=annotator)
    AnnotationFactory(track=done.track, annotator=annotator)
    SkipFactory(track=skipped.track, annotator=annotator)

    assert guidance.withdraw_assignments(assignments=Assignment.objects.filter(annotator=annotator)) == 1
    assert set(Assignment.objects.all()) == {done, skipped}
    assert wanted.pk not in Assignment.objects.values_list("pk", flat=True)


def test_drawn_tracks_are_unlabelled_and_asked_of_nobody():
    free = {track.pk for track in TrackFactory.create_batch(3)}
    AnnotationFactory()
    ReferenceFactory()
    AssignmentFactory()
    TrackFactory(audio_state="none", audio="")

    assert set(guidance.draw_unlabelled(3, dice=random.Random(1))) == free
    assert len(guidance.draw_unlabelled(2, dice=random.Random(1))) == 2
    with pytest.raises(guidance.NotDone, match="4 unlabelled tracks were asked for; there are 3"):
        guidance.draw_unlabelled(4)


def test_more_than_a_person_could_mean_is_not_assigned(lead):
    people = AnnotatorFactory.create_batch(2)
    track_ids = list(range(1, guidance.MAX_ASSIGNED))

    with pytest.raises(guidance.NotDone, match="19,998 assignments; at most 10,000"):
        guidance.assign(shares=[(person, track_ids) for person in people], assigned_by=lead)


def test_a_held_track_can_be_assigned_to_another_and_comes_when_it_is_free(lead, annotator):
    lease = LeaseFactory()
    guidance.assign(shares=[(annotator, [lease.track_id])], assigned_by=lead)
    rules = LabellingRules.objects.current()

    assert labelling.claim(annotator=annotator, rules=rules) == []
    lease.delete()
    assert labelling.claim(annotator=annotator, rules=rules)[0].track_id == lease.track_id
