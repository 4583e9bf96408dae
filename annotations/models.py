"""People, tracks, labels, flags, decisions. Facts only: consensus, agreement and counts are computed when asked for."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Case, Count, Exists, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone

MIN_LEVEL, MAX_LEVEL = 1, 10
LEVELS = range(MIN_LEVEL, MAX_LEVEL + 1)


class AppendOnlyViolation(Exception):
    """A row that is history was about to be changed. The database refuses it too (migration 0002)."""


class AppendOnly(models.Model):
    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise AppendOnlyViolation(f"{self._meta.verbose_name} {self.pk} is history; add a new row instead")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnlyViolation(f"{self._meta.verbose_name} {self.pk} is history; it cannot be deleted")


class User(AbstractUser):
    """Somebody who labels, leads or administers. Imported annotators have an alias and no usable password."""

    alias = models.CharField(
        max_length=100, unique=True, null=True, blank=True, help_text="annotator_id in imported files"
    )
    is_demo = models.BooleanField(default=False, help_text="Made by make_demo; production refuses to start with one.")

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.alias or self.username


class Genre(models.Model):
    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TrackQuerySet(models.QuerySet["Track"]):
    def playable(self):
        return self.filter(audio_state=Track.AudioState.READY)

    def in_training(self):
        """Not excluded by a lead."""
        # By `in`, here and below: few tracks have a decision, and a query that asks for each track's takes minutes on 50,000.
        changed_later = Decision.objects.newest().filter(
            verdict=Decision.Verdict.CHANGE,
            flag__annotation__track=OuterRef("flag__annotation__track"),
            pk__gt=OuterRef("pk"),
        )
        excluded = Decision.objects.newest().filter(~Exists(changed_later), verdict=Decision.Verdict.EXCLUDE)
        return self.exclude(pk__in=excluded.values("flag__annotation__track"))

    def awaiting_second_opinion(self):
        """A lead has asked for another label, and nobody but the accused has given one since."""
        return self.filter(pk__in=Flag.objects.awaiting_second_opinion().values("annotation__track"))

    def wanting_labels(self):
        """With fewer annotators than each track is to have."""
        # Counted in a subquery: Postgres refuses FOR UPDATE on a grouped query.
        n_annotations = Subquery(
            Annotation.objects.current()
            .filter(track=OuterRef("pk"))
            .order_by()
            .values("track")
            .annotate(n=Count("*"))
            .values("n")
        )
        return self.alias(n_annotations=Coalesce(n_annotations, 0)).filter(n_annotations__lt=settings.LABELS_PER_TRACK)

    def open_to(self, annotator: User):
        """Tracks this annotator may be given: playable, in training, not theirs already, not leased."""
        theirs = Annotation.objects.filter(annotator=annotator, track=OuterRef("pk"))
        skipped = Skip.objects.filter(annotator=annotator, track=OuterRef("pk"))
        leased = Lease.objects.filter(track=OuterRef("pk"))
        return self.playable().in_training().filter(~Exists(theirs), ~Exists(skipped), ~Exists(leased))


def random_order() -> int:
    return secrets.randbelow(2**31)


class Track(models.Model):
    """One piece of music. Its audio never changes: new bytes would be new features and another track."""

    class AudioState(models.TextChoices):
        NONE = "none", "no audio"
        NOT_FETCHED = "not fetched", "preview not fetched yet"
        UNREACHABLE = "unreachable", "preview cannot be fetched"
        WAITING = "waiting", "waiting for features"
        READY = "ready", "ready"
        BAD = "bad", "cannot be used"

    uri = models.CharField(max_length=255, unique=True)
    title = models.CharField(max_length=300, blank=True)
    artist = models.CharField(max_length=300, blank=True)
    genres = models.ManyToManyField(Genre, blank=True, related_name="tracks")
    preview_url = models.CharField(max_length=2000, blank=True)
    audio = models.FileField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    audio_state = models.CharField(max_length=12, choices=AudioState, default=AudioState.NONE)
    audio_problem = models.CharField(max_length=300, blank=True, help_text="Why the audio cannot be had or used.")
    audio_damage = models.CharField(
        max_length=300, blank=True, help_text="What of the audio could not be read; the rest is used."
    )
    features_queued_at = models.DateTimeField(null=True, blank=True)
    features_attempts = models.PositiveSmallIntegerField(default=0)
    duration_s = models.FloatField(null=True, blank=True)
    loudest_start_s = models.FloatField(null=True, blank=True)
    loudest_end_s = models.FloatField(null=True, blank=True)
    peaks = models.BinaryField(blank=True, default=b"", help_text="Waveform for the screen: 1,000 points of 1 byte.")
    is_synthetic = models.BooleanField(default=False, help_text="Made by make_demo; pages say so.")
    # The random order in which tracks are handed out; a column, so that an index and not a sort finds the next.
    queue_order = models.PositiveIntegerField(default=random_order)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TrackQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(name="track_queue", fields=["audio_state", "queue_order"]),
            models.Index(name="track_waiting", fields=["features_queued_at"], condition=Q(audio_state="waiting")),
        ]
        constraints = [
            models.CheckConstraint(name="track_has_uri", condition=~Q(uri="")),
            models.CheckConstraint(
                name="track_audio_state_known",
                condition=Q(audio_state__in=["none", "not fetched", "unreachable", "waiting", "ready", "bad"]),
            ),
            models.CheckConstraint(
                name="track_bad_audio_has_a_reason",
                condition=Q(audio_state__in=["bad", "unreachable"]) & ~Q(audio_problem="")
                | ~Q(audio_state__in=["bad", "unreachable"]) & Q(audio_problem=""),
            ),
            models.CheckConstraint(
                name="track_ready_has_audio_and_duration",
                # A CHECK passes on NULL: say both.
                condition=~Q(audio_state="ready") | Q(duration_s__isnull=False, duration_s__gt=0) & ~Q(audio=""),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.uri

    @property
    def peaks_base64(self) -> str:
        """For the page's canvas: 1.3 KB that need no request of their own."""
        return b64encode(self.peaks).decode()


