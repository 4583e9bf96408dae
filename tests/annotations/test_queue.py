"""Which track comes next: streams by their shares, and the order of new tracks."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotations import labelling, queue
from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import (
    Annotation,
    Decision,
    LabellingRules,
    NearTrack,
    RankedTrack,
    Reference,
    Skip,
    Stream,
    Track,
)
from tests.annotations.test_labelling import answer
from tests.factories import (
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

NO_SHARES = dict.fromkeys(LabellingRules.SHARES, 0)
LONG_AGO = timezone.now() - timedelta(days=30)


def rules_of(**rules):
    return RulesFactory.build(**{"labels_per_track": 1, **NO_SHARES, **rules})


def claim(annotator, n=1, seed=3, **rules):
    return labelling.claim(annotator=annotator, rules=rules_of(**rules), n=n, dice=random.Random(seed))


def track_for(annotator, **rules):
    """The track that they get, and why; they hold nothing afterwards."""
    leases = claim(annotator, **rules)
    labelling.release(annotator=annotator, track_ids=[lease.track_id for lease in leases])
    return (leases[0].track, leases[0].stream) if leases else None


# ---- What leads ask for


def test_an_assigned_track_comes_before_everything_else(annotator):
    DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER)
    TrackFactory()
    assignment = AssignmentFactory(annotator=annotator)

    assert track_for(annotator) == (assignment.track, Stream.ASSIGNED)
    assert track_for(AnnotatorFactory())[1] == Stream.ASKED


def test_a_track_that_was_sent_back_comes_again_and_is_answered_by_a_new_label(annotator):
    old = AnnotationFactory(annotator=annotator, level=3, created_at=LONG_AGO)
    AssignmentFactory(annotator=annotator, track=old.track)
    [lease] = claim(annotator)

    assert answer(lease, level=3).supersedes == old
    assert track_for(annotator) is None


def test_a_track_that_was_skipped_and_is_assigned_since_comes_again_until_it_is_skipped_again(annotator):
    skip = SkipFactory(annotator=annotator, created_at=LONG_AGO)
    AssignmentFactory(annotator=annotator, track=skip.track)

    [lease] = claim(annotator)
    assert (lease.track, lease.stream) == (skip.track, Stream.ASSIGNED)

    labelling.skip(annotator=annotator, track_id=lease.track_id, reason=Skip.Reason.BROKEN)
    assert track_for(annotator) is None


def test_an_answered_assignment_and_one_of_an_example_are_not_handed_out(annotator):
    assignment = AssignmentFactory(annotator=annotator, created_at=LONG_AGO)
    AnnotationFactory(annotator=annotator, track=assignment.track)
    AssignmentFactory(annotator=annotator, track=ReferenceFactory().track)

    assert track_for(annotator) is None


def test_whom_a_lead_asks_are_all_but_those_who_have_said_or_skipped_it(annotator):
    decision = DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER)
    track = decision.flag.annotation.track
    skip = SkipFactory(track=track)

    assert track_for(decision.flag.annotation.annotator) is None
    assert track_for(skip.annotator) is None
    assert track_for(annotator) == (track, Stream.ASKED)


@pytest.mark.parametrize("stream", ["asked", "assigned", "new", "second", "repeat", "evaluation", "by list"])
def test_an_example_is_never_handed_out(stream, annotator):
    in_slice = next(uri for uri in map(str, range(100)) if in_evaluation_slice(uri))
    example = ReferenceFactory(use=Reference.Use.EXAMPLE, track__uri=in_slice).track
    if stream == "asked":
        DecisionFactory(verdict=Decision.Verdict.ASK_ANOTHER, flag__annotation__track=example)
    if stream == "assigned":
        AssignmentFactory(annotator=annotator, track=example)
    if stream == "second":
        AnnotationFactory(track=example)
    if stream == "repeat":
        AnnotationFactory(annotator=annotator, track=example, created_at=LONG_AGO)
    if stream == "by list":
        rank(stream, example)
    shares = {f"{stream}_share": 100} if f"{stream}_share" in LabellingRules.SHARES else {}

    rules = {"order": stream if stream == "by list" else "random", "labels_per_track": 5, **shares}

    assert track_for(annotator, **rules) is None
    Reference.objects.all().delete()
    assert track_for(annotator, **rules)[0] == example


@pytest.mark.parametrize("stream", ["assigned", "second", "repeat", "gold"])
def test_what_a_lead_has_excluded_is_never_handed_out(annotator, stream):
    decision = DecisionFactory(verdict=Decision.Verdict.EXCLUDE)
    track = decision.flag.annotation.track
    if stream == "assigned":
        AssignmentFactory(annotator=annotator, track=track)
    if stream == "repeat":
        AnnotationFactory(annotator=annotator, track=track, created_at=LONG_AGO)
    if stream == "gold":
        ReferenceFactory(track=track, use=Reference.Use.GOLD)
    shares = {} if stream == "assigned" else {f"{stream}_share": 100}

    assert track_for(annotator, labels_per_track=5, **shares) is None


# ---- Second opinions


def test_second_opinions_go_to_others_and_those_that_lack_fewest_come_first(annotator):
    own = AnnotationFactory(annotator=annotator).track
    AnnotationFactory(track=own)
    one = AnnotationFactory().track
    two = AnnotationFactory().track
    AnnotationFactory(track=two)
    found = []

    for seed in range(4):
        for lease in claim(annotator, labels_per_track=3, second_share=100, seed=seed):
            found.append((lease.track, lease.stream))
            answer(lease, rules=rules_of(labels_per_track=3))

    assert found == [(two, Stream.SECOND), (one, Stream.SECOND)]


def test_fifty_labels_a_track_can_be_asked_for(annotator):
    track = AnnotationFactory().track

    assert track_for(annotator, labels_per_track=50, evaluation_share=100, order="by list") == (track, Stream.SECOND)


# ---- Own labels again


def test_only_own_labels_that_are_old_enough_come_again(annotator):
    AnnotationFactory(annotator=annotator)
    AnnotationFactory(created_at=LONG_AGO)
    relabelled = AnnotationFactory(annotator=annotator, created_at=LONG_AGO)
    AnnotationFactory(annotator=annotator, track=relabelled.track, supersedes=relabelled, source="relabel")
    old = AnnotationFactory(annotator=annotator, created_at=LONG_AGO)
    for use in Reference.Use:
        ReferenceFactory(track=AnnotationFactory(annotator=annotator, created_at=LONG_AGO).track, use=use)
    SkipFactory(annotator=annotator, track=AnnotationFactory(annotator=annotator, created_at=LONG_AGO).track)

    for seed in range(5):
        assert track_for(annotator, repeat_share=100, seed=seed) == (old.track, Stream.REPEAT)


def test_a_repeat_begins_anywhere_in_ones_history(annotator):
    annotator.date_joined = LONG_AGO
    annotator.save()
    for day in range(20):
        AnnotationFactory(annotator=annotator, created_at=LONG_AGO + timedelta(days=day))

    assert len({track_for(annotator, repeat_share=100, seed=seed) for seed in range(12)}) > 5


def test_a_repeat_supersedes_and_is_not_repeated_at_once(annotator):
    old = AnnotationFactory(annotator=annotator, level=3, created_at=LONG_AGO)
    [lease] = claim(annotator, repeat_share=100)

    again = answer(lease, level=5)

    assert (again.supersedes, again.stream) == (old, Stream.REPEAT)
    assert track_for(annotator, repeat_share=100) is None
    assert Track.objects.get(pk=old.track_id).n_annotators == 1


# ---- Gold and examples


def test_gold_is_handed_out_however_many_have_labelled_it_but_once_to_each(annotator):
    gold = ReferenceFactory(use=Reference.Use.GOLD).track
    AnnotationFactory(track=gold)
    [lease] = claim(annotator, gold_share=100)

    assert (lease.track, lease.stream) == (gold, Stream.GOLD)
    answer(lease)
    assert track_for(annotator, gold_share=100) is None


def test_references_are_neither_new_nor_second_opinions(annotator):
    for use in Reference.Use:
        ReferenceFactory(use=use)
        ReferenceFactory(use=use, track=AnnotationFactory().track)

    assert track_for(annotator, labels_per_track=3, second_share=100) is None
    assert track_for(annotator, evaluation_share=100) is None


# ---- Evaluation slice


def test_the_evaluation_stream_gives_tracks_of_the_slice_only(annotator):
    tracks = TrackFactory.create_batch(30)
    in_slice = {track for track in tracks if in_evaluation_slice(track.uri)}

    found = {track_for(annotator, evaluation_share=100, order="oldest", seed=seed) for seed in range(30)}

    assert 0 < len(in_slice) < 30
    assert found <= {(track, Stream.EVALUATION) for track in in_slice}


def test_the_database_knows_the_evaluation_slice_as_python_does():
    tracks = TrackFactory.create_batch(60)
    TrackFactory(uri="Grüße 🎵")

    of_database = {track.uri for track in Track.objects.in_evaluation_slice()}

    assert of_database == {track.uri for track in Track.objects.all() if in_evaluation_slice(track.uri)}
    assert 0 < len(of_database) < len(tracks)


def test_without_a_track_of_the_slice_others_are_handed_out(annotator):
    outside = next(uri for uri in map(str, range(100)) if not in_evaluation_slice(uri))
    track = TrackFactory(uri=outside)

    assert track_for(annotator, evaluation_share=100) == (track, Stream.NEW)


# ---- Orders of new tracks


def test_the_oldest_come_first_by_that_order(annotator):
    first, *_ = TrackFactory.create_batch(5)

    assert track_for(annotator, order="oldest") == (first, Stream.NEW)


def test_a_list_is_followed_and_then_chance(annotator):
    unlisted, late, early = TrackFactory.create_batch(3)
    rank("by list", early, late)
    rank("another", unlisted)

    found = []
    while leases := claim(annotator, order="by list"):
        found.append(leases[0].track)
        answer(leases[0])

    assert found == [early, late, unlisted]
    assert not RankedTrack.objects.filter(track__in=[early, late]).exists()


def test_an_order_that_is_not_known_any_more_is_chance(annotator):
    track = TrackFactory()

    assert track_for(annotator, order="by a model of last year") == (track, Stream.NEW)


def test_chance_gives_people_different_tracks():
    TrackFactory.create_batch(40)

    assert len({track_for(AnnotatorFactory(), seed=seed) for seed in range(10)}) > 5


# ---- Tracks that a strategy ranks

STRATEGY = "rare_levels"


def ranked_for(annotator, **rules):
    """As `track_for`, where the dice always fall for the strategy."""
    return track_for(annotator, **{"order": STRATEGY, "random_share": 0, **rules})


def test_a_ranking_is_followed_and_then_chance(annotator):
    unranked, late, early = TrackFactory.create_batch(3)
    rank(STRATEGY, early, late)
    rank("another", unranked)
    found = []

    while leases := claim(annotator, order=STRATEGY, random_share=0):
        found.append((leases[0].track, answer(leases[0]).stream))

    assert found == [(early, Stream.RANKED), (late, Stream.RANKED), (unranked, Stream.NEW)]


def test_a_share_of_the_new_tracks_stays_random_while_a_strategy_ranks_the_others(annotator):
    asking = queue.Asking.of(annotator, rules_of(order=STRATEGY, random_share=20), random.Random(11))

    drawn = [queue._drawn_order(asking) for _ in range(4000)]

    assert set(drawn) == {"random", STRATEGY}
    assert drawn.count("random") / 4000 == pytest.approx(0.2, abs=0.02)


def test_what_is_drawn_at_random_beside_a_strategy_is_any_new_track_and_says_so(annotator):
    tracks = TrackFactory.create_batch(20)
    rank(STRATEGY, *tracks)

    found = {track_for(annotator, order=STRATEGY, random_share=100, seed=seed) for seed in range(8)}

    assert {stream for _, stream in found} == {Stream.NEW}
    assert len(found) > 4


def test_only_a_strategy_shares_with_chance(annotator):
    first, *_ = TrackFactory.create_batch(9)

    assert {track_for(annotator, order="oldest", random_share=100, seed=seed)[0] for seed in range(9)} == {first}


def test_a_stream_that_has_nothing_gives_way_to_what_a_strategy_ranks(annotator):
    TrackFactory.create_batch(9)
    rank(STRATEGY, track := TrackFactory())

    assert ranked_for(annotator, repeat_share=100) == (track, Stream.RANKED)


@pytest.mark.parametrize("through", ["a label", "an import"])
def test_a_track_very_like_one_that_has_got_a_label_since_comes_last_and_the_ranking_is_not_written_to(
    annotator, through
):
    first, second, unranked = TrackFactory.create_batch(3)
    rank(STRATEGY, first, second, near={first: [unranked, second]})
    before = list(RankedTrack.objects.values_list("pk", "position"))
    assert ranked_for(annotator)[0] == first

    if through == "a label":
        AnnotationFactory(track=unranked)
    else:
        Annotation.objects.bulk_create(
            [AnnotationFactory.build(track=unranked, annotator=AnnotatorFactory(), source=Annotation.Source.IMPORT)]
        )

    assert ranked_for(annotator)[0] == second
    assert list(RankedTrack.objects.values_list("pk", "position")) == before
    assert NearTrack.objects.count() == 2
    AnnotationFactory(track=second)
    assert ranked_for(annotator) == (first, Stream.RANKED)


def test_what_is_near_by_another_ranking_changes_nothing(annotator):
    first, second = TrackFactory.create_batch(2)
    rank(STRATEGY, first, second)
    rank("another", first, near={first: [AnnotationFactory().track]})

    assert ranked_for(annotator)[0] == first


def test_another_opinion_is_ranked_among_new_tracks_and_never_asked_of_the_same_person(annotator):
    doubtful, new = AnnotationFactory(annotator=annotator).track, TrackFactory()
    skipped = SkipFactory(annotator=annotator, track=AnnotationFactory().track).track
    rank(STRATEGY, doubtful, skipped, new)

    assert ranked_for(annotator, labels_per_track=3) == (new, Stream.RANKED)
    assert ranked_for(AnnotatorFactory(), labels_per_track=3) == (doubtful, Stream.RANKED)


def test_another_opinion_takes_its_place_out_of_the_ranking(annotator):
    doubtful = AnnotationFactory().track
    rank(STRATEGY, doubtful)

    [lease] = claim(annotator, order=STRATEGY, random_share=0, labels_per_track=3)

    assert answer(lease, rules=rules_of(labels_per_track=3)).stream == Stream.RANKED
    assert not RankedTrack.objects.exists()


def test_a_strategy_never_asks_for_more_labels_than_a_track_is_to_have(annotator):
    complete = AnnotationFactory(track=AnnotationFactory().track).track
    rank(STRATEGY, complete)

    assert ranked_for(annotator, labels_per_track=2) is None
    assert ranked_for(annotator, labels_per_track=3)[0] == complete


def test_what_must_not_be_handed_out_is_not_whatever_a_strategy_says(annotator):
    excluded = DecisionFactory(verdict=Decision.Verdict.EXCLUDE).flag.annotation.track
    waiting = TrackFactory(audio_state=Track.AudioState.WAITING)
    references = [ReferenceFactory(use=use).track for use in Reference.Use]
    rank(STRATEGY, excluded, waiting, LeaseFactory().track, *references)

    assert ranked_for(annotator, labels_per_track=3) is None


def test_an_answer_that_comes_late_to_a_ranked_track_says_so(annotator):
    ranked, other = TrackFactory.create_batch(2)
    rank(STRATEGY, ranked)
    rules = rules_of(order=STRATEGY)

    assert answer(LeaseFactory.build(track=ranked, annotator=annotator), rules=rules).stream == Stream.RANKED
    assert answer(LeaseFactory.build(track=other, annotator=annotator), rules=rules).stream == Stream.NEW


def test_a_claim_by_a_strategy_takes_as_many_queries_as_by_chance(annotator, django_assert_num_queries):
    tracks = TrackFactory.create_batch(6)
    rank(STRATEGY, *tracks, near={track: [AnnotationFactory().track] for track in tracks[:3]})
    people = AnnotatorFactory.create_batch(2)
    with CaptureQueriesContext(connection) as by_chance:
        claim(people[0])

    with django_assert_num_queries(len(by_chance)):
        claim(people[1], order=STRATEGY, random_share=0)


# ---- Shares


def test_streams_come_by_their_shares(annotator):
    rules = rules_of(labels_per_track=2, second_share=20, repeat_share=10, gold_share=5, evaluation_share=15)
    asking = queue.Asking.of(annotator, rules, random.Random(7))

    drawn = [queue._drawn_stream(asking) for _ in range(4000)]

    shares = {stream: round(100 * drawn.count(stream) / len(drawn)) for stream in queue.STREAMS}
    expected = {Stream.NEW: 50, Stream.SECOND: 20, Stream.REPEAT: 10, Stream.GOLD: 5, Stream.EVALUATION: 15}
    assert shares == pytest.approx(expected, abs=2)


def test_without_overlap_the_share_of_second_opinions_is_for_new_tracks(annotator):
    asking = queue.Asking.of(annotator, rules_of(second_share=100), random.Random(7))

    assert queue._drawn_stream(asking) == Stream.NEW


@pytest.mark.parametrize("share", LabellingRules.SHARES)
def test_a_stream_that_has_nothing_gives_way_to_new_tracks(annotator, share):
    track = TrackFactory(uri="1")

    assert track_for(annotator, labels_per_track=2, **{share: 100})[0] == track


def test_skipped_tracks_and_those_that_cannot_be_played_or_are_held_are_never_handed_out(annotator):
    for track in (TrackFactory(), AnnotationFactory().track, ReferenceFactory(use=Reference.Use.GOLD).track):
        SkipFactory(annotator=annotator, track=track)
    TrackFactory(audio_state=Track.AudioState.WAITING)
    LeaseFactory()

    for share in LabellingRules.SHARES:
        assert track_for(annotator, labels_per_track=3, **{share: 100}) is None


def test_whoever_is_too_late_for_the_track_that_was_found_looks_again(annotator, monkeypatch):
    track = TrackFactory()
    look, found = queue._locked, []

    def too_late_at_first(*args):
        found.append(args)
        if len(found) < 3:
            raise queue.Taken
        return look(*args)

    monkeypatch.setattr(queue, "_locked", too_late_at_first)

    assert [lease.track for lease in claim(annotator)] == [track]
    assert len(found) == 3


def test_a_statement_is_put_together_once_for_everybody(annotator):
    TrackFactory.create_batch(3)
    queue._statement.cache_clear()

    for person in (annotator, AnnotatorFactory()):
        claim(person)

    assert (queue._statement.cache_info().misses, queue._statement.cache_info().hits) == (1, 1)
