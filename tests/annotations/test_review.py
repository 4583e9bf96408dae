"""Flags, blind opinions, decisions, and what they do to a track's level."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from annotations.levels import levels_of
from annotations.models import Annotation, Decision, Flag, Track
from annotations.review import decisions
from annotations.review.flags import Accusation, raise_flags
from tests.factories import AnnotationFactory, AnnotatorFactory, DecisionFactory, FlagFactory, LeadFactory

pytestmark = pytest.mark.django_db


def accuse(annotation, reason=Flag.Reason.MODEL_ERROR, suspicion=3.0):
    return Accusation(
        annotation_id=annotation.pk, reason=reason, expected_level=8.0, suspicion=suspicion, evidence={"score": 8.0}
    )


def decide(lead, flag, **kwargs):
    """As somebody who has seen every decision so far."""
    newest = Decision.objects.order_by("pk").last()
    return decisions.decide(reviewer=lead, flag=flag, seen_decision=newest and newest.pk, **kwargs)


def hear(lead, flag, level=8):
    return decisions.give_blind_opinion(reviewer=lead, track=flag.annotation.track, level=level, submission_id=uuid4())


def test_a_flag_waits_until_somebody_decides(lead):
    flag = FlagFactory()
    assert list(Flag.objects.open()) == [flag]

    hear(lead, flag)
    decide(lead, flag, verdict="keep")

    assert not Flag.objects.open().exists()
    assert list(Flag.objects.resolved()) == [flag]


def test_changing_sets_the_level_of_the_track_whatever_the_annotators_said(lead):
    flag = FlagFactory(annotation__level=2)
    AnnotationFactory(track=flag.annotation.track, level=2)
    hear(lead, flag, level=8)

    decide(lead, flag, verdict="change", level=8)

    assert levels_of(Annotation.objects.current()) == {flag.annotation.track_id: 8}


def test_without_a_decision_the_level_is_the_median_and_ties_go_up():
    track = AnnotationFactory(level=3).track
    AnnotationFactory(track=track, level=6)

    assert levels_of(Annotation.objects.current()) == {track.pk: 5}


def test_keeping_after_changing_the_same_flag_takes_the_change_back(lead):
    flag = FlagFactory(annotation__level=2)
    hear(lead, flag)
    decide(lead, flag, verdict="change", level=8)
    decide(lead, flag, verdict="keep")

    assert levels_of(Annotation.objects.counted()) == {flag.annotation.track_id: 2}


def test_keeping_a_label_sets_aside_what_the_lead_heard_instead(lead):
    flag = FlagFactory(annotation__level=4)
    hear(lead, flag, level=9)
    assert levels_of(Annotation.objects.counted()) == {flag.annotation.track_id: 7}

    decide(lead, flag, verdict="keep")

    assert levels_of(Annotation.objects.counted()) == {flag.annotation.track_id: 4}
    assert list(Annotation.objects.for_training()) == [flag.annotation]


def test_a_page_that_is_out_of_date_does_not_overturn_a_decision(lead):
    flag = FlagFactory()
    hear(lead, flag)
    decide(lead, flag, verdict="exclude")

    with pytest.raises(decisions.DecidedMeanwhile, match="Meanwhile lea has decided"):
        decisions.decide(reviewer=lead, flag=flag, verdict="keep", seen_decision=None)

    assert Decision.objects.get().verdict == "exclude"


def test_the_blind_opinion_is_one_more_label_of_the_track(lead):
    flag = FlagFactory(annotation__level=2)

    opinion = hear(lead, flag, level=8)

    assert opinion.source == Annotation.Source.REVIEW
    assert Annotation.objects.filter(track=flag.annotation.track).count() == 2


def test_the_first_blind_opinion_stands(lead):
    flag = FlagFactory()

    assert hear(lead, flag, level=8) == hear(lead, flag, level=3)


def test_a_decision_needs_the_blind_opinion_first(lead):
    with pytest.raises(decisions.NoBlindOpinion):
        decisions.decide(reviewer=lead, flag=FlagFactory(), verdict="keep")

    assert not Decision.objects.exists()


def test_nobody_decides_on_their_own_label(lead):
    flag = FlagFactory(annotation__annotator=lead)

    with pytest.raises(decisions.OwnLabel):
        decide(lead, flag, verdict="keep")
    assert not Flag.objects.reviewable_by(lead).exists()


def test_asking_another_hides_the_flag_until_the_answer_has_come(lead):
    flag = FlagFactory()
    hear(lead, flag)
    decide(lead, flag, verdict="ask another")
    assert list(Flag.objects.awaiting_second_opinion()) == [flag]
    assert not Flag.objects.open().exists()

    AnnotationFactory(track=flag.annotation.track)

    assert list(Flag.objects.open()) == [flag]
    assert not Flag.objects.awaiting_second_opinion().exists()


def test_an_excluded_track_leaves_training(lead):
    flag = FlagFactory()
    hear(lead, flag)

    decide(lead, flag, verdict="exclude")

    assert flag.annotation.track not in Track.objects.in_training()
    assert not Annotation.objects.for_training().exists()


def test_a_relabel_by_the_annotator_settles_the_flag():
    flag = FlagFactory()
    old = flag.annotation

    AnnotationFactory(track=old.track, annotator=old.annotator, supersedes=old)

    assert not Flag.objects.open().exists()


def test_one_decision_settles_all_flags_of_the_same_annotation(lead):
    flag = FlagFactory()
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DISAGREEMENT)
    hear(lead, flag)

    decide(lead, flag, verdict="keep")

    assert not Flag.objects.open().exists()


def test_changing_the_track_settles_flags_of_its_other_labels_but_keeping_does_not(lead):
    flag = FlagFactory()
    other = FlagFactory(annotation=AnnotationFactory(track=flag.annotation.track))
    hear(lead, flag)

    decide(lead, flag, verdict="keep")
    assert list(Flag.objects.open()) == [other]

    decide(lead, flag, verdict="change", level=8)
    assert not Flag.objects.open().exists()


def test_raising_again_replaces_undecided_flags_and_leaves_decided_ones():
    decided, undecided, new = AnnotationFactory(), AnnotationFactory(), AnnotationFactory()
    raise_flags([accuse(decided), accuse(undecided)], source="run 1")
    DecisionFactory(flag=Flag.objects.get(annotation=decided))

    n_open = raise_flags([accuse(decided, suspicion=9.0), accuse(new)], source="run 2")

    assert n_open == 1
    assert {flag.annotation: flag.source for flag in Flag.objects.all()} == {decided: "run 1", new: "run 2"}


def test_the_most_suspicious_comes_first():
    low, high = FlagFactory(suspicion=1.0), FlagFactory(suspicion=4.0)

    assert list(Flag.objects.open().for_queue()) == [high, low]


@pytest.mark.parametrize(
    "broken",
    [
        {"verdict": "change", "level": None},
        {"verdict": "keep", "level": 5},
        {"verdict": "change", "level": 11},
        {"verdict": "keep", "blind_level": 0},
        {"verdict": "perhaps"},
    ],
)
def test_the_database_refuses_decisions_that_make_no_sense(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        DecisionFactory(**broken)


@pytest.mark.parametrize("broken", [{"suspicion": -1.0}, {"reason": "a feeling"}])
def test_the_database_refuses_flags_that_make_no_sense(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        FlagFactory(**broken)


def test_the_database_refuses_the_same_accusation_twice():
    flag = FlagFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        FlagFactory(annotation=flag.annotation)


# ---- Pages


def test_the_page_shows_no_evidence_before_the_blind_opinion(as_lead):
    flag = FlagFactory(annotation__annotator=AnnotatorFactory(username="the-accused"))

    html = as_lead.get(f"/review/{flag.pk}/").content.decode()

    for evidence in ("the-accused", "7.8", "Why it was flagged", "Model belief"):
        assert evidence not in html


def test_the_evidence_follows_the_blind_opinion(as_lead):
    flag = FlagFactory(annotation__annotator=AnnotatorFactory(username="the-accused"))

    as_lead.post(f"/review/{flag.pk}/opinion/", {"level": 8, "submission_id": uuid4()})

    html = as_lead.get(f"/review/{flag.pk}/").content.decode()
    for evidence in ("the-accused", "7.8", "Why it was flagged", "Model belief", "Change to 8"):
        assert evidence in html


def test_deciding_leads_to_the_next_flag(as_lead, lead):
    first, second = FlagFactory(suspicion=4.0), FlagFactory(suspicion=2.0)
    hear(lead, first)

    response = as_lead.post(f"/review/{first.pk}/decision/", {"level": 8, "note": "a ballad"})

    assert response.url == f"/review/{second.pk}/"
    decision = Decision.objects.get()
    assert (decision.verdict, decision.level, decision.blind_level, decision.note) == ("change", 8, 8, "a ballad")


@pytest.mark.parametrize("nonsense", [{}, {"level": 11}, {"verdict": "keep", "level": 5}, {"verdict": "perhaps"}])
def test_a_decision_that_makes_no_sense_is_refused_with_a_reason(as_lead, lead, nonsense):
    flag = FlagFactory()
    hear(lead, flag)

    response = as_lead.post(f"/review/{flag.pk}/decision/", nonsense)

    assert response.status_code == 422
    assert "Choose" in response.content.decode()
    assert not Decision.objects.exists()


def test_a_decision_before_the_opinion_says_what_to_do(as_lead):
    response = as_lead.post(f"/review/{FlagFactory().pk}/decision/", {"verdict": "keep"})

    assert response.status_code == 409
    assert "Say what you hear first" in response.content.decode()


def test_the_queue_does_not_lead_a_reviewer_who_has_not_listened(as_lead, lead):
    accused = AnnotatorFactory(username="the-accused")
    flag = FlagFactory(annotation__annotator=accused, annotation__level=2, expected_level=8.4)

    before = as_lead.get("/review/").content.decode()
    hear(lead, flag)
    after = as_lead.get("/review/").content.decode()

    for evidence in ("the-accused", "level-2", "8.4"):
        assert evidence not in before
        assert evidence in after


def test_the_queue_filters_and_searches(as_lead):
    FlagFactory(annotation__track__title="Copper Wire")
    FlagFactory(annotation__track__title="Glass Harbour")
    DecisionFactory(flag__annotation__track__title="Low Tide")

    def titles(query):
        html = as_lead.get(f"/review/?{query}").content.decode()
        return [title for title in ("Copper Wire", "Glass Harbour", "Low Tide") if title in html]

    assert titles("") == ["Copper Wire", "Glass Harbour"]
    assert titles("q=copper") == ["Copper Wire"]
    assert titles("state=resolved") == ["Low Tide"]
    assert titles("state=nonsense&page=99") == ["Copper Wire", "Glass Harbour"]


def test_the_queue_takes_the_same_number_of_queries_for_any_number_of_flags(as_lead, django_assert_max_num_queries):
    FlagFactory.create_batch(20)

    with django_assert_max_num_queries(16):
        as_lead.get("/review/")


def test_a_settled_flag_says_so_and_can_be_decided_again(as_lead, lead):
    flag = FlagFactory()
    hear(lead, flag)
    url = f"/review/{flag.pk}/"
    as_lead.post(f"{url}decision/", {"verdict": "exclude"})

    html = as_lead.get(url).content.decode()
    assert "Decide again" in html
    assert "track excluded from training" in html
    assert "data-decision-form" not in html

    assert as_lead.post(f"{url}decision/", {"verdict": "keep"}).status_code == 409
    as_lead.post(f"{url}decision/", {"verdict": "keep", "seen_decision": Decision.objects.get().pk})
    assert [decision.verdict for decision in Decision.objects.all()] == ["keep", "exclude"]


def test_resolved_flags_say_what_was_decided_and_by_whom(as_lead):
    DecisionFactory(decided_by=LeadFactory(username="lin"), verdict="change", level=8)

    html = as_lead.get("/review/?state=resolved").content.decode()

    assert "changed to 8 by lin" in html


def test_another_leads_decision_is_in_the_history(as_lead, lead):
    decision = DecisionFactory(decided_by=LeadFactory(username="lin"), note="loud ending")
    hear(lead, decision.flag)

    html = as_lead.get(f"/review/{decision.flag.pk}/").content.decode()

    assert "lin" in html
    assert "loud ending" in html
