"""Every write of the label page: one transaction each, safe to repeat. A browser may send each of them twice, or hours late."""

import datetime as dt
import random
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from annotations.examples import Agreed
from annotations.models import (
    LIMITED_STREAMS,
    Annotation,
    Comparison,
    LabellingRules,
    Lease,
    Skip,
    Stream,
    Track,
    User,
)
from annotations.queue import Asking, Taken, next_track

MAX_CLAIM_TRIES = 5
# Nobody hears more than this times the seconds since they got the track: the player goes up to twice the speed.
MAX_SPEED = 2.0
# What clocks, and a track that was loaded ahead, may differ by.
SLACK_S = 5.0


class Refused(Exception):
    """An answer that is not stored; the message says why, to whoever gave it."""


class NoLease(Refused):
    """The annotator answers about a track that is not (or no longer) theirs to label."""


class LabelledMeanwhile(Refused):
    """The track has as many labels as it is to have."""


class NotHeard(Refused):
    """The track was not listened to long enough."""


class NothingToChange(Refused):
    """A change of mind about a track that the annotator has not labelled."""


# ---- Leases


def claim(*, annotator: User, rules: LabellingRules, n: int = 1, dice: random.Random | None = None) -> list[Lease]:
    """The annotator's leases, filled up to `n`, the one to hear now first; fewer when nothing is left for them."""
    for _ in range(MAX_CLAIM_TRIES):
        try:
            leases = _claim(Asking.of(annotator, rules, dice), n)
        except (Taken, IntegrityError):
            continue  # somebody was quicker, or the annotator's own other tab: look again
        if len(leases) == n or not _drop_expired_leases():
            return leases
    return leases_of(annotator)


@transaction.atomic
def _claim(asking: Asking, n: int) -> list[Lease]:
    leases = leases_of(asking.annotator)
    if any(lease.expires_at <= asking.now for lease in leases):
        keep(annotator=asking.annotator)  # run out, but nobody else has taken it
        leases = leases_of(asking.annotator)
    for place in sorted(set(range(n)) - {lease.place for lease in leases})[: max(0, n - len(leases))]:
        if (found := next_track(asking)) is None:
            break
        leases.append(
            Lease.objects.create(
                track=found.track,
                annotator=asking.annotator,
                stream=found.stream,
                place=place,
                taken_at=asking.now,
                expires_at=asking.now + dt.timedelta(minutes=settings.LEASE_MINUTES),
            )
        )
    return leases


def leases_of(annotator: User) -> list[Lease]:
    return list(Lease.objects.filter(annotator=annotator).select_related("track"))


@transaction.atomic
def keep(*, annotator: User) -> list[int]:
    """Hold on to the leases for some more minutes: somebody is listening. Returns the tracks that are still theirs."""
    expires_at = timezone.now() + dt.timedelta(minutes=settings.LEASE_MINUTES)
    Lease.objects.filter(annotator=annotator).update(expires_at=expires_at)
    _drop_expired_leases()
    return list(Lease.objects.filter(annotator=annotator).values_list("track_id", flat=True))


def release(*, annotator: User, track_ids: Iterable[int]) -> None:
    """Let go of tracks without an answer, for instance because the page is left."""
    Lease.objects.filter(annotator=annotator, track_id__in=list(track_ids)).delete()


@transaction.atomic
def _drop_expired_leases() -> int:
    # Two whose own leases have run out hold these locked and would wait for each other for ever: skip what is locked.
    expired = Lease.objects.select_for_update(skip_locked=True).filter(expires_at__lte=timezone.now())
    return Lease.objects.filter(pk__in=[lease.pk for lease in expired]).delete()[0]


# ---- Answers


@dataclass(frozen=True)
class Listening:
    """What the browser says of how a track was heard. None: it does not say, as without JavaScript."""

    listened_s: float | None = None
    answered_s: float | None = None


@transaction.atomic
def annotate(
    *, annotator: User, track_id: int, level: int, submission_id: UUID, listening: Listening = Listening()
) -> Annotation:
    """Label a track that the annotator holds, and let go of it. Repeating a submission_id returns what it made.

    An answer that comes late, when the lease has run out, counts as long as the track is still free.

    Raises
    ------
    NoLease, LabelledMeanwhile, NotHeard
        Nothing is stored, and the lease stays.
    """
    # Lock before looking: of two identical POSTs the second must see the first's row.
    lease = Lease.objects.select_for_update(of=("self",)).filter(annotator=annotator, track_id=track_id)
    held = lease.select_related("track").first()
    own = Annotation.objects.filter(Q(submission_id=submission_id) | Q(track_id=track_id, superseded_by=None))
    theirs = {annotation.submission_id: annotation for annotation in own.filter(annotator=annotator)}
    if done := theirs.get(submission_id):
        return done
    before = next(iter(theirs.values()), None)
    rules = LabellingRules.objects.current()
    if held is None:
        held = _free_again(annotator, track_id, before)
    if before and held.stream not in AGAIN:
        held.delete()
        return before  # meanwhile given elsewhere, on the review page or by an import: that label stands
    _check_wanted(held, rules)
    _check_heard(held, listening, rules)
    answered_s = _answered_s(held, listening)
    if held.pk:
        held.delete()
    return Annotation.objects.create(
        annotator=annotator,
        track=held.track,
        level=level,
        submission_id=submission_id,
        supersedes=before,
        stream=held.stream,
        listened_s=listening.listened_s,
        answered_s=answered_s,
    )


