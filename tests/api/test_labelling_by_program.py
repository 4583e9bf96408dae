"""A labelling client can be written: tracks to hear, answers stored once, by exactly the rules of the label page."""

from uuid import uuid4

import pytest

from annotations.models import Annotation, Lease, Skip
from tests.audio_files import track_with_audio
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


def answer(track, level=7, **more):
    return {"track": track.pk, "level": level, "submission_id": str(uuid4()), "listened_s": 4.0, **more}


def test_a_program_claims_hears_and_labels(program, annotator):
    track = track_with_audio(title="Secret Title")
    client = program(annotator)

    [task] = client.send("tracks/claim/", status=200)["held"]
    heard = client.client.get(task["audio"], headers={"range": "bytes=0-99"})
    stored = client.send("annotations/", status=201, **answer(track))

    assert task["track"] == track.pk
    assert task["title"] is None
    assert task["min_listened_s"] > 0
    assert heard.status_code == 206
    assert len(heard.getvalue()) == 100
    assert stored["level"] == 7
    assert stored["track"]["title"] == "Secret Title"
    assert not Lease.objects.filter(annotator=annotator).exists()


def test_the_task_says_what_the_label_page_says(program, annotator, as_annotator):
    TrackFactory()

    [task] = program(annotator).send("tracks/claim/", status=200)["held"]
    [shown] = as_annotator.post("/label/claim/", "{}", content_type="application/json").json()["tasks"]

    same = ("track", "duration_s", "loudness_lufs", "peaks", "min_listened_s")
    assert {name: task[name] for name in same} == {name: shown[name] for name in same}
    assert [task["loudest_start_s"], task["loudest_end_s"]] == shown["loudest"]
    assert not {"stream", "uri", "use", "n_annotators"} & set(task)


def test_a_claim_takes_two_when_asked_and_keeps_what_is_held(program, annotator):
    TrackFactory.create_batch(3)
    client = program(annotator)

    first = client.send("tracks/claim/", status=200)["held"]
    both = client.send("tracks/claim/", status=200, n=2)["held"]

    assert len(first) == 1
    assert len(both) == 2
    assert both[0]["track"] == first[0]["track"]
    assert both[0]["expires_at"] >= first[0]["expires_at"]
    assert client.send("tracks/claim/", status=400, n=3)["errors"]["n"]


def test_the_same_answer_sent_again_is_answered_with_what_it_made(program, annotator):
    track = LeaseFactory(annotator=annotator).track
    client, sent = program(annotator), answer(track)

    made = client.send("annotations/", status=201, **sent)
    again = client.send("annotations/", status=200, **sent)

    assert again == made
    assert Annotation.objects.count() == 1


def test_the_same_submission_id_with_another_content_is_refused(program, annotator):
    track = LeaseFactory(annotator=annotator).track
    client, sent = program(annotator), answer(track, level=7)
    client.send("annotations/", status=201, **sent)

    refused = client.send("annotations/", status=409, **{**sent, "level": 3})

    assert f"has stored level 7 of track {track.pk}" in refused["detail"]
    assert Annotation.objects.get().level == 7


def test_the_submission_id_of_somebody_else_is_refused(program, annotator):
    taken = AnnotationFactory()
    track = LeaseFactory(annotator=annotator).track

    refused = program(annotator).send(
        "annotations/", status=409, **answer(track, submission_id=str(taken.submission_id))
    )

    assert "Somebody else's answer" in refused["detail"]


def test_what_was_not_heard_long_enough_is_refused_as_on_the_page(program, annotator, as_annotator):
    track = LeaseFactory(annotator=annotator).track

    refused = program(annotator).send("annotations/", status=409, **answer(track, listened_s=1.0))
    page = as_annotator.post("/label/answer/", {**answer(track, listened_s=1.0), "track_id": track.pk})

    assert refused["detail"] in page.content.decode()
    assert page.status_code == 409


def test_a_track_that_somebody_else_holds_is_refused(program, annotator):
    track = LeaseFactory().track

    assert "no longer held" in program(annotator).send("annotations/", status=409, **answer(track))["detail"]


def test_a_label_given_elsewhere_meanwhile_stands(program, annotator):
    track = LeaseFactory(annotator=annotator).track
    AnnotationFactory(track=track, annotator=annotator, level=2, source="review")

    refused = program(annotator).send("annotations/", status=409, **answer(track, level=7))

    assert "You have given level 2" in refused["detail"]
    assert Annotation.objects.get().level == 2


def test_an_own_label_is_changed_and_the_change_may_be_sent_twice(program, annotator):
    old = AnnotationFactory(annotator=annotator, level=3)
    client, change = program(annotator), {"level": 8, "submission_id": str(uuid4())}

    made = client.send(f"annotations/{old.pk}/change/", status=201, **change)
    again = client.send(f"annotations/{old.pk}/change/", status=200, **change)

    assert again["id"] == made["id"]
    assert Annotation.objects.get(pk=made["id"]).supersedes == old
    assert client.send(f"annotations/{old.pk}/change/", status=409, **{**change, "level": 1})


def test_nobody_changes_the_label_of_another(program, lead):
    theirs = AnnotationFactory()

    program(lead).send(f"annotations/{theirs.pk}/change/", status=404, level=1, submission_id=str(uuid4()))

    assert Annotation.objects.get() == theirs


