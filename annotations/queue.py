"""Which track next: streams by the shares that admins set, new tracks in an order by name, or as a strategy ranks them.

One statement finds a track, however large the library: each branch walks an index from its start and stops at the first
track that will do. The statement is long, and putting it together takes Django longer than running it takes the database:
it is kept for each kind of question, and what differs from one person and moment to another (`Given`) is filled in.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import (
    BigIntegerField,
    DateTimeField,
    Exists,
    Expression,
    F,
    Field,
    OuterRef,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotations.models import (
    LIMITED_STREAMS,
    Annotation,
    Assignment,
    Flag,
    LabellingRules,
    Lease,
    NearTrack,
    RankedTrack,
    Reference,
    Skip,
    Stream,
    Track,
    User,
)
from annotations.models.tracks import MAX_QUEUE_ORDER

# How many new tracks to look through for one of the evaluation slice, a fifth of the library. Where nearly all of the slice
# is labelled, one in fifty new tracks belongs to it, and one in fifty draws finds none.
N_DRAWN = 200
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
    rules = asking.rules
    kind = Kind(_drawn_stream(asking), _drawn_order(asking), rules.labels_per_track)
    sql, parameters = _statement(kind, connection.vendor)
    known = _given(asking)
    with connection.cursor() as cursor:
        cursor.execute(sql, [known[value.name] if isinstance(value, Given) else value for value in parameters])
        code = cursor.fetchone()[0]
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


def _drawn_order(asking: Asking) -> str:
    """While a strategy ranks tracks a share of the new ones is still drawn at random: what it is worth is told by these."""
    rules = asking.rules
    is_by_chance = strategy_of(rules) and asking.dice.randrange(100) < rules.random_share
    return RANDOM if is_by_chance else rules.order


def _given(asking: Asking) -> dict[str, Any]:
    until = asking.now - timedelta(days=asking.rules.repeat_after_days)
    joined = asking.annotator.date_joined
    since = joined + asking.dice.random() * max(until - joined, timedelta())
    return {
        "annotator": asking.annotator.pk,
        "start": asking.dice.randrange(MAX_QUEUE_ORDER),
        "until": connection.ops.adapt_datetimefield_value(until),
        "since": connection.ops.adapt_datetimefield_value(since),
    }


def _locked(track_id: int, stream: Stream, asking: Asking) -> Next:
    """The track as it is now that nobody can change it: of two who found it, the second finds it gone."""
    # `no_key`, as in the search: on Postgres whoever is labelling a track commits while a search still finds it.
    free = Track.objects.select_for_update(skip_locked=True, of=("self",), no_key=True).filter(pk=track_id, lease=None)
    track = free.first()
    if track is None or (stream in LIMITED_STREAMS and track.n_annotators >= asking.rules.labels_per_track):
        raise Taken
    return Next(track, stream)


# ---- The statement


@dataclass(frozen=True)
class Kind:
    """What the statement depends on."""

    drawn: Stream
    order: str
    labels_per_track: int


class Given(Expression):
    """A value that is known when the question is asked."""

    def __init__(self, name: str, output_field: Field) -> None:
        super().__init__(output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self]


ANNOTATOR = Given("annotator", BigIntegerField())
# Random: where in the random order, and in the annotator's own history, to begin.
START = Given("start", BigIntegerField())
SINCE = Given("since", DateTimeField())
UNTIL = Given("until", DateTimeField())  # what is older may be repeated

# Any: of tracks, of annotations or of places in an order, each with the `code` of a track.
Tracks = Iterator[Any]


@lru_cache(maxsize=64)
def _statement(kind: Kind, vendor: str) -> tuple[str, tuple[Any, ...]]:
    """Of each branch the first code, of the branches the first that has one."""
    branches = dict.fromkeys([assigned, asked, STREAMS[kind.drawn], new, second])
    codes = [Subquery(_unlocked(tracks).values("code")[:1]) for branch in branches for tracks in branch(kind)]
    return User.objects.filter(pk=ANNOTATOR).values_list(Coalesce(*codes, -1)).query.sql_with_params()


def _unlocked(tracks: Any) -> Any:
    """Without those that are being handed to others in this moment. Nobody else is handed a label of one's own."""
    return tracks if tracks.model is Annotation else tracks.select_for_update(skip_locked=True, no_key=True)


# ---- Streams: each gives querysets, to be tried one after another, whose first row is the track to hand out


def assigned(kind: Kind) -> Tracks:
    """What a lead wants of this annotator: also a track that they have labelled before, sent back."""
    tracks = _free().filter(~_has_reference(Reference.Use.EXAMPLE)).in_training()
    theirs = Assignment.objects.open().filter(annotator=ANNOTATOR)
    yield _about(theirs, tracks, Stream.ASSIGNED).order_by("pk")


def asked(kind: Kind) -> Tracks:
    """A lead who decides about a flag waits for one more label."""
    flags = Flag.objects.awaiting_second_opinion().order_by("annotation__track__queue_order")
    tracks = _free(_unheard(Track.objects)).filter(~_has_reference(Reference.Use.EXAMPLE))
    yield _about(flags, tracks, Stream.ASKED, track="annotation__track")


def new(kind: Kind) -> Tracks:
    if kind.order not in ORDERS:
        yield from ranked(kind)
    order = ORDERS.get(kind.order, random_order)
    for tracks in (*order(_new(), kind), *(random_order(_new(), kind) if order is not random_order else ())):
        yield tracks.annotate(code=_code("track" if tracks.model is RankedTrack else "pk", Stream.NEW))


