from __future__ import annotations

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from annotations.models.base import MAX_LEVEL, MIN_LEVEL, AppendOnly
from annotations.models.labels import Annotation
from annotations.models.people import User


class State(models.TextChoices):
    """Of a flag, and so of the label it is about."""

    OPEN = "open", "Open"
    SECOND_OPINION = "second opinion", "Second opinion"
    RESOLVED = "resolved", "Resolved"


class FlagQuerySet(models.QuerySet["Flag"]):
    def open(self):
        """Wanting a decision."""
        return self.with_state().filter(state=State.OPEN)

    def awaiting_second_opinion(self):
        # As `with_state` has it, but of each flag that waits: these are few, and asked for whenever a track is handed out.
        asked = Decision.objects.filter(verdict=Decision.Verdict.ASK_ANOTHER)
        ruled = Flag.objects.filter(standing__verdict__in=RULED, of_track=OuterRef("of_track"))
        return self.filter(
            ~Exists(ruled), ~_is_relabelled(), ~Exists(_answers()), standing__in=asked, is_withdrawn=False
        )

    def resolved(self):
        return self.with_state().filter(state=State.RESOLVED)

    def with_state(self):
        """Resolved: the label was kept and nothing much stronger was found against it since, or it was dropped; the
        track's level was changed or the track excluded; or the annotator relabelled it; or nothing doubts it any more."""
        kept = Q(standing__verdict=Decision.Verdict.KEEP) & (
            Q(standing__suspicion=None) | Q(standing__suspicion__gte=F("suspicion") - NEW_EVIDENCE)
        )
        # Of those a lead has asked about alone: as one condition, the databases would look for answers to all flags.
        asked = Case(When(Exists(_answers()), then=Value(State.OPEN)), default=Value(State.SECOND_OPINION))
        # By `in`: few tracks have a decision, and a query that asks for each flag's takes ten times as long.
        ruled = Decision.objects.standing().filter(verdict__in=RULED).values("flag__of_track")
        return self.alias(
            state=Case(
                When(is_withdrawn=True, then=Value(State.RESOLVED)),
                When(kept, then=Value(State.RESOLVED)),
                When(standing__verdict=Decision.Verdict.DROP, then=Value(State.RESOLVED)),
                When(of_track__in=ruled, then=Value(State.RESOLVED)),
                When(_is_relabelled(), then=Value(State.RESOLVED)),
                When(standing__verdict=Decision.Verdict.ASK_ANOTHER, then=asked),
                default=Value(State.OPEN),
                output_field=models.CharField(),
            )
        )

    def reviewable_by(self, user: User):
        """Nobody reviews their own label."""
        return self.exclude(of_annotator=user.pk)

    def heard_by(self, user: User):
        """Adds `is_heard`: whether this reviewer has said what they hear. Before, no evidence may be shown to them."""
        own = Annotation.objects.filter(annotator=user, track=OuterRef("of_track"))
        return self.annotate(is_heard=Exists(own))

    def still_to_hear(self, user: User):
        """Wanting what this reviewer hears of the track: to see its level, or a model's, would lead them there."""
        waiting = self.with_state().exclude(state=State.RESOLVED).reviewable_by(user)
        return waiting.heard_by(user).filter(is_heard=False)

    def strongest(self, **among: str):
        """Of each label's flags the one of highest suspicion; of those with this reason or source, where they are given."""
        stronger = Flag.objects.filter(
            Q(suspicion__gt=OuterRef("suspicion")) | Q(suspicion=OuterRef("suspicion"), pk__lt=OuterRef("pk")),
            annotation=OuterRef("annotation"),
            **among,
        )
        return self.filter(~Exists(stronger), **among)

    def for_queue(self):
        return self.select_related("annotation__track", "annotation__annotator").order_by("-suspicion", "pk")


def _is_relabelled():
    return Exists(Annotation.objects.filter(supersedes=OuterRef("annotation")))


def _answers():
    """What others than the accused have said about a flag's track since a lead asked."""
    since = Annotation.objects.filter(track=OuterRef("of_track"), created_at__gt=OuterRef("standing__created_at"))
    return since.exclude(annotator=OuterRef("of_annotator"))


# A label that was kept is shown again once a reason against it is that much stronger than any was then, in levels.
NEW_EVIDENCE = 1.0


