from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from annotations.models import Flag, User
from annotations.roles import ADMIN, ANNOTATOR, LEAD


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Who is logged in, and the number beside "Review" for those who see that link.

    Counted only where a template shows it: fragments have no navigation, and some are asked for every second.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    context: dict[str, Any] = {"role": SimpleLazyObject(lambda: _role(user))}
    if user.has_perm("annotations.view_flag"):
        context["n_open_flags"] = SimpleLazyObject(lambda: _n_waiting(user))
    return context


def _n_waiting(user: User) -> int:
    """Labels, as the queue counts them; of several reasons against one, the strongest is open if any is."""
    return Flag.objects.open().reviewable_by(user).values("annotation").distinct().count()


def _role(user: User) -> str:
    groups = {group.name for group in user.groups.all()}
    return next((role for role in (ADMIN, LEAD, ANNOTATOR) if role in groups), "")
