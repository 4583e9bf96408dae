from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.urls import reverse
from django.utils import timezone

from energyapp.jobs.kinds import kind_of

# A worker beats every 5 s (see claims.py). Six missed beats are a dead worker, not a slow one.
HEARTBEAT_TIMEOUT = dt.timedelta(seconds=30)
# Longer than a job normally waits in the broker: publishing again too early only makes work for the compare-and-set.
REPUBLISH_AFTER = dt.timedelta(seconds=60)
MAX_ATTEMPTS = 3
# From less, what is left of the time cannot be told.
MIN_SHARE, MIN_TIME = 0.01, dt.timedelta(seconds=2)


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

    def ended(self):
        """Newest end first."""
        return self.exclude(finished_at=None).order_by("-finished_at", "-pk")

    def newest(self, kind: str) -> Job | None:
        return self.filter(kind=kind).order_by("-pk").first()

    def move_to(self, share: float, **facts: Any) -> int:
        """Note how much is done, and that it is more than before; how many jobs that were."""
        moved = Case(When(progress__lt=share, then=Value(timezone.now())), default=F("progressed_at"))
        return self.update(progress=share, progressed_at=moved, **facts)

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
    # Of a wave (energyapp.jobs.waves): how many pieces came to a good end, and how many did not.
    n_done = models.PositiveIntegerField(default=0)
    n_failed = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="The traceback, for admins.")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When this attempt began.")
    progressed_at = models.DateTimeField(null=True, blank=True, help_text="When progress was last more than before.")
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
            models.Index(name="job_ended", fields=["-finished_at", "-id"], condition=Q(finished_at__isnull=False)),
            models.Index(name="job_of_kind", fields=["kind", "-id"]),
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
        return kind_of(self.kind).words

    @property
    def again(self) -> str:
        """On the button that has it done again."""
        return kind_of(self.kind).again

    @property
    def is_live(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}

    @property
    def can_be_retried(self) -> bool:
        return self.status in {self.Status.FAILED, self.Status.CANCELLED}

    @property
    def permission(self) -> str:
        """What it takes to ask for it, to cancel it, and to have it done again."""
        return kind_of(self.kind).permission

    @property
    def percent(self) -> int:
        return round(100 * self.progress)

    @property
    def duration(self) -> dt.timedelta | None:
        """Of the last attempt, once it has ended."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None

    @property
    def time_left(self) -> dt.timedelta | None:
        """At the pace since the start. None while that cannot be known: too little is done, or it has taken longer than that."""
        if self.status != self.Status.RUNNING or self.progress < MIN_SHARE:
            return None
        if not (self.started_at and self.progressed_at):
            return None
        spent = self.progressed_at - self.started_at
        left = self.progressed_at + spent * (1 / self.progress - 1) - timezone.now()
        return left if spent >= MIN_TIME and left > dt.timedelta() else None

    @property
    def subject_id(self) -> object | None:
        """Of what it is about: None where that has no row, or none that still points here."""
        subject = kind_of(self.kind).subject
        return self.key if subject == "key" else getattr(getattr(self, subject, None), "pk", None) if subject else None

    @property
    def is_superseded(self) -> bool:
        """What it was about is another job's now."""
        return bool(kind_of(self.kind).subject) and self.subject_id is None

    @property
    def has_successor(self) -> bool:
        """A newer job of its kind and key is there: done after that one, it would pass for older than it is."""
        return Job.objects.filter(kind=self.kind, key=self.key, pk__gt=self.pk).exists()

    @property
    def url(self) -> str:
        """The page of what it is about; "" where there is none."""
        kind = kind_of(self.kind)
        if not kind.page or self.is_superseded:
            return ""
        return reverse(kind.page, args=[self.subject_id] if kind.subject else [])


class JobLine(models.Model):
    """A line of a job's log: what an attempt said, or what was done with the job."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="lines")
    attempt = models.PositiveSmallIntegerField(help_text="0: said of the job while none was under way.")
    at = models.DateTimeField(default=timezone.now)
    text = models.CharField(max_length=200)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class Worker(models.Model):
    """A worker process and when it last said that it is alive."""

    name = models.CharField(max_length=200, primary_key=True)
    queues = models.JSONField(default=list)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
