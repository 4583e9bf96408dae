"""Making tokens, taking them back, and finding out whose one is."""

import datetime as dt
import hashlib
import secrets
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import dateformat, timezone

from energyapp.api.models import ApiToken
from energyapp.audit.models import AuditEntry

DEFAULT_DAYS = 90
MAX_DAYS = 365
# So that a secret that has got into a log or a repository is known for what it is.
PREFIX = "energy_"
# Else each request would write.
USE_IS_NOTED_EVERY = dt.timedelta(minutes=1)


class TokenRefused(Exception):
    """A token that opens nothing; the message says why, to whoever has it."""


@transaction.atomic
def make(*, user: Any, name: str, scope: str = ApiToken.Scope.READ, days: int = DEFAULT_DAYS) -> tuple[ApiToken, str]:
    """A new token and its secret, which is nowhere to be found afterwards."""
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"days is {days}; a token lives from 1 to {MAX_DAYS} days")
    secret = PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        scope=scope,
        digest=_digest(secret),
        created_at=now,
        expires_at=now + dt.timedelta(days=days),
    )
    AuditEntry.objects.record(by=user, action="token made", subject=name, token=token.pk, scope=scope, days=days)
    return token, secret


@transaction.atomic
def revoke(*, token: ApiToken, by: Any) -> bool:
    """Take a token back, at once and for good. False where that was done before."""
    is_done = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    if is_done:
        AuditEntry.objects.record(by=by, action="token revoked", subject=token.name, token=token.pk)
    return bool(is_done)


def revoke_all(*, user: Any) -> None:
    """Those of an account that is closed: they must not come back to life with it."""
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def find(secret: str) -> ApiToken:
    """The token of this secret, with its user; notes that it was used.

    Raises
    ------
    TokenRefused
        It opens nothing (any more).
    """
    token = ApiToken.objects.select_related("user").filter(digest=_digest(secret)).first()
    if token is None:
        raise TokenRefused(
            "There is no such token. Each is shown once, when it is made: copy all of it, or make another."
        )
    if token.revoked_at:
        raise TokenRefused(f"The token “{token.name}” was revoked on {_day(token.revoked_at)}; make another.")
    if token.expires_at <= timezone.now():
        raise TokenRefused(f"The token “{token.name}” expired on {_day(token.expires_at)}; make another.")
    if not token.user.is_active:
        raise TokenRefused(f"The account {token.user.get_username()} is deactivated; an admin can activate it again.")
    _note_use(token)
    return token


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - USE_IS_NOTED_EVERY:
        # Of many requests at once one writes.
        is_due = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_IS_NOTED_EVERY)
        ApiToken.objects.filter(is_due, pk=token.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def _day(moment: dt.datetime) -> str:
    return dateformat.format(timezone.localtime(moment), "j M Y")