# Streams that give people tracks which they may have labelled already.
AGAIN = frozenset({Stream.REPEAT, Stream.ASSIGNED})


def _free_again(annotator: User, track_id: int, before: Annotation | None) -> Lease:
    """As if they held it still, where the lease has run out and nobody else has the track; not stored."""
    # Locked, so that nobody gets the track between this look and the label.
    track = Track.objects.select_for_update(no_key=True).filter(pk=track_id).first()
    if track is None or before or Lease.objects.filter(track=track).exists() or not _may_have(annotator, track):
        raise NoLease("You no longer held this track when the answer came, and somebody else may have it now.")
    Skip.objects.filter(annotator=annotator, track=track).delete()  # they have thought better of it
    return Lease(track=track, annotator=annotator, stream=Stream.NEW if not track.n_annotators else Stream.SECOND)


def _may_have(annotator: User, track: Track) -> bool:
    return Track.objects.playable().in_training().filter(pk=track.pk, reference=None).exists()


def _check_wanted(held: Lease, rules: LabellingRules) -> None:
    if held.stream in LIMITED_STREAMS and held.track.n_annotators >= rules.labels_per_track:
        raise LabelledMeanwhile("Others have labelled this track meanwhile; it needs no further label.")


def needed_s(track: Track, rules: LabellingRules) -> float:
    """Seconds of this track to hear before it can be labelled; nearly all of one that is shorter than the rule."""
    return min(rules.min_listened_s, 0.9 * (track.duration_s or 0))


def _check_heard(held: Lease, listening: Listening, rules: LabellingRules) -> None:
    held_s = (timezone.now() - held.taken_at).total_seconds()
    if not held.pk:  # a late answer: nobody knows any more when they got the track
        held_s = float("inf")
    told_s = held_s if listening.listened_s is None else listening.listened_s
    if told_s < (needed := needed_s(held.track, rules)):
        raise NotHeard(f"{told_s:.1f} s of this track were heard; it takes {needed:.1f} s before it can be labelled.")
    if told_s > MAX_SPEED * held_s + SLACK_S:
        raise NotHeard(f"{told_s:.0f} s are said to have been heard of a track that was handed out {held_s:.0f} s ago.")


def _answered_s(held: Lease, listening: Listening) -> float | None:
    """From hearing the track first to the answer; the page knows when that was, as tracks are handed out ahead."""
    if not held.pk:
        return listening.answered_s
    held_s = (timezone.now() - held.taken_at).total_seconds()
    return held_s if listening.answered_s is None else min(listening.answered_s, held_s)


@transaction.atomic
def relabel(*, annotator: User, track_id: int, level: int, submission_id: UUID) -> Annotation:
    """A change of mind: a new annotation that supersedes the annotator's own. The same level again changes nothing.

    Raises
    ------
    NothingToChange
        They have not labelled the track.
    """
    # Lock the person's newest label of the track, so that of two changes at once the second supersedes the first's.
    own = Annotation.objects.filter(annotator=annotator, track_id=track_id)
    list(own.select_for_update(no_key=True).values_list("pk"))
    if done := own.filter(submission_id=submission_id).first():
        return done
    if (before := own.current().first()) is None:
        raise NothingToChange("You have not labelled this track, so there is no label to change.")
    if before.level == level:
        return before
    return Annotation.objects.create(
        annotator=annotator,
        track_id=track_id,
        level=level,
        submission_id=submission_id,
        supersedes=before,
        source=Annotation.Source.RELABEL,
        stream=before.stream,
    )


@transaction.atomic
def skip(*, annotator: User, track_id: int, reason: str) -> None:
    """Pass the held track on to somebody else. Skipping what one does not hold changes nothing."""
    if Lease.objects.filter(annotator=annotator, track_id=track_id).delete()[0]:
        about = {"reason": reason, "created_at": timezone.now()}  # anew: it also answers an assignment
        Skip.objects.update_or_create(annotator=annotator, track_id=track_id, defaults=about)


def compare(*, annotator: User, track_id: int, other: Agreed, answer: str, submission_id: UUID) -> Comparison:
    """Keep how a track sounds beside one whose level is agreed."""
    about = {
        "annotator": annotator,
        "track_id": track_id,
        "other": other.track,
        "other_level": other.level,
        "answer": answer,
    }
    return Comparison.objects.get_or_create(submission_id=submission_id, defaults=about)[0]
