"""Lists of tracks that somebody wants scored, and what the model in use says of a song window by window."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotations.models import Track, User
from energyapp.jobs.models import Job
from modeling.models import TrainingRun
from modeling.scoring.states import ScoringRowQuerySet


class Scoring(models.Model):
    """A CSV of tracks. It holds no score: what a model says of them is looked up whenever somebody asks."""

    requested_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="scorings", help_text="Nobody: on the command line."
    )
    created_at = models.DateTimeField(default=timezone.now)
    name = models.CharField(max_length=300, help_text="Of the file.")
    digest = models.CharField(max_length=64, help_text="sha256 of the file.")
    columns = models.JSONField(
        default=list, help_text="Names of the file's columns, in order; cells are in that order."
    )
    job = models.OneToOneField(
        Job, models.PROTECT, null=True, related_name="scoring", help_text="Takes the rows in; none on the command line."
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"scoring {self.pk}: {self.name}"

    @property
    def table(self) -> Path:
        """The file, until its rows are taken in."""
        return settings.UPLOADS_DIR / f"scoring-{self.digest}.csv"


class ScoringRow(models.Model):
    """One row of the file: the track that it names, or why it names none."""

    scoring = models.ForeignKey(Scoring, models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField(help_text="In the file, from 1 on.")
    track = models.ForeignKey(Track, models.PROTECT, null=True, related_name="+")
    problem = models.CharField(max_length=400, blank=True)
    cells = models.JSONField(default=list)

    objects = ScoringRowQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="scoring_row_one_per_position", fields=["scoring", "position"]),
            models.CheckConstraint(
                name="scoring_row_track_or_problem",
                condition=Q(track__isnull=False, problem="") | Q(track__isnull=True) & ~Q(problem=""),
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.position} of {self.scoring}"


class WindowCurve(models.Model):
    """What a run's model says of each 30 s of a track: window i begins at i * 30 s. A cache: neither ever changes."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="+")
    track = models.ForeignKey(Track, models.CASCADE, related_name="+")
    scores = models.JSONField(help_text="In levels.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(name="window_curve_one_per_run_and_track", fields=["run", "track"])]

    def __str__(self) -> str:
        return f"{self.run}: curve of {self.track}"
