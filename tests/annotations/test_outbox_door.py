"""The JSON doors of the label page: what the outbox sends is stored once, or refused with a reason, or asked for again."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from annotations.models import Annotation, Comparison, Lease, Skip
from tests.conftest import logged_in
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    LeaseFactory,
    ReferenceFactory,
    RulesFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db


def knock(client, door, sent=None, **kwargs):
    """The door's status and its JSON."""
    body = sent if isinstance(sent, str | bytes) else json.dumps(sent or {})
    response = client.post(f"/label/{door}/", body, content_type="application/json", **kwargs)
    return response.status_code, response.json()


@pytest.fixture
def lease(annotator):
    return LeaseFactory(annotator=annotator, taken_at=timezone.now() - timedelta(minutes=1))


@pytest.fixture
def send(annotator):
    """`send("label", track_id=..., level=...)` as the annotator; a submission_id is made where none is given."""
    client = logged_in(annotator)

    def send_item(kind, **answer):
        item = {"annotator": annotator.pk, "kind": kind, "submission_id": str(uuid4()), "listened_s": 9.5, **answer}
        return knock(client, "outbox", item)

    return send_item


# ---- Each kind


def test_a_label_is_stored_with_how_it_was_heard_and_names_the_track(send, lease):
    status, reply = send("label", track_id=lease.track_id, level=7, answered_s=12)

    annotation = Annotation.objects.get()
    assert (annotation.level, annotation.listened_s, annotation.answered_s) == (7, 9.5, 12)
    assert (status, reply["state"], reply["agreed_level"]) == (200, "saved", None)
    said = {name: reply["annotation"][name] for name in ("track", "title", "artist", "level")}
    assert said == {"track": lease.track_id, "title": lease.track.title, "artist": lease.track.artist, "level": 7}


def test_a_relabel_supersedes(send, annotator):
    old = AnnotationFactory(annotator=annotator, level=3)

    status, reply = send("relabel", track_id=old.track_id, level=8)

    assert (status, reply["annotation"]["level"]) == (200, 8)
    assert Annotation.objects.current().get().supersedes == old


def test_a_skip_lets_go_of_the_track(send, lease):
    assert send("skip", track_id=lease.track_id, reason="not music") == (200, {"state": "saved"})

    assert Skip.objects.get().reason == "not music"
    assert not Lease.objects.exists()


def test_a_comparison_keeps_the_level_that_the_other_had(send, lease):
    other = ReferenceFactory(level=6)

    reply = send("comparison", track_id=lease.track_id, other_id=other.track_id, answer="stronger")

    assert reply == (200, {"state": "saved"})
    comparison = Comparison.objects.get()
    assert (comparison.track, comparison.other_level, comparison.answer) == (lease.track, 6, "stronger")


@pytest.mark.parametrize(("shows_gold", "told"), [(True, 9), (False, None)])
def test_the_agreed_level_of_gold_is_told_where_the_rules_say_so(send, annotator, shows_gold, told):
    RulesFactory(shows_gold=shows_gold)
    gold = ReferenceFactory(use="gold", level=9)
    LeaseFactory(track=gold.track, annotator=annotator, stream="gold", taken_at=timezone.now() - timedelta(minutes=1))

    assert send("label", track_id=gold.track_id, level=4)[1]["agreed_level"] == told


# ---- Sent twice


@pytest.mark.parametrize("kind", ["label", "relabel", "skip", "comparison"])
def test_an_answer_that_comes_twice_is_stored_once(kind, send, annotator, lease):
    own, example = AnnotationFactory(annotator=annotator), ReferenceFactory()
    answer = {
        "label": {"track_id": lease.track_id, "level": 7},
        "relabel": {"track_id": own.track_id, "level": 7},
        "skip": {"track_id": lease.track_id, "reason": "other"},
        "comparison": {"track_id": lease.track_id, "other_id": example.track_id, "answer": "same"},
    }[kind]
    submission_id = str(uuid4())

    first, second = (send(kind, submission_id=submission_id, **answer) for _ in range(2))

    assert first == second
    assert first[1]["state"] == "saved"
    stored = Annotation.objects.exclude(pk=own.pk).count() + Skip.objects.count() + Comparison.objects.count()
    assert stored == 1


# ---- Refused, and why


