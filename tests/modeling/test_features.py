"""What becomes of a track when its features are computed, and which tracks are sent; real workers: tests/services."""

from datetime import timedelta
from importlib import import_module

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps
from django.utils import timezone

from annotations.models import Track
from modeling import feature_extraction, feature_queue
from modeling.core.decoding import AudioError, Recording
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.models import FeatureVector
from tests.audio_files import track_with_audio
from tests.audio_signals import everything, tone
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db


def rms(waveform):
    return np.array([np.sqrt(np.mean(waveform**2))], np.float32)


def not_a_number(waveform):
    return np.array([np.nan], np.float32)


def a_set(name="level", version=1, compute=rms) -> FeatureSet:
    return FeatureSet(name, version, ("rms",), compute)


LEVEL = a_set()


def compute(track: Track, *feature_sets: FeatureSet) -> Track:
    feature_extraction.compute_features(track.pk, feature_sets or (LEVEL,))
    track.refresh_from_db()
    return track


def keys_of(track: Track) -> list[str]:
    return sorted(track.feature_vectors.values_list("feature_set", flat=True))


@pytest.fixture
def decoding(monkeypatch):
    """A function that says what decoding gives from now on: a recording, or an error."""

    def gives(outcome):
        def load(path):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(feature_extraction.decoding, "load", load)

    return gives


# ---- Bad files


def test_a_bad_file_marks_its_own_track_with_the_reason(decoding):
    decoding(AudioError("The file is silent."))

    track = compute(track_with_audio(audio_state="waiting"))

    assert (track.audio_state, track.audio_problem) == ("bad", "The file is silent.")


def test_a_file_that_takes_too_long_is_marked_bad(decoding):
    decoding(SoftTimeLimitExceeded())

    assert compute(track_with_audio(audio_state="waiting")).audio_problem == "Reading it took too long and was stopped."


def damaged_for_lack_of_memory() -> AudioError:
    problem = AudioError("The ogg file is damaged (Cannot allocate memory)")
    problem.__cause__ = MemoryError()
    return problem


@pytest.mark.parametrize("problem", [MemoryError(), damaged_for_lack_of_memory()], ids=["numpy", "FFmpeg"])
def test_a_file_that_needs_too_much_memory_is_marked_bad(decoding, problem):
    decoding(problem)

    assert compute(track_with_audio(audio_state="waiting")).audio_problem == (
        "It needs more memory than a worker may use."
    )


def test_a_storage_that_is_away_condemns_no_track():
    track = compute(TrackFactory(audio_state="waiting", audio="audio/on-another-disk.wav"))

    assert (track.audio_state, track.features_attempts) == ("waiting", 1)


def test_a_storage_that_stays_away_is_said_after_three_attempts():
    track = TrackFactory(audio_state="waiting", audio="audio/on-another-disk.wav")
    for _ in range(4):
        compute(track)

    assert track.audio_problem.startswith("It could not be read in 3 attempts")


def test_what_could_not_be_read_of_a_track_that_can_be_used_is_said(decoding):
    decoding(Recording(np.full(80_000, 0.1, np.float32), damage="3 of 90 packets could not be decoded"))

    track = compute(track_with_audio(audio_state="waiting"))

    assert (track.audio_state, track.audio_damage) == ("ready", "3 of 90 packets could not be decoded")
    assert track.duration_s == 5


# ---- How loud it is


# BS.1770-4: a sine of 997 Hz at full scale in one channel is -3.01 LUFS. Half of full scale is 6.02 dB less.
@pytest.mark.parametrize(("amplitude", "expected_lufs"), [(0.5, -9.03), (0.05, -29.03)])
def test_a_track_knows_how_loud_it_is(decoding, amplitude, expected_lufs):
    decoding(Recording(tone(997, amplitude), damage=""))

    track = compute(track_with_audio(audio_state="waiting"))

    assert track.loudness_lufs == pytest.approx(expected_lufs, abs=0.1)


def test_the_loudness_of_a_long_track_is_that_of_its_loudest_30_s(decoding):
    decoding(Recording(np.concatenate([tone(997, 0.05, seconds=60), tone(997, 0.5, seconds=30)]), damage=""))

    assert compute(track_with_audio(audio_state="waiting")).loudness_lufs == pytest.approx(-9.03, abs=0.1)


