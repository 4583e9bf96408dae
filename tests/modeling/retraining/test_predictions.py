"""Predictions of all tracks by the model in use: filled in a chunk at a time, by whoever holds the job."""

import shutil
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.utils import timezone

from annotations.models import Track
from energyapp.jobs import services as jobs
from energyapp.jobs.claims import ClaimLost
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job
from modeling import services
from modeling.models import FeatureVector, Prediction
from modeling.retraining import predictions, refreshing
from modeling.retraining.predictions import ModelGone, lacking
from tests.factories import AdminFactory, TrackFactory, TrainingRunFactory
from tests.modeling.training_library import SPOTIFY, add_features, train

pytestmark = pytest.mark.django_db


def new_tracks(n, rng=None):
    tracks = TrackFactory.create_batch(n)
    for track in tracks:
        add_features(track, 4, rng or np.random.default_rng(5))
    return tracks


def predicted(run):
    return run.predictions.filter(part=Prediction.Part.FINAL)


def refresh(run):
    job = refreshing.request(run=run, requested_by=None)
    predictions.refresh(job.pk)
    job.refresh_from_db()
    return job


def test_tracks_that_have_come_are_predicted_as_a_training_would(library, monkeypatch):
    run, tracks = train(), new_tracks(25)
    monkeypatch.setattr(predictions, "CHUNK_TRACKS", 10)

    job = refresh(run)

    assert (job.status, job.message) == (Job.Status.SUCCEEDED, f"25 tracks predicted by run {run.pk}.")
    assert predicted(run).count() == 85
    again = train()
    same = dict(predicted(run).values_list("track", "score"))
    assert same == pytest.approx(dict(predicted(again).values_list("track", "score")))
    row = predicted(run).get(track=tracks[0])
    assert row.lower <= row.score <= row.upper
    assert row.true_level is None


def test_columns_that_the_model_has_left_out_are_left_out_again(library):
    for vector in FeatureVector.objects.all():
        values = np.frombuffer(vector.values, "<f4").copy()
        values[3] = np.nan
        FeatureVector.objects.filter(pk=vector.pk).update(values=values.tobytes())
    run = train()
    assert any(SPOTIFY.columns[3] in note for note in run.metrics["notes"])
    (track,) = new_tracks(1)

    refresh(run)

    assert abs(predicted(run).get(track=track).score - 4) < 1.5


def test_what_cannot_be_predicted_is_counted_and_not_asked_for_again_and_again(library):
    run, (track, _) = train(), new_tracks(2)
    odd = np.full(len(SPOTIFY.columns), np.nan, "<f4")
    track.feature_vectors.update(values=odd.tobytes())
    TrackFactory().feature_vectors.create(feature_set=SPOTIFY.key, values=b"")

    assert refresh(run).message == f"1 track predicted by run {run.pk}; 1 not, for a feature of them is no number."

    assert lacking(run) == [track.pk]
    assert refreshing.request_if_lacking() is None


def test_an_empty_library_is_done_at_once(library):
    run = train()
    Prediction.objects.all().delete()
    FeatureVector.objects.all().delete()

    assert refresh(run).message.startswith("Nothing to do")


def test_who_takes_over_goes_on_where_the_dead_worker_was(library, monkeypatch):
    run = train()
    new_tracks(25)
    monkeypatch.setattr(predictions, "CHUNK_TRACKS", 10)
    job = refreshing.request(run=run, requested_by=None)
    store, stored = predictions.store, []

    def killed_in_the_second(rows):
        if stored:
            raise SystemExit("as when the worker is told to stop")
        stored.append(store(rows))
        return stored[0]

    with monkeypatch.context() as patch:
        patch.setattr(predictions, "store", killed_in_the_second)
        with pytest.raises(SystemExit):
            predictions.refresh(job.pk)
    assert predicted(run).count() == 70
    predictions.refresh(job.pk)

    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.SUCCEEDED, 2)
    assert job.message.startswith("15 tracks predicted")
    assert predicted(run).count() == 85


