from __future__ import annotations

import secrets
from base64 import b64encode
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

SECRET_BYTES = 32


def new_secret() -> str:
    """As the Standard Webhooks specification writes them."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def active(self):
        return self.filter(ended_at=None)


class Webhook(models.Model):
    """Somebody else's server that wants to hear of events."""

    url = models.CharField(max_length=500)
    events = models.JSONField(help_text="Which: see energyapp.webhooks.events.")
    secret = models.CharField(max_length=100, default=new_secret, help_text="Messages are signed with it.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=300, blank=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(name="webhook_active_once", fields=["url"], condition=Q(ended_at=None)),
            models.CheckConstraint(
                name="webhook_ended_for_a_reason",
                condition=Q(ended_at=None, ended_because="") | Q(ended_at__isnull=False) & ~Q(ended_because=""),
            ),
        ]

    def __str__(self) -> str:
        return self.url


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self):
        return self.filter(next_attempt_at__lte=timezone.now(), webhook__ended_at=None)


class Delivery(models.Model):
    """One message to one server. Sent again until it is taken or given up: its id tells the receiver that it is the same."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, models.PROTECT, related_name="deliveries")
    event = models.CharField(max_length=40)
    payload = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)
    last_answer = models.CharField(max_length=300, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                name="delivery_taken_is_not_sent_again", condition=Q(delivered_at=None) | Q(next_attempt_at=None)
            ),
        ]
        indexes = [
            models.Index(name="delivery_due", fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False)),
            models.Index(name="delivery_newest", fields=["-created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook_id}"

    @property
    def state(self) -> str:
        if self.delivered_at:
            return "delivered"
        return "waiting" if self.next_attempt_at else "given up"
