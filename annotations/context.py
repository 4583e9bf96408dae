from typing import Any

from django.http import HttpRequest

from annotations.models import Flag
from annotations.roles import ADMIN, ANNOTATOR, LEAD


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Who is logged in, and the number beside "Review" for those who see that link."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    groups = {group.name for group in user.groups.all()}
    context: dict[str, Any] = {"role": next((role for role in (ADMIN, LEAD, ANNOTATOR) if role in groups), "")}
    if user.has_perm("annotations.view_flag"):
        context["n_open_flags"] = Flag.objects.open().reviewable_by(user).count()
    return context
