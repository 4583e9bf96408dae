import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from energyapp.api import tokens


class Program:
    """A program with a token of this user; `read` and `send` fail the test unless the answer is as it should be."""

    def __init__(self, user: Any, scope: str = "write") -> None:
        self.token, secret = tokens.make(user=user, name="a program", scope=scope)
        self.client = Client(headers={"authorization": f"Bearer {secret}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query)

    def post(self, path: str, **body: Any) -> Any:
        return self.client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")

    def read(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.content
        return response.json()

    def rows(self, path: str, **query: Any) -> list[Any]:
        """Of the first page."""
        return self.read(path, **query)["results"]

    def send(self, path: str, *, status: int, **body: Any) -> Any:
        response = self.post(path, **body)
        assert response.status_code == status, response.content
        return response.json() if response.content else None


@pytest.fixture
def program() -> Callable[..., Program]:
    return Program


@pytest.fixture(autouse=True)
def _no_redis(settings) -> None:
    """Counted by this process alone, from anew for each test: by an id that comes again."""
    from django.core.cache import cache

    cache.clear()
