"""What admins do about people, and what people do with a link they were given. One transaction each, with its audit entry."""

from __future__ import annotations

import datetime as dt

from axes.utils import reset as forget_wrong_passwords
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from annotations.accounts.models import LASTS_DAYS, Invitation, digest_of, new_secret
from annotations.accounts.people import role_of
from annotations.models import Lease, User
from annotations.roles import ADMIN
from energyapp.api import tokens
from energyapp.audit.models import AuditEntry


class NotDone(Exception):
    """Nothing was changed; the message says why, to whoever asked."""


class LinkIsDead(NotDone):
    """The link was never made, or can no longer be used."""


# ---- People


@transaction.atomic
def change_role(*, user: User, role: str, by: User) -> None:
    """Give somebody another role; it holds from their next request on.

    Raises
    ------
    NotDone
        It is theirs already, it is the admin's own, or nobody would be left who may administer.
    """
    _lock_admins()
    if (was := role_of(user)) == role:
        raise NotDone(f"{user.display_name} is {role} already.")
    if was == ADMIN:
        _check_not_needed(user, by)
        _revoke_links_of(user)
    user.groups.set([Group.objects.get(name=role)])
    AuditEntry.objects.record(by=by, action="role changed", subject=user.username, was=was, now=role)


@transaction.atomic
def deactivate(*, user: User, by: User) -> None:
    """Close an account: nobody can log in, its sessions, tokens and links end for good, tracks held go back. Labels stay.

    Raises
    ------
    NotDone
        It is closed already, it is the admin's own, or nobody would be left who may administer.
    """
    _lock_admins()
    if not User.objects.get(pk=user.pk).is_active:
        raise NotDone(f"{user.display_name} was deactivated already.")
    _check_not_needed(user, by)
    User.objects.filter(pk=user.pk).update(is_active=False)
    _revoke_links_of(user)
    _end_sessions(user)
    tokens.revoke_all(user=user)
    Lease.objects.filter(annotator=user).delete()
    AuditEntry.objects.record(by=by, action="deactivated", subject=user.username)


@transaction.atomic
def activate(*, user: User, by: User) -> None:
    """Open it again, with the password and the role that it had."""
    if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        raise NotDone(f"{user.display_name} is active already.")
    AuditEntry.objects.record(by=by, action="activated", subject=user.username)


def _lock_admins() -> None:
    """Of two admins who deactivate or demote each other at once, the second has to find what the first has done."""
    Group.objects.select_for_update(no_key=True).get(name=ADMIN)


def _check_not_needed(user: User, by: User) -> None:
    if user == by:
        raise NotDone("This is your own account: ask another admin to change it.")
    others = User.objects.filter(groups__name=ADMIN, is_active=True).exclude(pk=user.pk)
    if not others.exists():
        raise NotDone(f"{user.display_name} is the last admin. Make somebody else admin first.")


def _revoke_links_of(user: User) -> None:
    """Made by them or for them: neither is to be a way back in."""
    links = Invitation.objects.open().filter(Q(account=user) | Q(invited_by=user))
    links.update(revoked_at=timezone.now())


def _end_sessions(user: User) -> None:
    """Closed accounts have no way in anyway; but their old sessions must not come back to life with them."""
    theirs = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()


# ---- One's own account


@transaction.atomic
def change_name(*, user: User, name: str) -> None:
    """How others see somebody. The username, by which they log in and are referred to, stays."""
    was = user.get_full_name()
    give_name(user, name)
    user.save(update_fields=["first_name", "last_name"])
    AuditEntry.objects.record(by=user, action="name changed", subject=user.username, was=was, now=name)


@transaction.atomic
def change_password(*, user: User) -> None:
    """Store the password that `user` has been given. A link to choose another is of no use any more, but to thieves."""
    user.save(update_fields=["password"])
    Invitation.objects.open().filter(account=user).update(revoked_at=timezone.now())
    AuditEntry.objects.record(by=user, action="password changed", subject=user.username)


def give_name(user: User, name: str) -> None:
    """One field for the whole name, as most people write theirs; kept as Django has it."""
    user.first_name, _, user.last_name = name.partition(" ")


# ---- Links


