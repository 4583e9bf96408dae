"""Work that is under way while tracks come in. What came of it stands on the tracks themselves."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from annotations.models import Track, User
from energyapp.jobs.models import Job


class PreviewHostQuerySet(models.QuerySet["PreviewHost"]):
    def free(self):
        """Held by no living worker, and not to be left alone."""
        now = timezone.now()
        return self.filter(Q(leased_until=None) | Q(leased_until__lt=now), not_before__lte=now)

    def due(self):
        """Free, and with previews to ask for; who has waited longest first."""
        fetches = PreviewFetch.objects.due().filter(host=OuterRef("pk"))
        return self.free().filter(Exists(fetches)).order_by("not_before")


class PreviewHost(models.Model):
    """A server that previews come from. One worker at a time asks it, and none before `not_before`."""

    name = models.CharField(max_length=260, primary_key=True, help_text="Host name with port.")
    token = models.UUIDField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(default=timezone.now, help_text="Its own wish (Retry-After), or our patience.")
    n_failures = models.PositiveSmallIntegerField(
        default=0, help_text="Turns in a row that brought nothing but passing faults."
    )

    objects = PreviewHostQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="preview_host_lease_whole",
                condition=Q(token__isnull=True, leased_until__isnull=True)
                | Q(token__isnull=False, leased_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PreviewFetchQuerySet(models.QuerySet["PreviewFetch"]):
    def due(self):
        return self.filter(next_attempt_at__lte=timezone.now())


class PreviewFetch(models.Model):
    """Where the fetching of one track's preview stands; there is one only while the preview is wanted."""

    track = models.OneToOneField(Track, models.CASCADE, primary_key=True, related_name="preview_fetch")
    host = models.ForeignKey(PreviewHost, models.CASCADE, related_name="fetches")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_answer = models.CharField(max_length=300, blank=True, help_text="What the last attempt ran into.")

    objects = PreviewFetchQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(name="preview_due", fields=["host", "next_attempt_at"])]

    def __str__(self) -> str:
        return f"preview of {self.track}"

    @property
    def part(self) -> Path:
        """Where its bytes lie until all of them have come."""
        return settings.PREVIEWS_DIR / f"{self.pk}.part"


class UploadQuerySet(models.QuerySet["Upload"]):
    def begun(self):
        """Those whose import was asked for, newest first, with what a list of them shows."""
        files = UploadedFile.objects.filter(problem="")
        return (
            self.filter(job__isnull=False)
            .select_related("uploaded_by", "job")
            .prefetch_related(models.Prefetch("files", files.filter(is_table=True), to_attr="tables"))
            .annotate(
                n_audio_files=Count("files", filter=Q(files__problem="", files__is_table=False)),
                n_refused_files=Count("files", filter=~Q(files__problem="")),
            )
            .order_by("-created_at")
        )


class Upload(models.Model):
    """Files that somebody sends through the browser, and the job that imports them once all are here."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    uploaded_by = models.ForeignKey(User, models.PROTECT, related_name="uploads")
    created_at = models.DateTimeField(default=timezone.now)
    job = models.OneToOneField(Job, models.PROTECT, null=True, blank=True, related_name="upload")
    # Grows with each batch, in its transaction: an import that was killed and done again has told all of it once.
    counts = models.JSONField(default=dict, blank=True, help_text="What the import did.")

    objects = UploadQuerySet.as_manager()

    def __str__(self) -> str:
        return f"upload {self.id}"

    @property
    def n_refused(self) -> int:
        """Rows and files, of an upload from `begun()`."""
        # Not self.n_refused_files: types know it of rows from `begun()` only.
        n_files: int = vars(self)["n_refused_files"]
        return self.counts.get("refused", 0) + n_files

    @property
    def took_nothing(self) -> bool:
        """Something was refused, and nothing else was new."""
        return bool(self.n_refused) and not any(self.counts.get(name) for name in ("rows_told", "files_new"))

    @property
    def folder(self) -> Path:
        """Its table and its report of refused rows."""
        return settings.UPLOADS_DIR / str(self.id)

    @property
    def audio_folder(self) -> Path:
        """Its audio, until that is in the media storage."""
        return self.folder / "audio"

    @property
    def report(self) -> Path:
        return self.folder / "refused.csv"


class UploadedFile(models.Model):
    """A file that was sent: where it lies, or why it was not taken."""

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="files")
    path = models.CharField(max_length=500, help_text="As on the sender's machine; no file of ours has this name.")
    is_table = models.BooleanField(default=False)
    stored_as = models.CharField(max_length=100, blank=True, help_text="The sha256 of its bytes, with an extension.")
    problem = models.CharField(max_length=300, blank=True, help_text="Why it was not taken.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(name="uploaded_file_path_once", fields=["upload", "path"], condition=Q(problem="")),
            models.UniqueConstraint(
                name="uploaded_file_one_table", fields=["upload"], condition=Q(is_table=True, problem="")
            ),
            models.CheckConstraint(
                name="uploaded_file_stored_or_refused",
                condition=Q(stored_as="") & ~Q(problem="") | ~Q(stored_as="") & Q(problem=""),
            ),
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def sha256(self) -> str:
        return self.stored_as.partition(".")[0]

    @property
    def stored(self) -> Path:
        return (self.upload.folder if self.is_table else self.upload.audio_folder) / self.stored_as
