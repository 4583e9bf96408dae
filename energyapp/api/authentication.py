"""Who asks: a program with a token, or a person who is logged in."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from energyapp.api import tokens


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer <secret>`. First of the two, so that who is nobody is told 401 and what to send."""

    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        try:
            token = tokens.find(secret.strip())
        except tokens.TokenRefused as refusal:
            raise AuthenticationFailed(str(refusal)) from None
        return token.user, token

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="api"'


class Session(SessionAuthentication):
    """The login of the pages, with their protection against forged requests, for whoever looks around in a browser."""
