"""Computing features as a job: what a tick of beat makes of the tracks, and what stopping it does."""

import pytest

from annotations.models import Track
from energyapp.jobs import services, waves
from energyapp.jobs.models import Job
from modeling import feature_queue, tasks
from modeling.core.feature_sets import FeatureSet
from modeling.models import FeatureVector
from tests.factories import TrackFactory
from tests.processes import broker_at, free_port

pytestmark = pytest.mark.django_db

LEVEL = FeatureSet("level", 1, ("rms",), lambda waveform: waveform[:1])

SEND = feature_queue.send


@pytest.fixture(autouse=True)
def sent(monkeypatch) -> list[int]:
    """The ids that are handed to the broker; the only computable set is LEVEL."""
    ids: list[int] = []
    monkeypatch.setattr(feature_queue, "send", lambda track_ids: ids.extend(track_ids) or len(track_ids))
    monkeypatch.setattr(feature_queue, "computable_sets", lambda: [LEVEL])
    return ids


def waiting_tracks(n):
    return TrackFactory.create_batch(n, audio_state="waiting")


def end(track, state="ready"):
    """As a worker does."""
    problem = "silent" if state == "bad" else ""
    Track.objects.filter(pk=track.pk).update(audio_state=state, audio_problem=problem, features_queued_at=None)
    if state == "ready":
        FeatureVector.objects.get_or_create(track=track, feature_set=LEVEL.key, defaults={"values": b"\0" * 4})


def wave():
    return Job.objects.get(kind="features")


def test_a_library_in_which_nothing_is_lacking_has_no_job():
    end(TrackFactory())

    feature_queue.enqueue()

    assert not Job.objects.exists()


def test_a_wave_counts_what_waited_and_what_lacked_a_set_and_says_what_could_not_be_used():
    end(TrackFactory())  # done before, and no part of it
    first, second, third = waiting_tracks(3)
    lacking = TrackFactory()

    feature_queue.enqueue()
    assert (wave().status, wave().message, wave().progress) == ("running", "0 of 4 tracks", 0)

    end(first)
    end(second, "bad")
    feature_queue.enqueue()
    assert (wave().message, wave().progress) == ("2 of 4 tracks; 1 cannot be used", 0.5)

    end(third)
    end(lacking)
    feature_queue.enqueue()
    job = wave()
    assert (job.status, job.message, job.n_done, job.n_failed) == ("succeeded", "3 tracks done; 1 cannot be used", 3, 1)


def test_tracks_that_come_meanwhile_are_more_to_do_in_the_same_wave():
    waiting_tracks(2)
    feature_queue.enqueue()
    end(Track.objects.first())
    feature_queue.enqueue()
    assert wave().progress == 0.5

    waiting_tracks(2)
    feature_queue.enqueue()

    assert (wave().message, wave().progress) == ("1 of 4 tracks", 0.25)


def test_tracks_that_lack_a_set_that_comes_meanwhile_are_more_to_do(monkeypatch):
    waiting_tracks(2)
    feature_queue.enqueue()
    for track in Track.objects.all():
        end(track)
    further = FeatureSet("further", 1, ("rms",), LEVEL.compute)
    monkeypatch.setattr(feature_queue, "computable_sets", lambda: [LEVEL, further])

    feature_queue.enqueue()

    assert (wave().status, wave().message) == ("running", "2 of 4 tracks")


def test_stopped_it_hands_out_nothing_gives_back_what_was_handed_out_and_goes_on_with_that_at_once(sent, monkeypatch):
    computed = []
    monkeypatch.setattr(
        "modeling.feature_extraction.compute_features", lambda track_id, sets: computed.append(track_id)
    )
    first, second = waiting_tracks(2)
    feature_queue.enqueue()
    services.cancel(job=wave(), by="Lea")
    third = waiting_tracks(1)[0]

    assert feature_queue.enqueue() == 0
    for track_id in sent:
        tasks.compute_features(track_id)  # the messages that were sent come to a worker all the same
    assert (computed, wave().status) == ([], "cancelled")

    services.retry(job=wave(), by="Lea")
    sent.clear()
    assert feature_queue.enqueue() == 3
    assert sent == [first.pk, second.pk, third.pk]
    tasks.compute_features(first.pk)
    assert computed == [first.pk]


def test_tracks_that_the_broker_could_not_take_are_sent_with_the_next_tick(monkeypatch, sent):
    waiting_tracks(3)
    monkeypatch.setattr(feature_queue, "send", SEND)
    with broker_at(f"redis://127.0.0.1:{free_port()}/0"):
        assert feature_queue.enqueue() == 0
    assert not Track.objects.exclude(features_queued_at=None).exists()

    monkeypatch.setattr(feature_queue, "send", lambda track_ids: sent.extend(track_ids) or len(track_ids))
    assert feature_queue.enqueue() == len(sent) == 3


def test_a_tick_that_is_stopped_looks_at_no_track(django_assert_num_queries):
    waiting_tracks(1)
    feature_queue.enqueue()
    services.cancel(job=wave(), by="Lea")
    feature_queue.enqueue()

    with django_assert_num_queries(1):
        feature_queue.enqueue()


def test_ticks_of_a_library_at_rest_make_no_jobs(django_assert_max_num_queries):
    end(TrackFactory())
    feature_queue.enqueue()

    with django_assert_max_num_queries(3):
        feature_queue.enqueue()
    assert waves.all_stopped() == []
