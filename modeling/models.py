"""Features, training runs and what they predicted. Numbers come from `modeling.pipeline`, in workers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Subquery
from django.utils import timezone

from annotations.models import MAX_LEVEL, MIN_LEVEL, AppendOnly, Track, User
from energyapp.jobs.models import Job


class FeatureVector(models.Model):
    """The numbers of one feature set of one track: float32, little-endian. A cache: may be rebuilt from the audio."""

    track = models.ForeignKey(Track, models.CASCADE, related_name="feature_vectors")
    feature_set = models.CharField(max_length=40, help_text='Name with version, for instance "signal@1".')
    values = models.BinaryField()

    class Meta:
        constraints = [
            # Set first: training reads whole sets.
            models.UniqueConstraint(name="feature_vector_one_per_track_and_set", fields=["feature_set", "track"]),
        ]

    def __str__(self) -> str:
        return f"{self.feature_set} of {self.track}"


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def succeeded(self):
        return self.filter(job__status=Job.Status.SUCCEEDED)

    def for_dashboard(self):
        return self.select_related("job", "requested_by").order_by("pk")

    def live(self) -> TrainingRun | None:
        """The run whose model is in use: the newest promotion's."""
        newest = Promotion.objects.order_by("-pk").values("run")[:1]
        return self.filter(pk=Subquery(newest)).first()


class TrainingRun(models.Model):
    """One training. Its job says how it goes; a run whose job succeeded *is* a model version."""

    job = models.OneToOneField(Job, models.PROTECT, related_name="training_run")
    requested_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="training_runs")
    recipe = models.CharField(max_length=40)
    options = models.JSONField(default=dict, blank=True, help_text="Of its recipe, by name.")
    seed = models.PositiveIntegerField(default=0)
    reason = models.CharField(
        max_length=100,
        blank=True,
        help_text="Why it was asked for, where nobody asked: by the schedule, after 50 labels.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    # What training found; all of it is written in the one transaction that ends the job.
    feature_sets = models.JSONField(default=list, blank=True)
    code_version = models.CharField(max_length=60, blank=True)
    dataset_digest = models.CharField(max_length=64, blank=True)
    artifact = models.CharField(max_length=60, blank=True, help_text="Its folder among the runs.")
    artifact_digest = models.CharField(max_length=64, blank=True)
    n_tracks = models.PositiveIntegerField(null=True, blank=True)
    n_annotations = models.PositiveIntegerField(null=True, blank=True)
    metrics = models.JSONField(null=True, blank=True)

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="run_results_all_or_none",
                condition=Q(artifact_digest="", dataset_digest="", metrics__isnull=True, n_tracks__isnull=True)
                | ~Q(artifact_digest="") & ~Q(dataset_digest="") & Q(metrics__isnull=False, n_tracks__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def results(self) -> dict[str, Any]:
        """The metrics of a run that succeeded, by held-out part."""
        if self.metrics is None:
            raise ValueError(f"{self} has no results: its job is {self.job.status}")
        return self.metrics

    @property
    def looked_at(self) -> dict[str, Any]:
        """Ids of the newest label, decision and so on that it has seen; of one without results, that there were when it
        was asked for."""
        return self.metrics or self.job.arguments

    def unseen(self, boundary: str) -> Q:
        """What came after: `newest_decision` of decisions, and so on. By id; for runs of earlier versions by time."""
        seen = self.looked_at.get(boundary)
        return Q(created_at__gte=self.created_at) if seen is None else Q(pk__gt=seen)

    @property
    def is_live(self) -> bool:
        newest = Promotion.objects.order_by("-pk").values_list("run", flat=True).first()
        return newest == self.pk


class PredictionQuerySet(models.QuerySet["Prediction"]):
    def held_out(self):
        """Made by models that had not seen the track's label: the only ones that say anything about error."""
        return self.exclude(part=Prediction.Part.FINAL)


class Prediction(models.Model):
    """What a run says of one track. A labelled track has the held-out one too, from a model that had not seen its label."""

    class Part(models.TextChoices):
        OUT_OF_FOLD = "out-of-fold"
        SLICE = "slice", "evaluation slice"
        FINAL = "final", "final model"

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="predictions")
    track = models.ForeignKey(Track, models.CASCADE, related_name="predictions")
    part = models.CharField(max_length=11, choices=Part)
    true_level = models.PositiveSmallIntegerField(null=True, help_text="The track's label when the run was made.")
    score = models.FloatField(help_text="Before the decision, in levels.")
    level = models.PositiveSmallIntegerField()
    lower = models.FloatField(null=True, help_text="The interval that holds nine labels of ten, in levels.")
    upper = models.FloatField(null=True)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="prediction_one_per_run_track_and_part", fields=["run", "track", "part"]),
            models.CheckConstraint(
                name="prediction_level_in_scale", condition=Q(level__gte=MIN_LEVEL, level__lte=MAX_LEVEL)
            ),
            models.CheckConstraint(
                name="prediction_part_known", condition=Q(part__in=["out-of-fold", "slice", "final"])
            ),
            models.CheckConstraint(
                name="prediction_held_out_has_its_truth", condition=Q(part="final") | Q(true_level__isnull=False)
            ),
            models.CheckConstraint(
                name="prediction_interval_has_both_ends",
                condition=Q(lower__isnull=True, upper__isnull=True)
                # A comparison with NULL is not false, so a CHECK would let it pass.
                | Q(lower__isnull=False, upper__isnull=False, lower__lte=models.F("upper")),
            ),
        ]
        indexes = [models.Index(name="prediction_cell", fields=["run", "true_level", "level"])]

    def __str__(self) -> str:
        return f"{self.run}: {self.track} is {self.level}"


