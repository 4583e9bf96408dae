"""Work that is under way while tracks come in. What came of it stands on the tracks themselves."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotations.models import Track, User
from energyapp.jobs.models import Job


class PreviewHost(models.Model):
    """A server that previews come from. One worker at a time asks it, and none before `not_before`."""

    name = models.CharField(max_length=260, primary_key=True, help_text="Host name with port.")
    token = models.UUIDField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(default=timezone.now, help_text="Its own wish (Retry-After), or our patience.")
    n_failures = models.PositiveSmallIntegerField(default=0, help_text="Passing faults in a row.")

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


class PreviewFetch(models.Model):
    """Where the fetching of one track's preview stands; there is one only while the preview is wanted."""

    track = models.OneToOneField(Track, models.CASCADE, primary_key=True, related_name="preview_fetch")
    host = models.ForeignKey(PreviewHost, models.CASCADE, related_name="fetches")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_answer = models.CharField(max_length=300, blank=True, help_text="What the last attempt ran into.")
    # Of the bytes that an interrupted attempt has left: a server that still has the same sends only the rest.
    etag = models.CharField(max_length=300, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)

    class Meta:
        indexes = [models.Index(name="preview_due", fields=["host", "next_attempt_at"])]

    def __str__(self) -> str:
        return f"preview of {self.track}"


class Upload(models.Model):
    """Files that somebody sent through the browser, and the job that imports them."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    uploaded_by = models.ForeignKey(User, models.PROTECT, related_name="uploads")
    created_at = models.DateTimeField(default=timezone.now)
    table_name = models.CharField(max_length=255, blank=True, help_text="The CSV's name on the sender's machine.")
    job = models.OneToOneField(Job, models.PROTECT, null=True, blank=True, related_name="upload")
    counts = models.JSONField(null=True, blank=True, help_text="What the import did.")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"upload {self.id}"

    @property
    def folder(self) -> Path:
        """Where its files lie until they are imported, and its report of refused rows."""
        return settings.UPLOADS_DIR / str(self.id)
