"""Rankings of the tracks that people might label next. The places themselves are `annotations.models.RankedTrack`."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotations.models import User
from energyapp.jobs.models import Job
from modeling.models import TrainingRun


class RankingQuerySet(models.QuerySet["Ranking"]):
    def done(self):
        return self.filter(n_ranked__isnull=False)

    def newest(self, strategy: str) -> Ranking | None:
        """Whose places the order of this name has."""
        return self.done().filter(strategy=strategy).order_by("-pk").first()


class Ranking(models.Model):
    """A strategy's choice of what to label next, and what was found on the way. Its job says how it goes."""

    job = models.OneToOneField(Job, models.PROTECT, related_name="ranking")
    requested_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", help_text="Nobody: a run was put to use by itself."
    )
    strategy = models.CharField(
        max_length=30, help_text="See modeling.core.acquisition. A random order has no places, but findings."
    )
    created_at = models.DateTimeField(default=timezone.now)
    # What the job found; all of it is written in the one transaction that ends it, with the places.
    run = models.ForeignKey(
        TrainingRun, models.PROTECT, null=True, related_name="rankings", help_text="In use then; none: a cold start."
    )
    n_open = models.PositiveIntegerField(null=True, help_text="Tracks without a label that could be chosen.")
    n_ranked = models.PositiveIntegerField(null=True, help_text="Of them and of labelled ones, those that were.")
    found: Any = models.JSONField(
        default=dict, help_text='"more": what further labels bring; "live": the strategy against chance.'
    )

    objects = RankingQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="ranking_results_all_or_none",
                condition=Q(n_open__isnull=True, n_ranked__isnull=True, run__isnull=True, found={})
                | Q(n_open__isnull=False, n_ranked__isnull=False),
            ),
        ]
        indexes = [models.Index(name="ranking_newest_of_a_strategy", fields=["strategy", "-id"])]

    def __str__(self) -> str:
        return f"ranking {self.pk} by {self.strategy}"
