"""What the schema says of every operation beside its own: pages, filters, refusals. Loaded when the schema is asked for."""

from functools import lru_cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from energyapp.api.fields import Body
from energyapp.api.problems import CONTENT_TYPE, Problem
from energyapp.api.resources import PageQuery

REFUSALS = {
    "400": "What was sent makes no sense; the answer says what of it.",
    "401": "No token, or one that opens nothing (any more).",
    "403": "The role, or the scope of the token, does not allow it.",
    "404": "There is no such thing, or none that this role sees.",
    "406": "Only JSON is answered.",
    "409": "It does not go together with what is there; the answer says why.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many requests; Retry-After says for how many seconds.",
}
SOUND = {
    "description": "The sound; with a Range header, the part that was asked for (206).",
    "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
}


class Bearer(OpenApiAuthenticationExtension):
    target_class = "energyapp.api.authentication.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "Made at /account/tokens/."}


class Login(OpenApiAuthenticationExtension):
    target_class = "energyapp.api.authentication.Session"
    name = "login"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "The login of the pages."}


class Schema(AutoSchema):
    """Reads what a resource says of itself (`energyapp.api.resources.Resource`)."""

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()

    def get_override_parameters(self) -> list[Any]:
        return [PageQuery, self.view.filters] if self._action == "list" else []

    def get_operation_id(self) -> str:
        """For instance tracks_list: what it is about, and what is done."""
        about = [part for part in self.path.split("/")[3:] if part and "{" not in part]
        return "_".join(dict.fromkeys([*about, self._action]))

    def get_tags(self) -> list[str]:
        return [self.path.split("/")[3]]

    def get_summary(self) -> str:
        words = {"list": f"All {self.get_tags()[0]}", "retrieve": f"One of the {self.get_tags()[0]}"}
        return words.get(self._action) or self.get_description().partition("\n")[0]

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "bodies", {}).get(self._action)

    def get_response_serializers(self) -> Any:
        answers = getattr(self.view, "answers", {})
        if self._action in answers:
            return {str(status): answer for status, answer in answers[self._action].items() if answer is not bytes}
        row = self.view.serializer_class
        return {"200": _page_of(row) if self._action == "list" else row}

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # lists are objects, with the address of their next page

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        for status, answer in getattr(self.view, "answers", {}).get(self._action, {}).items():
            if answer is bytes:
                bodies[str(status)] = SOUND
        for status in self._refusals():
            problem = self._get_response_for_code(Problem, status, [CONTENT_TYPE], direction)
            bodies[status] = {**problem, "description": REFUSALS[status]}
        return bodies

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        mapped = super()._map_basic_serializer(serializer, direction)
        is_body = isinstance(serializer, Body) or (isinstance(serializer, type) and issubclass(serializer, Body))
        return {**mapped, "additionalProperties": False} if is_body else mapped

    def _refusals(self) -> list[str]:
        refusals = ["401", "403", "406", "429"]
        if self.get_request_serializer():
            refusals += ["400", "413", "415"]
        elif self._action == "list":
            refusals.append("400")
        if "{" in self.path:
            refusals.append("404")
        if self._action in getattr(self.view, "conflicts", ()):
            refusals.append("409")
        return sorted(refusals)


@lru_cache
def _page_of(row: type[serializers.Serializer]) -> type[serializers.Serializer]:
    """A page of these rows."""
    fields: dict[str, Any] = {
        "next": serializers.URLField(allow_null=True, help_text="The address of the next page; null on the last."),
        "results": row(many=True),
    }
    return type(f"{row.__name__.removesuffix('Serializer')}Page", (serializers.Serializer,), fields)
