"""What a claim and a label cost the server: whole requests, with session, login and permissions."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils.crypto import get_random_string

from annotations.benchmarks import library as libraries
from annotations.benchmarks.library import Library
from annotations.models import LabellingRules, Lease, User
from annotations.models.guidance import MIN_RANDOM_SHARE

N_FLAGS = 3000
MAX_STATEMENTS, MAX_CPU_MS = 8, 10.0
# No question of ours: not counted.
TRANSACTIONS = ("BEGIN", "SAVEPOINT", "RELEASE")
NO_SHARES = dict.fromkeys(LabellingRules.SHARES, 0)
_MS = 1000.0
# The page's address of a style sheet must not wait for `collectstatic`.
UNCOLLECTED = {
    **settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


class WrongAnswer(Exception):
    """A request did not do what is being measured, so its figures mean nothing."""


@dataclass(frozen=True)
class Scenario:
    """Rules under which somebody labels."""

    name: str
    rules: dict[str, Any]
    who: Callable[[Library], User] = lambda library: library.people[0]
    prepare: Callable[[Library], None] = lambda library: None
    expects_tracks: bool = True


def _busiest(library: Library) -> User:
    return library.busiest


SCENARIOS = [
    Scenario("overlap 1", {}),
    Scenario("overlap 3", {"labels_per_track": 3, "second_share": 20}),
    Scenario("by list", {"order": "by list"}),
    Scenario(
        "by a strategy: overlap 3",
        {"order": libraries.STRATEGY, "random_share": MIN_RANDOM_SHARE, "labels_per_track": 3},
        prepare=libraries.rank,
    ),
    Scenario(
        "nearly all labelled: by a strategy",
        {"order": libraries.STRATEGY, "random_share": MIN_RANDOM_SHARE, "labels_per_track": 3},
        who=_busiest,
    ),
    Scenario("oldest", {"order": "oldest"}),
    Scenario("second opinions", {"labels_per_track": 3, "second_share": 100}),
    Scenario("repeats", {"repeat_share": 100}),
    Scenario("gold, told", {"gold_share": 100, "shows_gold": True}),
    Scenario("evaluation slice", {"evaluation_share": 100, "order": "by list"}),
    Scenario("nearly all labelled: overlap 3", {"labels_per_track": 3, "second_share": 100}, who=_busiest),
    Scenario("nearly all labelled: repeats", {"repeat_share": 100}, who=_busiest),
    Scenario(
        "flags: overlap 3",
        {"labels_per_track": 3, "second_share": 20},
        prepare=lambda library: libraries.add_flags(library, n=N_FLAGS),
    ),
    Scenario("flags: overlap 50", {"labels_per_track": 50, "second_share": 100}),
    Scenario(
        "nothing left: overlap 1",
        {},
        who=_busiest,
        prepare=lambda library: libraries.label_all_that_is_left(library, library.busiest),
        expects_tracks=False,
    ),
    Scenario(
        "nothing left: overlap 3, all labelled by them",
        {"labels_per_track": 3, "second_share": 20},
        who=_busiest,
        expects_tracks=False,
    ),
]


@dataclass
class Cost:
    """Of requests of one kind."""

    statements: list[int] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.cpu_ms)

    @property
    def p95_ms(self) -> float:
        return sorted(self.cpu_ms)[int(0.95 * (len(self.cpu_ms) - 1))]


@dataclass(frozen=True)
class Found:
    scenario: str
    claim: Cost
    label: Cost
    # Of the database's own process, a request: None where the database is in ours.
    server_ms: float | None


def measure(library: Library, *, n_requests: int) -> Iterator[Found]:
    for scenario in SCENARIOS:
        scenario.prepare(library)
        Lease.objects.all().delete()
        LabellingRules.objects.create(**{"labels_per_track": 1, **NO_SHARES, "min_listened_s": 0, **scenario.rules})
        yield _measure(scenario, scenario.who(library), n_requests)


def _measure(scenario: Scenario, annotator: User, n_requests: int) -> Found:
    client = logged_in(annotator)
    claims, labels, server = Cost(), Cost(), _ServerTime()
    for number in range(n_requests + 1):
        claimed = post(client, "claim", {"held": []}, claims)
        if bool(claimed["held"]) != scenario.expects_tracks:
            raise WrongAnswer(f"{scenario.name}: claim {number} gave {len(claimed['held'])} tracks.")
        # One of the two, so that each claim finds one more, as when somebody labels.
        for track in claimed["held"][:1]:
            answer = {"kind": "label", "annotator": annotator.pk, "track_id": track, "level": 1 + number % 10}
            said = post(client, "outbox", {**answer, "submission_id": str(uuid4()), "listened_s": 0}, labels)
            if said["state"] != "saved":
                raise WrongAnswer(f"{scenario.name}: label {number} was answered by {said}.")
        if number == 0:  # the first claim finds two tracks; and what is loaded once is loaded
            claims, labels, server = Cost(), Cost(), _ServerTime()
    return Found(scenario.name, claims, labels, server.ms_since(len(claims.cpu_ms) + len(labels.cpu_ms)))


def measure_page(library: Library, *, n_requests: int) -> Cost:
    """The label page as a whole, which is fetched once a session, for one with as many labels as anybody has."""
    client, cost = logged_in(library.busiest), Cost()
    for _ in range(n_requests):
        with override_settings(STORAGES=UNCOLLECTED), _counted(cost):
            response = client.get(reverse("label"))
        if response.status_code != 200:
            raise WrongAnswer(f"The page answered {response.status_code}.")
    return cost


def logged_in(annotator: User) -> Client:
    token = get_random_string(32)
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost", "x-csrftoken": token})
    client.force_login(annotator)
    client.cookies[settings.CSRF_COOKIE_NAME] = token
    return client


def post(client: Client, door: str, body: dict[str, Any], cost: Cost) -> dict[str, Any]:
    path = reverse(door)
    with _counted(cost):
        response = client.post(path, body, content_type="application/json")
    if response.status_code != 200:
        raise WrongAnswer(f"{door} answered {response.status_code}: {response.content[:300].decode()}")
    return response.json()


@contextmanager
def _counted(cost: Cost) -> Iterator[None]:
    n_statements = 0

    def count(execute, *args):
        nonlocal n_statements
        n_statements += not args[0].startswith(TRANSACTIONS)
        return execute(*args)

    with connection.execute_wrapper(count):
        began = time.process_time()
        yield
        cost.cpu_ms.append((time.process_time() - began) * _MS)
    cost.statements.append(n_statements)


class _ServerTime:
    """Of the process that Postgres has for our connection, where it runs on this machine."""

    def __init__(self) -> None:
        self._pid = connection.connection.info.backend_pid if connection.vendor == "postgresql" else None
        self._began = self._ms()

    def ms_since(self, n_requests: int) -> float | None:
        now = self._ms()
        return None if now is None or self._began is None else (now - self._began) / n_requests

    def _ms(self) -> float | None:
        stat = Path(f"/proc/{self._pid}/stat")
        if self._pid is None or not stat.exists():
            return None
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * _MS / os.sysconf("SC_CLK_TCK")


# ---- The table


def table_lines(found: Iterator[Found]) -> Iterator[str]:
    yield f"{'':46} {'claim':>27}   {'label':>27}   database"
    yield f"{'':46} {'statements  median  p95 ms':>27}   {'statements  median  p95 ms':>27}   ms each"
    for row in found:
        cells = [f"{row.scenario:46}", _cells(row.claim), _cells(row.label)]
        yield "   ".join([" ".join(cells[:2]), cells[2], "" if row.server_ms is None else f"{row.server_ms:8.1f}"])


def _cells(cost: Cost) -> str:
    if not cost.cpu_ms:
        return " " * 27
    missed = max(cost.statements) > MAX_STATEMENTS or cost.median_ms > MAX_CPU_MS
    cells = f"{max(cost.statements):10} {cost.median_ms:7.1f} {cost.p95_ms:7.1f}"
    return f"{cells}{'!' if missed else ' '}"
