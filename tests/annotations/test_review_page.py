"""The review page: nothing before the blind opinion, then why the label was flagged and all that can be weighed; the decision."""

from uuid import uuid4

import pytest

from annotations.annotators import report
from annotations.models import AnnotatorExclusion, Decision, Flag, ReviewRules
from annotations.review import decisions
from annotations.review.evidence import evidence_for
from annotations.review.outline import outline_for
from annotations.review.why import why
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    GenreFactory,
    LeadFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db

MODEL = {"score": 7.8, "level": 8, "interval": [6.2, 9.4], "bias": 0.24, "n_labels": 40}


def hear(lead, flag, level=8):
    return decisions.give_blind_opinion(reviewer=lead, track=flag.annotation.track, level=level, submission_id=uuid4())


def decide(lead, flag, **kwargs):
    """As somebody who has seen every decision so far."""
    newest = Decision.objects.order_by("pk").last()
    return decisions.decide(reviewer=lead, flag=flag, seen_decision=newest and newest.pk, **kwargs)


def page(client, flag, query=""):
    return client.get(f"/review/{flag.pk}/{query}").content.decode()


# ---- Why


@pytest.mark.parametrize(
    ("reason", "evidence", "sentence"),
    [
        (
            "model error",
            MODEL,
            "By its sound, and with this annotator usually saying 0.2 levels more than others, 8.0 was expected; "
            "2 is 6.0 levels lower.",
        ),
        (
            "neighbours",
            MODEL | {"neighbours_level": 7.94},
            "The most similar tracks of other artists are at 7.9 on average: of this annotator 8.0 was expected; "
            "2 is 6.0 levels lower.",
        ),
        (
            "disagreement",
            MODEL | {"spread": 1.87, "n_annotators": 4},
            "4 annotators lie 1.9 times as far apart as usual, their habits aside: by what all of them say 8.0 was expected; "
            "2 is 6.0 levels lower.",
        ),
        ("gold missed", {"agreed": 8}, "Leads agreed on 8 for this track: 2 is 6 levels lower."),
        (
            "too fast",
            MODEL | {"answered_s": 1.23, "usual_s": 9.0},
            "Answered within 1.2 s, where 9.0 s are usual for this annotator: 8.0 was expected; 2 is 6.0 levels lower.",
        ),
        (
            "drift",
            MODEL | {"bias_before": -0.2, "bias_after": 1.44, "since": "2026-11-01", "n_after": 34},
            "Since 1 Nov 2026 (34 labels) this annotator says 1.4 levels more than others, before it was 0.2 levels less: "
            "as before 8.0 was expected; 2 is 6.0 levels lower.",
        ),
    ],
)
def test_each_reason_is_one_sentence_with_its_numbers(reason, evidence, sentence):
    flag = FlagFactory(reason=reason, annotation__level=2, expected_level=8.0, suspicion=6.0, evidence=evidence)

    assert why(flag) == sentence


@pytest.mark.parametrize("reason", Flag.Reason.values)
def test_flags_of_older_versions_say_what_they_know(reason, as_lead, lead):
    flag = FlagFactory(reason=reason, annotation__level=2, expected_level=8.0, evidence={})
    hear(lead, flag)

    assert not {"None", "nan"} & set(why(flag).split())
    html = page(as_lead, flag)
    assert why(flag) in html
    assert "Model belief" not in html
    assert "held-out" not in html


def test_a_label_as_expected_is_not_said_to_be_off():
    flag = FlagFactory(annotation__level=8, suspicion=0, evidence={})

    assert why(flag) == "By its sound 8.0 was expected; 8 is about that."


# ---- Blind first