def test_a_track_is_skipped_with_a_reason_and_let_go(program, annotator):
    skipped, released = LeaseFactory(annotator=annotator).track, LeaseFactory(annotator=annotator, place=1).track
    client = program(annotator)

    client.send(f"tracks/{skipped.pk}/skip/", status=400, reason="too loud")
    client.send(f"tracks/{skipped.pk}/skip/", status=204, reason="not music")
    client.send(f"tracks/{released.pk}/release/", status=204)

    assert Skip.objects.get().track == skipped
    assert not Lease.objects.exists()


def test_of_a_gold_track_the_agreed_level_is_told_where_the_rules_say_so(program, annotator):
    gold = ReferenceFactory(use="gold", level=4)
    LeaseFactory(annotator=annotator, track=gold.track, stream="gold")
    RulesFactory(shows_gold=True)

    assert program(annotator).send("annotations/", status=201, **answer(gold.track))["agreed_level"] == 4


# ---- What is seen


def test_an_annotator_sees_the_tracks_they_hold_and_no_more_of_them_than_the_label_page(program, annotator):
    held = LeaseFactory(annotator=annotator, track=TrackFactory(title="Secret")).track
    TrackFactory(), LeaseFactory()
    client = program(annotator)

    [shown] = client.rows("tracks/")

    assert shown["id"] == held.pk
    hidden = ("uri", "title", "artist", "genres", "use", "n_annotators", "created_at")
    assert [shown[name] for name in hidden] == [None] * len(hidden)
    assert "Secret" not in logged_in(annotator).get("/label/").content.decode()
    RulesFactory(hides_names=False)
    assert client.rows("tracks/")[0]["title"] == "Secret"
    assert client.get("tracks/", q="Secret").status_code == 403


@pytest.mark.parametrize("role", ["lead", "admin"])
def test_who_sees_the_library_sees_it_here_too(program, request, role):
    user = request.getfixturevalue(role)
    tracks = [TrackFactory(), TrackFactory(audio="", audio_state="bad", audio_problem="It is a picture.")]
    gold = ReferenceFactory(use="gold").track

    page = logged_in(user).get("/tracks/").context["page"]
    rows = program(user).rows("tracks/")

    assert [row["id"] for row in rows] == [track.pk for track in page] == [gold.pk, tracks[1].pk, tracks[0].pk]
    assert [row["use"] for row in rows] == ["gold", None, None]
    assert [row["audio_problem"] for row in rows] == ["", "It is a picture.", ""]
    assert [row["id"] for row in program(user).rows("tracks/", state="bad")] == [tracks[1].pk]


def test_an_annotator_sees_their_own_annotations_as_on_their_page(program, annotator, as_annotator):
    old = AnnotationFactory(annotator=annotator, level=3)
    AnnotationFactory(annotator=annotator, track=old.track, level=4, supersedes=old)
    AnnotationFactory(annotator=annotator, level=9)
    AnnotationFactory(level=1)

    page = as_annotator.get("/label/mine/").context["rows"]
    rows = program(annotator).rows("annotations/")

    assert [row["id"] for row in rows] == [row["annotation"].pk for row in page]
    assert [row["level"] for row in rows] == [9, 4]
    assert not {"stream", "supersedes"} & set(rows[0])  # either would tell a repeat or gold


@pytest.mark.parametrize("role", ["lead", "admin"])
def test_what_others_said_shows_to_a_lead_where_the_page_of_the_track_shows_it(program, request, role):
    user = request.getfixturevalue(role)
    unheard, heard, held = (AnnotationFactory(level=6).track for _ in range(3))
    AnnotationFactory(annotator=user, track=heard, level=2)
    AnnotationFactory(annotator=user, track=held, level=2)
    LeaseFactory(annotator=user, track=held)
    client = program(user)

    for track in (unheard, heard, held):
        page = logged_in(user).get(f"/tracks/{track.pk}/")
        others = [row for row in client.rows("annotations/", track=track.pk) if row["annotator"]["id"] != user.pk]
        assert [row["level"] for row in others] == ([6] if page.context["is_heard"] else [None])
        assert [row["is_covered"] for row in others] == [not page.context["is_heard"]]
        assert {row["annotator"]["name"] for row in others} <= {str(a.annotator) for a in page.context["annotations"]}


def test_a_level_is_not_found_out_by_asking_for_it(program, lead):
    covered = AnnotationFactory(level=6)
    heard = AnnotationFactory(level=6)
    AnnotationFactory(annotator=lead, track=heard.track, level=2)

    found = [row["id"] for row in program(lead).rows("annotations/", level=6)]

    assert found == [heard.pk]
    assert covered.pk not in found


def test_somebody_else_s_submission_id_is_not_told(program, lead, annotator):
    AnnotationFactory(annotator=annotator)

    assert program(lead).rows("annotations/")[0]["submission_id"] is None
    assert program(AnnotatorFactory()).rows("annotations/") == []


@pytest.mark.parametrize(("path", "n_statements"), [("tracks/", 4), ("annotations/", 3)])
def test_a_list_takes_as_many_statements_however_long(program, lead, path, n_statements, django_assert_num_queries):
    client = program(lead)
    AnnotationFactory.create_batch(30)
    client.rows(path)

    with django_assert_num_queries(n_statements):
        assert len(client.rows(path)) == 30
