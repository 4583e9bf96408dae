"""What leads say about reviewing and about annotators, and what was last found out about these."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotations.models.base import AppendOnly
from annotations.models.people import User


def flag_share() -> float:
    return 100 * settings.FLAG_SHARE


class ReviewRulesManager(models.Manager["ReviewRules"]):
    def current(self) -> ReviewRules:
        """The newest; before a lead has set any, the defaults."""
        return self.order_by("-pk").first() or ReviewRules()


class ReviewRules(AppendOnly):
    """From where on a label is flagged. Append-only: the newest row holds, from the next search for suspects on."""

    share = models.FloatField(
        default=flag_share,
        validators=[MinValueValidator(0.1), MaxValueValidator(100)],
        help_text="Per cent of all labels that the model may doubt: those farthest from what it expects.",
    )
    count = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many labels the model may doubt. In place of the share, where it is given.",
    )
    too_fast_s = models.FloatField(
        default=4.0,
        validators=[MinValueValidator(0), MaxValueValidator(60)],
        help_text="Seconds from getting a track to the answer: fewer are too few.",
    )
    gold_missed_by = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(9)],
        help_text="Levels from what leads agreed on, from which a gold track counts as missed.",
    )
    changed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = ReviewRulesManager()

    class Meta:
        verbose_name_plural = "review rules"
        constraints = [
            models.CheckConstraint(name="review_rules_share_of_all", condition=Q(share__gt=0, share__lte=100)),
            models.CheckConstraint(
                name="review_rules_count_positive", condition=Q(count__isnull=True) | Q(count__gte=1)
            ),
            models.CheckConstraint(name="review_rules_too_fast_not_negative", condition=Q(too_fast_s__gte=0)),
            models.CheckConstraint(
                name="review_rules_gold_in_scale", condition=Q(gold_missed_by__gte=1, gold_missed_by__lte=9)
            ),
        ]

    def __str__(self) -> str:
        return f"review rules of {self.created_at:%d %b %Y %H:%M}"


class AnnotatorExclusionQuerySet(models.QuerySet["AnnotatorExclusion"]):
    def newest(self):
        """The newest word about each annotator: what holds now."""
        newest = self.order_by().values("annotator").annotate(newest=models.Max("pk")).values("newest")
        return self.filter(pk__in=newest)

    def excluded(self):
        """Ids of annotators whose labels no model learns from."""
        return self.newest().filter(is_excluded=True).values("annotator")


class AnnotatorExclusion(AppendOnly):
    """A lead takes an annotator's labels out of training, or back in. They are kept, and shown. Append-only."""

    annotator = models.ForeignKey(User, models.PROTECT, related_name="exclusions")
    is_excluded = models.BooleanField()
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AnnotatorExclusionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.annotator} {'excluded from' if self.is_excluded else 'taken back into'} training"


class AnnotatorReport(models.Model):
    """What was last found out about annotators. A cache: to make it anew reads every label, which no page can wait for."""

    made_at = models.DateTimeField(default=timezone.now)
    newest_annotation = models.BigIntegerField(help_text="The last it knows of.")
    newest_decision = models.BigIntegerField(default=0)
    content = models.JSONField()

    def __str__(self) -> str:
        return f"annotators as of {self.made_at:%d %b %Y %H:%M}"
