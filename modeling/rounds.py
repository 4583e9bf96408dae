"""Rounds of the outlier loop: a run flags labels, leads decide, annotators label again, and the next run tells what it brought."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q

from annotations.models import Annotation, Decision, Flag, Stream
from annotations.review.precision import is_confirmed
from modeling.models import TrainingRun

# Of paired differences of about one level a track; with fewer, a tenth of a level is lost in them.
ENOUGH_TRACKS = 50
# Of a difference, in standard errors: less comes about by chance more than once in twenty times.
CLEAR = 2.0

KEEP, CHANGE, DROP = Decision.Verdict.KEEP, Decision.Verdict.CHANGE, Decision.Verdict.DROP


@dataclass(frozen=True)
class SliceChange:
    """Macro-MAE of two runs on slice tracks that both predicted, against the newer levels; less than 0 is better."""

    n: int
    before: float
    after: float
    change: float
    se: float

    @property
    def is_clear(self) -> bool:
        # Where both say the same of every track, the standard error is 0 too.
        return self.n >= ENOUGH_TRACKS and self.change != 0 and abs(self.change) >= CLEAR * self.se


@dataclass(frozen=True)
class Round:
    """What came of one run's flags until the next run, or until now.

    Attributes
    ----------
    decided
        How many labels leads decided about, by verdict; the newest decision about each counts, undone ones do not.
    n_judged, n_confirmed
        Of how many of them somebody listened and then said whether the label is right; and how many were not.
    n_relabelled
        Labels that annotators gave because a lead had asked, or changed by themselves.
    """

    run: TrainingRun
    next_run: TrainingRun | None
    decided: Mapping[str, int] = field(default_factory=dict)
    n_judged: int = 0
    n_confirmed: int = 0
    n_relabelled: int = 0

    @property
    def flags(self) -> dict[str, Any] | None:
        """What the run flagged; runs of earlier versions do not know."""
        return self.run.results.get("flags")

    @property
    def found(self) -> list[tuple[str, int]]:
        """Reasons and their flags, most first; a label may have several."""
        found = Counter((self.flags or {}).get("found", {}))
        return [(Flag.Reason(reason).label, n) for reason, n in found.most_common()]

    @property
    def verdicts(self) -> list[tuple[str, int]]:
        return [(verdict.label, n) for verdict in Decision.Verdict if (n := self.decided.get(verdict))]

    @property
    def n_decided(self) -> int:
        return sum(self.decided.values())

    @property
    def n_levels_changed(self) -> int | None:
        """Tracks that people see at another level than the run did; None before the next run has looked."""
        return self._held_against.get("n_levels_changed")

    @property
    def slice_change(self) -> SliceChange | None:
        found = self._held_against.get("slice")
        return SliceChange(**found) if found else None

    @property
    def _held_against(self) -> dict[str, Any]:
        """What the next run found when it looked at this one; runs of earlier versions have not."""
        found = (self.next_run and self.next_run.results.get("since_previous")) or {}
        return found if found.get("run") == self.run.pk else {}

    @property
    def caveats(self) -> list[str]:
        """What to know before believing the change, in sentences."""
        if self.next_run is None:
            return ["No run since: train again to see what the decisions brought."]
        if (change := self.slice_change) is None:
            return [
                f"Run {self.next_run.pk} was not held against this one: they share no predicted track of the slice."
            ]
        said = []
        if change.n < ENOUGH_TRACKS:
            said.append(
                f"{change.n} tracks of the slice are too few to tell; from {ENOUGH_TRACKS} on it is worth reading."
            )
        elif not change.is_clear:
            said.append("That is no more than chance may bring.")
        if _way_of_learning(self.run) != _way_of_learning(self.next_run):
            said.append("The two runs do not learn in the same way, so it is not the labels alone.")
        n_more = (self.next_run.n_annotations or 0) - (self.run.n_annotations or 0)
        if n_more > 0:
            said.append(f"Run {self.next_run.pk} also had {n_more} more label{'s' if n_more > 1 else ''}.")
        return said


def _way_of_learning(run: TrainingRun) -> tuple[Any, ...]:
    return run.recipe, run.options, run.feature_sets


class _Event(NamedTuple):
    """Something that people did, to be put into the round in which they did it."""

    pk: int
    created_at: datetime
    what: Any


def rounds_of(runs: Sequence[TrainingRun], *, next_run: TrainingRun | None = None) -> list[Round]:
    """The rounds of consecutive runs that succeeded, newest first; `next_run` came after the newest of them."""
    if not runs:
        return []
    later = [next_run, *runs[:-1]]
    timeline = [run for run in (next_run, *runs) if run is not None]
    decisions = _by_run(_decisions(timeline), timeline, "newest_decision")
    labels = _by_run(_labels_given_again(timeline), timeline, "newest_annotation")
    return [_round(run, after, decisions[run.pk], len(labels[run.pk])) for run, after in zip(runs, later, strict=True)]


def newest_rounds(runs: Sequence[TrainingRun]) -> list[Round]:
    """As `rounds_of`, up to now and without the labels given again: what the dashboard, which asks little, says of them."""
    decisions = _by_run(_decisions(runs), runs, "newest_decision") if runs else {}
    later = [None, *runs[:-1]]
    return [_round(run, after, decisions[run.pk], 0) for run, after in zip(runs, later, strict=False)]


def _round(run: TrainingRun, next_run: TrainingRun | None, decisions: list[Decision], n_relabelled: int) -> Round:
    newest = {decision.flag.annotation_id: decision for decision in decisions}.values()
    # As annotations.review.precision counts.
    judged = [
        decision for decision in newest if decision.verdict in {KEEP, CHANGE, DROP} and decision.blind_level is not None
    ]
    n_confirmed = sum(
        is_confirmed(verdict=decision.verdict, level=decision.level, labelled=decision.flag.annotation.level)
        for decision in judged
    )
    return Round(run, next_run, Counter(each.verdict for each in newest), len(judged), n_confirmed, n_relabelled)


def _decisions(timeline: Sequence[TrainingRun]) -> Iterable[_Event]:
    undone = Decision.objects.filter(verdict=Decision.Verdict.UNDO).values("undoes")
    decisions = Decision.objects.exclude(verdict=Decision.Verdict.UNDO).exclude(pk__in=undone).order_by("pk")
    rows = decisions.filter(_since(timeline[-1], "newest_decision")).select_related("flag__annotation")
    return (_Event(row.pk, row.created_at, row) for row in rows.defer("flag__evidence"))


def _labels_given_again(timeline: Sequence[TrainingRun]) -> Iterable[_Event]:
    again = Annotation.objects.filter(Q(stream=Stream.ASKED) | Q(source=Annotation.Source.RELABEL))
    rows = again.filter(_since(timeline[-1], "newest_annotation")).values_list("pk", "created_at")
    return (_Event(pk, created_at, None) for pk, created_at in rows)


def _since(run: TrainingRun, boundary: str) -> Q:
    """What the run has not seen: by id, so that of a million labels only the newest are looked at."""
    seen = run.results.get(boundary)
    return Q(created_at__gte=run.created_at) if seen is None else Q(pk__gt=seen)


def _by_run(events: Iterable[_Event], timeline: Sequence[TrainingRun], boundary: str) -> dict[int, list[Any]]:
    """What happened after each run and before the next: by the last that the run has seen, or (earlier versions) by time."""
    found: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        for run in timeline:
            seen = run.results.get(boundary)
            if event.created_at >= run.created_at if seen is None else event.pk > seen:
                found[run.pk].append(event.what)
                break
    return found