class Lease(models.Model):
    """Who is listening to what now: one track at a time, one person on a track."""

    track = models.OneToOneField(Track, models.CASCADE, related_name="lease")
    annotator = models.OneToOneField(User, models.CASCADE, related_name="lease")
    taken_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.annotator} on {self.track}"


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def current(self):
        """The newest annotation of each (track, annotator): no other row supersedes it."""
        return self.filter(superseded_by=None)

    def counted(self):
        """Current, and not set aside: a blind opinion counts until its reviewer decides to keep the label it differs from."""
        set_aside = Decision.objects.newest().filter(
            verdict=Decision.Verdict.KEEP, decided_by=OuterRef("annotator"), flag__annotation__track=OuterRef("track")
        )
        return self.current().filter(~Q(source=Annotation.Source.REVIEW) | ~Exists(set_aside))

    def for_training(self):
        """What a model may learn from: counted labels of tracks that no lead has excluded, with their annotators."""
        return self.counted().filter(track__in=Track.objects.in_training()).select_related("annotator")


class Annotation(AppendOnly):
    """One annotator's perceived energy of one track. Append-only: a change of mind is a new row."""

    class Source(models.TextChoices):
        LABEL = "label", "label page"
        REVIEW = "review", "blind opinion of a reviewer"
        IMPORT = "import", "imported"

    track = models.ForeignKey(Track, models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(User, models.PROTECT, related_name="annotations")
    level = models.PositiveSmallIntegerField()
    supersedes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="superseded_by")
    submission_id = models.UUIDField(unique=True)  # a double POST, or the same row imported again, is one annotation
    source = models.CharField(max_length=6, choices=Source, default=Source.LABEL)
    listened_s = models.FloatField(null=True, blank=True, help_text="Seconds of audio played before the answer.")
    answered_s = models.FloatField(null=True, blank=True, help_text="Seconds from getting the track to the answer.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="annotation_level_in_scale", condition=Q(level__gte=MIN_LEVEL, level__lte=MAX_LEVEL)
            ),
            # With `supersedes` one-to-one, this makes every history a single chain.
            models.UniqueConstraint(
                name="annotation_one_root_per_track_and_annotator",
                fields=["annotator", "track"],
                condition=Q(supersedes=None),
            ),
            models.CheckConstraint(
                name="annotation_source_known", condition=Q(source__in=["label", "review", "import"])
            ),
        ]
        indexes = [
            models.Index(name="annotation_own_history", fields=["annotator", "-created_at"]),
            # "Is it theirs already?", asked of each candidate when a track is handed out. Annotator first: see the unique
            # constraint, which is partial and cannot answer.
            models.Index(name="annotation_of_annotator", fields=["annotator", "track"]),
        ]

    def __str__(self) -> str:
        return f"{self.annotator}: {self.track} is {self.level}"


class Skip(models.Model):
    """An annotator passed a track on. It does not come back to them; others still get it."""

    class Reason(models.TextChoices):
        CANNOT_JUDGE = "cannot judge"
        BROKEN = "broken"

    track = models.ForeignKey(Track, models.CASCADE, related_name="skips")
    annotator = models.ForeignKey(User, models.CASCADE, related_name="skips")
    reason = models.CharField(max_length=12, choices=Reason)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="skip_once_per_track_and_annotator", fields=["annotator", "track"]),
            models.CheckConstraint(name="skip_reason_known", condition=Q(reason__in=["cannot judge", "broken"])),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} skipped {self.track}: {self.reason}"


