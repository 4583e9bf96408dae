"""What the newest replay of one's own labels says of strategies: the proof beside the switch. Read out of its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from annotations.models import Annotation
from modeling.core.acquisition import STRATEGIES
from modeling.core.estimates import Estimate
from modeling.core.lab.report import Chart, Report, Table
from modeling.core.lab.savings import (
    CURVE,
    RANDOM,
    REAL,
    SAVINGS,
    STANDINGS,
    Saving,
    is_clear,
    recommended_in,
    savings_of,
    standings_of,
)
from modeling.lab_report import report_of
from modeling.models import Experiment

EXPERIMENT = "active_learning"
# A quick look, or one that knows the artists it is judged by, is no proof. Half of the repeats judge.
LEAST_REPEATS = 20
AS_A_PROOF = {"options__thin_rare": False, "options__by_artist": True, "options__n_repeats__gte": LEAST_REPEATS}
# New labels since, in shares of those replayed, that make a proof old: what saves labels with few may not with more.
STALE_FROM = 0.5


@dataclass(frozen=True)
class StrategyProof:
    """What one strategy would have done. `savings` holds one for each size that was looked at, the largest last.

    Attributes
    ----------
    area_less : mean height of its curve less that of random's, in levels; below 0 is better
    could_be_chance : whether chance alone could explain that difference
    """

    strategy: str
    area_less: Estimate
    savings: tuple[Saving, ...]

    @property
    def could_be_chance(self) -> bool:
        return not is_clear(self.area_less)


@dataclass(frozen=True)
class Proof:
    """A replay of the labelled tracks there were.

    Attributes
    ----------
    n_tracks, n_labels : how many labelled tracks there were, and labels of them
    strategies : all that choose new tracks, but random
    opinions : those that ask for second opinions too, played back with the annotators' own: other sizes, another start.
        Empty where few tracks have several labels.
    recommended : a strategy's name, or `random`
    sentence : what that rests on
    chart : macro-MAE by number of labels, a curve for each strategy
    """

    experiment: Experiment
    answered_at: datetime | None
    n_tracks: int
    n_labels: int
    strategies: tuple[StrategyProof, ...]
    opinions: tuple[StrategyProof, ...]
    recommended: str
    sentence: str
    chart: Chart
    is_stale: bool

    @property
    def saves(self) -> bool:
        """Whether any strategy is worth being turned on."""
        return self.recommended != RANDOM


def newest_proof() -> Proof | None:
    """From the newest answered experiment on these labels as they are; None where nobody has asked, or it cannot be read.

    Where rare levels were thinned it tells of another library, and is no proof for this one.
    """
    asked = Experiment.objects.answered().filter(name=EXPERIMENT, **AS_A_PROOF)
    experiment = asked.select_related("job").order_by("-pk").first()
    report = report_of(experiment) if experiment else None
    return _proof(experiment, report) if experiment and report else None


def _proof(experiment: Experiment, report: Report) -> Proof | None:
    tables = {table.title: table for table in report.findings.tables}
    charts = {chart.title: chart for chart in report.findings.charts}
    if not {STANDINGS, SAVINGS} <= tables.keys() or CURVE not in charts:
        return None  # of another version of this program
    n_labels = report.provenance.n_annotations
    return Proof(
        experiment=experiment,
        answered_at=experiment.job.finished_at,
        n_tracks=report.provenance.n_tracks,
        n_labels=n_labels,
        strategies=tuple(_strategies(tables, "")),
        opinions=tuple(_strategies(tables, REAL)),
        recommended=recommended_in(tables[STANDINGS]),
        sentence=report.findings.conclusions[0],
        chart=charts[CURVE],
        is_stale=_new_labels(experiment) >= STALE_FROM * n_labels,
    )


def _new_labels(experiment: Experiment) -> int:
    return Annotation.objects.filter(created_at__gt=experiment.created_at).count()


def _strategies(tables: Mapping[str, Table], of: str) -> Iterator[StrategyProof]:
    """Those of the tables with this behind their titles that can be turned on."""
    savings = savings_of(tables[SAVINGS + of]) if SAVINGS + of in tables else []
    for each in standings_of(tables[STANDINGS + of]) if savings else []:
        if each.area_less is not None and each.strategy in STRATEGIES:
            mine = tuple(saving for saving in savings if saving.strategy == each.strategy)
            yield StrategyProof(each.strategy, each.area_less, mine)
