"""Alive is one thing, ready another; and a part that hangs is named in time."""

import socket
import threading
import time

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from energyapp import health
from energyapp.jobs.models import Worker
from tests.conftest import logged_in
from tests.factories import AdminFactory
from tests.processes import broker_at, free_port

TOKEN = "a-token-of-twenty-characters-and-more"
MACHINE = {"Authorization": f"Bearer {TOKEN}"}
# What is asked in threads of their own does not see what a test has not committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def token(settings):
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def workers():
    Worker.objects.create(name="all", queues=["upkeep", "features", "intake", "train"], seen_at=timezone.now())


def parts(client, path="/readyz"):
    return client.get(path, headers=MACHINE).json()["parts"]


def test_an_installation_with_all_its_parts_is_ready(client, workers):
    response = client.get("/readyz", headers=MACHINE)

    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "parts": dict.fromkeys(["database", "migrations", "broker", "workers", "disk"], "ok"),
    }


def test_alive_asks_nothing_of_anybody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok"


def test_queues_without_a_worker_are_named(client):
    Worker.objects.create(name="one", queues=["upkeep", "features"], seen_at=timezone.now())
    Worker.objects.create(name="dead", queues=["train"], seen_at=timezone.now() - timezone.timedelta(minutes=1))

    response = client.get("/readyz", headers=MACHINE)

    assert response.status_code == 503
    assert response.json()["parts"]["workers"].startswith("no worker takes from intake, train:")
    assert response.json()["parts"]["database"] == "ok"


def test_migrations_that_are_missing_are_counted(client, monkeypatch):
    monkeypatch.setattr(health, "_are_applied", threading.Event())
    with connection.cursor() as cursor:
        cursor.execute("SELECT applied FROM django_migrations WHERE app = 'audit' AND name LIKE '0002%%'")
        applied = cursor.fetchone()[0]
        cursor.execute("DELETE FROM django_migrations WHERE app = 'audit' AND name LIKE '0002%%'")
    try:
        assert parts(client)["migrations"].startswith("1 migrations are not applied, audit.0002")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)",
                ["audit", "0002_entries_are_only_added_to", applied],
            )


def test_a_full_disk_is_said_with_its_folder(client, monkeypatch, settings):
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 2**60)

    problem = parts(client)["disk"]

    assert "GiB are free in" in problem
    assert str(settings.VAR_DIR) in problem


def test_a_broker_that_is_away_is_said(client):
    with broker_at(f"redis://127.0.0.1:{free_port()}/0"):
        response = client.get("/readyz?parts=broker", headers=MACHINE)

    assert response.status_code == 503
    assert "OperationalError" in response.json()["parts"]["broker"]


def test_a_broker_that_takes_connections_and_says_nothing_hangs_nobody(client):
    """Several ask while it hangs: each is answered in time, and one thread waits for it, not one for each."""
    with socket.create_server(("127.0.0.1", 0)) as mute, broker_at(f"redis://127.0.0.1:{mute.getsockname()[1]}/0"):
        began = time.monotonic()
        problems = [parts(client, "/readyz?parts=broker,database") for _ in range(3)]
        took_s = time.monotonic() - began
        n_waiting = sum(thread.name == "readyz broker" for thread in threading.enumerate())

    assert took_s < 60  # for ever, if nobody had set a limit
    assert n_waiting <= 1
    assert all(problem["broker"] != "ok" and problem["database"] == "ok" for problem in problems)


def test_a_database_that_hangs_is_named_and_nobody_is_looked_up_in_it(client, monkeypatch):
    let_go = threading.Event()
    monkeypatch.setattr(health, "PATIENCE_S", 0.2)
    monkeypatch.setitem(health.CHECKS, "database", lambda: let_go.wait(20) and None)
    admin = logged_in(AdminFactory())
    try:
        assert parts(client, "/readyz?parts=database") == {"database": "no answer within 0.2 s"}
        assert admin.get("/readyz?parts=database").json() == {"ready": False}
    finally:
        let_go.set()


def test_a_database_that_is_away_is_said(client, monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setitem(health.CHECKS, "database", away)

    assert parts(client)["database"] == "OperationalError: connection refused"


def test_strangers_hear_whether_and_admins_what(client, annotator, admin, workers):
    assert client.get("/readyz").json() == {"ready": True}
    assert logged_in(annotator).get("/readyz").json() == {"ready": True}
    assert client.get("/readyz", headers={"Authorization": "Bearer wrong"}).json() == {"ready": True}
    assert "parts" in logged_in(admin).get("/readyz").json()


def test_parts_that_there_are_not_are_refused(client):
    response = client.get("/readyz?parts=database,moon")

    assert response.status_code == 400
    assert "moon" in response.json()["error"]
