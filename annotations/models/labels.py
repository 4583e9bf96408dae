from __future__ import annotations

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from annotations.models.base import MAX_LEVEL, MIN_LEVEL, AppendOnly
from annotations.models.people import User
from annotations.models.tracks import Track


class Stream(models.TextChoices):
    """Why an annotator was given a track. They are not told."""

    NEW = "new", "new track"
    RANKED = "ranked", "ranked by a strategy"
    SECOND = "second opinion"
    EVALUATION = "evaluation", "evaluation slice"
    REPEAT = "repeat", "own track again"
    GOLD = "gold", "gold track"
    ASKED = "asked", "a lead asked for another label"
    ASSIGNED = "assigned", "assigned by a lead"


# What overlap limits; the others are given to people however many labels the track has.
LIMITED_STREAMS = frozenset({Stream.NEW, Stream.RANKED, Stream.SECOND, Stream.EVALUATION})


class Lease(models.Model):
    """Who listens to what now: one person on a track, and for each person one track to hear and one to come next."""

    N_PLACES = 2

    track = models.OneToOneField(Track, models.CASCADE, related_name="lease")
    annotator = models.ForeignKey(User, models.CASCADE, related_name="leases")
    place = models.PositiveSmallIntegerField(default=0)
    stream = models.CharField(max_length=14, choices=Stream, default=Stream.NEW)
    taken_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["pk"]  # the older is the one to hear now
        constraints = [
            models.UniqueConstraint(name="lease_one_per_annotator_and_place", fields=["annotator", "place"]),
            models.CheckConstraint(name="lease_place_known", condition=Q(place__in=[0, 1])),
            models.CheckConstraint(name="lease_stream_known", condition=Q(stream__in=Stream.values)),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.track}"


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def current(self):
        """The newest annotation of each (track, annotator): no other row supersedes it."""
        # Not `superseded_by=None`: of that join Postgres expects one row, and reads all annotations for it.
        return self.filter(~Exists(Annotation.objects.filter(supersedes=OuterRef("pk"))))

    def counted(self):
        """Current, and not set aside: a lead has not dropped it, and a blind opinion counts until its reviewer decides,
        having heard both, to keep the label it differs from."""
        from annotations.models.flags import Decision  # which knows annotations: a cycle at the top of the module

        dropped = Decision.objects.standing().filter(verdict=Decision.Verdict.DROP).values("flag__annotation")
        # Where another lead has kept the label since, what this one said of it holds no less. From the decisions, which are
        # few: asked of each opinion, Postgres looks through all that its reviewer has decided.
        labelled, decision = "track__annotations__level", "track__annotations__flags__decisions"
        set_aside = Annotation.objects.filter(
            Q(level__lt=F(labelled)) | Q(level__gt=F(labelled)),
            source=Annotation.Source.REVIEW,
            track__annotations__flags__standing__verdict=Decision.Verdict.KEEP,
            **{
                f"{decision}__verdict": Decision.Verdict.KEEP,
                f"{decision}__decided_by": F("annotator"),
                f"{decision}__undone_by": None,
                f"{decision}__blind_level__isnull": False,
            },
        )
        return self.current().exclude(pk__in=dropped).exclude(pk__in=set_aside.values("pk"))

    def for_training(self):
        """What a model may learn from: counted labels of tracks, and by annotators, that no lead has excluded."""
        from annotations.models.reviewing import AnnotatorExclusion  # which knows people: as above

        return (
            self.counted()
            .filter(track__in=Track.objects.in_training())
            .exclude(annotator__in=AnnotatorExclusion.objects.excluded())
            .select_related("annotator")
        )


class Annotation(AppendOnly):
    """One annotator's perceived energy of one track. Append-only: a change of mind is a new row."""

    class Source(models.TextChoices):
        LABEL = "label", "label page"
        REVIEW = "review", "blind opinion of a reviewer"
        IMPORT = "import", "imported"
        RELABEL = "relabel", "change of mind"

    track = models.ForeignKey(Track, models.PROTECT, related_name="annotations")
    annotator = models.ForeignKey(User, models.PROTECT, related_name="annotations")
    level = models.PositiveSmallIntegerField()
    supersedes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="superseded_by")
    submission_id = models.UUIDField(unique=True)  # a double POST, or the same row imported again, is one annotation
    source = models.CharField(max_length=7, choices=Source, default=Source.LABEL)
    stream = models.CharField(
        max_length=14, choices=Stream, blank=True, help_text="Why the annotator had been given the track."
    )
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
                name="annotation_source_known", condition=Q(source__in=["label", "review", "import", "relabel"])
            ),
            models.CheckConstraint(name="annotation_stream_known", condition=Q(stream__in=["", *Stream.values])),
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
        CANNOT_JUDGE = "cannot judge", "I cannot judge it"
        NOT_MUSIC = "not music", "It is not music"
        POOR_SOUND = "poor sound", "The sound is too poor"
        OTHER = "other", "Another reason"
        BROKEN = "broken", "It does not play"

    track = models.ForeignKey(Track, models.CASCADE, related_name="skips")
    annotator = models.ForeignKey(User, models.CASCADE, related_name="skips")
    reason = models.CharField(max_length=12, choices=Reason)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="skip_once_per_track_and_annotator", fields=["annotator", "track"]),
            models.CheckConstraint(
                name="skip_reason_known",
                condition=Q(reason__in=["cannot judge", "not music", "poor sound", "other", "broken"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} skipped {self.track}: {self.reason}"
