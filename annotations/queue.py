"""Which track next: streams by the shares that admins set, new tracks in an order by name.

One statement finds a track, however large the library: each branch walks an index from its start and stops at the first
track that will do.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import (
    LIMITED_STREAMS,
    Annotation,
    Assignment,
    LabellingRules,
    RankedTrack,
    Reference,
    Skip,
    Stream,
    Track,
    User,
)
from annotations.models.tracks import MAX_QUEUE_ORDER

# How many tracks to draw for one of the evaluation slice, a fifth of the library: one in 10,000 draws finds none.
N_DRAWN = 40
_STREAMS = list(Stream)
_CODES = 16  # a track and its stream in one number: track * 16 + stream


class Taken(Exception):
    """Somebody else was quicker: look again."""


@dataclass(frozen=True)
class Next:
    """A track for somebody, locked until the transaction ends, and why they get it."""

    track: Track
    stream: Stream


@dataclass(frozen=True)
class Asking:
    """One annotator's question for a track."""

    annotator: User
    rules: LabellingRules
    dice: random.Random
    now: datetime

    @classmethod
    def of(cls, annotator: User, rules: LabellingRules, dice: random.Random | None = None) -> "Asking":
        return cls(annotator, rules, dice or random.SystemRandom(), timezone.now())


def next_track(asking: Asking) -> Next | None:
    """The track to hand to this annotator now; None when there is none.

    What leads ask of people comes first; then the stream that the dice choose by the shares; where it has nothing, new
    tracks, and second opinions.

    Raises
    ------
    Taken
        The track that was found is no longer free.
    """
    stream = _drawn_stream(asking)
    branches = [assigned, asked, STREAMS[stream], new, second]
    candidates = [Subquery(found.values("code")[:1]) for branch in branches for found in branch(asking)]
    code = User.objects.filter(pk=asking.annotator.pk).values_list(Coalesce(*candidates, -1), flat=True).get()
    return None if code < 0 else _locked(code // _CODES, _STREAMS[code % _CODES], asking)


def _drawn_stream(asking: Asking) -> Stream:
    rules = asking.rules
    shares = {
        Stream.SECOND: rules.second_share if rules.labels_per_track > 1 else 0,
        Stream.REPEAT: rules.repeat_share,
        Stream.GOLD: rules.gold_share,
        Stream.EVALUATION: rules.evaluation_share,
    }
    shares[Stream.NEW] = max(0, 100 - sum(shares.values()))
    return asking.dice.choices(list(shares), list(shares.values()))[0]


def _locked(track_id: int, stream: Stream, asking: Asking) -> Next:
    """The track as it is now that nobody can change it: of two who found it, the second finds it gone."""
    # `no_key`: on Postgres whoever is labelling a track commits while a search that began before still finds it.
    free = Track.objects.select_for_update(skip_locked=True, of=("self",), no_key=True).filter(pk=track_id, lease=None)
    track = free.first()
    if track is None or (stream in LIMITED_STREAMS and track.n_annotators >= asking.rules.labels_per_track):
        raise Taken
    return Next(track, stream)


# ---- Streams: each gives querysets, to be tried one after another, whose first row is the track to hand out

# Any: of tracks, of annotations or of places in an order, each with the `code` of a track.
Tracks = Iterator[Any]


def assigned(asking: Asking) -> Tracks:
    theirs = Assignment.objects.open().filter(annotator=asking.annotator, track=OuterRef("pk"))
    waiting = Assignment.objects.filter(annotator=asking.annotator).values("track")
    # Their assignments are few; the first filter finds them, the second asks of each whether it is still open.
    tracks = _free(Stream.ASSIGNED).filter(Exists(theirs), pk__in=waiting)
    yield tracks.order_by("pk")


def asked(asking: Asking) -> Tracks:
    """A lead who decides about a flag waits for one more label."""
    tracks = _free(Stream.ASKED).awaiting_second_opinion().in_training()
    yield _unheard(tracks, asking).order_by("queue_order", "pk")


def new(asking: Asking) -> Tracks:
    yield from ORDERS[asking.rules.order](_new(Stream.NEW, asking), asking)
    if asking.rules.order != "random":
        yield from random_order(_new(Stream.NEW, asking), asking)


def second(asking: Asking) -> Tracks:
    """Those that lack fewest labels first, so that tracks become complete."""
    for n in range(asking.rules.labels_per_track - 1, 0, -1):
        tracks = _unheard(_free(Stream.SECOND), asking).in_training().filter(n_annotators=n, reference=None)
        yield from random_order(tracks, asking)


def repeat(asking: Asking) -> Tracks:
    """A label of theirs that is old enough to be forgotten, from a random moment of their history on."""
    until = asking.now - timedelta(days=asking.rules.repeat_after_days)
    own = Annotation.objects.current().filter(
        annotator=asking.annotator, source=Annotation.Source.LABEL, created_at__lt=until, track__reference=None
    )
    joined = asking.annotator.date_joined
    start = joined + asking.dice.random() * max(until - joined, timedelta())
    for some in (own.filter(created_at__gte=start), own.filter(created_at__lt=start)):
        free = some.filter(track__audio_state=Track.AudioState.READY, track__lease=None).filter(
            ~Exists(_skipped(asking, "track"))
        )
        yield free.order_by("created_at").annotate(code=_code("track", Stream.REPEAT))


def gold(asking: Asking) -> Tracks:
    golden = _unheard(_free(Stream.GOLD), asking).filter(reference__use=Reference.Use.GOLD)
    yield from random_order(golden, asking)


def evaluation(asking: Asking) -> Tracks:
    """Drawn uniformly, whatever the order of new tracks is: labels that models can be judged by."""
    for tracks in random_order(_new(Stream.EVALUATION, asking), asking):
        drawn = [pk for pk, uri in tracks.values_list("pk", "uri")[:N_DRAWN] if in_evaluation_slice(uri)]
        if drawn:
            yield _free(Stream.EVALUATION).filter(pk=drawn[0])
            return


STREAMS = {
    Stream.NEW: new,
    Stream.SECOND: second,
    Stream.REPEAT: repeat,
    Stream.GOLD: gold,
    Stream.EVALUATION: evaluation,
}


def _new(stream: Stream, asking: Asking) -> Any:
    """Tracks that nobody has labelled."""
    free = _free(stream).filter(n_annotators=0, reference=None)
    return free.filter(~Exists(_skipped(asking, "pk")))


def _free(stream: Stream) -> Any:
    """Tracks that can be heard and that nobody holds."""
    return Track.objects.playable().filter(lease=None).annotate(code=_code("pk", stream))


def _unheard(tracks: Any, asking: Asking) -> Any:
    """Without those that the annotator has labelled or skipped."""
    theirs = Annotation.objects.filter(annotator=asking.annotator, track=OuterRef("pk"))
    return tracks.filter(~Exists(theirs), ~Exists(_skipped(asking, "pk")))


def _skipped(asking: Asking, track: str) -> QuerySet[Skip]:
    return Skip.objects.filter(annotator=asking.annotator, track=OuterRef(track))


def _code(track: str, stream: Stream) -> Any:
    return F(track) * _CODES + _STREAMS.index(stream)


# ---- Orders of new tracks


def random_order(tracks: Any, asking: Asking) -> Tracks:
    """From a random place on, then from the beginning: people who ask at once get different tracks."""
    start = asking.dice.randrange(MAX_QUEUE_ORDER)
    for some in (Q(queue_order__gte=start), Q(queue_order__lt=start)):
        yield tracks.filter(some).order_by("queue_order", "pk")


def oldest(tracks: Any, asking: Asking) -> Tracks:
    yield tracks.order_by("pk")


def ranked(tracks: Any, asking: Asking) -> Tracks:
    """As `RankedTrack` has it under the order's name; what it does not name comes after it."""
    places = RankedTrack.objects.filter(order=asking.rules.order)
    code = tracks.filter(pk=OuterRef("track")).values("code")[:1]
    yield places.filter(Exists(tracks.filter(pk=OuterRef("track")))).order_by("position").annotate(code=Subquery(code))


# Name -> function of the new tracks and the question. An order that a model makes is rows of RankedTrack and one line here.
ORDERS = {"random": random_order, "oldest": oldest, "by list": ranked}
