"""What the pages of leads cost the server: whole requests, with session, login and permissions, in ours and the database's CPU."""

import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from django.db import connection
from django.http import QueryDict
from django.test import Client, override_settings
from django.urls import reverse

from annotations.annotators import report
from annotations.benchmarks.library import Library
from annotations.benchmarks.requests import TRANSACTIONS, UNCOLLECTED, WrongAnswer, logged_in
from annotations.models import Decision, Flag, User
from annotations.review.paging import Cursor
from annotations.review.queue import QueueFilter

MAX_STATEMENTS, MAX_P95_MS = 12, 150.0
N_BULK = 25
# Bulk decisions use the queue up: fewer of them.
MAX_BULK_REQUESTS = 20
_NS_PER_MS = 1e6


class Sent(NamedTuple):
    """A request."""

    method: str
    path: str
    data: dict[str, Any] = {}


@dataclass
class Cost:
    """Of requests of one kind."""

    name: str
    has_target: bool = True
    max_statements: int = MAX_STATEMENTS
    max_p95_ms: float = MAX_P95_MS
    statements: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        return sorted(self.ms)[int(0.95 * (len(self.ms) - 1))]

    @property
    def misses_target(self) -> bool:
        return self.has_target and (max(self.statements) > self.max_statements or self.p95_ms > self.max_p95_ms)

    def __str__(self) -> str:
        figures = f"{max(self.statements):10} {statistics.median(self.ms):8.1f} {self.p95_ms:8.1f}"
        return f"{self.name:40} {figures}{'!' if self.misses_target else ''}"


def measure(library: Library, lead: User, *, n_requests: int) -> Iterator[Cost]:
    """Reads first: decisions use up what there is to read."""
    report.refresh()
    client = logged_in(lead)

    def cost(name: str, requests: Iterable[Sent], *, has_target: bool = True) -> Cost:
        return cost_of(client, Cost(name, has_target), requests)

    for name, query in _queries(library, lead).items():
        yield cost(f"queue: {name}", repeat(_get("review_queue", query=query), n_requests))
    yield cost("another page with the number", repeat(_get("my_labels"), n_requests))
    yield cost("annotators page", repeat(_get("annotators"), n_requests))
    people = islice(cycle(library.people), n_requests)
    yield cost("annotator page", (_get("annotator", person.pk) for person in people))
    flags = _waiting(lead, n_requests)
    yield cost("review page, before the opinion", (_get("review", flag) for flag in flags), has_target=False)
    yield cost("opinion", map(_opinion, flags), has_target=False)
    yield cost("review page, after the opinion", (_get("review", flag) for flag in flags), has_target=False)
    yield cost("decision", map(_decision, flags), has_target=False)
    n_bulk = min(n_requests, MAX_BULK_REQUESTS)
    yield cost(f"bulk keep of {N_BULK}", (_bulk(lead) for _ in range(n_bulk)), has_target=False)


def _queries(library: Library, lead: User) -> dict[str, str]:
    """Each filter, and pages far into the queue."""
    rows = QueueFilter.from_query(QueryDict(), lead).flags()
    middle = Cursor(*rows.values_list("suspicion", "pk")[rows.count() // 2])
    track = rows[0].annotation.track
    return {
        "first page": "",
        "a later page": f"?after={middle}",
        "the page before": f"?before={middle}",
        "resolved": "?state=resolved",
        "second opinion": "?state=second+opinion",
        "reason": "?reason=drift",
        "genre": f"?genre={track.genres.get().pk}",
        "annotator": f"?annotator={library.people[0].pk}",
        "level": "?level=3",
        "run": "?run=run+2",
        "suspicion": "?suspicion=2",
        "search": "?q=title+77",
        "all of these": f"?reason=drift&genre={track.genres.get().pk}&run=run+2&suspicion=2&q=title",
    }


def _waiting(lead: User, n: int) -> list[int]:
    return list(QueueFilter.from_query(QueryDict(), lead).flags().values_list("pk", flat=True)[:n])


# ---- Requests


def _get(name: str, *args: int, query: str = "") -> Sent:
    return Sent("get", reverse(name, args=args) + query)


def _opinion(flag: int) -> Sent:
    return Sent("post", reverse("give_opinion", args=[flag]), {"level": 8, "submission_id": str(uuid4())})


def _decision(flag: int) -> Sent:
    track = Flag.objects.values_list("of_track", flat=True).get(pk=flag)
    seen = Decision.objects.filter(flag__of_track=track).values_list("pk", flat=True).first()
    return Sent("post", reverse("decide", args=[flag]), {"verdict": "keep", "seen_decision": seen or ""})


def _bulk(lead: User) -> Sent:
    return Sent("post", reverse("decide_many"), {"flag": _waiting(lead, N_BULK), "verdict": "keep"})


# ---- What a request costs


def cost_of(client: Client, cost: Cost, requests: Iterable[Sent]) -> Cost:
    for number, sent in enumerate(requests):
        n_decisions = Decision.objects.count()
        with override_settings(STORAGES=UNCOLLECTED), _counted(cost):
            response = getattr(client, sent.method)(sent.path, sent.data)
        expected = 302 if sent.method == "post" else 200
        if response.status_code != expected:
            raise WrongAnswer(f"{cost.name}: {sent.path} answered {response.status_code}, expected {expected}.")
        if "verdict" in sent.data and Decision.objects.count() == n_decisions:
            raise WrongAnswer(f"{cost.name}: nothing was decided by request {number}.")
    return cost


@contextmanager
def _counted(cost: Cost) -> Iterator[None]:
    n_statements = 0

    def count(execute, *args):
        nonlocal n_statements
        n_statements += not args[0].startswith(TRANSACTIONS)
        return execute(*args)

    with connection.execute_wrapper(count):
        began = time.process_time_ns() + _server_ns()
        yield
        cost.ms.append((time.process_time_ns() + _server_ns() - began) / _NS_PER_MS)
    cost.statements.append(n_statements)


def _server_ns() -> int:
    """Of the process that Postgres has for our connection, where it runs on this machine; 0 where the database is in ours."""
    if connection.vendor != "postgresql":
        return 0
    connection.ensure_connection()
    schedule = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return int(schedule.read_text().split()[0]) if schedule.exists() else 0


# ---- The table


def table_lines(costs: Iterable[Cost]) -> Iterator[str]:
    yield f"{'':40} {'statements':>10} {'p50 ms':>8} {'p95 ms':>8}"
    yield from map(str, costs)
