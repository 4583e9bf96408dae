"""What administrators did that leaves no other trace: facts with a table of their own (rules, promotions) are not told twice."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEntryManager(models.Manager["AuditEntry"]):
    def record(self, *, by: Any, action: str, subject: str = "", **detail: Any) -> AuditEntry:
        """Add what somebody did, in the transaction that does it."""
        return self.create(by=by, action=action, subject=subject[:200], detail=detail)


class AuditEntry(models.Model):
    """Who did what to whom, and when. Only added to: triggers refuse anything else (migration 0002)."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=40, help_text='For instance "role changed".')
    subject = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AuditEntryManager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(name="audit_by_time", fields=["-created_at", "-id"]),
            models.Index(name="audit_about", fields=["subject"]),
        ]

    def __str__(self) -> str:
        return f"{self.by or 'nobody'}: {self.action} {self.subject}"