class FlagQuerySet(models.QuerySet["Flag"]):
    def open(self):
        """Wanting a decision."""
        return self._with_state().filter(is_settled=False, is_waiting=False)

    def awaiting_second_opinion(self):
        return self._with_state().filter(is_settled=False, is_waiting=True)

    def resolved(self):
        return self._with_state().filter(is_settled=True)

    def _with_state(self):
        """Settled: the label was kept, the track's level was changed or the track excluded, or the annotator relabelled it."""
        newest = Decision.objects.newest()
        # By `in`, as above: decisions are few. One subquery that joins both ways takes seconds on 3,000 flags.
        kept = newest.filter(verdict=Decision.Verdict.KEEP)
        ruled = newest.filter(verdict__in=[Decision.Verdict.CHANGE, Decision.Verdict.EXCLUDE])
        relabelled = Annotation.objects.filter(supersedes=OuterRef("annotation"))
        return self.alias(
            is_settled=Case(
                When(annotation__in=kept.values("flag__annotation"), then=True),
                When(annotation__track__in=ruled.values("flag__annotation__track"), then=True),
                When(Exists(relabelled), then=True),
                default=False,
            ),
            is_waiting=Case(
                When(annotation__in=newest.unanswered().values("flag__annotation"), then=True), default=False
            ),
        )

    def reviewable_by(self, user: User):
        """Nobody reviews their own label."""
        return self.exclude(annotation__annotator=user)

    def heard_by(self, user: User):
        """Adds `is_heard`: whether this reviewer has said what they hear. Before, no evidence may be shown to them."""
        own = Annotation.objects.filter(annotator=user, track=OuterRef("annotation__track"))
        return self.annotate(is_heard=Exists(own))

    def for_queue(self):
        return self.select_related("annotation__track", "annotation__annotator").order_by("-suspicion", "pk")


class Flag(models.Model):
    """A reason to listen to one annotation again. It carries its evidence, so it needs nothing from the model that made it."""

    class Reason(models.TextChoices):
        MODEL_ERROR = "model error", "Model disagrees"
        DISAGREEMENT = "disagreement", "Annotators disagree"

    annotation = models.ForeignKey(Annotation, models.PROTECT, related_name="flags")
    reason = models.CharField(max_length=12, choices=Reason)
    expected_level = models.FloatField(help_text="What this annotator would be expected to say, in levels.")
    suspicion = models.FloatField(help_text="In levels: how far the label is from what was expected.")
    source = models.CharField(max_length=60, help_text='Who raised it, for instance "run 41".')
    evidence = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = FlagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="flag_one_per_annotation_and_reason", fields=["annotation", "reason"]),
            models.CheckConstraint(name="flag_suspicion_not_negative", condition=Q(suspicion__gte=0)),
            models.CheckConstraint(name="flag_reason_known", condition=Q(reason__in=["model error", "disagreement"])),
        ]
        indexes = [models.Index(name="flag_most_suspicious_first", fields=["-suspicion", "id"])]

    def __str__(self) -> str:
        return f"{self.get_reason_display()}: {self.annotation}"


class DecisionQuerySet(models.QuerySet["Decision"]):
    def newest(self):
        """The newest decision of each flag: what holds now."""
        later = Decision.objects.filter(flag=OuterRef("flag"), pk__gt=OuterRef("pk"))
        return self.filter(~Exists(later))

    def unanswered(self):
        """Requests for another label that nobody has answered since."""
        answer = Annotation.objects.filter(
            track=OuterRef("flag__annotation__track"), created_at__gt=OuterRef("created_at")
        ).exclude(annotator=OuterRef("flag__annotation__annotator"))
        return self.filter(~Exists(answer), verdict=Decision.Verdict.ASK_ANOTHER)

    def levels_of_tracks(self) -> dict[int, int]:
        """Track id -> the level that a lead has set; of several, the newest."""
        changes = self.newest().filter(verdict=Decision.Verdict.CHANGE).order_by("pk")
        return dict(changes.values_list("flag__annotation__track", "level"))


class Decision(AppendOnly):
    """What a lead decided about a flag, after listening. Append-only; the newest of a flag holds."""

    class Verdict(models.TextChoices):
        KEEP = "keep", "kept"
        CHANGE = "change", "changed"
        ASK_ANOTHER = "ask another", "asked for another label"
        EXCLUDE = "exclude", "track excluded from training"

    flag = models.ForeignKey(Flag, models.PROTECT, related_name="decisions")
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="decisions")
    blind_level = models.PositiveSmallIntegerField(help_text="What the lead heard before seeing any evidence.")
    verdict = models.CharField(max_length=11, choices=Verdict)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
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
                condition=Q(blind_level__gte=MIN_LEVEL, blind_level__lte=MAX_LEVEL),
            ),
            models.CheckConstraint(
                name="decision_verdict_known", condition=Q(verdict__in=["keep", "change", "ask another", "exclude"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flag}: {self.verdict}"
