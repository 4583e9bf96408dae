"""Tokens by which programs ask in a person's name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class ApiToken(models.Model):
    """One program's key to what its user may see and do. Only the sha256 of the secret is kept: nobody can read it again.

    The secret is 256 random bits, so a plain digest cannot be guessed back, and finding it costs one look into an index.
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Read and write"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60, help_text="Which program has it.")
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=5, choices=Scope, default=Scope.READ)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(name="token_scope_known", condition=Q(scope__in=["read", "write"])),
            models.CheckConstraint(name="token_lives_a_while", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(name="token_has_a_digest", condition=~Q(digest="")),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def may_write(self) -> bool:
        return self.scope == self.Scope.WRITE
