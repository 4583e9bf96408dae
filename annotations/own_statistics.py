"""What annotators may know of their own labels: how they use the scale, their pace, and how far they agree with themselves.

Nothing here may tell why a track was handed out. So what counts is answers, of which each track that was handed out gives
one, and not labelled tracks, whose number stands still after a repeat; and pairs of repeats come a day late.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import fmean, median, stdev

from django.db.models import F, OuterRef, Subquery
from django.utils import timezone

from annotations.models import LEVELS, Annotation, LabellingRules, Reference, Stream, User

TOO_FAST_S = 4.0
"""Seconds in which nobody has found, heard and judged the most energetic part of a track."""

MIN_PAIRS = 10
"""Fewer differences say more about chance than about the person."""

MAX_ANNOTATIONS = 10_000
"""The newest that are looked at: ten times as many would take the page a second, and tell of years ago."""

ACCEPTABLE_ERROR = 1
"""In levels, as the thesis has it."""


@dataclass(frozen=True)
class Answer:
    """One annotation of the person's."""

    level: int
    is_correction: bool  # a change of mind, and no track that was handed out
    is_corrected: bool
    answered_s: float | None
    day: date
    before: int | None = None  # of a repeat: the level that stood until then
    agreed: int | None = None  # of gold: what leads say


@dataclass(frozen=True)
class Differences:
    """Levels said, less levels expected. None where there are fewer than MIN_PAIRS, and then not even how many."""

    n: int
    mean: float
    mean_absolute: float
    mean_absolute_se: float
    exact_share: float
    within_one_share: float

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> "Differences | None":
        """
        >>> found = Differences.of([(5, 4)] * 5 + [(5, 7)] * 5)
        >>> found.n, found.mean, found.mean_absolute, found.within_one_share, round(found.mean_absolute_se, 2)
        (10, -0.5, 1.5, 0.5, 0.17)
        """
        differences = [said - expected for said, expected in pairs]
        if len(differences) < MIN_PAIRS:
            return None
        distances = [abs(difference) for difference in differences]
        return cls(
            n=len(differences),
            mean=fmean(differences),
            mean_absolute=fmean(distances),
            mean_absolute_se=stdev(distances) / len(distances) ** 0.5,
            exact_share=fmean(distance == 0 for distance in distances),
            within_one_share=fmean(distance <= ACCEPTABLE_ERROR for distance in distances),
        )


@dataclass(frozen=True)
class OwnStatistics:
    counts: list[int]  # of each level
    n_today: int
    n_days: int
    median_a_day: float | None
    median_s: float | None
    too_fast_share: float | None
    repeats: Differences | None
    gold: Differences | None

    @property
    def n_answers(self) -> int:
        return sum(self.counts)


def own_statistics(annotator: User, rules: LabellingRules) -> OwnStatistics:
    """Of what this person has said; the gold score only where the rules let annotators know it."""
    return describe(_answers(annotator), today=timezone.localdate(), shows_gold=rules.shows_gold)


def describe(answers: Sequence[Answer], *, today: date, shows_gold: bool) -> OwnStatistics:
    """Pure: the figures of some answers."""
    given = [answer for answer in answers if not answer.is_correction]
    a_day = Counter(answer.day for answer in given)
    of_level = Counter(answer.level for answer in answers if not answer.is_corrected)
    seconds = [answer.answered_s for answer in given if answer.answered_s is not None]
    repeats = ((a.level, a.before) for a in given if a.before is not None and a.day < today)
    gold = ((a.level, a.agreed) for a in given if a.agreed is not None)
    return OwnStatistics(
        counts=[of_level[level] for level in LEVELS],
        n_today=a_day[today],
        n_days=len(a_day),
        median_a_day=median(a_day.values()) if a_day else None,
        median_s=median(seconds) if seconds else None,
        too_fast_share=fmean(answer < TOO_FAST_S for answer in seconds) if seconds else None,
        repeats=Differences.of(repeats),
        gold=Differences.of(gold) if shows_gold else None,
    )


def _answers(annotator: User) -> list[Answer]:
    """One query. What gold is now: leads may have changed their minds, or have taken it back."""
    gold = Reference.objects.filter(use=Reference.Use.GOLD, track=OuterRef("track")).values("level")
    own = Annotation.objects.filter(annotator=annotator).order_by("-created_at", "-pk")
    rows = own.values_list(
        "level",
        "source",
        "stream",
        "answered_s",
        "created_at",
        F("supersedes__level"),
        F("superseded_by__source"),
        Subquery(gold),
    )
    return [_answer(*row) for row in rows[:MAX_ANNOTATIONS]]


def _answer(
    level: int,
    source: str,
    stream: str,
    answered_s: float | None,
    created_at: datetime,
    before: int | None,
    source_after: str | None,
    agreed: int | None,
) -> Answer:
    return Answer(
        level=level,
        is_correction=source == Annotation.Source.RELABEL,
        is_corrected=source_after == Annotation.Source.RELABEL,
        answered_s=answered_s,
        day=timezone.localtime(created_at).date(),
        before=before if stream == Stream.REPEAT else None,
        agreed=agreed if stream == Stream.GOLD else None,
    )