def ranked(kind: Kind) -> Tracks:
    """What a strategy would rather know: new tracks, and of others one more opinion.

    One that is very like a track that has got a label since comes after all others: that label tells much of it.
    """
    tracks = _free(_unheard(Track.objects.filter(n_annotators__lt=kind.labels_per_track))).filter(~_has_reference())
    places = RankedTrack.objects.filter(order=kind.order).order_by("position")
    # By their labels, of which a small index tells: rows of tracks are large, and a stale ranking would have many of them read.
    is_labelled = Exists(Annotation.objects.filter(track=OuterRef("near")))
    is_told_of = Exists(NearTrack.objects.filter(is_labelled, order=kind.order, track=OuterRef("track")))
    for some in (places.filter(~is_told_of), places):
        yield _about(some, tracks.in_training(), Stream.RANKED)


def second(kind: Kind) -> Tracks:
    """Those that lack fewest labels first, so that tracks become complete."""
    for n in range(kind.labels_per_track - 1, 0, -1):
        tracks = _free(_unheard(Track.objects.filter(n_annotators=n))).filter(~_has_reference()).in_training()
        yield from random_order(tracks.annotate(code=_code("pk", Stream.SECOND)), kind)


def repeat(kind: Kind) -> Tracks:
    """A label of theirs that is old enough to be forgotten, from a random moment of their history on."""
    own = Annotation.objects.current().filter(annotator=ANNOTATOR, source=Annotation.Source.LABEL, created_at__lt=UNTIL)
    tracks = _free().filter(~_has_reference(), ~_skipped_by_them()).in_training()
    for some in (own.filter(created_at__gte=SINCE), own.filter(created_at__lt=SINCE)):
        yield _about(some, tracks, Stream.REPEAT).order_by("created_at")


def gold(kind: Kind) -> Tracks:
    golden = _about(
        Reference.objects.filter(use=Reference.Use.GOLD), _free(_unheard(Track.objects)).in_training(), Stream.GOLD
    )
    yield from random_order(golden, kind, place="track__queue_order")


def evaluation(kind: Kind) -> Tracks:
    """Drawn uniformly, whatever the order of new tracks is: labels that models can be judged by."""
    for drawn in random_order(_new(), kind):
        tracks = Track.objects.filter(pk__in=drawn.values("pk")[:N_DRAWN]).in_evaluation_slice()
        yield tracks.order_by("queue_order").annotate(code=_code("pk", Stream.EVALUATION))


STREAMS: dict[Stream, Callable[[Kind], Tracks]] = {
    Stream.NEW: new,
    Stream.SECOND: second,
    Stream.REPEAT: repeat,
    Stream.GOLD: gold,
    Stream.EVALUATION: evaluation,
}


def _about(rows: Any, tracks: Any, stream: Stream, track: str = "track") -> Any:
    """The rows that are about one of these tracks. Rows first: they are few, and an index finds their tracks."""
    return rows.filter(Exists(tracks.filter(pk=OuterRef(track)))).annotate(code=_code(track, stream))


def _new() -> Any:
    """Tracks that nobody has labelled."""
    return _free().filter(~_has_reference(), ~_skipped_by_them(), n_annotators=0)


def _free(tracks: Any = Track.objects) -> Any:
    """Those that can be heard and that nobody holds."""
    return tracks.filter(audio_state=Track.AudioState.READY).filter(~Exists(Lease.objects.filter(track=OuterRef("pk"))))


def _unheard(tracks: Any) -> Any:
    """Without those that the annotator has labelled or skipped. Asked first: of one who has labelled most it drops most."""
    theirs = Annotation.objects.filter(annotator=ANNOTATOR, track=OuterRef("pk"))
    return tracks.filter(~Exists(theirs), ~_skipped_by_them())


def _skipped_by_them() -> Exists:
    return Exists(Skip.objects.filter(annotator=ANNOTATOR, track=OuterRef("pk")))


def _has_reference(*uses: Reference.Use) -> Exists:
    references = Reference.objects.filter(track=OuterRef("pk"))
    return Exists(references.filter(use__in=uses) if uses else references)


def _code(track: str, stream: Stream) -> Any:
    return F(track) * _CODES + _STREAMS.index(stream)


# ---- Orders of new tracks


def random_order(tracks: Any, kind: Kind, place: str = "queue_order") -> Tracks:
    """From a random place on, then from the beginning: people who ask at once get different tracks."""
    for some in ({f"{place}__gte": START}, {f"{place}__lt": START}):
        yield tracks.filter(**some).order_by(place)


def oldest(tracks: Any, kind: Kind) -> Tracks:
    yield tracks.order_by("pk")


def by_list(tracks: Any, kind: Kind) -> Tracks:
    """As `RankedTrack` has it under the order's name; what it does not name comes after it."""
    places = RankedTrack.objects.filter(Exists(tracks.filter(pk=OuterRef("track"))), order=kind.order)
    yield places.order_by("position")


RANDOM = "random"
# Name -> function of the new tracks and the question. Any other name is that of a strategy, whose places `ranked` follows.
ORDERS: dict[str, Callable[..., Tracks]] = {RANDOM: random_order, "oldest": oldest, "by list": by_list}


def strategy_of(rules: LabellingRules) -> str:
    """The name of the strategy that ranks what is handed out; empty where none does."""
    return "" if rules.order in ORDERS else rules.order
