"""What the dashboard tells of. Each fact is read when it is first asked for, so a download reads no more than it shows.

Whatever needs every label comes from the report on annotators, which says its age.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Count, F, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotations.annotators import report
from annotations.annotators.people import names_of
from annotations.models import LEVELS, Annotation, AnnotatorReport, Flag, LabellingRules, Track, User
from modeling.models import Prediction, Promotion, TrainingRun
from modeling.retraining.champion import Comparison, Standing, standing

N_RUNS_DRAWN = 60

PARTS = {
    "out_of_fold": "Out-of-fold: every development track, predicted by a model that had seen neither it nor, where it is known, its artist",
    "slice": "Evaluation slice: a fifth of the tracks, never flagged, never learnt from before the final model",
}


class OpenFlag(NamedTuple):
    label: int
    reason: str
    created_at: datetime


class Outstanding(NamedTuple):
    """What labelling has still to do."""

    n_tracks: int
    n_labels: int


class Facts:
    def __init__(self, user: User) -> None:
        self.user = user

    # ---- The model

    @cached_property
    def runs(self) -> list[TrainingRun]:
        """Those that are drawn, oldest first; each knows the ids of the run in use, and of the one before it. Of earlier
        versions some have not all that is told of."""
        promotions = Promotion.objects.order_by("-pk").values("run")
        before = promotions.exclude(run=Subquery(promotions[:1]))
        runs = TrainingRun.objects.succeeded().for_dashboard().order_by("-pk")
        drawn = runs.annotate(live_pk=Subquery(promotions[:1]), before_pk=Subquery(before[:1]))[:N_RUNS_DRAWN]
        return [run for run in drawn if "out_of_fold" in run.results][::-1]

    @cached_property
    def newest(self) -> TrainingRun | None:
        return self.runs[-1] if self.runs else None

    @cached_property
    def before(self) -> TrainingRun | None:
        return self.runs[-2] if len(self.runs) > 1 else None

    @cached_property
    def standing(self) -> Standing:
        """The run in use, and the newest beside it. Where they are drawn, they need not be asked for."""
        drawn = {run.pk: run for run in self.runs}
        live_pk, before_pk = (self.newest.live_pk, self.newest.before_pk) if self.newest else (None, None)  # type: ignore[attr-defined]  # by `runs`
        if live_pk not in drawn or before_pk not in {None, *drawn}:
            return standing()
        live, challenger = drawn[live_pk], self.newest if self.newest != drawn[live_pk] else None
        return Standing(live, challenger, Comparison.of(challenger or live), drawn[before_pk] if before_pk else None)

    @cached_property
    def predicted(self) -> list[int]:
        """Of the whole library, how many tracks the model in use puts at each level; of no model none."""
        # By what an index holds (prediction_cell): of a final prediction no truth is stored.
        final = Prediction.objects.filter(run=self.standing.live, true_level=None).values_list("level").order_by()
        found = dict(final.annotate(n=Count("pk")))
        return [found.get(level, 0) for level in LEVELS]

    # ---- Labels

    @cached_property
    def n_labels(self) -> int:
        """Labels that stand. Before there is a report: all that were given, less those that another replaces."""
        if self.labelled:
            return self.labelled["n_labels"]
        given = Annotation.objects.aggregate(n=Count("pk"), n_replaced=Count("supersedes"))
        return given["n"] - given["n_replaced"]

    @cached_property
    def report(self) -> AnnotatorReport | None:
        return report.newest()

    @property
    def labelled(self) -> dict[str, Any] | None:
        """What the report says; None before there is one, or where there is nothing to say."""
        return self.report.content if self.report and self.report.content["annotators"] else None

    @property
    def as_of(self) -> datetime | None:
        """Of what the report says."""
        return self.report.made_at if self.report else None

    @cached_property
    def names(self) -> dict[int, str]:
        """Of everybody who has labelled, by id."""
        ids = [entry["id"] for entry in self.labelled["annotators"]] if self.labelled else []
        return names_of(User.objects.only("username", "first_name", "last_name", "alias").filter(pk__in=ids))

    @cached_property
    def outstanding(self) -> Outstanding:
        """Of tracks that can be heard and have fewer labels than the rules ask for."""
        asked = LabellingRules.objects.order_by("-pk").values("labels_per_track")[:1]
        wanted = Coalesce(Subquery(asked), Value(LabellingRules().labels_per_track))
        lacking = Track.objects.playable().annotate(wanted=wanted).filter(n_annotators__lt=F("wanted"))
        found = lacking.values_list("wanted", "n_annotators").annotate(n=Count("pk")).order_by()
        rows = [(wanted - n_annotators, n) for wanted, n_annotators, n in found]
        return Outstanding(sum(n for _, n in rows), sum(missing * n for missing, n in rows))

    @property
    def a_day(self) -> float | None:
        """Labels, over the last weeks, or since the first where that is less long ago."""
        if not self.labelled or not self.labelled["pace"]["recent"]["n"]:
            return None
        pace = self.labelled["pace"]
        first = max(date.fromisoformat(pace["since"]), date.fromisoformat(pace["days"][0][0]))
        return pace["recent"]["n"] / max(1, (timezone.localdate(self.report.made_at) - first).days + 1)  # type: ignore[union-attr]

    @property
    def done_by(self) -> date | None:
        """When nothing is left at this pace; None where there is no pace, or nothing left, or nobody will live to see it."""
        if not self.a_day or not self.outstanding.n_labels:
            return None
        days = math.ceil(self.outstanding.n_labels / self.a_day)
        return timezone.localdate() + timedelta(days=days) if days < 36_500 else None

    # ---- Review

    @cached_property
    def open_flags(self) -> list[OpenFlag]:
        """Reasons to listen again that this reader may decide about."""
        flags = Flag.objects.open().reviewable_by(self.user)
        return [OpenFlag(*row) for row in flags.values_list("annotation_id", "reason", "created_at")]

    @property
    def n_open(self) -> int:
        """Labels, as the queue counts them."""
        return len({flag.label for flag in self.open_flags})


def age_of(flags: list[OpenFlag], *, now: datetime) -> dict[str, list[int]]:
    """By reason: how many are open for a day at most, a week, a month, and longer."""
    found: dict[str, Counter[int]] = {}
    for flag in flags:
        days = (now - flag.created_at) / timedelta(days=1)
        bucket = sum(days > limit for limit in (1, 7, 30))
        found.setdefault(flag.reason, Counter())[bucket] += 1
    return {reason: [counts[bucket] for bucket in range(4)] for reason, counts in found.items()}