@pytest.mark.parametrize(
    ("kind", "wrong", "why"),
    [
        ("label", {"level": 11}, "level: Ensure this value is less than or equal to 10."),
        ("label", {"level": None}, "level: This field is required."),
        ("label", {"level": {"of": 7}}, "level: Enter a whole number."),
        ("label", {"submission_id": "7"}, "submission_id: Enter a valid UUID."),
        ("label", {"submission_id": 7}, "submission_id: Enter a valid UUID."),
        ("label", {"listened_s": -1}, "listened_s: Ensure this value is greater than or equal to 0."),
        ("label", {"listened_s": float("nan")}, "listened_s: Enter a number."),
        ("label", {"listened_s": float("inf")}, "listened_s: Enter a number."),
        ("label", {"listened_s": 10**400}, "listened_s: Enter a number."),
        ("label", {"answered_s": 10**400}, "answered_s: Enter a number."),
        ("label", {"answered_s": ["9"]}, "answered_s: Enter a number."),
        ("label", {"level": True}, "level: Enter a whole number."),
        ("label", {"level": 7.5}, "level: Enter a whole number."),
        ("skip", {"reason": "other\0"}, "reason: Select a valid choice."),
        ("\ud800", {}, "The kind of answer was"),
        ("label", {"track_id": 2**70}, "track_id: Ensure this value is less than or equal to"),
        ("relabel", {"level": 0}, "level: Ensure this value is greater than or equal to 1."),
        ("skip", {"reason": "no mood"}, "reason: Select a valid choice. no mood is not one of the available choices."),
        ("comparison", {"answer": "louder"}, "answer: Select a valid choice."),
        ("comparison", {"other_id": None}, "other_id: This field is required."),
        ("dislike", {}, "The kind of answer was 'dislike'; expected one of label, relabel, skip, comparison."),
        (None, {}, "The kind of answer was None; expected one of"),
    ],
)
def test_what_is_wrong_in_an_answer_is_named(kind, wrong, why, send, lease):
    right = {"track_id": lease.track_id, "level": 5, "reason": "other", "other_id": lease.track_id, "answer": "same"}

    status, reply = send(kind, **{**right, **wrong})

    assert (status, reply["state"]) == (422, "refused")
    assert reply["why"].startswith(why)
    assert Lease.objects.get() == lease
    assert [model.objects.count() for model in (Annotation, Skip, Comparison)] == [0, 0, 0]


def _not_held(annotator):
    return {"kind": "label", "track_id": LeaseFactory().track_id, "level": 5}


def _unknown_track(annotator):
    return {"kind": "label", "track_id": 987654321, "level": 5}


def _hardly_heard(annotator):
    return {"kind": "label", "track_id": LeaseFactory(annotator=annotator).track_id, "level": 5, "listened_s": 1}


def _never_labelled(annotator):
    return {"kind": "relabel", "track_id": AnnotationFactory().track_id, "level": 5}


def _number_of_another(annotator):
    theirs = AnnotationFactory()
    lease = LeaseFactory(annotator=annotator, taken_at=timezone.now() - timedelta(minutes=1))
    return {"kind": "label", "track_id": lease.track_id, "level": 5, "submission_id": str(theirs.submission_id)}


def _no_example(annotator):
    ids = {"track_id": TrackFactory().pk, "other_id": ReferenceFactory(use="gold").track_id}
    return {"kind": "comparison", **ids, "answer": "same"}


def _example_with_itself(annotator):
    example = ReferenceFactory().track_id
    return {"kind": "comparison", "track_id": example, "other_id": example, "answer": "same"}


