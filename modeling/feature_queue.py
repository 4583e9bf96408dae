"""Which tracks want features, and sending them to the workers. The numbers are made by `modeling.feature_extraction`."""

import datetime as dt
from collections.abc import Collection, Iterable

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from annotations.models import Track, TrackQuerySet
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
    people wait for those.
    """
    lost_before = timezone.now() - REQUEUE_AFTER
    n_free = MAX_UNDER_WAY - Track.objects.filter(features_queued_at__gte=lost_before).count()
    n_sent = _enqueue(waiting(), lost_before=lost_before, at_most=n_free)
    # Looking through 50,000 tracks that lack nothing takes a tenth of a second.
    return n_sent + _enqueue(lacking(computable_sets()), lost_before=lost_before, at_most=n_free - n_sent)


def _enqueue(tracks: TrackQuerySet, *, lost_before: dt.datetime, at_most: int) -> int:
    unsent = tracks.filter(Q(features_queued_at=None) | Q(features_queued_at__lt=lost_before))
    due = unsent.order_by("pk").values_list("pk", flat=True)[: max(0, at_most)]
    # Compare-and-set: two callers at once send each track one task.
    ours = [pk for pk in due if unsent.filter(pk=pk).update(features_queued_at=timezone.now())]
    return send(ours)


def send(track_ids: Iterable[int]) -> int:
    """Stops at the first sign that the broker is away; those tracks come again by themselves."""
    n_sent = 0
    for track_id in track_ids:
        try:
            current_app.send_task("features.compute", args=[track_id])
        except BrokerUnavailable:
            break
        n_sent += 1
    return n_sent


@transaction.atomic
def forget_failures(feature_sets: Iterable[FeatureSet]) -> None:
    """Let files that could not be used be read again, and these sets be tried again where they could not be computed."""
    bad = Track.objects.filter(audio_state=Track.AudioState.BAD)
    bad.update(audio_state=Track.AudioState.WAITING, audio_problem="", features_attempts=0)
    keys = [feature_set.key for feature_set in feature_sets]
    FeatureVector.objects.filter(feature_set__in=keys, values=b"").delete()