class ExperimentQuerySet(models.QuerySet["Experiment"]):
    def answered(self):
        return self.exclude(report="")

    def newest_of_each_name(self):
        """With their jobs and without their reports, which are long."""
        newest = self.order_by().values("name").annotate(newest=models.Max("pk")).values("newest")
        return Experiment.objects.filter(pk__in=newest).select_related("job").defer("report")


class Experiment(models.Model):
    """A question asked of the labels there were. Its job says how it goes; its report, once there, stays as it is."""

    job = models.OneToOneField(Job, models.PROTECT, related_name="experiment")
    requested_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="experiments")
    name = models.CharField(max_length=40, help_text="Which one: see modeling.core.lab.experiments.")
    options = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Written in the one transaction that ends the job.
    report = models.TextField(blank=True, help_text="JSON: see modeling.core.lab.report.")
    data_digest = models.CharField(max_length=64, blank=True)

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="experiment_report_with_its_digest",
                condition=Q(report="", data_digest="") | ~Q(report="") & ~Q(data_digest=""),
            ),
        ]
        indexes = [models.Index(name="experiment_newest_of_a_name", fields=["name", "-id"])]

    def __str__(self) -> str:
        return f"experiment {self.pk}: {self.name}"


class Promotion(AppendOnly):
    """A run was put to use. Append-only; the newest holds, and going back is one more row."""

    run = models.ForeignKey(TrainingRun, models.PROTECT, related_name="promotions")
    promoted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, help_text="Nobody: it was promoted by itself."
    )
    why = models.CharField(max_length=300, blank=True, help_text="Of one that was promoted by itself, in a sentence.")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.run} promoted"

    @property
    def is_automatic(self) -> bool:
        return self.promoted_by_id is None


class RetrainingRulesManager(models.Manager["RetrainingRules"]):
    def current(self) -> RetrainingRules:
        """The newest; before an admin has set any, the defaults: nothing happens by itself."""
        return self.order_by("-pk").first() or RetrainingRules()


class RetrainingRules(AppendOnly):
    """When a training is asked for by itself, and whether its model may be put to use by itself. Append-only: the newest holds."""

    class Schedule(models.TextChoices):
        OFF = "off", "Not by the clock"
        DAILY = "daily", "Every day"
        WEEKLY = "weekly", "Every week"

    class Weekday(models.IntegerChoices):
        MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)

    schedule = models.CharField(max_length=6, choices=Schedule, default=Schedule.OFF)
    weekday = models.PositiveSmallIntegerField(choices=Weekday, default=Weekday.MONDAY)
    hour = models.PositiveSmallIntegerField(
        default=3,
        validators=[MaxValueValidator(23)],
        help_text="Of the day, 0 to 23, in the installation's time zone.",
    )
    after_labels = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    after_decisions = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    promotes_by_itself = models.BooleanField(
        default=False, help_text="A new model that is better than the one in use, chance allowed for, replaces it."
    )
    changed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = RetrainingRulesManager()

    class Meta:
        verbose_name_plural = "retraining rules"
        constraints = [
            models.CheckConstraint(
                name="retraining_rules_schedule_known", condition=Q(schedule__in=["off", "daily", "weekly"])
            ),
            models.CheckConstraint(name="retraining_rules_hour_of_a_day", condition=Q(hour__lte=23)),
            models.CheckConstraint(name="retraining_rules_weekday_known", condition=Q(weekday__lte=6)),
            models.CheckConstraint(
                name="retraining_rules_counts_positive",
                condition=(Q(after_labels__isnull=True) | Q(after_labels__gte=1))
                & (Q(after_decisions__isnull=True) | Q(after_decisions__gte=1)),
            ),
        ]

    def __str__(self) -> str:
        return f"retraining rules of {self.created_at:%d %b %Y %H:%M}"
