"""Two people who label, are asked again, change their minds, skip, leave and come back, in any order, beside a model in plain Python."""

import random
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from annotations import labelling
from annotations.guiding import guidance
from annotations.labelling import AGAIN
from annotations.models import (
    LIMITED_STREAMS,
    Annotation,
    Assignment,
    LabellingRules,
    Lease,
    NearTrack,
    RankedTrack,
    Skip,
    Stream,
    Track,
)
from tests.factories import AnnotatorFactory, LeadFactory, ReferenceFactory, TrackFactory, rank

N_TRACKS = 7
STRATEGY = "rare_levels"
people, tracks = st.integers(0, 1), st.integers(0, N_TRACKS - 1)
levels, numbers = st.integers(1, 10), st.integers(0, 2**32)
# The same steps each time, so that a change of ours and not chance makes it fail.
FIXED = settings(max_examples=30, stateful_step_count=30, deadline=None, derandomize=True, database=None)
HEARD = labelling.Listening(listened_s=4)


class Labelling(RuleBasedStateMachine):
    """The model: what each submission was answered by, whose newest level of a track is what, who has skipped or is to label it.

    Repeats need not wait: with 0 days, which no form takes, each label is old enough for one.
    """

    def __init__(self):
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    @initialize()
    def open_the_library(self):
        self.people = AnnotatorFactory.create_batch(2)
        self.tracks = [TrackFactory(queue_order=number * 2**28) for number in range(N_TRACKS)]
        ReferenceFactory(track=self.tracks[-1], use="gold")
        self.example = self.tracks[-2].pk
        ReferenceFactory(track=self.tracks[-2], use="example")
        self.lead = LeadFactory()
        self.stored: dict[UUID, int] = {}
        self.levels: dict[tuple[int, int], list[int]] = {}
        self.skipped: set[tuple[int, int]] = set()
        self.asked: set[tuple[int, int]] = set()
        self.sent: list[tuple] = []
        self.most_overlap = 1
        self.set_rules(overlap=1, shares=0)

    # ---- What people do

    @rule(person=people, n=st.integers(1, 2), seed=numbers)
    def claim(self, person, n, seed):
        before = {lease.track_id for lease in Lease.objects.filter(annotator=self.people[person])}
        leases = labelling.claim(annotator=self.people[person], rules=self.rules, n=n, dice=random.Random(seed))
        assert before <= {lease.track_id for lease in leases}
        new = [lease for lease in leases if lease.track_id not in before]
        for lease in new:
            about = (person, lease.track_id)
            assert (lease.stream == Stream.ASSIGNED) == (about in self.asked)
            assert lease.stream == Stream.ASSIGNED or about not in self.skipped
            assert lease.stream in AGAIN or about not in self.levels
            assert lease.stream != Stream.REPEAT or about in self.levels
            assert lease.stream not in LIMITED_STREAMS or self.n_people(lease.track_id) < self.overlap
        if any(lease.stream != Stream.ASSIGNED for lease in new):
            held = set(Lease.objects.values_list("track", flat=True)) | {self.example}
            assert not [track for of, track in self.asked if of == person and track not in held]

    @rule(person=people, track=tracks, level=levels, number=numbers)
    def label(self, person, track, level, number):
        """Of a track that they hold, or late, or of one that they never had."""
        self.send(labelling.annotate, person, self.tracks[track].pk, level, UUID(int=number), listening=HEARD)

    @precondition(lambda self: Lease.objects.exists())
    @rule(choice=numbers, level=levels, number=numbers)
    def label_what_is_held(self, choice, level, number):
        held = Lease.objects.order_by("pk")
        lease = held[choice % len(held)]
        submission_id = UUID(int=number + 2**40)
        self.send(
            labelling.annotate,
            self.people.index(lease.annotator),
            lease.track_id,
            level,
            submission_id,
            listening=HEARD,
        )

    @rule(person=people, track=tracks, level=levels, number=numbers)
    def relabel(self, person, track, level, number):
        self.send(labelling.relabel, person, self.tracks[track].pk, level, UUID(int=number + 2**50))

    @precondition(lambda self: self.sent)
    @rule(choice=numbers)
    def send_again(self, choice):
        """What was stored comes again, perhaps long after."""
        store, person, track, level, submission_id, more = self.sent[choice % len(self.sent)]
        again = store(annotator=self.people[person], track_id=track, level=level, submission_id=submission_id, **more)
        assert again.pk == self.stored[submission_id]

    @precondition(lambda self: self.sent)
    @rule(choice=numbers)
    def send_what_another_has_sent(self, choice):
        store, person, track, level, submission_id, more = self.sent[choice % len(self.sent)]
        other = self.people[1 - person]
        with pytest.raises(labelling.SubmissionTaken):
            store(annotator=other, track_id=track, level=level, submission_id=submission_id, **more)

    @rule(person=people, track=tracks)
    def skip(self, person, track):
        pk = self.tracks[track].pk
        is_held = Lease.objects.filter(annotator=self.people[person], track=pk).exists()
        if is_held or (person, pk) not in self.levels:
            self.skipped.add((person, pk))
            self.asked.discard((person, pk))
        labelling.skip(annotator=self.people[person], track_id=pk, reason="other")

    @rule(person=people)
    def keep(self, person):
        own = Lease.objects.filter(annotator=self.people[person])
        before = set(own.values_list("track", flat=True))
        assert set(labelling.keep(annotator=self.people[person])) == before
        assert not own.filter(expires_at__lte=timezone.now()).exists()

    @rule(person=people, track=tracks)
    def release(self, person, track):
        labelling.release(annotator=self.people[person], track_ids=[self.tracks[track].pk])

    # ---- What happens to them

    @rule(person=people, track=tracks)
    def assign(self, person, track):
        pk = self.tracks[track].pk
        guidance.assign(shares=[(self.people[person], [pk])], assigned_by=self.lead)
        self.asked.add((person, pk))

    @rule(person=people)
    def leases_run_out(self, person):
        Lease.objects.filter(annotator=self.people[person]).update(expires_at=timezone.now() - timedelta(seconds=1))

    @rule(ranked=st.permutations(range(N_TRACKS)), n=st.integers(0, N_TRACKS))
    def a_strategy_ranks(self, ranked, n):
        """Any tracks, also those that have labels or that nobody may be given; of the first all others are near."""
        RankedTrack.objects.all().delete()
        NearTrack.objects.all().delete()
        tracks = [self.tracks[number] for number in ranked[:n]]
        rank(STRATEGY, *tracks, near={tracks[0]: tracks[1:]} if tracks else {})

    @rule(overlap=st.integers(1, 2), shares=st.sampled_from([0, 25]), order=st.sampled_from(["random", STRATEGY]))
    def set_rules(self, overlap, shares, order="random"):
        self.overlap = overlap
        self.most_overlap = max(overlap, self.most_overlap)
        self.rules = LabellingRules.objects.create(
            labels_per_track=overlap, order=order, repeat_after_days=0, **dict.fromkeys(LabellingRules.SHARES, shares)
        )

    # ---- The model

    def send(self, store, person, track, level, submission_id, **more):
        about = {"annotator": self.people[person], "track_id": track, "submission_id": submission_id}
        n_before, was_held = Annotation.objects.count(), Lease.objects.filter(track=track).first()
        try:
            annotation = store(level=level, **about, **more)
        except labelling.Refused:
            assert Annotation.objects.count() == n_before
            if store is labelling.relabel:
                assert (person, track) not in self.levels
            else:
                assert was_held is None or was_held.annotator_id != self.people[person].pk or self.is_unwanted(was_held)
            return
        if annotation.submission_id != submission_id or submission_id in self.stored:
            assert Annotation.objects.count() == n_before  # the same level again, or sent before
            return
        assert was_held is None or was_held.annotator_id == self.people[person].pk or store is labelling.relabel
        self.stored[submission_id] = annotation.pk
        self.levels.setdefault((person, track), []).append(level)
        self.asked.discard((person, track))
        self.sent.append((store, person, track, level, submission_id, more))
        if store is labelling.annotate and was_held is None:
            self.skipped.discard((person, track))

    def is_unwanted(self, lease):
        return lease.stream in LIMITED_STREAMS and self.n_people(lease.track_id) >= self.overlap

    def n_people(self, track):
        return sum(of_track == track for _, of_track in self.levels)

    # ---- What is always so

    @invariant()
    def no_track_is_held_twice_and_nobody_holds_more_than_two(self):
        held = list(Lease.objects.values_list("annotator", "track"))
        assert len({track for _, track in held}) == len(held)
        assert all(sum(of == person.pk for of, _ in held) <= Lease.N_PLACES for person in self.people)

    @invariant()
    def a_track_has_no_more_labels_than_rules_have_allowed(self):
        limited = Annotation.objects.filter(supersedes=None, stream__in=LIMITED_STREAMS)
        for track in self.tracks:
            assert limited.filter(track=track).count() <= self.most_overlap

    @invariant()
    def every_label_is_stored_once_in_one_chain_a_person_and_track(self):
        said: dict[tuple[int, int], list[int]] = {}
        newest: dict[tuple[int, int], int] = {}
        index = {person.pk: number for number, person in enumerate(self.people)}
        for annotation in Annotation.objects.order_by("pk"):
            key = index[annotation.annotator_id], annotation.track_id
            assert annotation.supersedes_id == newest.get(key)
            newest[key] = annotation.pk
            said.setdefault(key, []).append(annotation.level)
        assert said == self.levels
        assert set(Annotation.objects.current().values_list("pk", flat=True)) == set(newest.values())

    @invariant()
    def tracks_know_how_many_have_labelled_them(self):
        for track, n in Track.objects.values_list("pk", "n_annotators"):
            assert n == self.n_people(track)

    @invariant()
    def nobody_holds_or_labels_an_example(self):
        assert not Lease.objects.filter(track=self.example).exists()
        assert not Annotation.objects.filter(track=self.example).exists()

    @invariant()
    def what_is_asked_of_people_is_open_until_they_answer(self):
        index = {person.pk: number for number, person in enumerate(self.people)}
        asked = Assignment.objects.open().values_list("annotator", "track")
        assert {(index[who], track) for who, track in asked} == self.asked

    @invariant()
    def skips_are_as_they_were_given(self):
        index = {person.pk: number for number, person in enumerate(self.people)}
        assert {(index[who], track) for who, track in Skip.objects.values_list("annotator", "track")} == self.skipped


@pytest.mark.django_db
def test_whatever_two_people_do_no_label_is_lost_or_stored_twice():
    # The model is the same on every database; a statement to Postgres takes three times as long.
    fewer = settings(FIXED, max_examples=10) if connection.vendor == "postgresql" else FIXED
    run_state_machine_as_test(Labelling, settings=fewer)
