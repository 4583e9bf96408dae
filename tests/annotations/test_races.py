"""Many people in the same moment: real threads with connections of their own, on SQLite and on Postgres alike."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from annotations import labelling
from annotations.intake.csv_import import import_tracks
from annotations.intake.csv_rows import RefusedRows
from annotations.models import Annotation, Decision, Flag, LabellingRules, Lease, Track, User
from annotations.review import decisions
from annotations.review.flags import Accusation, raise_flags
from energyapp.jobs.models import Job
from modeling import feature_queue
from modeling import services as modeling
from modeling.models import TrainingRun
from tests.annotations.test_labelling import HEARD, next_for
from tests.factories import (
    AdminFactory,
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    LeadFactory,
    LeaseFactory,
    RulesFactory,
    TrackFactory,
    rank,
)

pytestmark = pytest.mark.django_db(transaction=True)

Result = TypeVar("Result")


def at_once(calls: Iterable[Callable[[], Result]]) -> list[Result | Exception]:
    """What the calls return or raise, each in a thread with a connection of its own, all let go together."""
    waiting = list(calls)
    ready = threading.Barrier(len(waiting))

    def run(call: Callable[[], Result]) -> Result:
        try:
            connections["default"].ensure_connection()
            ready.wait(timeout=120)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(waiting)) as pool:
        futures = [pool.submit(run, call) for call in waiting]
    return [future.exception() or future.result() for future in futures]


def label_all_that_comes(annotator: User) -> list[int]:
    """The tracks that this annotator got, until there were none."""
    tracks = []
    while lease := next_for(annotator):
        tracks.append(lease.track_id)
        labelling.annotate(
            annotator=annotator, track_id=lease.track_id, level=5, submission_id=uuid4(), listening=HEARD
        )
    return tracks


# ---- Labelling


def test_sixteen_who_ask_at_once_get_sixteen_tracks():
    TrackFactory.create_batch(40)
    people = AnnotatorFactory.create_batch(16)

    leases = at_once(partial(next_for, person) for person in people)

    assert len({lease.track_id for lease in leases}) == 16
    assert {lease.annotator_id for lease in leases} == {person.pk for person in people}
    assert Lease.objects.count() == 16


def test_one_person_in_eight_tabs_gets_one_track(annotator):
    TrackFactory.create_batch(10)

    leases = at_once([partial(next_for, annotator)] * 8)

    assert len({lease.track_id for lease in leases}) == 1
    assert Lease.objects.count() == 1


def test_people_whose_leases_have_all_run_out_ask_at_once():
    gone = timezone.now() - timedelta(hours=1)
    people = [LeaseFactory(expires_at=gone).annotator for _ in range(12)]
    TrackFactory.create_batch(12)

    leases = at_once(partial(next_for, person) for person in people)

    assert len({lease.track_id for lease in leases}) == 12
    assert not Lease.objects.filter(expires_at__lt=timezone.now()).exists()


@pytest.mark.parametrize(("overlap", "n_tracks"), [(1, 200), (2, 100)])
def test_sixteen_who_label_until_nothing_is_left_label_every_track_as_often_as_it_is_to_be(overlap, n_tracks):
    tracks = TrackFactory.create_batch(n_tracks)
    people = AnnotatorFactory.create_batch(16)
    RulesFactory(labels_per_track=overlap)

    labelled = at_once(partial(label_all_that_comes, person) for person in people)
    # Some stop while others still hold what they could have had next.
    labelled += [label_all_that_comes(person) for person in people]

    said = [track for of_person in labelled for track in of_person]
    assert sorted(said) == sorted(track.pk for track in tracks for _ in range(overlap))
    assert Annotation.objects.count() == len(said) == len(set(Annotation.objects.values_list("annotator", "track")))
    assert set(Track.objects.values_list("n_annotators", flat=True)) == {overlap}
    assert not Lease.objects.exists()


@pytest.mark.parametrize("order", ["by list", "rare_levels"])
def test_sixteen_who_follow_one_order_get_sixteen_tracks_of_its_beginning(order):
    tracks = TrackFactory.create_batch(40)
    rank(order, *tracks)
    rules = RulesFactory.build(order=order, random_share=0, **dict.fromkeys(LabellingRules.SHARES, 0))

    leases = at_once(
        partial(labelling.claim, annotator=person, rules=rules) for person in AnnotatorFactory.create_batch(16)
    )

    assert {lease.track for [lease] in leases} == set(tracks[:16])


def test_a_late_answer_sent_eight_times_is_one_annotation(annotator):
    answer = partial(
        labelling.annotate,
        annotator=annotator,
        track_id=TrackFactory().pk,
        level=7,
        submission_id=uuid4(),
        listening=HEARD,
    )

    assert set(at_once([answer] * 8)) == {Annotation.objects.get()}


def test_a_late_answer_and_a_claim_of_the_same_track_do_not_both_count():
    for late, other in zip(AnnotatorFactory.create_batch(5), AnnotatorFactory.create_batch(5), strict=True):
        track = TrackFactory()

        outcomes = at_once(
            [
                partial(
                    labelling.annotate,
                    annotator=late,
                    track_id=track.pk,
                    level=7,
                    submission_id=uuid4(),
                    listening=HEARD,
                ),
                partial(next_for, other),
            ]
        )

        assert isinstance(outcomes[0], Annotation) == (outcomes[1] is None)
        assert isinstance(outcomes[0], labelling.NoLease) == isinstance(outcomes[1], Lease)
        Lease.objects.all().delete()
        Track.objects.update(audio_state=Track.AudioState.WAITING)  # the next two have a track of their own


def test_changes_of_mind_at_once_make_one_chain():
    root = AnnotationFactory(level=1)
    change = partial(labelling.relabel, annotator=root.annotator, track_id=root.track_id)

    at_once(partial(change, level=level, submission_id=uuid4()) for level in range(2, 10))

    assert Annotation.objects.count() == 9
    assert Annotation.objects.current().count() == 1


def test_a_lead_who_labels_and_reviews_the_same_track_at_once_has_one_label_of_it():
    lead = LeadFactory()
    for _ in range(5):
        lease = LeaseFactory(annotator=lead)
        about = {"track": lease.track, "level": 8, "submission_id": uuid4()}

        outcomes = at_once(
            [
                partial(decisions.give_blind_opinion, reviewer=lead, **about),
                partial(
                    labelling.annotate,
                    annotator=lead,
                    track_id=lease.track_id,
                    level=7,
                    submission_id=uuid4(),
                    listening=HEARD,
                ),
            ]
        )

        assert set(outcomes) == {Annotation.objects.get(track=lease.track)}


def test_one_submission_sent_eight_times_is_one_annotation():
    lease = LeaseFactory()
    answer = partial(
        labelling.annotate,
        annotator=lease.annotator,
        track_id=lease.track_id,
        level=7,
        submission_id=uuid4(),
        listening=HEARD,
    )

    annotations = at_once([answer] * 8)

    assert set(annotations) == {Annotation.objects.get()}


def test_eight_answers_about_one_held_track_are_one_annotation():
    lease = LeaseFactory()
    answers = [
        partial(
            labelling.annotate,
            annotator=lease.annotator,
            track_id=lease.track_id,
            level=level,
            submission_id=uuid4(),
            listening=HEARD,
        )
        for level in range(1, 9)
    ]

    outcomes = at_once(answers)

    assert [outcome for outcome in outcomes if isinstance(outcome, Annotation)] == [Annotation.objects.get()]
    assert sum(isinstance(outcome, labelling.NoLease) for outcome in outcomes) == 7


def test_an_answer_and_a_skip_of_the_same_track_do_not_both_count():
    for _ in range(5):
        lease = LeaseFactory()
        about = {"annotator": lease.annotator, "track_id": lease.track_id}

        outcomes = at_once(
            [
                partial(labelling.annotate, **about, level=7, submission_id=uuid4(), listening=HEARD),
                partial(labelling.skip, **about, reason="broken"),
            ]
        )

        n_answers = lease.track.annotations.count()
        assert n_answers + lease.track.skips.count() == 1
        assert isinstance(outcomes[0], Annotation if n_answers else labelling.NoLease)


# ---- Review


def test_of_two_leads_who_decide_at_once_both_are_heard_and_one_decides():
    flag = FlagFactory()
    leads = LeadFactory.create_batch(2)

    def review(reviewer: User, level: int) -> Decision:
        decisions.give_blind_opinion(reviewer=reviewer, track=flag.annotation.track, level=level, submission_id=uuid4())
        return decisions.decide(reviewer=reviewer, flag=flag, verdict=Decision.Verdict.CHANGE, level=level)

    outcomes = at_once([partial(review, leads[0], 8), partial(review, leads[1], 9)])

    assert flag.annotation.track.annotations.count() == 3
    decision = Decision.objects.get()
    assert Decision.objects.levels_of_tracks() == {flag.annotation.track_id: decision.level}
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DecidedMeanwhile", "Decision"]


def test_a_blind_opinion_sent_eight_times_is_one_label():
    flag, lead = FlagFactory(), LeadFactory()
    opinion = partial(
        decisions.give_blind_opinion,
        reviewer=lead,
        track=flag.annotation.track,
        level=8,
        submission_id=uuid4(),
    )

    assert len(set(at_once([opinion] * 8))) == 1
    assert Annotation.objects.filter(annotator=lead).count() == 1


def test_a_flag_that_is_raised_again_keeps_its_address():
    flag = FlagFactory(suspicion=3)
    again = Accusation(flag.annotation_id, Flag.Reason.MODEL_ERROR, 8.5, 4.0, {"bias": 0.1})

    raise_flags([again], source="run 2")

    kept = Flag.objects.get()
    assert (kept.pk, kept.suspicion, kept.source, kept.evidence) == (flag.pk, 4.0, "run 2", {"bias": 0.1})


def test_a_decision_on_a_flag_that_was_just_withdrawn_says_so():
    flag, lead = FlagFactory(), LeadFactory()
    raise_flags([], source="run 2")

    with pytest.raises(decisions.FlagGone, match="no longer doubts"):
        decisions.decide(reviewer=lead, flag=flag, verdict=Decision.Verdict.KEEP)


def test_decisions_made_while_a_training_raises_its_flags_are_never_lost():
    lead = LeadFactory()
    flags = [FlagFactory() for _ in range(12)]
    for flag in flags:
        AnnotationFactory(annotator=lead, track=flag.annotation.track, level=8)

    def decide_on_all() -> int:
        n_decided = 0
        for flag in flags:
            try:
                decisions.decide(reviewer=lead, flag=flag, verdict=Decision.Verdict.KEEP)
            except decisions.FlagGone:
                continue
            n_decided += 1
        return n_decided

    n_decided, n_open = at_once([decide_on_all, partial(raise_flags, [], source="run 2")])

    assert n_open == 0
    assert Decision.objects.count() == n_decided == Flag.objects.count()


def test_of_an_undo_and_another_decision_at_once_one_holds_and_the_other_is_told():
    one, other = LeadFactory.create_batch(2)
    for _ in range(5):
        flag = FlagFactory()
        for lead in (one, other):
            AnnotationFactory(annotator=lead, track=flag.annotation.track, level=8)
        first = decisions.decide(reviewer=one, flag=flag, verdict=Decision.Verdict.EXCLUDE)

        outcomes = at_once(
            [
                partial(decisions.undo, reviewer=one, decision=first),
                partial(
                    decisions.decide,
                    reviewer=other,
                    flag=flag,
                    verdict=Decision.Verdict.KEEP,
                    seen_decision=first.pk,
                ),
            ]
        )

        assert [type(outcome) for outcome in outcomes].count(decisions.DecidedMeanwhile) == 1
        assert Decision.objects.filter(flag=flag).count() == 2
        flag.refresh_from_db()
        assert flag.standing == (None if isinstance(outcomes[0], Decision) else outcomes[1])


def test_one_decision_undone_by_eight_at_once_is_undone_once():
    decision = DecisionFactory()

    outcomes = at_once(
        partial(decisions.undo, reviewer=lead, decision=decision) for lead in LeadFactory.create_batch(8)
    )

    assert sum(isinstance(outcome, Decision) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, decisions.DecidedMeanwhile) for outcome in outcomes) == 7


def test_two_leads_who_keep_the_same_labels_at_once_keep_each_once():
    flags = [FlagFactory().pk for _ in range(20)]
    keep = partial(decisions.decide_many, verdict=Decision.Verdict.KEEP)

    outcomes = at_once(
        partial(keep, reviewer=lead, flags=ticked)
        for lead, ticked in zip(LeadFactory.create_batch(2), (flags, flags[::-1]), strict=True)
    )

    assert sum(len(outcome.decisions) for outcome in outcomes) == Decision.objects.count() == 20
    assert sum(outcome.left_out["decided meanwhile"] for outcome in outcomes) == 20


def test_labels_kept_while_a_training_raises_its_flags_are_never_lost():
    for source in ("run 2", "run 3", "run 4"):
        flags = FlagFactory.create_batch(20)
        again = [
            Accusation(flag.annotation_id, Flag.Reason.MODEL_ERROR, expected_level=8, suspicion=3, evidence={})
            for flag in reversed(flags)
        ]

        outcome, _ = at_once(
            [
                partial(
                    decisions.decide_many,
                    reviewer=LeadFactory(),
                    flags=[flag.pk for flag in flags],
                    verdict=Decision.Verdict.KEEP,
                ),
                partial(raise_flags, again[::2], source=source),
            ]
        )

        n_kept = len(outcome.decisions)
        assert n_kept + outcome.left_out["decided meanwhile"] == 20
        assert n_kept >= 10
        assert not Flag.objects.open().exists()
        assert Flag.objects.resolved().filter(pk__in=[flag.pk for flag in flags]).count() == n_kept


# ---- Training and imports


def test_train_pressed_by_eight_at_once_is_one_job_and_one_run():
    admins = AdminFactory.create_batch(8)

    jobs = at_once(partial(modeling.request_training, requested_by=admin) for admin in admins)

    assert set(jobs) == {Job.objects.get()}
    assert TrainingRun.objects.get().job == jobs[0]


def test_eight_schedulers_at_once_send_each_track_to_a_worker_once(monkeypatch):
    tracks = TrackFactory.create_batch(40, audio_state=Track.AudioState.WAITING)
    sent: list[int] = []
    monkeypatch.setattr(feature_queue, "send", lambda track_ids: sent.extend(track_ids))

    at_once([feature_queue.enqueue] * 8)

    assert sorted(sent) == [track.pk for track in tracks]


def test_the_same_file_imported_twice_at_once_is_there_once(tmp_path):
    file = tmp_path / "labels.csv"
    rows = [f"{1 + number % 10},t:{number},,anna,techno\n" for number in range(60)]
    file.write_text("energy,track_uri,track_preview_url,annotator_id,genres\n" + "".join(rows))

    outcomes = at_once(
        partial(import_tracks, file, audio_dir=None, refused=RefusedRows(tmp_path / f"{number}.csv"))
        for number in range(2)
    )

    assert sum(counts.new_annotations for counts in outcomes) == 60
    assert sum(counts.new_tracks for counts in outcomes) == 60
    assert Track.objects.count() == Annotation.objects.count() == 60