def _nothing_with_an_example(annotator):
    return {"kind": "comparison", "track_id": 987654321, "other_id": ReferenceFactory().track_id, "answer": "same"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (_not_held, "You no longer held this track"),
        (_unknown_track, "You no longer held this track"),
        (_hardly_heard, "1.0 s of this track were heard; it takes 3.0 s"),
        (_never_labelled, "You have not labelled this track"),
        (_number_of_another, "Somebody else's answer has the same submission_id"),
        (_no_example, "The other track is no example any more."),
        (_example_with_itself, "There is no such track to compare, or it is the example itself."),
        (_nothing_with_an_example, "There is no such track to compare"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_not_asked_for_again(given, why, send, annotator):
    answer = given(annotator)
    n_before = Annotation.objects.count()

    status, reply = send(**answer)

    assert (status, reply["state"]) == (409, "refused")
    assert reply["why"].startswith(why)
    assert (Annotation.objects.count(), Comparison.objects.count()) == (n_before, 0)


def test_what_somebody_else_answered_waits_until_they_are_back(lease):
    """Two people share a browser: the first's answers are still in it."""
    item = {"annotator": lease.annotator_id, "kind": "label", "track_id": lease.track_id, "level": 7, "listened_s": 9}

    reply = knock(logged_in(AnnotatorFactory()), "outbox", {**item, "submission_id": str(uuid4())})

    assert reply == (401, {"state": "log in"})
    assert not Annotation.objects.exists()


@pytest.mark.parametrize("door", ["outbox", "claim", "keep"])
@pytest.mark.parametrize("body", ["[1]", '"label"', "{", b"\xff", "[" * 100_000])
def test_what_is_no_json_object_is_refused(door, body, as_annotator):
    assert knock(as_annotator, door, body) == (
        422,
        {"state": "refused", "why": "The request was not a JSON object."},
    )


# ---- Tracks to hear


def test_a_claim_gives_the_track_to_hear_and_the_next_but_none_that_the_page_has(as_annotator):
    tracks = [TrackFactory(queue_order=i) for i in range(3)]

    _, first = knock(as_annotator, "claim", {"held": []})
    _, second = knock(as_annotator, "claim", {"held": first["held"][:1]})

    assert set(first["held"]) <= {track.pk for track in tracks}
    assert [task["track"] for task in first["tasks"]] == first["held"]
    assert len(first["held"]) == 2
    assert second["held"] == first["held"]
    assert [task["track"] for task in second["tasks"]] == first["held"][1:]


@pytest.mark.parametrize("held", [None, "all", {"1": 2}, [None, [], "x", 2**70]])
def test_a_claim_takes_no_offence_at_what_the_page_says_it_has(held, as_annotator):
    track = TrackFactory()

    assert knock(as_annotator, "claim", {"held": held})[1]["held"] == [track.pk]


def test_a_claim_when_nothing_is_left_is_empty(as_annotator):
    assert knock(as_annotator, "claim") == (200, {"held": [], "tasks": []})


def test_keep_puts_the_end_of_the_leases_off(as_annotator, lease):
    Lease.objects.update(expires_at=timezone.now() + timedelta(minutes=2))

    assert knock(as_annotator, "keep") == (200, {"held": [lease.track_id]})
    assert Lease.objects.get().expires_at > timezone.now() + timedelta(minutes=10)


def test_release_lets_go_of_own_tracks_only(as_annotator, lease):
    other = LeaseFactory()
    ids = [lease.track_id, other.track_id]

    assert as_annotator.post("/label/release/", {"track_id": ids}).status_code == 204
    assert Lease.objects.get() == other


@pytest.mark.parametrize("track_id", ["", "x", "-1", "²", "9" * 30])
def test_release_takes_no_offence_at_what_is_no_track(track_id, as_annotator, lease):
    assert as_annotator.post("/label/release/", {"track_id": track_id}).status_code == 204
    assert Lease.objects.get() == lease


def test_compare_gives_the_examples_around_a_level(as_annotator):
    for level in (2, 6, 7, 9):
        ReferenceFactory(level=level)

    examples = as_annotator.get("/label/compare/?level=7").json()["examples"]

    assert [example["level"] for example in examples] == [6, 7, 9]


def test_compare_needs_a_level(as_annotator):
    response = as_annotator.get("/label/compare/?level=loud")

    assert (response.status_code, response.json()["why"]) == (422, "Enter a whole number.")


# ---- The page


def test_a_repeat_counts_today_like_any_other_answer_or_the_number_would_tell_what_it_was(as_annotator, annotator):
    old = AnnotationFactory(annotator=annotator)
    AnnotationFactory(annotator=annotator, track=old.track, supersedes=old, stream="repeat")
    changed = AnnotationFactory(annotator=annotator)
    AnnotationFactory(annotator=annotator, track=changed.track, supersedes=changed, source="relabel")

    assert as_annotator.get("/label/").context["start"]["n_today"] == 3


def test_the_page_costs_as_much_whatever_the_size_of_the_library(as_annotator, django_assert_max_num_queries):
    AnnotationFactory.create_batch(3)
    ReferenceFactory()
    TrackFactory.create_batch(3)

    with django_assert_max_num_queries(15):
        as_annotator.get("/label/")
