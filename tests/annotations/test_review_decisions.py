"""Flags, blind opinions, decisions about one and about many, undo: what they do to a track's level and to its flags."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from annotations.levels import levels_of
from annotations.models import Annotation, Decision, Flag, Track
from annotations.review import decisions
from annotations.review.flags import Accusation, raise_flags
from tests.factories import AnnotationFactory, DecisionFactory, FlagFactory, LeadFactory

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


def test_what_a_lead_has_set_aside_does_not_come_back_when_another_lead_keeps_the_label_too(lead):
    flag = FlagFactory(annotation__level=2)
    another = LeadFactory()
    hear(lead, flag, level=7)
    hear(another, flag, level=8)
    decide(lead, flag, verdict="keep")
    again = decide(another, flag, verdict="keep")

    assert list(Annotation.objects.counted()) == [flag.annotation]

    decisions.undo(reviewer=lead, decision=again)

    assert sorted(Annotation.objects.counted().values_list("level", flat=True)) == [2, 8]


def test_an_opinion_that_agrees_with_the_label_that_was_kept_counts(lead):
    flag = FlagFactory(annotation__level=4)
    opinion = hear(lead, flag, level=4)

    decide(lead, flag, verdict="keep")

    assert set(Annotation.objects.counted()) == {flag.annotation, opinion}


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


# ---- Undo


def undo(lead, decision, **kwargs):
    return decisions.undo(reviewer=lead, decision=decision, **kwargs)


@pytest.mark.parametrize(
    ("verdict", "level"),
    [("keep", None), ("change", 9), ("exclude", None), ("drop label", None), ("ask another", None)],
)
def test_after_an_undo_everything_is_as_if_it_had_not_been_decided(lead, verdict, level):
    flag = FlagFactory(annotation__level=2)
    AnnotationFactory(track=flag.annotation.track, level=3)
    hear(lead, flag)

    def state_of_affairs():
        return (
            list(Flag.objects.open()),
            list(Flag.objects.awaiting_second_opinion()),
            levels_of(Annotation.objects.counted()),
            set(Annotation.objects.for_training()),
            set(Track.objects.in_training()),
            set(Track.objects.awaiting_second_opinion()),
        )

    before = state_of_affairs()
    decision = decide(lead, flag, verdict=verdict, level=level)
    assert state_of_affairs() != before

    undone = undo(lead, decision, note="wrong button")

    assert state_of_affairs() == before
    assert (undone.verdict, undone.undoes, undone.note, undone.blind_level) == ("undo", decision, "wrong button", 8)
    assert list(Decision.objects.all()) == [undone, decision]


def test_undoing_brings_back_what_was_decided_before(lead):
    flag = FlagFactory(annotation__level=2)
    hear(lead, flag)
    decide(lead, flag, verdict="change", level=9)
    second = decide(lead, flag, verdict="keep")

    undo(lead, second)

    assert levels_of(Annotation.objects.counted()) == {flag.annotation.track_id: 9}
    assert not Flag.objects.open().exists()


def test_only_what_holds_can_be_undone(lead):
    flag = FlagFactory()
    hear(lead, flag)
    first = decide(lead, flag, verdict="exclude")
    second = decide(lead, flag, verdict="keep")
    undone = undo(lead, second)

    for gone in (second, undone):
        with pytest.raises(decisions.DecidedMeanwhile, match="does not hold any more"):
            undo(lead, gone)
    assert undo(lead, first).undoes == first


def test_what_was_overruled_cannot_be_undone(lead):
    flag = FlagFactory()
    hear(lead, flag)
    first = decide(lead, flag, verdict="exclude")
    decide(lead, flag, verdict="keep")

    with pytest.raises(decisions.DecidedMeanwhile):
        undo(lead, first)


def test_nobody_undoes_a_decision_about_their_own_label(lead):
    decision = DecisionFactory(flag__annotation__annotator=lead)

    with pytest.raises(decisions.OwnLabel):
        undo(lead, decision)


def test_another_lead_undoes_without_having_listened(lead):
    decision = DecisionFactory()

    assert undo(lead, decision).blind_level is None


# ---- What is kept of a decision


def test_a_decision_keeps_how_suspicious_the_label_was_and_what_it_did_to_the_level(lead):
    flag = FlagFactory(annotation__level=2, suspicion=3.0)
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.NEIGHBOURS, suspicion=4.5)
    hear(lead, flag, level=8)

    changed = decide(lead, flag, verdict="change", level=9)
    undone = undo(lead, changed)
    kept = decide(lead, flag, verdict="keep")

    def facts(decision):
        return decision.suspicion, decision.level_before, decision.level_after

    assert facts(Decision.objects.get(pk=changed.pk)) == (4.5, 5, 9)
    assert facts(Decision.objects.get(pk=undone.pk)) == (4.5, 9, 5)
    assert facts(Decision.objects.get(pk=kept.pk)) == (4.5, 5, 2)


def test_where_the_only_label_is_dropped_no_level_is_left(lead):
    flag = FlagFactory(annotation__level=2)
    AnnotationFactory(track=flag.annotation.track, annotator=lead, level=2)
    decide(lead, flag, verdict="drop label")
    theirs = FlagFactory(annotation=Annotation.objects.get(annotator=lead))
    other = LeadFactory()
    AnnotationFactory(track=flag.annotation.track, annotator=other, level=4)

    dropped = decide(other, theirs, verdict="drop label")

    assert (dropped.level_before, dropped.level_after) == (3, 4)
    assert [annotation.annotator for annotation in Annotation.objects.counted()] == [other]


# ---- Many at once


@pytest.mark.parametrize("verdict", ["keep", "ask another"])
def test_many_labels_are_decided_about_without_listening(lead, verdict):
    flags = FlagFactory.create_batch(3)

    outcome = decisions.decide_many(reviewer=lead, flags=[flag.pk for flag in flags], verdict=verdict)

    assert {(each.flag, each.verdict, each.blind_level) for each in outcome.decisions} == {
        (flag, verdict, None) for flag in flags
    }
    assert not Flag.objects.open().exists()
    assert not +outcome.left_out


def test_of_many_those_that_were_heard_say_what_was_heard(lead):
    flag = FlagFactory(annotation__level=4)
    hear(lead, flag, level=9)

    [decision] = decisions.decide_many(reviewer=lead, flags=[flag.pk], verdict="keep").decisions

    assert (decision.blind_level, decision.level_before, decision.level_after) == (9, 7, 4)


def test_what_was_kept_unheard_sets_nothing_aside_that_is_heard_later(lead):
    flag = FlagFactory(annotation__level=4)
    decisions.decide_many(reviewer=lead, flags=[flag.pk], verdict="keep")

    hear(lead, flag, level=9)

    assert levels_of(Annotation.objects.counted()) == {flag.annotation.track_id: 7}


def test_of_many_own_labels_and_those_decided_meanwhile_are_left_out_and_counted(lead):
    flag, own = FlagFactory(), FlagFactory(annotation__annotator=lead)
    decided = DecisionFactory().flag

    outcome = decisions.decide_many(reviewer=lead, flags=[flag.pk, own.pk, decided.pk, 999_999], verdict="keep")

    assert [each.flag for each in outcome.decisions] == [flag]
    assert +outcome.left_out == {"your own label": 1, "decided meanwhile": 2}


def test_two_flags_of_one_label_are_one_decision(lead):
    flag = FlagFactory()
    other = FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DRIFT)

    outcome = decisions.decide_many(reviewer=lead, flags=[flag.pk, other.pk], verdict="keep")

    assert [each.flag for each in outcome.decisions] == [flag]


@pytest.mark.parametrize("verdict", ["change", "exclude", "drop label", "undo", "perhaps"])
def test_what_makes_a_label_fall_is_not_said_of_many(lead, verdict):
    with pytest.raises(ValueError, match="keep, ask another"):
        decisions.decide_many(reviewer=lead, flags=[FlagFactory().pk], verdict=verdict)


# ---- Raised again


def kept_at(suspicion, reason=Flag.Reason.MODEL_ERROR):
    """A label that was doubted and kept."""
    flag = FlagFactory(suspicion=suspicion, reason=reason)
    DecisionFactory(flag=flag, verdict="keep", suspicion=suspicion)
    return flag


@pytest.mark.parametrize(("suspicion", "is_open"), [(3.5, False), (4.0, False), (4.1, True)])
def test_a_kept_label_is_raised_again_only_on_much_stronger_evidence(suspicion, is_open):
    flag = kept_at(3.0)

    n_open = raise_flags([accuse(flag.annotation, suspicion=suspicion)], source="run 2")

    assert n_open == is_open
    assert list(Flag.objects.open()) == [flag] * is_open
    flag.refresh_from_db()
    assert flag.source == ("run 2" if is_open else "run 1")


def test_a_second_reason_raises_a_kept_label_only_if_it_is_much_stronger_too():
    flag = kept_at(3.0)

    raise_flags([accuse(flag.annotation, Flag.Reason.DRIFT, suspicion=3.9)], source="run 2")
    assert list(Flag.objects.all()) == [flag]

    raise_flags([accuse(flag.annotation, Flag.Reason.DRIFT, suspicion=4.9)], source="run 3")
    assert [each.reason for each in Flag.objects.open()] == ["drift"]


def test_a_kept_label_that_was_raised_again_is_settled_again_once_the_evidence_is_gone():
    flag = kept_at(3.0)
    raise_flags([accuse(flag.annotation, suspicion=5.0)], source="run 2")

    assert raise_flags([], source="run 3") == 0

    assert list(Flag.objects.resolved()) == [flag]


@pytest.mark.parametrize(("verdict", "level"), [("change", 8), ("exclude", None), ("drop label", None)])
def test_a_label_that_fell_is_not_raised_again_however_suspicious(verdict, level):
    decision = DecisionFactory(verdict=verdict, level=level, suspicion=1.0)

    assert raise_flags([accuse(decision.flag.annotation, suspicion=9.0)], source="run 2") == 0

    assert Flag.objects.get().source == "run 1"


def test_what_was_undone_is_raised_and_withdrawn_as_if_it_had_not_been_decided(lead):
    flag = FlagFactory(suspicion=3.0)
    hear(lead, flag)
    undo(lead, decide(lead, flag, verdict="keep"))

    assert raise_flags([accuse(flag.annotation, suspicion=2.0)], source="run 2") == 1
    assert raise_flags([], source="run 3") == 0
    # It stays for its history, and comes back.
    assert list(Flag.objects.resolved()) == [flag]
    assert raise_flags([accuse(flag.annotation, suspicion=2.5)], source="run 4") == 1
    assert Flag.objects.open().get().suspicion == 2.5


def test_a_label_with_two_reasons_waits_once():
    annotation = AnnotationFactory()

    assert raise_flags([accuse(annotation), accuse(annotation, Flag.Reason.DRIFT)], source="run 1") == 1


def test_other_reasons_against_a_decided_label_stay_for_its_page(lead):
    flag = FlagFactory()
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DRIFT)
    hear(lead, flag)
    decide(lead, flag, verdict="change", level=8)

    raise_flags([], source="run 2")

    assert Flag.objects.count() == 2


# ---- What the database promises


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


# ---- By the page


def test_a_decision_before_the_opinion_says_what_to_do(as_lead):
    response = as_lead.post(f"/review/{FlagFactory().pk}/decision/", {"verdict": "keep"})

    assert response.status_code == 409
    assert "Say what you hear first" in response.content.decode()


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
