"""What leads and admins say about labelling: the rules, examples and gold, assignments, orders. And what annotators compared."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from annotations.models.base import MAX_LEVEL, MIN_LEVEL, AppendOnly
from annotations.models.labels import Annotation, Skip
from annotations.models.people import User
from annotations.models.tracks import Track


def labels_per_track() -> int:
    return settings.LABELS_PER_TRACK


# With fewer nobody could tell for months whether a strategy is worth anything.
MIN_RANDOM_SHARE = 5


class LabellingRulesManager(models.Manager["LabellingRules"]):
    def current(self) -> LabellingRules:
        """The newest; before an admin has set any, the defaults."""
        return self.order_by("-pk").first() or LabellingRules()


def share(default: int, help_text: str) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(default=default, validators=[MaxValueValidator(100)], help_text=help_text)


class LabellingRules(AppendOnly):
    """How labelling goes for everybody, as admins set it. Append-only: the newest row holds.

    Shares are per cent of the tracks handed out; what they leave is for new tracks.
    """

    SHARES = ("second_share", "repeat_share", "gold_share", "evaluation_share")

    labels_per_track = models.PositiveSmallIntegerField(
        default=labels_per_track,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text="How many people label each track.",
    )
    order = models.CharField(max_length=30, default="random", help_text="In which new tracks are handed out.")
    second_share = share(20, "Second opinions: tracks that have labels, but not yet as many as they are to have.")
    repeat_share = share(3, "Tracks that the annotator has labelled before: how far do they agree with themselves?")
    gold_share = share(5, "Gold tracks, whose level leads have agreed on.")
    evaluation_share = share(
        0, "New tracks of the evaluation slice, drawn uniformly. Needed when the order of new tracks is not random."
    )
    random_share = models.PositiveSmallIntegerField(
        default=20,
        validators=[MinValueValidator(MIN_RANDOM_SHARE), MaxValueValidator(100)],
        help_text="Per cent of the new tracks that are drawn at random while a strategy ranks the others.",
    )
    repeat_after_days = models.PositiveSmallIntegerField(default=7, validators=[MinValueValidator(1)])
    shows_gold = models.BooleanField(default=False, help_text="Tell annotators the agreed level after each gold track.")
    hides_names = models.BooleanField(default=True, help_text="Hide title and artist until the track is labelled.")
    min_listened_s = models.FloatField(
        default=3.0,
        validators=[MinValueValidator(0), MaxValueValidator(60)],
        help_text="Seconds of a track that must have been heard before it can be labelled.",
    )
    session_goal = models.PositiveSmallIntegerField(
        default=120, validators=[MinValueValidator(1)], help_text="Labels in a session."
    )
    break_after_minutes = models.PositiveSmallIntegerField(
        default=25,
        validators=[MinValueValidator(5)],
        help_text="Of labelling without a pause, before a break is proposed.",
    )
    changed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = LabellingRulesManager()

    class Meta:
        verbose_name_plural = "labelling rules"
        constraints = [
            models.CheckConstraint(name="rules_labels_per_track_positive", condition=Q(labels_per_track__gte=1)),
            models.CheckConstraint(
                name="rules_shares_within_hundred",
                condition=Q(second_share__lte=100 - F("repeat_share") - F("gold_share") - F("evaluation_share")),
            ),
            models.CheckConstraint(name="rules_min_listened_not_negative", condition=Q(min_listened_s__gte=0)),
            models.CheckConstraint(
                name="rules_random_share_within_hundred",
                condition=Q(random_share__gte=MIN_RANDOM_SHARE, random_share__lte=100),
            ),
        ]

    def __str__(self) -> str:
        return f"rules of {self.created_at:%d %b %Y %H:%M}"


class Reference(models.Model):
    """A track whose level leads have agreed on: an example that annotators may listen to, or gold that tests them.

    Never both, and examples are never handed out to be labelled: their level is known to everybody.
    """

    class Use(models.TextChoices):
        EXAMPLE = "example"
        GOLD = "gold"

    track = models.OneToOneField(Track, models.CASCADE, related_name="reference")
    use = models.CharField(max_length=7, choices=Use)
    level = models.PositiveSmallIntegerField()
    chosen_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["level", "pk"]
        constraints = [
            models.CheckConstraint(
                name="reference_level_in_scale", condition=Q(level__gte=MIN_LEVEL, level__lte=MAX_LEVEL)
            ),
            models.CheckConstraint(name="reference_use_known", condition=Q(use__in=["example", "gold"])),
        ]
        indexes = [models.Index(name="reference_by_use", fields=["use", "level"])]

    def __str__(self) -> str:
        return f"{self.get_use_display()} of level {self.level}: {self.track}"


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def open(self):
        """Neither answered nor skipped since."""
        answer = Annotation.objects.filter(
            track=OuterRef("track"), annotator=OuterRef("annotator"), created_at__gt=OuterRef("created_at")
        )
        skipped = Skip.objects.filter(
            track=OuterRef("track"), annotator=OuterRef("annotator"), created_at__gt=OuterRef("created_at")
        )
        return self.filter(~Exists(answer), ~Exists(skipped))


class Assignment(models.Model):
    """A lead wants this person to label this track: for the first time, or once more. It comes before everything else."""

    track = models.ForeignKey(Track, models.CASCADE, related_name="assignments")
    annotator = models.ForeignKey(User, models.CASCADE, related_name="assignments")
    assigned_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(name="assignment_of_annotator", fields=["annotator", "created_at"])]

    def __str__(self) -> str:
        return f"{self.track} for {self.annotator}"


class RankedTrack(models.Model):
    """A place in a named order: of new tracks a list that somebody gave; or what a model would rather know, of new tracks and
    of those that deserve another opinion.

    A track leaves every order when somebody labels it who had not, by the trigger that counts annotators (migration 0005).
    """

    order = models.CharField(max_length=30)
    position = models.PositiveIntegerField()
    track = models.ForeignKey(Track, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="ranked_track_once_per_order", fields=["order", "track"]),
        ]
        indexes = [models.Index(name="ranked_track_by_position", fields=["order", "position"])]

    def __str__(self) -> str:
        return f"{self.order} {self.position}: {self.track}"


class NearTrack(models.Model):
    """Of a ranked track one that is so like it that a label of the one tells much of the other.

    Both had no label when they were ranked. Whether one has got one since is looked up: see `queue.ranked`.
    """

    order = models.CharField(max_length=30)
    track = models.ForeignKey(Track, models.CASCADE, related_name="+", help_text="The ranked one.")
    near = models.ForeignKey(Track, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="near_track_once_per_order", fields=["order", "track", "near"]),
            models.CheckConstraint(name="near_track_is_another", condition=~Q(track=F("near"))),
        ]

    def __str__(self) -> str:
        return f"{self.near} is near {self.track}"


class Comparison(AppendOnly):
    """Somebody unsure of a track held it against one whose level is agreed. A help while labelling, and kept."""

    class Answer(models.TextChoices):
        CALMER = "calmer"
        SAME = "same"
        STRONGER = "stronger"

    annotator = models.ForeignKey(User, models.PROTECT, related_name="comparisons")
    track = models.ForeignKey(Track, models.PROTECT, related_name="comparisons")
    other = models.ForeignKey(Track, models.PROTECT, related_name="+")
    other_level = models.PositiveSmallIntegerField(help_text="What the other's level was said to be.")
    answer = models.CharField(max_length=8, choices=Answer, help_text="The track is ... than the other.")
    submission_id = models.UUIDField(unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(name="comparison_of_two_tracks", condition=~Q(track=F("other"))),
            models.CheckConstraint(
                name="comparison_level_in_scale", condition=Q(other_level__gte=MIN_LEVEL, other_level__lte=MAX_LEVEL)
            ),
            models.CheckConstraint(
                name="comparison_answer_known", condition=Q(answer__in=["calmer", "same", "stronger"])
            ),
        ]
        indexes = [models.Index(name="comparison_of_track", fields=["annotator", "track"])]

    def __str__(self) -> str:
        return f"{self.annotator}: {self.track} is {self.answer} than {self.other}"
