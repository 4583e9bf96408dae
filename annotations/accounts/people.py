"""Everybody who is known here, as admins look for them."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from annotations.models import Annotation, User
from annotations.roles import ADMIN, ANNOTATOR, LEAD

_CANNOT_LOG_IN = Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
# Name -> which of all. Those that came with imported labels are names in a file, not people who log in.
KINDS: dict[str, Q] = {
    "active": Q(is_active=True) & ~_CANNOT_LOG_IN,
    "deactivated": Q(is_active=False),
    "imported": Q(is_active=True) & _CANNOT_LOG_IN,
}
ROLE_ORDER = (ADMIN, LEAD, ANNOTATOR)


def people(kind: str, search: str) -> QuerySet[User]:
    """Of a kind, with the words in one of their names, and when they last labelled."""
    last = Annotation.objects.filter(annotator=OuterRef("pk")).order_by("-created_at").values("created_at")[:1]
    found = User.objects.filter(KINDS[kind]).annotate(last_label_at=Subquery(last))
    for word in search.split():
        found = found.filter(
            Q(username__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
            | Q(alias__icontains=word)
            | Q(email__icontains=word)
        )
    return found.prefetch_related("groups").order_by("username")


def counts() -> dict[str, int]:
    """How many there are of each kind."""
    return {kind: User.objects.filter(which).count() for kind, which in KINDS.items()}


def role_of(user: User) -> str:
    """The name of the highest; empty without one. Reads what is prefetched."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in ROLE_ORDER if role in names), "")


def last_label_at(user: User) -> dt.datetime | None:
    return Annotation.objects.filter(annotator=user).aggregate(at=Max("created_at"))["at"]