@transaction.atomic
def invite(*, role: str, note: str, by: User, lasts_days: int = LASTS_DAYS) -> tuple[Invitation, str]:
    """A link that makes one account of this role; and its secret, which is known only now."""
    made = _new_link(role=role, note=note, by=by, lasts_days=lasts_days)
    AuditEntry.objects.record(by=by, action="invited", subject=note or f"link {made[0].pk}", role=role)
    return made


@transaction.atomic
def offer_password(*, user: User, by: User, lasts_days: int = LASTS_DAYS) -> tuple[Invitation, str]:
    """A link by which somebody chooses a new password; links made for them before end.

    Raises
    ------
    NotDone
        The account is closed.
    """
    # Locked, so that of two admins only the second's link is left.
    if not User.objects.select_for_update(no_key=True).get(pk=user.pk).is_active:
        raise NotDone(f"{user.display_name} is deactivated: activate the account first.")
    Invitation.objects.open().filter(account=user).update(revoked_at=timezone.now())
    made = _new_link(account=user, by=by, lasts_days=lasts_days)
    AuditEntry.objects.record(by=by, action="password link made", subject=user.username)
    return made


def _new_link(
    *, by: User, lasts_days: int, role: str = "", note: str = "", account: User | None = None
) -> tuple[Invitation, str]:
    secret = new_secret()
    expires_at = timezone.now() + dt.timedelta(days=lasts_days)
    about = {"role": role, "note": note, "account": account, "invited_by": by, "expires_at": expires_at}
    return Invitation.objects.create(digest=digest_of(secret), **about), secret


@transaction.atomic
def revoke(*, invitation: Invitation, by: User) -> None:
    """Make a link useless that nobody has used yet."""
    if not Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=timezone.now()):
        invitation.refresh_from_db()
        raise NotDone(f"The link can no longer be used: it is {invitation.state}.")
    whom = invitation.account.username if invitation.account else invitation.note or f"link {invitation.pk}"
    AuditEntry.objects.record(by=by, action="link revoked", subject=whom)


def look_up(secret: str) -> Invitation:
    """The link with this secret.

    Raises
    ------
    LinkIsDead
        There is none that can be used.
    """
    return _usable(Invitation.objects.select_related("account", "invited_by"), secret)


@transaction.atomic
def join(*, secret: str, user: User) -> User:
    """Make the account of somebody who was invited: `user`, with name and password, is not stored yet.

    Raises
    ------
    LinkIsDead
        Somebody has used the link meanwhile.
    NotDone
        Somebody has taken the username meanwhile.
    """
    invitation = _usable(Invitation.objects.select_for_update(), secret)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise NotDone(f"Somebody else is {user.username} since a moment ago. Choose another name.") from None
    user.groups.set([Group.objects.get(name=invitation.role)])
    _use(invitation, user)
    AuditEntry.objects.record(by=user, action="account made", subject=user.username, role=invitation.role)
    return user


@transaction.atomic
def choose_password(*, secret: str, user: User) -> None:
    """Store the password that `user` has been given; all their sessions end by it."""
    invitation = _usable(Invitation.objects.select_for_update(), secret)
    user.save(update_fields=["password"])
    _use(invitation, user)
    forget_wrong_passwords(username=user.username)  # who forgot it may be locked out
    AuditEntry.objects.record(by=user, action="password chosen by link", subject=user.username)


def _usable(links: models.QuerySet[Invitation], secret: str) -> Invitation:
    """Where `links` are locked: of two who use one at once, the second finds it used."""
    invitation = links.filter(digest=digest_of(secret)).first()
    if invitation is None:
        raise LinkIsDead("There is no such link. Was it copied whole?")
    if invitation.state != "open":
        raise LinkIsDead(f"{_WHY_DEAD[invitation.state]} Ask an admin for a new one if you need it.")
    if invitation.account and not invitation.account.is_active:
        raise LinkIsDead("The account that this link is for is deactivated.")
    return invitation


_WHY_DEAD = {
    "used": "This link has been used.",
    "revoked": "This link has been revoked.",
    "expired": "This link has expired.",
}


def _use(invitation: Invitation, user: User) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(used_at=timezone.now(), used_by=user)
