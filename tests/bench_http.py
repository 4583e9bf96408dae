"""`make bench-http`: handing out, storing, listing and exporting, through the product's own web server.

100,000 tracks with three labels each, in a database of its own that is removed at the end: SQLite, or beside the one that
ENERGYAPP_DATABASE_URL names. CPU is that of the server's processes, and of Postgres's; the clients' is not in it. Beside each figure
stands that of Label Studio 1.23.2 on the same kind of machine (two cores), where that is known.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections  # noqa: E402

from annotations.benchmarks import library, requests  # noqa: E402
from annotations.benchmarks.database import database_of_its_own  # noqa: E402
from annotations.models import LabellingRules, User  # noqa: E402
from annotations.roles import LEAD  # noqa: E402
from energyapp.api import tokens  # noqa: E402
from tests.conftest import session_of  # noqa: E402
from tests.processes import Process, WebServer, children_of, database_url, free_port  # noqa: E402

N_TRACKS = int(os.environ.get("TRACKS", "100000"))
ROUNDS = 20
LOOP_S = 15.0
CLIENTS = (1, 8, 16)
N_LISTS = 40
ROWS_LISTED = 100
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Label Studio: milliseconds of CPU an operation (the dearer of its two databases first where they differ), labels a second of eight
# clients, seconds of CPU for 10,000 rows.
THEIRS = {
    "sqlite": {"next": 44, "submit": 65, "list": 788, "labels_a_s": 1.8, "export_s": 15.7},
    "postgresql": {"next": 38, "submit": 54, "list": 500, "labels_a_s": 3.4, "export_s": 15.7},
}


@dataclass
class Operation:
    """What clients waited for, and what it cost the server."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0

    @property
    def cpu_each(self) -> float:
        return self.cpu_ms / len(self.wall_ms)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.wall_ms)
        return ordered[int(share * (len(ordered) - 1))]


class Person:
    """Somebody who labels through one connection that stays open."""

    def __init__(self, port: int, pk: int, session: str) -> None:
        self._connection, self.pk = http.client.HTTPConnection("127.0.0.1", port, timeout=120), pk
        token = "b" * 32
        cookies = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={token}"
        self._headers = {"Cookie": cookies, "X-CSRFToken": token, "Content-Type": "application/json"}

    def claim(self, waits: list[float]) -> list[int]:
        return self._post("/label/claim/", {"held": []}, waits)["held"]

    def submit(self, track: int, waits: list[float]) -> None:
        answer = {"kind": "label", "annotator": self.pk, "track_id": track, "level": 1 + track % 10}
        said = self._post("/label/outbox/", {**answer, "submission_id": str(uuid4()), "listened_s": 0}, waits)
        if said["state"] != "saved":
            raise requests.WrongAnswer(f"A label was answered by {said}.")

    def _post(self, path: str, body: dict[str, Any], waits: list[float]) -> dict[str, Any]:
        return json.loads(_ask(self._connection, "POST", path, json.dumps(body), self._headers, waits))


def _ask(
    to: http.client.HTTPConnection, method: str, path: str, body: str | None, headers: dict, waits: list[float]
) -> bytes:
    began = time.perf_counter()
    try:
        to.request(method, path, body, headers)
        answer = to.getresponse()
    except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
        to.close()  # kept too long for the server; asking again is what browsers do
        to.request(method, path, body, headers)
        answer = to.getresponse()
    content = answer.read()
    waits.append((time.perf_counter() - began) * 1000)
    if answer.status != 200:
        raise requests.WrongAnswer(f"{path} answered {answer.status}: {content[:300]!r}")
    return content


# ---- CPU


def cpu_of(server: Process) -> Callable[[], float]:
    """Milliseconds so far of the server and of every process of Postgres on this machine."""

    def now() -> float:
        ours = [server.popen.pid, *children_of(server.popen.pid)]
        return sum(map(_cpu_ms, [*ours, *_postgres_processes()]))

    return now


