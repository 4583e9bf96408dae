"""What browser tests share. `open_page` and `server` are in tests/conftest.py."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Response

from tests.audio_files import track_with_audio
from tests.factories import ReferenceFactory, RulesFactory


@pytest.fixture
def library(server):
    """`library(n)`: n tracks that can be heard, with titles nobody would write by chance."""

    def make(n: int) -> list:
        return [track_with_audio(title=f"Zanzibar {i}", artist=f"Quixote {i}", queue_order=i) for i in range(n)]

    return make


@pytest.fixture
def expect_console(open_page):
    """`expect_console("409")`: the browser has logged this error, and by it the test is not to fail."""

    def expect(pattern: str) -> None:
        found = [problem for problem in open_page.problems if re.search(pattern, problem)]
        assert found, f"nothing like {pattern!r} in the browser's console: {open_page.problems}"
        for problem in found:
            open_page.problems.remove(problem)

    return expect


def responses_of(page: Page) -> list[Response]:
    """Every response from now on."""
    seen: list[Response] = []
    page.on("response", lambda response: seen.append(response))  # Playwright cannot wrap a built-in method
    return seen


def arrive(page: Page, address: str) -> None:
    """Wait until the page at this address (a regular expression) has loaded and listens to keys."""
    page.wait_for_url(re.compile(address))


def page_loads(page: Page) -> list[str]:
    """The address of every full page load from now on."""
    seen: list[str] = []
    page.on("load", lambda loaded: seen.append(loaded.url))
    return seen


@pytest.fixture
def unheard(server):
    """Tracks may be labelled without having been heard."""
    return RulesFactory(min_listened_s=0)


@pytest.fixture
def agreed(server):
    """Examples of levels 4, 6 and 8."""
    return {
        level: ReferenceFactory(track=track_with_audio(title=f"Agreed {level}"), level=level).track
        for level in (4, 6, 8)
    }
