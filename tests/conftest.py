"""What tests share: people by role, audio, the real data where it is, a real server, a real browser, a real Redis."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseOperations as SqliteOperations
from django.test import Client
from hypothesis import settings as hypothesis

from tests.factories import AdminFactory, AnnotatorFactory, LeadFactory
from tests.processes import Process, Redis, WebServer, broker_at, free_port, start_worker

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"
# Before something is missing on a page: on busy cores a page takes seconds, and the outbox waits for up to 30 between two tries.
BROWSER_PATIENCE_S = 60
# The same examples in every run, however long one takes: what is found shall be found by whoever broke it.
hypothesis.register_profile("steady", deadline=None, derandomize=True, database=None)
hypothesis.load_profile("steady")

# What Playwright turns off itself, which naming any other feature would turn on again.
BROWSER_WITHOUT = (
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "LensOverlay"),
    *("HttpsFirstBalancedModeAutoEnable", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning", "AimEnabled"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whatever has a real browser or real processes gets a second try; nothing else does.

    What starts servers comes first: it takes longest and waits much, which the other processes make use of.
    """
    if connection.vendor == "postgresql":
        leave_out_what_is_the_same_on_any_database(config, items)
    for item in items:
        if item.get_closest_marker("browser") or item.get_closest_marker("services"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: item.get_closest_marker("services") is None)


def leave_out_what_is_the_same_on_any_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    talks = {
        item: item.get_closest_marker("django_db") is not None or "django_db_setup" in getattr(item, "fixturenames", ())
        for item in items
    }
    config.hook.pytest_deselected(items=[item for item in items if not talks[item]])
    items[:] = [item for item in items if talks[item]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each second try is a defect, of the test or of the product, and nobody is to overlook it."""
    if failed_once := terminalreporter.stats.get("rerun"):
        terminalreporter.section("needed a second try:")
    for report in failed_once or ():
        why = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.line(f"{report.nodeid} ({report.when}): {why.message.splitlines()[0] if why else ''}")


def pytest_collection_finish() -> None:
    """What has been imported stays to the end: searches for garbage need not go through all of it each time."""
    gc.collect()
    gc.freeze()


# ---- Data


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real music and real labels, which are no part of the product."""
    folder = Path(os.environ.get("ENERGYAPP_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here; set ENERGYAPP_SHARED_DATA to the folder with the real data")
    return folder


# ---- Database


@pytest.fixture(scope="session", autouse=True)
def _history_can_be_emptied_between_tests():
    """After a transactional test Django empties all tables: on SQLite by DELETE, which append-only history refuses."""
    empty_tables = SqliteOperations.sql_flush

    def sql_flush(operations, style, tables, **options):
        with operations.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
        return [
            *(f"DROP TRIGGER {name}" for name, _ in triggers),
            *empty_tables(operations, style, tables, **options),
            *(statement for _, statement in triggers),
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteOperations, "sql_flush", sql_flush)
        yield


# ---- People


@pytest.fixture
def annotator(db):
    return AnnotatorFactory(username="anna")


@pytest.fixture
def lead(db):
    return LeadFactory(username="lea")


@pytest.fixture
def admin(db):
    return AdminFactory(username="adam")


def logged_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def as_annotator(annotator) -> Client:
    return logged_in(annotator)


@pytest.fixture
def as_lead(lead) -> Client:
    return logged_in(lead)


@pytest.fixture
def as_admin(admin) -> Client:
    return logged_in(admin)


# ---- Real servers


@pytest.fixture(scope="session")
def collected_static() -> None:
    subprocess.run(
        # As energyapp.serve.prepare does it: django-htmx's extensions import modules that are not there.
        [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0", "--ignore", "ext"],
        cwd=ROOT,
        check=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "energyapp.settings"},
    )


@pytest.fixture(scope="session")
def web_server(django_db_setup, collected_static) -> Iterator[WebServer]:
    """The product's own web server, in a process of its own, on this test run's database and state folder."""
    with WebServer.start(port=free_port(), database=connection.settings_dict) as server:
        yield server


@pytest.fixture
def server(web_server, transactional_db) -> WebServer:
    """The running server, with an empty database."""
    return web_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    with Redis.start(tmp_path_factory.mktemp("redis")) as redis:
        yield redis.url


@pytest.fixture
def start_workers(transactional_db, redis_url) -> Iterator[Callable[..., Process]]:
    """A function that starts a real worker for some queues, on this test's database and a real Redis."""
    started = []

    def start(queues: str, **environment: str) -> Process:
        worker = start_worker(queues, redis_url=redis_url, database=connection.settings_dict, **environment)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.end()


# ---- Real browser


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium: the system's, else the one that Playwright has installed."""
    from playwright.sync_api import Error, expect, sync_playwright

    expect.set_options(timeout=1000 * BROWSER_PATIENCE_S)
    # Its event loop runs in this thread; Django would take us for asynchronous code and refuse the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=_chromium(),
                args=[
                    *("--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-background-networking"),
                    # A quarter of all that is computed, for each: a process ahead of every page that might be opened next,
                    "--renderer-process-limit=1",
                    # and two pages behind the address bar of every window, which nobody sees.
                    f"--disable-features={','.join((*BROWSER_WITHOUT, 'WebUIOmniboxPopup', 'WebUIOmniboxAimPopup'))}",
                ],
                timeout=1000 * BROWSER_PATIENCE_S,
            )
        except Error as problem:
            if IN_CI:
                raise
            pytest.skip(f"no browser can be started: {problem.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def open_page(browser, server):
    """`open_page(user, "/label/")`: a page of this user's own session, failing the test on any console error."""
    contexts, problems, expected = [], [], []

    def open_as(user, path: str = "/", **context_options):
        context = browser.new_context(
            base_url=server.url, **{"viewport": {"width": 1440, "height": 900}, **context_options}
        )
        contexts.append(context)
        context.set_default_timeout(1000 * BROWSER_PATIENCE_S)
        if user is not None:
            context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": server.url}])
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path)
        return page

    open_as.contexts, open_as.problems, open_as.expected = contexts, problems, expected
    yield open_as
    for context in contexts:
        context.close()
    problems = [problem for problem in problems if not any(re.search(pattern, problem) for pattern in expected)]
    assert not problems, f"the browser's console shows {problems}"


def session_of(user) -> str:
    return logged_in(user).cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def celery_on_redis(redis_url) -> Iterator[None]:
    """This process's own tasks go to the real Redis instead of into memory."""
    with broker_at(redis_url):
        yield