class Flag(models.Model):
    """A reason to listen to one annotation again. It carries its evidence, so it needs nothing from the model that made it."""

    class Reason(models.TextChoices):
        MODEL_ERROR = "model error", "Model disagrees"
        NEIGHBOURS = "neighbours", "Far from neighbours"
        DISAGREEMENT = "disagreement", "Annotators disagree"
        GOLD_MISSED = "gold missed", "Gold missed"
        TOO_FAST = "too fast", "Answered too fast"
        DRIFT = "drift", "Annotator changed"

    annotation = models.ForeignKey(Annotation, models.PROTECT, related_name="flags")
    reason = models.CharField(max_length=12, choices=Reason)
    expected_level = models.FloatField(help_text="What this annotator would be expected to say, in levels.")
    suspicion = models.FloatField(help_text="In levels: how far the label is from what was expected.")
    source = models.CharField(max_length=60, help_text='Who raised it, for instance "run 41".')
    evidence = models.JSONField(default=dict, blank=True)
    is_withdrawn = models.BooleanField(
        default=False, help_text="Nothing doubts the label any more; kept for what leads have said about it."
    )
    # These three by triggers on decisions and flags (migration 0007), for questions about thousands of flags: whether they
    # are open is asked on every page, and to look up their labels among all labels takes longer than all the rest.
    of_track = models.ForeignKey("Track", models.PROTECT, null=True, editable=False, related_name="+")
    of_annotator = models.ForeignKey(User, models.PROTECT, null=True, editable=False, related_name="+")
    standing = models.ForeignKey(
        "Decision",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="standing_for",
        help_text="What holds of the label: the newest decision about any of its flags that nobody has undone.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = FlagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="flag_one_per_annotation_and_reason", fields=["annotation", "reason"]),
            models.CheckConstraint(name="flag_suspicion_not_negative", condition=Q(suspicion__gte=0)),
            models.CheckConstraint(
                name="flag_reason_known",
                condition=Q(
                    reason__in=["model error", "neighbours", "disagreement", "gold missed", "too fast", "drift"]
                ),
            ),
        ]
        indexes = [models.Index(name="flag_most_suspicious_first", fields=["-suspicion", "id"])]

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.annotation}"


class DecisionQuerySet(models.QuerySet["Decision"]):
    def standing(self):
        """What holds now of each annotation: the newest decision about any of its flags that nobody has undone."""
        return self.filter(Exists(Flag.objects.filter(standing=OuterRef("pk"))))

    def levels_of_tracks(self) -> dict[int, int]:
        """Track id -> the level that a lead has set; of several, the newest."""
        changes = self.standing().filter(verdict=Decision.Verdict.CHANGE).order_by("pk")
        return dict(changes.values_list("flag__of_track", "level"))


class Decision(AppendOnly):
    """What a lead decided about a flag, after listening. Append-only; the newest about a label holds, unless it was undone."""

    class Verdict(models.TextChoices):
        KEEP = "keep", "kept"
        CHANGE = "change", "changed"
        ASK_ANOTHER = "ask another", "asked for another label"
        EXCLUDE = "exclude", "track excluded from training"
        DROP = "drop label", "label excluded"
        UNDO = "undo", "undone"

    flag = models.ForeignKey(Flag, models.PROTECT, related_name="decisions")
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="decisions")
    blind_level = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="What the lead heard before seeing any evidence; none where nothing had to be heard.",
    )
    verdict = models.CharField(max_length=11, choices=Verdict)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    undoes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="undone_by")
    note = models.CharField(max_length=500, blank=True)
    suspicion = models.FloatField(
        null=True, blank=True, help_text="The largest of the label's flags when it was decided, in levels."
    )
    level_before = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The track's, as it was shown.")
    level_after = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="decision_level_exactly_when_changed",
                condition=Q(verdict="change", level__isnull=False, level__gte=MIN_LEVEL, level__lte=MAX_LEVEL)
                | ~Q(verdict="change") & Q(level__isnull=True),
            ),
            models.CheckConstraint(
                name="decision_blind_level_in_scale",
                condition=Q(blind_level__isnull=True) | Q(blind_level__gte=MIN_LEVEL, blind_level__lte=MAX_LEVEL),
            ),
            models.CheckConstraint(
                name="decision_heard_before_the_label_falls",
                condition=Q(blind_level__isnull=False) | Q(verdict__in=["keep", "ask another", "undo"]),
            ),
            models.CheckConstraint(
                name="decision_undo_says_what",
                condition=Q(verdict="undo", undoes__isnull=False) | ~Q(verdict="undo") & Q(undoes__isnull=True),
            ),
            models.CheckConstraint(
                name="decision_verdict_known",
                condition=Q(verdict__in=["keep", "change", "ask another", "exclude", "drop label", "undo"]),
            ),
        ]
        indexes = [models.Index(name="decision_asks", fields=["flag"], condition=Q(verdict="ask another"))]

    def __str__(self) -> str:
        return f"{self.flag}: {self.verdict}"


# Verdicts about the track, whichever of its labels was doubted.
RULED = (Decision.Verdict.CHANGE, Decision.Verdict.EXCLUDE)