def test_a_track_that_is_too_quiet_to_count_has_no_loudness(decoding):
    decoding(Recording(tone(997, 0.0001), damage=""))

    track = compute(track_with_audio(audio_state="waiting"))

    assert (track.audio_state, track.loudness_lufs) == ("ready", None)


def test_the_loudness_is_that_of_the_signal_features(decoding):
    decoding(Recording(everything(), damage=""))

    track = compute(track_with_audio(audio_state="waiting"), FEATURE_SETS["signal"])

    stored = np.frombuffer(track.feature_vectors.get().values, "<f4")
    assert track.loudness_lufs == pytest.approx(stored[FEATURE_SETS["signal"].columns.index("loudness_lufs")])


# ---- How loud tracks are that were known before


MIGRATION = import_module("modeling.migrations.0005_tracks_that_have_features_know_how_loud_they_are")


def fill_in():
    MIGRATION.fill_in(apps, None)


def test_the_migration_reads_the_column_that_holds_the_loudness():
    signal = FEATURE_SETS["signal"]

    if signal.key == MIGRATION.FEATURE_SET:  # a later version may order its columns as it likes
        assert signal.columns[MIGRATION.INDEX] == "loudness_lufs"
    assert MIGRATION.INAUDIBLE_LUFS == feature_extraction.INAUDIBLE_LUFS


def test_tracks_that_have_features_learn_how_loud_they_are_without_being_read(decoding, monkeypatch):
    monkeypatch.setattr(MIGRATION, "BATCH_SIZE", 2)
    decoding(Recording(tone(997, 0.5), damage=""))
    tracks = [compute(track_with_audio(audio_state="waiting"), FEATURE_SETS["signal"]) for _ in range(3)]
    Track.objects.update(loudness_lufs=None)
    decoding(AssertionError("It was read."))

    fill_in()

    found = Track.objects.filter(pk__in=[track.pk for track in tracks]).values_list("loudness_lufs", flat=True)
    assert list(found) == pytest.approx([-9.03] * 3, abs=0.1)


@pytest.mark.parametrize("values", [b"", np.full(175, -90, "<f4").tobytes(), np.full(175, np.nan, "<f4").tobytes()])
def test_what_features_cannot_say_stays_unknown(values):
    track = TrackFactory()
    FeatureVector.objects.create(track=track, feature_set="signal@2", values=values)

    fill_in()

    track.refresh_from_db()
    assert track.loudness_lufs is None


def test_a_loudness_that_is_known_is_kept():
    track = TrackFactory(loudness_lufs=-14.0)
    FeatureVector.objects.create(track=track, feature_set="signal@2", values=np.full(175, -20, "<f4").tobytes())

    fill_in()

    track.refresh_from_db()
    assert track.loudness_lufs == -14.0


# ---- Sets that fail


@pytest.mark.parametrize("broken", [not_a_number, lambda waveform: 1 / 0], ids=["gives NaN", "raises"])
def test_a_set_that_cannot_be_computed_of_a_track_costs_that_set_alone_and_is_not_tried_again(broken):
    broken = a_set("broken", compute=broken)

    track = compute(track_with_audio(audio_state="waiting"), broken, LEVEL)

    assert track.audio_state == "ready"
    assert {vector.feature_set: len(vector.values) for vector in track.feature_vectors.all()} == {
        "broken@1": 0,
        "level@1": 4,
    }
    assert not feature_queue.lacking([broken, LEVEL])


def test_a_track_that_plays_stays_playable_when_it_cannot_be_read_again(decoding):
    track = track_with_audio()
    decoding(SoftTimeLimitExceeded())

    assert compute(track).audio_state == "ready"
    assert not feature_queue.lacking([LEVEL])


def test_a_track_that_plays_is_tried_three_times_and_again_when_the_version_is_new():
    track = TrackFactory(audio="audio/on-another-disk.wav")
    for _ in range(3):
        compute(track)
        assert feature_queue.lacking([LEVEL])

    compute(track)

    assert (track.audio_state, track.features_attempts) == ("ready", 0)
    assert not feature_queue.lacking([LEVEL])
    assert feature_queue.lacking([a_set(version=2)])


def test_what_failed_is_tried_again_when_somebody_asks(decoding):
    bad = track_with_audio(audio_state="bad", audio_problem="silent", features_attempts=3)
    playable = track_with_audio()
    FeatureVector.objects.create(track=playable, feature_set=LEVEL.key, values=b"")

    feature_queue.forget_failures([LEVEL])

    assert [compute(bad).audio_state, compute(playable).audio_state] == ["ready", "ready"]
    assert FeatureVector.objects.exclude(values=b"").count() == 2