def test_nothing_of_the_evidence_is_in_the_page_before_the_opinion(as_lead):
    neighbour = AnnotationFactory(track__title="Sounds Alike").track
    flag = FlagFactory(
        annotation__annotator=AnnotatorFactory(username="the-accused"),
        annotation__level=2,
        annotation__answered_s=1.37,
        expected_level=8.43,
        evidence=MODEL | {"neighbours": [{"track": neighbour.pk, "similarity": 0.97}], "belief": [0.1] * 10},
    )
    FlagFactory(annotation=flag.annotation, reason="too fast", evidence={"answered_s": 1.37, "usual_s": 9.25})
    AnnotationFactory(track=flag.annotation.track, annotator=AnnotatorFactory(username="second-ear"), level=9)
    DecisionFactory(flag=flag, verdict="ask another", note="a remark", decided_by=LeadFactory(username="lindsay"))

    html = page(as_lead, flag)

    hidden = ["the-accused", "second-ear", "lindsay", "a remark", "Sounds Alike", "Why it was flagged", "Model belief"]
    hidden += ["0.97", "8.4", "7.8", "6.2", "9.4", "0.24", "1.37", "1.4", "9.2", "levels off", "bar-1", "Undo"]
    hidden += Flag.Reason.labels
    assert [text for text in hidden if text in html] == []
    assert html.count("level-2") == html.count("level-3") == 1  # the scale's buttons


def test_a_lead_who_labelled_the_track_before_has_said_so_blind(as_lead, lead):
    flag = FlagFactory(annotation__level=2)
    AnnotationFactory(track=flag.annotation.track, annotator=lead, level=7)

    html = page(as_lead, flag)

    assert "when you labelled the track on" in html
    assert "Why it was flagged" in html
    assert "Change to 7" in html


def test_nobody_sees_evidence_against_their_own_label_or_decides_on_it(as_lead, lead):
    flag = FlagFactory(annotation__annotator=lead)

    html = page(as_lead, flag)
    response = as_lead.post(f"/review/{flag.pk}/decision/", {"verdict": "keep"})

    assert "This is your own label" in html
    assert "Why it was flagged" not in html
    assert response.status_code == 409
    assert "Nobody decides on their own label" in response.content.decode()


# ---- The evidence


def test_all_reasons_against_the_label_are_shown_the_strongest_first():
    weak = FlagFactory(suspicion=1.0)
    strong = FlagFactory(annotation=weak.annotation, reason="gold missed", suspicion=6.0, evidence={"agreed": 9})
    FlagFactory()

    assert [reason.flag for reason in evidence_for(weak, reviewer=LeadFactory())["reasons"]] == [strong, weak]


def test_the_label_of_each_annotator_is_shown_with_their_bias_and_whether_it_counts(as_lead, lead):
    flag = FlagFactory(annotation__level=2)
    track = flag.annotation.track
    silenced = AnnotationFactory(track=track, level=6, annotator__username="silenced")
    AnnotatorExclusion.objects.create(annotator=silenced.annotator, is_excluded=True, decided_by=lead)
    flag.evidence["biases"] = {str(flag.annotation.annotator_id): -1.26}
    flag.save()
    hear(lead, flag)
    decide(lead, flag, verdict="drop label")

    labels = {label.annotation.level: label for label in evidence_for(flag, reviewer=lead)["labels"]}

    assert {level: label.left_out for level, label in labels.items()} == {2: "excluded", 6: "annotator excluded", 8: ""}
    assert {level: label.bias for level, label in labels.items()} == {2: -1.26, 6: None, 8: None}
    html = page(as_lead, flag)
    assert "usually −1.3" in html
    assert "annotator excluded" in html


def test_what_was_asked_about_is_said_to_be_back_once_the_answer_has_come(lead, as_lead):
    flag = FlagFactory()
    hear(lead, flag)
    decide(lead, flag, verdict="ask another")
    assert "back in the queue" not in page(as_lead, flag)

    AnnotationFactory(track=flag.annotation.track)

    assert "back in the queue" in page(as_lead, flag)


def test_an_opinion_that_the_reviewer_did_not_follow_is_set_aside(lead):
    flag = FlagFactory(annotation__level=2)
    hear(lead, flag)
    decide(lead, flag, verdict="keep")

    assert [label.left_out for label in evidence_for(flag, reviewer=lead)["labels"]] == ["", "set aside"]