def _postgres_processes() -> list[int]:
    if connection.vendor != "postgresql":
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"postgres" in (folder / "cmdline").read_bytes().split(b"\0")[0]:
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


def _cpu_ms(pid: int) -> float:
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return (int(user) + int(system)) * 1000 / TICKS_A_SECOND


# ---- What is measured


def one_after_another(people: list[Person], cpu: Callable[[], float]) -> dict[str, Operation]:
    """Claims and labels apart, each from everybody in turn: the server does nothing else, so its CPU is theirs."""
    claims, labels = Operation(), Operation()
    for _ in range(ROUNDS):
        before = cpu()
        held = [(person, person.claim(claims.wall_ms)) for person in people]
        between = cpu()
        for person, tracks in held:
            person.submit(tracks[0], labels.wall_ms)
        claims.cpu_ms += between - before
        labels.cpu_ms += cpu() - between
    return {"next": claims, "submit": labels}


def at_once(people: list[Person], cpu: Callable[[], float]) -> tuple[dict[str, Operation], float]:
    """Everybody labels as fast as they get tracks; what they waited for, and labels a second."""
    ends = time.monotonic() + LOOP_S
    parts = [(Operation(), Operation()) for _ in people]

    def label(person: Person, claims: Operation, labels: Operation) -> None:
        while time.monotonic() < ends:
            person.submit(person.claim(claims.wall_ms)[0], labels.wall_ms)

    before, began = cpu(), time.monotonic()
    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(label, people, *zip(*parts, strict=True)))
    took_s, cpu_ms = time.monotonic() - began, cpu() - before
    claims = Operation([wait for part, _ in parts for wait in part.wall_ms])
    labels = Operation([wait for _, part in parts for wait in part.wall_ms], cpu_ms)
    return {"next": claims, "submit": labels}, len(labels.wall_ms) / took_s


