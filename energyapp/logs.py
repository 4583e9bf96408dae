"""What every line of the log says beside its message: which request, whose, which job. And one line for each request.

A secret that stands in an address (an invitation's) is taken out of every line, whoever writes it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import empty
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

access = logging.getLogger("energyapp.access")

# Of the job that this process works on. `energyapp.jobs.claims` sets it, the end of the Celery task clears it
# (energyapp/celery.py): what the worker says of a task that failed comes after the claim.
job_id: ContextVar[int | None] = ContextVar("job_id", default=None)
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)

# An id that a proxy gave is kept; what else a visitor may send there has no business in a log.
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SECRET_PATH = re.compile(r"(/invitation/)[^/\s'\"]+")
# Objects that Django and Celery add to their records: a request's text would be its address, with what is secret in it.
_NOT_FOR_LOGS = ["request", "server_time", "data"]


def masked(text: str) -> str:
    """
    >>> masked("Internal Server Error: /invitation/s3cr3t/")
    'Internal Server Error: /invitation/…/'
    """
    return _SECRET_PATH.sub(r"\1…", text)


class Context(logging.Filter):
    """Adds what is known of request, person and job, and masks secrets. On the handler, so that no logger is left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django says of answers like 503 when the middleware is through with them: such a record has its request with it.
        said_of = getattr(record, "request", None)
        request = said_of if isinstance(said_of, HttpRequest) else _request.get()
        record.request_id = getattr(request, "id", None)
        record.user_id = _user_id(request)
        record.job_id = job_id.get()
        if "/invitation/" in (message := record.getMessage()):
            record.msg, record.args = masked(message), ()
        return True


def _user_id(request: HttpRequest | None) -> int | None:
    """Who asks, if somebody has looked: a line of the log is no reason to ask the database."""
    user = request.__dict__.get("user") if request else None
    return None if getattr(user, "_wrapped", user) is empty else getattr(user, "pk", None)


class Json(JsonFormatter):
    """One object a line."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message", "request_id", "user_id", "job_id"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="at",
            reserved_attrs=[*RESERVED_ATTRS, *_NOT_FOR_LOGS],
        )


# ---- The middleware


def log_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request an id, which the answer carries too, and write one line when it has been answered."""

    def middleware(request: HttpRequest) -> HttpResponse:
        asked = request.headers.get("X-Request-ID", "")
        request.id = asked if _SANE_ID.fullmatch(asked) else uuid4().hex  # type: ignore[attr-defined]
        began = time.perf_counter()
        token = _request.set(request)
        try:
            response = get_response(request)
            response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
            facts = {"route": route_of(request), "status": response.status_code, "ms": _ms_since(began)}
            access.info("%s %s", request.method, request.path, extra=facts)
        finally:
            _request.reset(token)
        return response

    return middleware


def _ms_since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 1)


def route_of(request: HttpRequest) -> str:
    """The name of the address, without the ids and secrets in it."""
    if match := request.resolver_match:
        return match.view_name or "unnamed"
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"