def test_neighbours_show_their_level_of_today_and_can_be_heard(as_lead, lead):
    tracks = [AnnotationFactory(track__title=f"Alike {level}", level=level).track for level in (7, 9)]
    tracks[0].genres.add(GenreFactory(name="electro"))
    silent = TrackFactory(title="Silent", audio_state="none")
    rows = [{"track": track.pk, "similarity": 0.9} for track in [*tracks, silent]]
    flag = FlagFactory(evidence=MODEL | {"neighbours": [*rows, {"track": 10**9, "similarity": 0.5}]})
    hear(lead, flag)

    evidence = evidence_for(flag, reviewer=lead)
    html = page(as_lead, flag)

    assert [(row.track, row.level) for row in evidence["neighbours"]] == [
        (tracks[0], 7),
        (tracks[1], 9),
        (silent, None),
    ]
    assert evidence["neighbours_level"] == 8
    assert f'data-audio="/tracks/{tracks[0].pk}/audio"' in html
    assert "electro" in html
    assert 'aria-label="Play Silent"' not in html


def test_the_level_of_a_similar_track_that_is_flagged_too_stays_covered_until_the_lead_has_heard_it(as_lead, lead):
    alike = FlagFactory(annotation__level=9)
    flag = FlagFactory(evidence=MODEL | {"neighbours": [{"track": alike.annotation.track_id, "similarity": 0.9}]})
    hear(lead, flag, level=5)

    covered = evidence_for(flag, reviewer=lead)
    html = page(as_lead, flag)
    hear(lead, alike, level=9)

    assert ([row.level for row in covered["neighbours"]], covered["neighbours_level"]) == ([None], None)
    assert "it is flagged too" in html
    assert [row.level for row in evidence_for(flag, reviewer=lead)["neighbours"]] == [9]


def test_belief_is_held_against_the_labels_of_the_same_genre():
    flag = FlagFactory(annotation__level=2)
    for name, level in (("techno", 9), ("house", 4), ("house", 4)):
        AnnotationFactory(level=level).track.genres.add(GenreFactory(name=name))
    old = AnnotationFactory(level=3)
    AnnotationFactory(level=6, track=old.track, annotator=old.annotator, supersedes=old)
    assert outline_for(flag.annotation.track) is None

    report.refresh()

    assert outline_for(flag.annotation.track) == ([0, 1, 0, 2, 0, 1, 0, 0, 1, 0], "all labels")
    flag.annotation.track.genres.add(GenreFactory(name="house"), GenreFactory(name="techno"), GenreFactory(name="new"))
    assert outline_for(flag.annotation.track) == ([0, 0, 0, 2, 0, 0, 0, 0, 1, 0], "house, techno, all labels")


def test_the_outline_is_drawn_and_named_once_it_is_counted(as_lead, lead):
    flag = FlagFactory()
    hear(lead, flag)
    assert "outline" not in page(as_lead, flag)

    report.refresh()

    assert "outline: all labels" in page(as_lead, flag)
    assert 'class="outline"' in page(as_lead, flag)


@pytest.mark.parametrize(("answered_s", "is_fast"), [(1.9, True), (2.1, False), (None, False)])
def test_an_answer_is_fast_by_the_rules_that_leads_set(answered_s, is_fast):
    ReviewRules.objects.create(too_fast_s=2.0)

    assert evidence_for(FlagFactory(annotation__answered_s=answered_s), reviewer=LeadFactory())["is_fast"] is is_fast


def test_the_page_takes_the_same_number_of_queries_however_much_there_is_to_show(
    as_lead, lead, django_assert_max_num_queries
):
    rows = [{"track": AnnotationFactory().track_id, "similarity": 0.9} for _ in range(5)]
    flag = FlagFactory(evidence=MODEL | {"neighbours": rows})
    FlagFactory.create_batch(10)
    AnnotationFactory.create_batch(5, track=flag.annotation.track)
    hear(lead, flag)
    for verdict in ("ask another", "keep", "exclude", "keep"):
        decide(lead, flag, verdict=verdict)

    with django_assert_max_num_queries(30):
        page(as_lead, flag)


# ---- History