def lists(port: int, token: str, cpu: Callable[[], float], *, n_clients: int) -> Operation:
    """Pages of the API, each where the one before has ended."""
    found, lock = Operation(), threading.Lock()

    def read(n: int) -> None:
        to, path = http.client.HTTPConnection("127.0.0.1", port, timeout=120), f"/api/v1/tracks/?limit={ROWS_LISTED}"
        waits: list[float] = []
        for _ in range(n):
            answer = json.loads(_ask(to, "GET", path, None, {"Authorization": f"Bearer {token}"}, waits))
            if len(answer["results"]) != ROWS_LISTED:
                raise requests.WrongAnswer(f"{path} has {len(answer['results'])} rows")
            path = answer["next"].partition(str(port))[2]
        with lock:
            found.wall_ms.extend(waits)

    before = cpu()
    with ThreadPoolExecutor(n_clients) as pool:
        list(pool.map(read, [N_LISTS // n_clients] * n_clients))
    found.cpu_ms = cpu() - before
    return found


def export_cpu_s(database: dict[str, Any], *, n_labels: int) -> float:
    """Seconds of CPU for 10,000 rows of an export of all labels; starting Python and Django is in it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "manage.py", "export_table", "labels", f"{folder}/labels.csv"]
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "energyapp.settings",
            "ENERGYAPP_DATABASE_URL": database_url(database),
        }
        before, of_postgres = os.times(), sum(map(_cpu_ms, _postgres_processes()))
        subprocess.run(command, cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)
        after = os.times()
        database_s = (sum(map(_cpu_ms, _postgres_processes())) - of_postgres) / 1000
    ours_s = after.children_user + after.children_system - before.children_user - before.children_system
    return (ours_s + database_s) * 10_000 / n_labels


def statements(made: library.Library, lead: User) -> dict[str, int]:
    """In this process, where they can be counted."""
    client, claims, labels, listed = requests.logged_in(made.people[0]), *(requests.Cost() for _ in range(3))
    answer = {"kind": "label", "annotator": made.people[0].pk, "level": 5, "listened_s": 0}
    for _ in range(2):  # the first claim finds two tracks
        track = requests.post(client, "claim", {"held": []}, claims)["held"][0]
        requests.post(client, "outbox", {**answer, "track_id": track, "submission_id": str(uuid4())}, labels)
    reader = requests.logged_in(lead)
    for _ in range(2):
        with requests._counted(listed):
            reader.get(f"/api/v1/tracks/?limit={ROWS_LISTED}")
    return {"next": claims.statements[-1], "submit": labels.statements[-1], "list": listed.statements[-1]}


# ---- The run


def main() -> None:
    with database_of_its_own("bench_http"):
        made = library.build(n_tracks=N_TRACKS)
        LabellingRules.objects.create(
            labels_per_track=3, **{**requests.NO_SHARES, "second_share": 20}, min_listened_s=0
        )
        lead = User.objects.create(username="lead")
        lead.groups.add(Group.objects.get(name=LEAD))
        token, sessions = (
            tokens.make(user=lead, name="bench")[1],
            {person: session_of(person) for person in made.people},
        )
        n_statements = statements(made, lead)
        n_labels = made.people[0].annotations.model.objects.count()
        call_command("collectstatic", "--no-input", verbosity=0)
        connections.close_all()
        with serving() as (port, cpu):
            everybody = [Person(port, person.pk, session) for person, session in sessions.items()][: max(CLIENTS)]
            report(port, cpu, everybody, token, n_statements, n_labels)


@contextmanager
def serving() -> Iterator[tuple[int, Callable[[], float]]]:
    port = free_port()
    with WebServer.start(port=port, database=connection.settings_dict) as server:
        yield port, cpu_of(server.process)


def report(
    port: int,
    cpu: Callable[[], float],
    everybody: list[Person],
    token: str,
    n_statements: dict[str, int],
    n_labels: int,
) -> None:
    theirs = THEIRS[connection.vendor]
    print(f"{connection.vendor}, {N_TRACKS:,} tracks, {n_labels:,} labels")
    print(f"{'':26}{'statements':>11}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'of theirs':>11}")
    alone = one_after_another(everybody, cpu)
    alone["list"] = lists(port, token, cpu, n_clients=1)
    for name, operation in alone.items():
        print(row(f"{name}, 1 client", operation, n_statements[name], theirs[name]))
    for n_clients in CLIENTS:
        loop, labels_a_s = at_once(everybody[:n_clients], cpu)
        each = loop["submit"].cpu_each
        for name, operation in loop.items():
            print(
                f"{f'{name}, {n_clients} at once':37}{operation.percentile(0.5):9.1f}{operation.percentile(0.95):9.1f}"
            )
        beside = f"{labels_a_s / theirs['labels_a_s']:.0f} times theirs" if n_clients == 8 else ""
        print(f"    {labels_a_s:.0f} labels a second, {each:.1f} ms of CPU each (next and submit) {beside}")
    for n_clients in CLIENTS[1:]:
        operation = lists(port, token, cpu, n_clients=n_clients)
        print(row(f"list, {n_clients} at once", operation, n_statements["list"], theirs["list"]))
    seconds = statistics.median(export_cpu_s(connection.settings_dict, n_labels=n_labels) for _ in range(3))
    print(
        f"export of all labels: {seconds:.2f} s of CPU for 10,000 rows, {100 * seconds / theirs['export_s']:.1f} % of theirs"
    )


def row(name: str, operation: Operation, n_statements: int, theirs_ms: float) -> str:
    waited = f"{operation.percentile(0.5):9.1f}{operation.percentile(0.95):9.1f}"
    return f"{name:26}{n_statements:11}{waited}{operation.cpu_each:9.1f}{100 * operation.cpu_each / theirs_ms:9.0f} %"


if __name__ == "__main__":
    main()
