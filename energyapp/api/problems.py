"""What goes wrong is said in one shape: problem details, RFC 9457."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotAuthenticated, NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

CONTENT_TYPE = "application/problem+json"
WITHOUT_LOGIN = (
    "This needs a token or a login. Make a token at /account/tokens/ and send it: Authorization: Bearer <token>."
)
NON_FIELD = "non_field_errors"


class Conflict(APIException):
    """What was asked for is understood, and does not go together with what is there. The message says why not."""

    status_code = HTTPStatus.CONFLICT


class TooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Problem(serializers.Serializer):
    """An answer that is a refusal."""

    type = serializers.CharField(help_text="Always about:blank: the status says what kind of problem it is.")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What was found and what was expected, for people.")
    errors = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Of each field that was wrong, what was.",
    )


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """None: not for whoever asks, but a fault of ours."""
    if isinstance(error, Http404) and isinstance(error.__context__, ObjectDoesNotExist):
        # As Django looks rows up: it would name the class.
        kind, pk = context["view"].basename, context["kwargs"]["pk"]
        error = NotFound(f"Among the {kind} there is none with the id {pk}, or none that you may see.")
    response = exception_handler(error, context)
    if response is not None:
        response.data = problem(response.status_code, error, response.data)
    return response


def problem(status: int, error: Exception, data: Any) -> dict[str, Any]:
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if not isinstance(error, ValidationError):
        detail = WITHOUT_LOGIN if isinstance(error, NotAuthenticated) else str(data["detail"])
        return {**said, "detail": detail}
    errors: dict[str, list[str]] = {}
    for field, message in _flat(data):
        errors.setdefault(field, []).append(message)
    # Whoever reads the detail alone must learn all of it.
    sentences = [
        message if field == NON_FIELD else f"{field}: {message}" for field in errors for message in errors[field]
    ]
    return {**said, "detail": " ".join(sentences), "errors": errors}


def _flat(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each message with the field it is about."""
    if isinstance(data, dict):
        for name, inner in data.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(data, list):
        for inner in data:
            yield from _flat(inner, path)
    else:
        yield path or NON_FIELD, str(data)
