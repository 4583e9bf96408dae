"""What becomes of a track when its features are computed; real workers do it in tests/services."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from annotations.models import Track
from modeling import pipeline
from modeling.core.decoding import AudioError
from tests.audio_files import track_with_audio
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db


def compute(track: Track) -> Track:
    pipeline.compute_features(track.pk)
    track.refresh_from_db()
    return track


def raising(error):
    def load(path):
        raise error

    return load


def test_a_bad_file_marks_its_own_track_with_the_reason(monkeypatch):
    monkeypatch.setattr(pipeline.decoding, "load", raising(AudioError("The file is silent.")))

    track = compute(track_with_audio(audio_state="waiting"))

    assert (track.audio_state, track.audio_problem) == ("bad", "The file is silent.")


def test_a_file_that_takes_too_long_is_marked_bad(monkeypatch):
    monkeypatch.setattr(pipeline.decoding, "load", raising(SoftTimeLimitExceeded()))

    assert compute(track_with_audio(audio_state="waiting")).audio_problem == "Reading it took too long and was stopped."


def test_a_storage_that_is_away_condemns_no_track():
    track = compute(TrackFactory(audio_state="waiting", audio="audio/on-another-disk.wav"))

    assert (track.audio_state, track.features_attempts) == ("waiting", 1)


def test_a_storage_that_stays_away_is_said_after_three_attempts():
    track = TrackFactory(audio_state="waiting", audio="audio/on-another-disk.wav")
    for _ in range(4):
        compute(track)

    assert track.audio_problem.startswith("It could not be read in 3 attempts")


def test_a_track_that_plays_stays_playable_when_a_further_feature_set_fails(monkeypatch):
    track = track_with_audio()
    monkeypatch.setattr(pipeline.decoding, "load", raising(SoftTimeLimitExceeded()))

    assert compute(track).audio_state == "ready"
