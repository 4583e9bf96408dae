from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

# A worker beats every 5 s (see claims.py). Six missed beats are a dead worker, not a slow one.
HEARTBEAT_TIMEOUT = dt.timedelta(seconds=30)
# Longer than a job normally waits in the broker: publishing again too early only makes work for the compare-and-set.
REPUBLISH_AFTER = dt.timedelta(seconds=60)
MAX_ATTEMPTS = 3
# Whoever may ask for a kind of job may cancel it. The apps that own these permissions are above this one: names only.
PERMISSION_OF_KIND = {
    "train": "modeling.add_trainingrun",
    "experiment": "modeling.add_experiment",
    "import": "intake.add_upload",
}


class JobQuerySet(models.QuerySet["Job"]):
    def live(self):
        """Waiting or running."""
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])

    def abandoned(self):
        """Running in name, but the worker that claimed them has stopped beating."""
        return self.filter(status=Job.Status.RUNNING, heartbeat_at__lt=timezone.now() - HEARTBEAT_TIMEOUT)

    def unheard(self):
        """Queued so long that the broker may have lost, or never got, the message."""
        return self.filter(status=Job.Status.QUEUED).filter(
            Q(published_at=None) | Q(published_at__lt=timezone.now() - REPUBLISH_AFTER)
        )

    def end_where_asked(self) -> int:
        """End those that somebody wants cancelled, with the message that says who; how many there were."""
        return self.exclude(cancel_requested_at=None).update(status=Job.Status.CANCELLED, finished_at=timezone.now())


class Job(models.Model):
    """The truth about one piece of background work; the broker only wakes workers.

    `kind` names the Celery task (`jobs.<kind>`). Whoever runs it holds `token`; a write without the right token changes
    nothing, so a worker that was given up for dead cannot spoil the attempt that replaced it.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=64, blank=True, help_text="What it is about, where a kind may run for several.")
    arguments = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True, blank=True)
    progress = models.FloatField(default=0, help_text="Share done, 0 to 1.")
    message = models.CharField(
        max_length=200, blank=True, help_text="What it does now, or one sentence on how it ended."
    )
    error = models.TextField(blank=True, help_text="The traceback, for admins.")
    created_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="Whoever runs it stops at the next report."
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        permissions = [("follow_job", "Can follow the progress of any job")]
        indexes = [
            # The reaper and the republisher look every ten seconds; finished jobs pile up.
            models.Index(name="job_live", fields=["status"], condition=Q(status__in=["queued", "running"])),
        ]
        constraints = [
            # Asked for twice is one job.
            models.UniqueConstraint(
                name="job_one_live_of_a_kind", fields=["kind", "key"], condition=Q(status__in=["queued", "running"])
            ),
            models.CheckConstraint(
                name="job_status_known",
                condition=Q(status__in=["queued", "running", "succeeded", "failed", "cancelled"]),
            ),
            models.CheckConstraint(name="job_progress_is_a_share", condition=Q(progress__gte=0, progress__lte=1)),
            models.CheckConstraint(
                name="job_running_is_held_and_beats",
                condition=~Q(status="running") | Q(token__isnull=False, heartbeat_at__isnull=False),
            ),
            models.CheckConstraint(
                name="job_finished_has_its_time",
                condition=Q(status__in=["queued", "running"], finished_at__isnull=True)
                | Q(status__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.status})"

    @property
    def words(self) -> str:
        """What people call it."""
        return {"train": "Training", "import": "Import"}.get(self.kind, self.kind.capitalize())

    @property
    def is_live(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}

    @property
    def cancel_permission(self) -> str:
        return PERMISSION_OF_KIND.get(self.kind, "jobs.change_job")

    @property
    def percent(self) -> int:
        return round(100 * self.progress)


class Worker(models.Model):
    """A worker process and when it last said that it is alive."""

    name = models.CharField(max_length=200, primary_key=True)
    queues = models.JSONField(default=list)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
