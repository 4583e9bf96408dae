from typing import Any

from django.http import HttpRequest

from annotations.models import Flag


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The number beside "Review" in the navigation, for those who see that link."""
    user = getattr(request, "user", None)
    if user is None or not user.has_perm("annotations.view_flag"):
        return {}
    return {"n_open_flags": Flag.objects.open().reviewable_by(user).count}
