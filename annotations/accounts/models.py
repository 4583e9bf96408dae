"""Links by which people come in, or get back in after they forgot their password."""

from __future__ import annotations

import hashlib
import secrets

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from annotations.models import User
from annotations.roles import ADMIN, ANNOTATOR, LEAD

LASTS_DAYS = 7


def digest_of(secret: str) -> str:
    """What is stored of a link: who reads the database cannot use it. The secret is random and long, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(32)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self):
        """Those that can still be used."""
        return self.filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """A link that makes one account of a role, or, with `account`, lets that person choose a new password. Used once."""

    class Role(models.TextChoices):
        ANNOTATOR = ANNOTATOR
        LEAD = LEAD
        ADMIN = ADMIN

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret in the link.")
    role = models.CharField(max_length=9, choices=Role, blank=True)
    account = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="invitations")
    note = models.CharField(max_length=200, blank=True, help_text="Whom it is for: a name or an address.")
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="invitation_for_a_role_or_an_account",
                condition=Q(role="", account__isnull=False)
                | Q(role__in=["annotator", "lead", "admin"], account__isnull=True),
            ),
            models.CheckConstraint(
                name="invitation_used_by_somebody",
                condition=Q(used_at__isnull=True, used_by__isnull=True)
                | Q(used_at__isnull=False, used_by__isnull=False),
            ),
            models.CheckConstraint(
                name="invitation_used_or_revoked",
                condition=Q(used_at__isnull=True) | Q(revoked_at__isnull=True),
            ),
            models.CheckConstraint(name="invitation_expires_later", condition=Q(expires_at__gt=F("created_at"))),
        ]

    def __str__(self) -> str:
        return f"{f'new password for {self.account}' if self.account else self.role} ({self.state})"

    @property
    def state(self) -> str:
        if self.used_at:
            return "used"
        if self.revoked_at:
            return "revoked"
        return "open" if self.expires_at > timezone.now() else "expired"
