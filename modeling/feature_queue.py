"""Which tracks want features, and sending them to the workers. The numbers are made by `modeling.feature_extraction`."""

import datetime as dt
from collections.abc import Collection, Iterable

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from annotations.models import Track, TrackQuerySet
from energyapp.jobs import waves
from energyapp.jobs.models import Job
from modeling.core import convnet_weights
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.models import FeatureVector

# A message that a worker has not answered for so long is lost.
REQUEUE_AFTER = dt.timedelta(minutes=10)
# A core works off as many whole songs in that time, at half a second each: what only waits for its turn is not lost.
MAX_UNDER_WAY = 500


def computable_sets(*, also: Collection[str] = ()) -> list[FeatureSet]:
    """The feature sets that this installation makes from audio; of those made on request only the ones of these names."""
    return [
        feature_set
        for feature_set in FEATURE_SETS.values()
        if feature_set.compute is not None
        and (not feature_set.on_request or feature_set.name in also)
        and (feature_set.name != "transfer" or convnet_weights.is_installed())
    ]


def waiting() -> TrackQuerySet:
    """Tracks that nobody can label yet, because their audio has not been looked at."""
    return Track.objects.filter(audio_state=Track.AudioState.WAITING)


def lacking(feature_sets: Iterable[FeatureSet]) -> TrackQuerySet:
    """Playable tracks that one of these sets is still to be computed of: its version is new, or its weights are.

    A set that cannot be computed of a track has an empty vector there, and is not lacking.
    """
    lacks_one = Q(pk__in=[])
    for feature_set in feature_sets:
        lacks_one |= Q(~Exists(FeatureVector.objects.filter(track=OuterRef("pk"), feature_set=feature_set.key)))
    return Track.objects.playable().filter(lacks_one)


def enqueue() -> int:
    """Keep the workers supplied with tracks that want features; how many were sent. Called every few seconds.

    The tracks themselves are the list of what is to be done, so nothing is lost with the broker. New tracks go first:
    people wait for those. All that is to be done at a time is one job, a wave, which somebody may stop.
    """
    lacks = lacking(computable_sets())
    # Looking through 50,000 tracks that lack nothing takes a tenth of a second.
    wave = waves.take_up(
        "features", is_wanted=lambda: waiting().exists() or lacks.exists(), arguments=lambda: _standing(lacks)
    )
    if wave is None:
        return 0
    lost_before = timezone.now() - REQUEUE_AFTER
    n_free = MAX_UNDER_WAY - Track.objects.filter(features_queued_at__gte=lost_before).count()
    n_sent = _enqueue(waiting(), lost_before=lost_before, at_most=n_free)
    n_sent += _enqueue(lacks, lost_before=lost_before, at_most=n_free - n_sent)
    _report(wave, lacks)
    return n_sent


def _standing(lacks: TrackQuerySet) -> dict[str, int]:
    """How many tracks are in the states that computing features changes."""
    states = {name: Track.objects.filter(audio_state=name).count() for name in ("waiting", "ready", "bad")}
    return states | {"lacking": lacks.count()}


def _report(wave: Job, lacks: TrackQuerySet) -> None:
    """What the wave has done is how the tracks stand now, beside how they stood: nobody has to count, and nobody counts twice."""
    before, now = wave.arguments, _standing(lacks)
    # A new set that comes meanwhile is more to do.
    before["lacking"] = max(before["lacking"], now["lacking"])
    wave.n_done = max(0, now["ready"] - before["ready"]) + before["lacking"] - now["lacking"]
    wave.n_failed = max(0, now["bad"] - before["bad"])
    n_left, n_ended = now["waiting"] + now["lacking"], wave.n_done + wave.n_failed
    message = f"{n_ended:,} of {n_ended + n_left:,} tracks"
    if not n_left:
        message = f"{wave.n_done:,} tracks done"
    if wave.n_failed:
        message += f"; {wave.n_failed:,} cannot be used"
    waves.report(wave, n_left=n_left, message=message, arguments=before, n_done=wave.n_done, n_failed=wave.n_failed)


def give_back_where_stopped(track_id: int) -> bool:
    """Whether somebody has stopped computing features. The track that was sent then waits for that to go on."""
    if is_stopped := waves.stopped("features") is not None:
        Track.objects.filter(pk=track_id).update(features_queued_at=None)
    return is_stopped


def _enqueue(tracks: TrackQuerySet, *, lost_before: dt.datetime, at_most: int) -> int:
    unsent = tracks.filter(Q(features_queued_at=None) | Q(features_queued_at__lt=lost_before))
    due = unsent.order_by("pk").values_list("pk", flat=True)[: max(0, at_most)]
    # Compare-and-set: two callers at once send each track one task.
    ours = [pk for pk in due if unsent.filter(pk=pk).update(features_queued_at=timezone.now())]
    return send(ours)


def send(track_ids: Collection[int]) -> int:
    """How many were sent. With the broker away the others come with the next tick: nothing has been sent that could be lost."""
    for n_sent, track_id in enumerate(track_ids):
        try:
            current_app.send_task("features.compute", args=[track_id])
        except BrokerUnavailable:
            Track.objects.filter(pk__in=list(track_ids)[n_sent:]).update(features_queued_at=None)
            return n_sent
    return len(track_ids)


@transaction.atomic
def forget_failures(feature_sets: Iterable[FeatureSet]) -> None:
    """Let files that could not be used be read again, and these sets be tried again where they could not be computed."""
    bad = Track.objects.filter(audio_state=Track.AudioState.BAD)
    bad.update(audio_state=Track.AudioState.WAITING, audio_problem="", features_attempts=0)
    keys = [feature_set.key for feature_set in feature_sets]
    FeatureVector.objects.filter(feature_set__in=keys, values=b"").delete()
