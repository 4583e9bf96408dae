from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from annotations.models import User


class Request(HttpRequest):
    """A request behind the login: what every view of ours gets, for the type checker."""

    user: User  # LoginRequiredMiddleware has sent strangers away
    htmx: HtmxDetails
