"""What is asked for is named by each resource; nothing that it does not name is done."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission


class MayDoThis(BasePermission):
    """The permission of the same page, and for changes a token that may write.

    A view has `permissions`: what each of its actions takes, "" for a login alone.
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        action = getattr(view, "action", None)
        if action is None or request.method == "OPTIONS":
            return True  # nothing is done: what comes next says that this method does not exist here
        if request.method not in SAFE_METHODS and request.auth is not None and not request.auth.may_write:
            raise PermissionDenied("This token may only read; make one that may write, too.")
        needed = view.permissions[action]
        if needed and not request.user.has_perm(needed):
            raise PermissionDenied("Your role does not allow this: no page of yours shows or does it either.")
        return True
