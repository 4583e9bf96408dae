"""A ranking of what to label next: from rows of the database to places in an order, whatever the strategy."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import numpy as np
import pytest
from django.db import connections, transaction
from django.utils import timezone

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import NearTrack, RankedTrack, Reference, Track
from energyapp.jobs import services as jobs
from energyapp.jobs.claims import ClaimLost
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job
from modeling import services
from modeling.core.acquisition import STRATEGIES
from modeling.ranking import ranking_job
from modeling.ranking.candidates import NothingKnown
from modeling.ranking.models import Ranking
from modeling.ranking.nearness import MAX_NEAR
from modeling.ranking.services import request_ranking
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    AssignmentFactory,
    DecisionFactory,
    FlagFactory,
    ReferenceFactory,
    RulesFactory,
    TrackFactory,
)
from tests.modeling.training_library import add_features, train

pytestmark = pytest.mark.django_db


def everything(pool, n, seed):
    """The strategy that leaves nothing out: what it ranks is what any strategy may."""
    return np.flatnonzero(pool.is_open | pool.may_be_asked)


@pytest.fixture(autouse=True)
def _strategy_of_this_name(monkeypatch):
    monkeypatch.setitem(STRATEGIES, "everything", everything)


def uris(prefix="open", *, in_slice=False):
    return (uri for n in range(10_000) if in_evaluation_slice(uri := f"{prefix}:{n}") == in_slice)


def new_tracks(n, *, in_slice=False, prefix="open", **kwargs):
    """With features that differ from one to the next, and are the same each time."""
    found = []
    for at, uri in zip(range(n), uris(prefix, in_slice=in_slice), strict=False):
        found.append(TrackFactory(uri=uri, **kwargs))
        add_features(found[-1], 1 + at % 10, np.random.default_rng(at))
    return found


def rank(strategy="everything"):
    ranking = request_ranking(requested_by=None, strategy=strategy)
    ranking_job.rank(ranking.job_id)
    return Ranking.objects.select_related("job").get(pk=ranking.pk)


def ranked(order="everything"):
    return list(RankedTrack.objects.filter(order=order).order_by("position").values_list("track__uri", flat=True))


def excluded(track):
    DecisionFactory(flag=FlagFactory(annotation=AnnotationFactory(track=track)), verdict="exclude")


# ---- What may be ranked


def test_every_open_track_may_be_ranked_and_the_ranking_says_how_many(library):
    run, tracks = train(), new_tracks(7)

    ranking = rank()

    assert set(ranked()) == {track.uri for track in tracks}
    assert (ranking.run, ranking.n_open, ranking.n_ranked) == (run, 7, 7)
    assert (ranking.job.status, ranking.job.message) == (
        Job.Status.SUCCEEDED,
        "7 tracks ranked by everything, of 7 open ones.",
    )
    assert "It takes 100 labelled tracks" in ranking.found["more"]["sentence"]
    assert ranking.found["live"] is None


@pytest.mark.parametrize("strategy", [*STRATEGIES, "everything"])
@pytest.mark.parametrize("is_cold", [True, False])
def test_no_strategy_ranks_what_is_not_for_it_to_choose(library, strategy, is_cold):
    if not is_cold:
        train()
    good = new_tracks(6)
    new_tracks(5, in_slice=True)
    new_tracks(1, prefix="silent", audio_state=Track.AudioState.BAD, audio_problem="no sound in it")
    (example,), (gold,), (assigned,), (left_out,) = (
        new_tracks(1, prefix=name) for name in ("example", "gold", "assigned", "excluded")
    )
    ReferenceFactory(track=example)
    ReferenceFactory(track=gold, use=Reference.Use.GOLD)
    AssignmentFactory(track=assigned)
    excluded(left_out)

    rank(strategy)

    assert set(ranked(strategy)) == ({track.uri for track in good} if strategy != "random" else set())


def test_labelled_tracks_may_be_ranked_for_one_more_opinion_where_they_are_to_have_more(library):
    RulesFactory(labels_per_track=2)
    complete, gold, settled, left_out = Track.objects.filter(uri__in=list(library)).order_by("pk")[:4]
    AnnotationFactory(track=complete)
    ReferenceFactory(track=gold, use=Reference.Use.GOLD)
    DecisionFactory(flag=FlagFactory(annotation=settled.annotations.get()), verdict="change", level=8)
    DecisionFactory(flag=FlagFactory(annotation=left_out.annotations.get()), verdict="exclude")

    rank()

    not_asked = {track.uri for track in (complete, gold, settled, left_out)}
    assert set(ranked()) == {uri for uri in library if not in_evaluation_slice(uri)} - not_asked


@pytest.mark.parametrize("strategy", [*STRATEGIES, "everything"])
def test_no_strategy_looks_at_labels_of_the_evaluation_slice(library, strategy):
    train()
    new_tracks(30)
    rank(strategy)
    before = ranked(strategy)

    for track in Track.objects.filter(uri__in=[uri for uri in library if in_evaluation_slice(uri)]):
        AnnotationFactory(track=track, level=10)
        AnnotationFactory(track=track, level=10)
    rank(strategy)

    assert ranked(strategy) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_in_which_order_tracks_came_in_changes_nothing(strategy):
    def ranked_after(tracks):
        for number, at in tracks:
            (uri, *_) = (each for i, each in enumerate(uris()) if i == number)
            track = TrackFactory(uri=uri, artist=uri)
            add_features(track, 1 + at % 10, np.random.default_rng(at))
            if at % 2:
                AnnotationFactory(track=track, level=1 + at % 10)
        rank(strategy)
        found = ranked(strategy)
        transaction.set_rollback(True)
        return found

    numbered = [(n, n) for n in range(50)]
    with transaction.atomic():
        forwards = ranked_after(numbered)
    with transaction.atomic():
        backwards = ranked_after(numbered[::-1])

    assert forwards == backwards
    assert strategy == "random" or forwards


# ---- What there is to go by


def test_without_any_label_new_tracks_are_ranked_too(db):
    new_tracks(30)

    ranking = rank()

    assert (ranking.n_ranked, ranking.run) == (30, None)
    assert "Too few labels" in ranking.found["more"]["sentence"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_any_track_the_ranking_is_empty(db, strategy):
    assert rank(strategy).n_ranked == 0


def test_open_tracks_without_features_are_left_out_and_counted(library):
    new_tracks(2)
    TrackFactory(uri=next(uris("bare")))

    assert (
        rank().job.message
        == "2 tracks ranked by everything, of 2 open ones; 1 left out, as features of them are lacking."
    )


def test_where_no_open_track_has_features_it_says_so(library):
    TrackFactory(uri=next(uris("bare")))

    with pytest.raises(NothingKnown):
        rank()

    assert Job.objects.get(kind="rank").message.startswith(
        "Of none of the 1 tracks that could be chosen there are features"
    )


def test_where_everything_is_labelled_the_order_is_empty(library):
    assert rank().job.message == "0 tracks ranked by everything, of 0 open ones."


def test_chance_needs_no_places(library):
    new_tracks(3)

    ranking = rank("random")

    assert (ranking.n_open, ranking.n_ranked, ranked("random")) == (3, 0, [])
    assert ranking.job.message == "3 open tracks, which come at random."


# ---- Tracks that are alike


def test_of_a_ranked_track_the_new_ones_very_like_it_are_kept_and_no_labelled_one(library):
    original = new_tracks(6)[0]
    same, labelled = new_tracks(2, prefix="copy")
    for copy in (same, labelled):
        copy.feature_vectors.update(values=original.feature_vectors.get().values)
    AnnotationFactory(track=labelled)

    rank()

    near = set(NearTrack.objects.filter(order="everything").values_list("track", "near"))
    assert near == {(original.pk, same.pk), (same.pk, original.pk)}


def test_of_many_that_are_the_same_ten_are_kept_for_each(library):
    tracks = new_tracks(MAX_NEAR + 3)
    for track in tracks:
        track.feature_vectors.update(values=tracks[0].feature_vectors.get().values)

    rank()

    assert NearTrack.objects.count() == MAX_NEAR * len(tracks)


# ---- All or nothing


def meanwhile(monkeypatch, do):
    """The strategy chooses, and before anything is stored this happens."""

    def choose(pool, n, seed):
        do()
        return everything(pool, n, seed)

    monkeypatch.setitem(STRATEGIES, "everything", choose)


def test_a_track_that_is_labelled_while_the_job_runs_is_not_ranked(library, monkeypatch):
    first, second = new_tracks(2)
    meanwhile(monkeypatch, lambda: AnnotationFactory(track=first))

    ranking = rank()

    assert ranked() == [second.uri]
    assert (ranking.n_open, ranking.n_ranked) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_a_label_that_is_given_while_places_are_stored_takes_its_track_out_again(monkeypatch):
    (first, second), annotator = new_tracks(2), AnnotatorFactory()
    store = RankedTrack.objects.bulk_create

    def label():
        try:
            AnnotationFactory(track=first, annotator=annotator)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        labels = []

        def and_somebody_labels(*args, **kwargs):
            store(*args, **kwargs)
            labels.append(pool.submit(label))
            wait(labels, timeout=0.5)  # for the end of this transaction, if all goes well

        monkeypatch.setattr(RankedTrack.objects, "bulk_create", and_somebody_labels)
        rank()
        labels[0].result()

    assert ranked() == [second.uri]


def test_a_new_ranking_takes_the_place_of_the_old_one_of_its_name_alone(library):
    first, second = new_tracks(2)
    RankedTrack.objects.create(order="everything", position=7, track=first)
    NearTrack.objects.create(order="everything", track=first, near=second)
    RankedTrack.objects.create(order="by list", position=7, track=first)
    NearTrack.objects.create(order="by list", track=first, near=second)

    rank()

    assert RankedTrack.objects.filter(order="everything").count() == 2
    assert not NearTrack.objects.filter(order="everything").exists()
    assert ranked("by list") == [first.uri]
    assert NearTrack.objects.filter(order="by list").count() == 1


def test_one_that_is_called_off_leaves_the_order_as_it_was(library, monkeypatch):
    new_tracks(2)
    rank()
    before = list(RankedTrack.objects.values_list("pk", flat=True))
    meanwhile(monkeypatch, lambda: jobs.cancel(job=Job.objects.newest("rank"), by="Adam"))

    ranking = rank()

    assert (ranking.job.status, ranking.n_ranked) == (Job.Status.CANCELLED, None)
    assert list(RankedTrack.objects.values_list("pk", flat=True)) == before


def test_delivered_twice_it_is_done_once(library):
    new_tracks(2)
    ranking = rank()
    before = list(RankedTrack.objects.values_list("pk", flat=True))

    ranking_job.rank(ranking.job_id)

    assert list(RankedTrack.objects.values_list("pk", flat=True)) == before


def test_a_worker_that_was_given_up_for_dead_stores_nothing_and_the_next_does(library, monkeypatch):
    new_tracks(2)

    def given_up():
        Job.objects.filter(kind="rank").update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
        jobs.reap()

    with monkeypatch.context() as patch:
        meanwhile(patch, given_up)
        with pytest.raises(ClaimLost):
            rank()
    assert ranked() == []

    assert rank().n_ranked == 2
    assert Job.objects.get(kind="rank").attempt == 2


def test_one_that_is_stopped_halfway_through_storing_leaves_the_order_as_it_was(library, monkeypatch):
    tracks = new_tracks(2)
    RankedTrack.objects.create(order="everything", position=7, track=tracks[0])

    def stopped(*args, **kwargs):
        raise SystemExit("as when the worker is told to stop")

    monkeypatch.setattr(NearTrack.objects, "bulk_create", stopped)
    with pytest.raises(SystemExit):
        rank()

    assert list(RankedTrack.objects.values_list("position", flat=True)) == [7]
    assert Job.objects.get(kind="rank").status == Job.Status.QUEUED


def test_a_run_that_is_put_to_use_meanwhile_is_asked_once_more(library, monkeypatch, admin):
    train()
    new_tracks(2)
    second = train()
    meanwhile(monkeypatch, lambda: services.promote(run=second, promoted_by=admin))
    RulesFactory(order="everything")

    first = rank()

    again = Ranking.objects.newest("everything"), Ranking.objects.first()
    assert again[0] == first
    assert (again[1].strategy, again[1].job.status) == ("everything", Job.Status.QUEUED)