def test_the_history_says_who_when_what_it_did_and_what_was_undone(as_lead, lead):
    flag = FlagFactory(annotation__level=2)
    hear(lead, flag)
    undone = decide(lead, flag, verdict="change", level=8, note="a ballad")
    decisions.undo(reviewer=lead, decision=undone)
    decide(lead, flag, verdict="keep")

    events = evidence_for(flag, reviewer=lead)["history"]
    html = page(as_lead, flag)

    assert [event.decision.verdict for event in events] == ["keep", "undo", "change"]
    assert [event.is_standing for event in events] == [True, False, False]
    assert [event.undone_by is not None for event in events] == [False, False, True]
    assert "undid “changed to 8”" in html
    assert "undone by lea" in html
    assert "<del" in html
    assert "heard 8 blind; the track’s level 5 → 8. “a ballad”" in html


def test_a_decision_about_another_label_of_the_track_says_so(as_lead, lead):
    flag = FlagFactory()
    other = FlagFactory(annotation__track=flag.annotation.track, annotation__annotator__username="otto")
    hear(lead, flag)
    decide(lead, other, verdict="change", level=8)

    evidence = evidence_for(flag, reviewer=lead)

    assert "about the label of otto" in page(as_lead, flag)
    assert evidence["is_settled"]
    assert evidence["standing"].flag == other


def test_a_label_that_nothing_doubts_any_more_says_so(as_lead, lead):
    flag = FlagFactory(is_withdrawn=True, source="run 3")
    hear(lead, flag)

    html = page(as_lead, flag)

    assert "no longer doubted" in html
    assert "run 3, not found again" in html


# ---- The decision


def test_the_next_label_comes_from_the_same_filter_with_a_button_that_undoes(as_lead, lead):
    first, second = FlagFactory(suspicion=4.0, reason="drift"), FlagFactory(suspicion=2.0, reason="drift")
    FlagFactory(suspicion=3.0)
    hear(lead, first)

    response = as_lead.post(f"/review/{first.pk}/decision/?reason=drift", {"level": 8}, follow=True)

    html = response.content.decode()
    assert response.redirect_chain[-1][0] == f"/review/{second.pk}/?reason=drift"
    assert f"{first.annotation.track}: changed to 8." in html
    assert f'action="/review/{first.pk}/undo/?reason=drift"' in html


def test_after_the_last_of_the_filter_comes_the_queue(as_lead, lead):
    flag = FlagFactory(reason="drift")
    FlagFactory(suspicion=1.0)
    hear(lead, flag)

    response = as_lead.post(f"/review/{flag.pk}/decision/?reason=drift", {"verdict": "keep"})

    assert response.url == "/review/?reason=drift"


def test_the_page_says_where_it_is_in_the_queue_and_leads_both_ways(as_lead):
    flags = [FlagFactory(suspicion=suspicion) for suspicion in (5.0, 4.0, 3.0)]

    html = page(as_lead, flags[1], "?reason=model+error")

    assert "2 of 3" in html
    assert f'href="/review/{flags[0].pk}/?reason=model+error" data-previous' in html
    assert f'href="/review/{flags[2].pk}/?reason=model+error" data-next' in html
    assert "data-previous" not in page(as_lead, flags[0])
    assert "data-next" not in page(as_lead, flags[2])


def test_a_label_outside_the_filter_has_no_place_in_it(as_lead, lead):
    flag = FlagFactory()
    hear(lead, flag)
    decide(lead, flag, verdict="keep")

    assert " of " not in page(as_lead, flag).split("<h1>")[0].split("Review queue")[-1]


def test_undoing_brings_the_label_back_to_be_decided_otherwise(as_lead, lead):
    flag = FlagFactory(annotation__level=2)
    hear(lead, flag)
    decision = decide(lead, flag, verdict="change", level=8)

    response = as_lead.post(f"/review/{flag.pk}/undo/?reason=drift", {"decision": decision.pk}, follow=True)

    html = response.content.decode()
    assert response.redirect_chain[-1][0] == f"/review/{flag.pk}/?reason=drift"
    assert "no longer changed to 8" in html
    assert "data-decision-form" in html
    assert list(Flag.objects.open()) == [flag]