# ---- Only what is missing


def test_a_new_version_replaces_the_old_one_and_leaves_other_sets_alone():
    track = compute(track_with_audio(audio_state="waiting"), LEVEL, a_set("other"), a_set("level_of_another"))
    kept = list(track.feature_vectors.exclude(feature_set=LEVEL.key).values_list("pk", "feature_set"))

    compute(track, a_set(version=2), a_set("other"), a_set("level_of_another"))

    assert keys_of(track) == ["level@2", "level_of_another@1", "other@1"]
    assert list(track.feature_vectors.exclude(feature_set="level@2").values_list("pk", "feature_set")) == kept


def test_a_track_that_lacks_nothing_is_not_read(decoding):
    track = compute(track_with_audio())
    decoding(AssertionError("It was read."))

    assert compute(track).features_attempts == 0


def test_features_that_were_imported_are_kept():
    track = track_with_audio(audio_state="waiting")
    imported = FeatureVector.objects.create(track=track, feature_set=LEVEL.key, values=b"imported")

    compute(track)

    assert FeatureVector.objects.get() == imported
    assert bytes(FeatureVector.objects.get().values) == b"imported"


# ---- Which tracks are sent


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """The ids that are handed to the broker; the only computable set is LEVEL."""
    ids: list[int] = []
    monkeypatch.setattr(feature_queue, "send", lambda track_ids: ids.extend(track_ids) or len(track_ids))
    monkeypatch.setattr(feature_queue, "computable_sets", lambda: [LEVEL])
    return ids


def test_new_tracks_are_sent_first_then_those_that_play_and_lack_a_set(sent):
    lacking, complete, waiting = TrackFactory(), TrackFactory(), TrackFactory(audio_state="waiting")
    FeatureVector.objects.create(track=lacking, feature_set="level@0", values=b"\0" * 8)
    FeatureVector.objects.create(track=complete, feature_set="level@1", values=b"\0" * 8)
    TrackFactory(audio_state="bad", audio_problem="silent")
    TrackFactory(audio_state="none", audio="")

    assert [feature_queue.enqueue(), feature_queue.enqueue()] == [2, 0]

    assert sent == [waiting.pk, lacking.pk]


def test_only_as_many_tracks_are_sent_as_can_be_done_before_they_count_as_lost(sent, monkeypatch):
    monkeypatch.setattr(feature_queue, "MAX_UNDER_WAY", 3)
    waiting = TrackFactory.create_batch(2, audio_state="waiting")
    lacking = TrackFactory.create_batch(4)
    expected = [track.pk for track in [*waiting, *lacking]]

    feature_queue.enqueue()
    feature_queue.enqueue()
    assert sent == expected[:3]

    for done in expected[:2]:
        Track.objects.filter(pk=done).update(audio_state="bad", audio_problem="silent", features_queued_at=None)
    lost = timezone.now() - feature_queue.REQUEUE_AFTER - timedelta(seconds=1)
    Track.objects.filter(pk=expected[2]).update(features_queued_at=lost)
    feature_queue.enqueue()
    assert sent[3:] == expected[2:5]


def test_a_track_that_is_done_or_given_up_makes_room_for_another(decoding):
    done, bad = track_with_audio(features_queued_at=timezone.now()), track_with_audio(features_queued_at=timezone.now())
    compute(done)
    decoding(AudioError("The file is silent."))
    compute(bad)

    assert not Track.objects.exclude(features_queued_at=None)


def test_transfer_features_are_computable_when_their_weights_are_installed(monkeypatch):
    def computable(installed: bool) -> set[str]:
        monkeypatch.setattr(feature_queue.convnet_weights, "is_installed", lambda: installed)
        return {feature_set.name for feature_set in feature_queue.computable_sets()}

    assert computable(True) - computable(False) == {"transfer"}
    assert "spotify" not in computable(True)


def test_what_takes_much_room_is_computed_only_where_it_is_asked_for_by_name():
    def computable(*names: str) -> set[str]:
        return {feature_set.name for feature_set in feature_queue.computable_sets(also=names)}

    assert computable("logmel") - computable("signal") == {"logmel"}
    assert "spotify" not in computable("spotify")