def test_what_the_command_line_has_predicted_meanwhile_is_not_predicted_twice(library, monkeypatch):
    run, tracks = train(), new_tracks(5)
    predict = predictions.StoredModel.predict

    def with_the_command_beside_it(self, track_ids):
        found = predict(self, track_ids)
        predictions.store_lacking(run, *predict(self, [track.pk for track in tracks[:2]]))
        return found

    monkeypatch.setattr(predictions.StoredModel, "predict", with_the_command_beside_it)
    job = refresh(run)

    assert (job.status, job.message) == (Job.Status.SUCCEEDED, f"3 tracks predicted by run {run.pk}.")
    assert predicted(run).count() == 65


def test_a_worker_that_was_given_up_for_dead_stores_nothing_more(library, monkeypatch):
    run = train()
    new_tracks(5)
    job = refreshing.request(run=run, requested_by=None)
    predict = predictions.StoredModel.predict

    def silent_meanwhile(self, track_ids):
        Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
        jobs.reap()
        return predict(self, track_ids)

    monkeypatch.setattr(predictions.StoredModel, "predict", silent_meanwhile)
    with pytest.raises(ClaimLost):
        predictions.refresh(job.pk)

    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED
    assert predicted(run).count() == 60


def test_it_stops_when_it_is_called_off_and_what_is_stored_stays(library, monkeypatch):
    run = train()
    new_tracks(20)
    monkeypatch.setattr(predictions, "CHUNK_TRACKS", 10)
    job = refreshing.request(run=run, requested_by=None)
    store = predictions.store

    def and_call_it_off(rows):
        n = store(rows)
        jobs.cancel(job=job, by="Adam")
        return n

    monkeypatch.setattr(predictions, "store", and_call_it_off)
    predictions.refresh(job.pk)

    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert predicted(run).count() == 70
    assert refreshing.request_if_lacking() is None, "what was called off is not begun again by itself"


def test_it_stops_when_another_run_is_put_to_use(library, monkeypatch):
    first, second = train(), train()
    new_tracks(20)
    monkeypatch.setattr(predictions, "CHUNK_TRACKS", 10)
    job = refreshing.request(run=first, requested_by=None)
    store = predictions.store

    def and_promote_the_other(rows):
        n = store(rows)
        services.promote(run=second, promoted_by=AdminFactory())
        return n

    monkeypatch.setattr(predictions, "store", and_promote_the_other)
    predictions.refresh(job.pk)

    job.refresh_from_db()
    assert "another run was put to use" in job.message
    assert (predicted(first).count(), predicted(second).count()) == (70, 60)


def test_a_model_whose_files_are_gone_or_whose_features_are_of_the_past_says_what_to_do(library):
    run = train()
    shutil.move(settings.RUNS_DIR / run.artifact / "model", settings.RUNS_DIR / run.artifact / "lost")
    with pytest.raises(ModelGone, match="backup, or train again"):
        refresh(run)

    old = TrainingRunFactory(feature_sets=["signal@1"])
    with pytest.raises(ModelGone, match=f"Run {old.pk} learnt from signal@1, which is not computed any more"):
        refresh(old)


# ---- Who asks


def test_promotion_and_going_back_ask_for_what_the_run_has_not_predicted(library, admin):
    first, second = train(), train()
    services.promote(run=second, promoted_by=admin)
    services.promote(run=first, promoted_by=admin)

    asked = Job.objects.filter(kind="predict").order_by("pk")

    assert [(job.key, job.requested_by) for job in asked] == [(str(second.pk), admin), (str(first.pk), admin)]


def test_the_clock_asks_once_for_what_has_come(library):
    assert refreshing.request_if_lacking() is None, "nothing is in use"
    run = train()
    first = refreshing.request_if_lacking()
    assert refreshing.request_if_lacking() is None, "it is under way"
    predictions.refresh(first.pk)
    assert refreshing.request_if_lacking() is None, "nothing has come"

    new_tracks(3)
    second = refreshing.request_if_lacking()
    predictions.refresh(second.pk)

    assert predicted(run).count() == 63
    assert Job.objects.filter(kind="predict").count() == 2


def test_while_many_tracks_wait_for_features_it_asks_every_ten_minutes_only(library):
    train()
    predictions.refresh(refreshing.request_if_lacking().pk)
    TrackFactory(audio_state=Track.AudioState.WAITING)
    new_tracks(1)

    assert refreshing.request_if_lacking() is None
    Job.objects.filter(kind="predict").update(created_at=timezone.now() - refreshing.PATIENCE)
    assert refreshing.request_if_lacking() is not None