def test_undoing_unheard_what_another_lead_has_set_does_not_say_the_level(as_lead):
    decision = DecisionFactory(verdict="change", level=8)

    response = as_lead.post(f"/review/{decision.flag_id}/undo/", {"decision": decision.pk}, follow=True)

    html = response.content.decode()
    assert "no longer changed" in html
    assert "changed to" not in html


def test_what_does_not_hold_any_more_is_not_undone_twice(as_lead, lead):
    flag = FlagFactory()
    hear(lead, flag)
    decision = decide(lead, flag, verdict="keep")
    url = f"/review/{flag.pk}/undo/"
    as_lead.post(url, {"decision": decision.pk})

    again = as_lead.post(url, {"decision": decision.pk})
    foreign = as_lead.post(url, {"decision": DecisionFactory().pk})
    nonsense = as_lead.post(url, {"decision": "x"})

    assert (again.status_code, foreign.status_code, nonsense.status_code) == (409, 422, 422)
    assert "does not hold any more" in again.content.decode()
    assert "no such decision" in foreign.content.decode()
    assert Decision.objects.filter(verdict="undo").count() == 1


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Choose one"),
        ({"level": 11}, "Choose a level from 1 to 10."),
        ({"level": "loud"}, "Choose a level from 1 to 10."),
        ({"verdict": "perhaps"}, "Choose one"),
        ({"verdict": "undo"}, "Choose one"),
        ({"verdict": "keep", "level": 5}, "Choose one"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused_and_the_note_stays(as_lead, lead, sent, words):
    flag = FlagFactory()
    hear(lead, flag)

    response = as_lead.post(f"/review/{flag.pk}/decision/", sent | {"note": "seven bars in"})

    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    assert 'value="seven bars in"' in html
    assert not Decision.objects.exists()


def test_a_second_decision_by_a_page_that_is_out_of_date_is_refused_and_the_note_stays(as_lead, lead):
    flag = FlagFactory()
    hear(lead, flag)
    DecisionFactory(flag=flag, decided_by=LeadFactory(username="lin"))

    response = as_lead.post(f"/review/{flag.pk}/decision/", {"verdict": "exclude", "note": "noise"})

    html = response.content.decode()
    assert response.status_code == 409
    assert "Meanwhile lin has decided" in html
    assert 'value="noise"' in html
    assert Decision.objects.count() == 1


def test_a_note_that_is_too_long_is_said_to_be(as_lead, lead):
    flag = FlagFactory()
    hear(lead, flag)

    response = as_lead.post(f"/review/{flag.pk}/decision/", {"verdict": "keep", "note": "n" * 501})

    assert response.status_code == 422
    assert "at most 500 characters" in response.content.decode()


@pytest.mark.parametrize("door", ["", "opinion/", "decision/", "undo/"])
def test_a_flag_that_a_training_has_withdrawn_leads_to_the_queue_with_words(as_lead, door):
    address = f"/review/404/{door}?reason=drift"

    response = as_lead.post(address, {"note": "a ballad"}, follow=True) if door else as_lead.get(address, follow=True)

    html = response.content.decode()
    assert response.redirect_chain[-1][0] == "/review/?reason=drift"
    assert "no longer doubted" in html
    assert ("Your note was: “a ballad”" in html) == bool(door)


def test_a_flag_withdrawn_while_its_page_is_open_takes_the_page_to_the_queue(as_lead):
    response = as_lead.post("/review/404/opinion/", {"level": 8}, headers={"HX-Request": "true"})

    assert response.headers["HX-Redirect"] == "/review/"


def test_the_swap_after_the_opinion_brings_only_what_is_swapped(as_lead):
    flag = FlagFactory()

    response = as_lead.post(
        f"/review/{flag.pk}/opinion/", {"level": 8, "submission_id": uuid4()}, headers={"HX-Request": "true"}
    )

    html = response.content.decode()
    assert "Why it was flagged" in html
    assert "<html" not in html
