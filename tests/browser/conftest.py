"""What browser tests share. `open_page` and `server` are in tests/conftest.py."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Response

from tests.audio_files import track_with_audio
from tests.factories import ReferenceFactory, RulesFactory
from tests.processes import wait_until


@pytest.fixture
def library(server):
    """`library(n)`: n tracks that can be heard, with titles nobody would write by chance."""

    def make(n: int) -> list:
        return [track_with_audio(title=f"Zanzibar {i}", artist=f"Quixote {i}", queue_order=i) for i in range(n)]

    return make


@pytest.fixture
def expect_console(open_page):
    """`expect_console("409")`: the browser logs this error, however often, and by it the test is not to fail."""

    def is_logged(pattern: str) -> bool:
        open_page.contexts[0].cookies()  # while it waits for an answer Playwright hears what the pages have to say
        return any(re.search(pattern, problem) for problem in open_page.problems)

    def expect(pattern: str) -> None:
        open_page.expected.append(pattern)
        wait_until(lambda: is_logged(pattern), what=f"{pattern!r} in the browser's console")

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
        # Two minutes, so that none has ended before a test has looked.
        level: ReferenceFactory(track=track_with_audio(title=f"Agreed {level}", duration_s=120), level=level).track
        for level in (4, 6, 8)
    }
