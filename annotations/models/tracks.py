from __future__ import annotations

import secrets
from base64 import b64encode

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import SHA256
from django.utils import timezone

from annotations.evaluation_slice import HASHES_END


class Genre(models.Model):
    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class _Sha256(SHA256):
    def as_postgresql(self, compiler, connection, **extra_context):
        """Django's own needs an extension; Postgres has learnt it since."""
        template = "encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex')"
        return super(SHA256, self).as_sql(compiler, connection, template=template)


class TrackQuerySet(models.QuerySet["Track"]):
    def playable(self):
        return self.filter(audio_state=Track.AudioState.READY)

    def in_training(self):
        """Not excluded by a lead."""
        from annotations.models.flags import Decision  # which knows tracks: a cycle at the top of the module

        # By `in`, here and below: few tracks have a decision, and a query that asks for each track's takes minutes on 50,000.
        changed_later = Decision.objects.standing().filter(
            verdict=Decision.Verdict.CHANGE,
            flag__annotation__track=OuterRef("flag__annotation__track"),
            pk__gt=OuterRef("pk"),
        )
        excluded = Decision.objects.standing().filter(~Exists(changed_later), verdict=Decision.Verdict.EXCLUDE)
        return self.exclude(pk__in=excluded.values("flag__annotation__track"))

    def in_evaluation_slice(self):
        """As `annotations.evaluation_slice` says, of each track that is looked at: for a few."""
        return self.alias(uri_hash=_Sha256("uri")).filter(uri_hash__lt=HASHES_END)

    def awaiting_second_opinion(self):
        """A lead has asked for another label, and nobody but the accused has given one since."""
        from annotations.models.flags import Flag

        return self.filter(pk__in=Flag.objects.awaiting_second_opinion().values("annotation__track"))


# Places in the random order: below this.
MAX_QUEUE_ORDER = 2**31


def random_order() -> int:
    return secrets.randbelow(MAX_QUEUE_ORDER)


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
    loudness_lufs = models.FloatField(
        null=True, blank=True, help_text="Integrated loudness, for playing all equally loud."
    )
    # By a trigger on annotations (migration 0005): finding a track that wants labels must not count 300,000 rows.
    n_annotators = models.PositiveIntegerField(default=0, editable=False)
    # The random order in which tracks are handed out; a column, so that an index and not a sort finds the next.
    queue_order = models.PositiveIntegerField(default=random_order)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TrackQuerySet.as_manager()

    class Meta:
        indexes = [
            # As orders in annotations/queue.py ask.
            models.Index(name="track_queue", fields=["audio_state", "n_annotators", "queue_order"]),
            models.Index(name="track_oldest", fields=["audio_state", "n_annotators", "id"]),
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
