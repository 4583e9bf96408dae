"""Which flagged labels a lead goes through, in which order: one row a label, the most suspicious first.

Before a lead has said what they hear, nothing here may tell what was labelled: levels are filtered, and names of annotators
searched, among labels of heard tracks only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet

from annotations.models import LEVELS, Flag, FlagQuerySet, User
from annotations.models.flags import State

MAX_WORDS = 200
MAX_DIGITS = 18  # of an id: more than the database can look for
MAX_SUSPICION = len(LEVELS) - 1


class Place(NamedTuple):
    """Where a flag is in the queue, from 1 on."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number:,} of {self.of:,}"


class _Wrong(Exception):
    """What an address asks for does not exist; the message says what is shown instead."""


@dataclass(frozen=True)
class QueueFilter:
    """What a lead wants to see of the queue; the same filter on the queue, on each review page and in the export."""

    user: User
    state: State = State.OPEN
    reason: str = ""
    genre: int | None = None
    annotator: int | None = None
    level: int | None = None
    run: str = ""
    suspicion: float | None = None
    q: str = ""
    # What of an address could not be understood, a sentence each.
    corrections: list[str] = field(default_factory=list, compare=False)

    @classmethod
    def from_query(cls, query: Mapping[str, str], user: User) -> "QueueFilter":
        """What an address says. What makes no sense there is left out, and said in `corrections`."""
        values: dict[str, Any] = {}
        corrections = []
        for name, read in _READERS.items():
            if text := query.get(name, "").replace("\0", "").strip():
                try:
                    values[name] = read(text)
                except _Wrong as wrong:
                    corrections.append(str(wrong))
        return cls(user=user, **values, corrections=corrections)

    @property
    def query_string(self) -> str:
        """For the addresses of pages that stay within the filter; empty when nothing is filtered."""
        return self.query_string_with()

    def query_string_with(self, **changes: Any) -> str:
        values = {name: getattr(self, name) for name in _READERS} | changes
        return urlencode({name: value for name, value in values.items() if value and value != State.OPEN})

    @property
    def is_narrow(self) -> bool:
        """Whether more than the state was asked for."""
        return bool(self.query_string_with(state=""))

    # ---- Rows

    def flags(self) -> FlagQuerySet:
        """The rows, in order. Each is the strongest reason against one label, of the reasons that were asked for."""
        return _IN_STATE[self.state](self.in_any_state()).for_queue()

    def in_any_state(self) -> FlagQuerySet:
        among = {"reason": self.reason, "source": self.run}
        flags = Flag.objects.reviewable_by(self.user).heard_by(self.user)
        flags = flags.strongest(**{name: value for name, value in among.items() if value})
        for condition in self._conditions():
            flags = flags.filter(condition)
        return flags

    def _conditions(self) -> Iterator[Q]:
        if self.suspicion:
            yield Q(suspicion__gte=self.suspicion)
        if self.genre:
            yield Q(of_track__genres=self.genre)
        if self.annotator:
            yield Q(of_annotator=self.annotator)
        if self.level:
            yield Q(annotation__level=self.level, is_heard=True)
        if self.q:
            yield (
                Q(of_track__title__icontains=self.q)
                | Q(of_track__artist__icontains=self.q)
                # In this order: whether a track was heard is asked where the name matches, and not of every row.
                | (Q(of_annotator__alias__icontains=self.q) | Q(of_annotator__username__icontains=self.q))
                & Q(is_heard=True)
            )

    def in_full(self, rows: Iterable[int] | QuerySet) -> FlagQuerySet:
        """These rows with all that is known of their labels: looked up for these few, and not for all that match."""
        return Flag.objects.filter(pk__in=rows).heard_by(self.user).for_queue()

    def after(self, flag: Flag) -> Flag | None:
        """The next row about another label, whether or not this flag is still in the queue."""
        rows = self.flags().filter(after(flag.suspicion, flag.pk)).exclude(annotation=flag.annotation_id)
        return self.in_full(rows.values("pk")[:1]).first()

    def before(self, flag: Flag) -> Flag | None:
        rows = self.flags().filter(before(flag.suspicion, flag.pk)).exclude(annotation=flag.annotation_id)
        return self.in_full(rows.reverse().values("pk")[:1]).first()

    def place(self, flag: Flag) -> Place | None:
        """None where the flag's label is not among the rows."""
        is_this = Q(annotation=flag.annotation_id)
        counted = (
            self.flags()
            .order_by()
            .aggregate(
                earlier=Count("pk", filter=before(flag.suspicion, flag.pk) & ~is_this),
                this=Count("pk", filter=is_this),
                all=Count("pk"),
            )
        )
        return Place(counted["earlier"] + 1, counted["all"]) if counted["this"] else None


# ---- Order: by suspicion, and by id where that is the same


def after(suspicion: float, pk: int) -> Q:
    # The first condition alone, for the index.
    return Q(suspicion__lte=suspicion) & (Q(suspicion__lt=suspicion) | Q(pk__gt=pk))


def before(suspicion: float, pk: int) -> Q:
    return Q(suspicion__gte=suspicion) & (Q(suspicion__gt=suspicion) | Q(pk__lt=pk))


# ---- What an address may say


def _state(text: str) -> State:
    if text not in State:
        raise _Wrong(f"There is no state “{_short(text)}”: what is open shows.")
    return State(text)


def _reason(text: str) -> str:
    if text not in Flag.Reason:
        raise _Wrong(f"There is no reason “{_short(text)}”: all reasons show.")
    return text


def to_id(text: str) -> int:
    """0, which nothing has, where the text is no id."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else 0


def _id(what: str, text: str) -> int:
    if not to_id(text):
        raise _Wrong(f"There is no {what} “{_short(text)}”: all show.")
    return to_id(text)


def _level(text: str) -> int:
    if text not in map(str, LEVELS):
        raise _Wrong(f"“{_short(text)}” is no level from 1 to 10: all levels show.")
    return int(text)


def _suspicion(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= MAX_SUSPICION:
        raise _Wrong(f"“{_short(text)}” is no suspicion from 0 to {MAX_SUSPICION} levels: any shows.")
    return value


def _words(text: str) -> str:
    return text[:MAX_WORDS]


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


_READERS: dict[str, Callable[[str], Any]] = {
    "state": _state,
    "reason": _reason,
    "genre": partial(_id, "genre"),
    "annotator": partial(_id, "annotator"),
    "level": _level,
    "run": _words,
    "suspicion": _suspicion,
    "q": _words,
}

_IN_STATE: dict[State, Callable[[FlagQuerySet], FlagQuerySet]] = {
    State.OPEN: FlagQuerySet.open,
    State.SECOND_OPINION: FlagQuerySet.awaiting_second_opinion,
    State.RESOLVED: FlagQuerySet.resolved,
}
