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
    Assignment,
    Comparison,
    LabellingRules,
    Lease,
    RankedTrack,
    Reference,
    Skip,
    Stream,
    Track,
    User,
)
from annotations.queue import Asking, Taken, next_track, strategy_of

# Each failed try is a track that somebody else got, so that sixteen who ask at once all come to theirs.
MAX_CLAIM_TRIES = 20
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


class SubmissionTaken(Refused):
    """What names this answer has named somebody else's."""


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
        if len(leases) >= n or not _drop_expired_leases():
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


def annotate(
    *,
    annotator: User,
    track_id: int,
    level: int,
    submission_id: UUID,
    listening: Listening = Listening(),
    rules: LabellingRules | None = None,
) -> Annotation:
    """Label a track that the annotator holds, and let go of it. Repeating a submission_id returns what it made.

    An answer that comes late, when the lease has run out, counts as long as the track is still free. `rules` are the
    current ones, for who has them already.

    Raises
    ------
    NoLease, NotHeard, SubmissionTaken
        Nothing is stored, and a lease stays.
    LabelledMeanwhile
        Nothing is stored, and the lease goes.
    """
    rules = rules or LabellingRules.objects.current()
    try:
        return _annotation(annotator, track_id, level, submission_id, listening, rules)
    except LabelledMeanwhile:
        # Outside the transaction that is undone. Else they would be given the track again, and refused again.
        release(annotator=annotator, track_ids=[track_id])
        raise


@transaction.atomic
def _annotation(
    annotator: User,
    track_id: int,
    level: int,
    submission_id: UUID,
    listening: Listening,
    rules: LabellingRules,
) -> Annotation:
    # Lock before looking: of two identical POSTs the second must see the first's row. The track too, and here: an import
    # or a review that holds it must not wait for a row of ours while we wait for the track.
    lease = Lease.objects.select_for_update(of=("self", "track"), no_key=True).select_related("track__reference")
    held = lease.filter(annotator=annotator, track_id=track_id).first()
    track = held.track if held else Track.objects.select_for_update(no_key=True).filter(pk=track_id).first()
    done, before = _said_before(annotator, track_id, submission_id)
    if done:
        return done
    if held is None:
        held = _held_still(annotator, track, before, rules)
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


def _said_before(annotator: User, track_id: int, submission_id: UUID) -> tuple[Annotation | None, Annotation | None]:
    """What this very answer has made, and what the annotator says of the track so far.

    Raises
    ------
    SubmissionTaken
        The answer is somebody else's.
    """
    # All of the chain, which is short: asked for its end, Postgres reads through all labels of the annotator.
    named = Annotation.objects.filter(Q(submission_id=submission_id) | Q(annotator=annotator, track_id=track_id))
    rows = list(named.order_by("pk"))
    done = next((row for row in rows if row.submission_id == submission_id), None)
    if done and done.annotator_id != annotator.pk:
        raise SubmissionTaken("Somebody else's answer has the same submission_id; answer again with a new one.")
    return done, next((row for row in reversed(rows) if row.track_id == track_id), None)


def _held_still(annotator: User, track: Track | None, before: Annotation | None, rules: LabellingRules) -> Lease:
    """A late answer: as if the lease had not run out, where nobody else has the track since; not stored."""
    is_free = track is not None and not Lease.objects.filter(track=track).exists()
    stream = _stream_of_late(annotator, track, before, rules) if track and is_free else None
    if track is None or stream is None:
        raise NoLease("You no longer held this track when the answer came, and somebody else may have it now.")
    Skip.objects.filter(annotator=annotator, track=track).delete()  # they have thought better of it
    return Lease(track=track, annotator=annotator, stream=stream)


def _stream_of_late(annotator: User, track: Track, before: Annotation | None, rules: LabellingRules) -> Stream | None:
    """Why they may have been given the track; None when that cannot be."""
    if not Track.objects.playable().in_training().filter(pk=track.pk).exists():
        return None
    use = Reference.objects.filter(track=track).values_list("use", flat=True).first()
    if use == Reference.Use.EXAMPLE:
        return None
    if Assignment.objects.open().filter(annotator=annotator, track=track).exists():
        return Stream.ASSIGNED
    if before:
        old_enough = before.created_at < timezone.now() - dt.timedelta(days=rules.repeat_after_days)
        return Stream.REPEAT if old_enough and before.source == Annotation.Source.LABEL and not use else None
    if use:
        return Stream.GOLD
    if Track.objects.awaiting_second_opinion().filter(pk=track.pk).exists():
        return Stream.ASKED
    if RankedTrack.objects.filter(order=strategy_of(rules), track=track).exists():
        return Stream.RANKED
    return Stream.SECOND if track.n_annotators else Stream.NEW


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
    SubmissionTaken
        The answer is somebody else's.
    """
    # Lock the person's labels of the track, so that of two changes at once the second supersedes the first's.
    own = Annotation.objects.filter(annotator=annotator, track_id=track_id)
    list(own.select_for_update(no_key=True).values_list("pk"))
    done, before = _said_before(annotator, track_id, submission_id)
    if done:
        return done
    if before is None:
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
    """Pass a track on to somebody else: the held one, or, where the skip comes late, one that they have not labelled since."""
    was_held = Lease.objects.filter(annotator=annotator, track_id=track_id).delete()[0]
    # Locked, so that of a label and a late skip that come at once the second finds the first.
    exists = Track.objects.select_for_update(no_key=True).filter(pk=track_id).values_list("pk").first()
    is_labelled = Annotation.objects.filter(annotator=annotator, track_id=track_id).exists()
    if was_held or (exists and not is_labelled):
        about = {"reason": reason, "created_at": timezone.now()}  # anew: it also answers an assignment
        Skip.objects.update_or_create(annotator=annotator, track_id=track_id, defaults=about)


def compare(*, annotator: User, track_id: int, other: Agreed, answer: str, submission_id: UUID) -> Comparison:
    """Keep how a track sounds beside one whose level is agreed."""
    if other.track.pk == track_id or not Track.objects.filter(pk=track_id).exists():
        raise Refused("There is no such track to compare, or it is the example itself.")
    about = {
        "annotator": annotator,
        "track_id": track_id,
        "other": other.track,
        "other_level": other.level,
        "answer": answer,
    }
    comparison = Comparison.objects.get_or_create(submission_id=submission_id, defaults=about)[0]
    if comparison.annotator_id != annotator.pk:
        raise SubmissionTaken("Somebody else's answer has the same submission_id; answer again with a new one.")
    return comparison
