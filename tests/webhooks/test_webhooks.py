"""Others are told what has happened: signed, again until they take it, and never into our own network."""

import hmac
import json
import logging
from base64 import b64decode, b64encode
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from energyapp.audit.models import AuditEntry
from energyapp.webhooks import services
from energyapp.webhooks.models import Delivery, Webhook
from tests.https_server import Authority

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.in_folder(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority, settings):
    """Somebody else's server, which may be told although it is no public one; it takes what it gets."""
    with authority.serve() as server:
        settings.WEBHOOK_RULES = {
            "ports": frozenset({server.server_port}),
            "networks": (ip_network("127.0.0.1"),),
            "ca_file": str(authority.file),
        }
        server.otherwise = lambda answer: answer.send(204)
        yield server


@pytest.fixture
def webhook(server, admin):
    return services.add(url=server.url("/hook", "127.0.0.1"), events=["run.finished"], by=admin)


@pytest.fixture
def woken(monkeypatch):
    """The messages that workers were woken for."""
    ids: list[str] = []
    monkeypatch.setattr(services.current_app, "send_task", lambda name, args: ids.extend(args))
    return ids


def announced(payload=None) -> Delivery:
    services.announce("run.finished", payload or {"run": 7})
    return Delivery.objects.latest("created_at")


def is_due_now(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())


def test_a_message_arrives_and_its_signature_holds(webhook, server):
    delivery = announced({"run": 7, "macro_mae": 0.81})

    services.deliver(delivery.pk)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_answer) == ("delivered", "It answered 204")
    (asked,) = server.asked
    assert json.loads(asked.body) == {
        "type": "run.finished",
        "timestamp": delivery.created_at.isoformat(),
        "data": {"run": 7, "macro_mae": 0.81},
    }
    said = {name.lower(): value for name, value in asked.headers.items()}
    signed = f"{delivery.pk}.{said['webhook-timestamp']}.".encode() + asked.body
    key = b64decode(webhook.secret.removeprefix("whsec_"))
    assert said["webhook-signature"] == f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
    assert said["webhook-id"] == str(delivery.pk)


def test_only_those_are_told_who_want_to_hear_of_it(webhook, admin, server):
    services.add(url=server.url("/flags", "127.0.0.1"), events=["flags.raised"], by=admin)

    services.announce("run.finished", {})

    assert [delivery.webhook for delivery in Delivery.objects.all()] == [webhook]


def test_what_is_rolled_back_is_not_told(webhook):
    with transaction.atomic():
        services.announce("run.finished", {})
        transaction.set_rollback(True)

    assert not Delivery.objects.exists()


def test_a_server_that_fails_is_asked_again_later_and_later_and_then_given_up(webhook, server):
    server.otherwise = lambda answer: answer.send(503)
    delivery, waits = announced(), []

    while delivery.next_attempt_at:
        is_due_now(delivery)
        began = timezone.now()
        services.deliver(delivery.pk)
        delivery.refresh_from_db()
        if delivery.next_attempt_at:
            waits.append((delivery.next_attempt_at - timezone.now(), delivery.next_attempt_at - began))

    assert delivery.state == "given up"
    assert delivery.attempts == len(server.asked) == len(services.WAITS) + 1
    assert all(least <= wait <= most for (least, most), wait in zip(waits, services.WAITS, strict=True))
    assert len({asked.headers["webhook-id"] for asked in server.asked}) == 1, "the same message, for who had taken it"


def test_what_was_given_up_can_be_sent_again(webhook, server, django_capture_on_commit_callbacks, woken):
    delivery = announced()
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=None, attempts=8)

    services.send_again(delivery)
    services.deliver(delivery.pk)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    services.send_again(delivery)
    services.deliver(delivery.pk)
    assert len(server.asked) == 1, "what was delivered is not sent again"


def test_a_message_woken_twice_is_sent_once(webhook, server):
    delivery = announced()

    services.deliver(delivery.pk)
    services.deliver(delivery.pk)

    assert len(server.asked) == 1


def test_one_that_a_worker_died_with_comes_again_after_its_lease(webhook, server, monkeypatch):
    delivery = announced()

    def dies(delivery):
        raise SystemExit

    with monkeypatch.context() as broken:
        broken.setattr(services, "_send", dies)
        with pytest.raises(SystemExit):
            services.deliver(delivery.pk)
    services.deliver(delivery.pk)
    assert not server.asked, "its lease holds"
    is_due_now(delivery)
    services.deliver(delivery.pk)

    assert len(server.asked) == 1


def test_one_that_an_error_of_ours_stops_is_given_up_in_time_too(webhook, monkeypatch):
    delivery = announced()
    monkeypatch.setattr(services, "_send", lambda delivery: 1 / 0)

    while delivery.next_attempt_at:
        is_due_now(delivery)
        with pytest.raises(ZeroDivisionError):
            services.deliver(delivery.pk)
        delivery.refresh_from_db()

    assert (delivery.state, delivery.attempts) == ("given up", len(services.WAITS) + 1)
    assert delivery.last_answer == "An error in the program stopped it."


def test_a_server_that_says_gone_is_told_nothing_any_more(webhook, server):
    server.otherwise = lambda answer: answer.send(410)
    delivery, other = announced(), announced()

    services.deliver(delivery.pk)

    webhook.refresh_from_db()
    assert webhook.ended_because == "It answered 410: nobody wants to be told there any more"
    other.refresh_from_db()
    assert other.state == "given up"
    services.announce("run.finished", {})
    assert Delivery.objects.count() == 2


def test_a_redirect_is_not_followed(webhook, server):
    server.otherwise = lambda answer: answer.send(302, Location="https://127.0.0.1/elsewhere")

    services.deliver(announced().pk)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_answer) == ("waiting", "It answered 302")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.org/", "begins with 'http'; expected https"),
        ("https://user:word@hooks.example.org/", "holds a user name or a password"),
        ("https://hooks.example.org:22/", "leads to port 22"),
        ("https://127.0.0.1/", "127.0.0.1 is not a server on the public internet"),
        ("nonsense", "begins with 'no scheme'; expected https"),
        (f"https://hooks.example.org/{'x' * 500}", "has 530 characters; at most 500 are taken"),
    ],
)
def test_an_address_that_may_not_be_told_is_refused_with_the_reason(url, problem, admin):
    with pytest.raises(services.NotAdded, match=problem):
        services.add(url=url, events=["run.finished"], by=admin)
    assert not Webhook.objects.exists()


def test_an_address_in_our_own_network_is_never_connected_to(settings, admin, server):
    webhook = services.add(url=server.url("/hook", "127.0.0.1"), events=["run.finished"], by=admin)
    settings.WEBHOOK_RULES = {**settings.WEBHOOK_RULES, "networks": ()}

    services.deliver(announced().pk)

    assert webhook.deliveries.get().last_answer == "127.0.0.1 is not a server on the public internet"
    assert not server.n_connections


def test_events_are_named_and_chosen(admin):
    with pytest.raises(services.NotAdded, match="Choose at least one event"):
        services.add(url="https://hooks.example.org/", events=[], by=admin)
    with pytest.raises(services.NotAdded, match="There is no event 'x'"):
        services.add(url="https://hooks.example.org/", events=["x"], by=admin)
    with pytest.raises(ValueError, match="found event 'x'"):
        services.announce("x", {})


def test_an_address_is_told_once(webhook, admin, server):
    with pytest.raises(services.NotAdded, match="is told already"):
        services.add(url=webhook.url, events=["flags.raised"], by=admin)
    services.remove(webhook=webhook, by=admin)
    services.add(url=webhook.url, events=["flags.raised"], by=admin)


def test_the_database_holds_that_what_is_delivered_is_not_sent_again(webhook):
    delivery = announced()
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(delivered_at=timezone.now())


def test_the_sweep_wakes_workers_for_what_is_due_and_forgets_the_past(webhook, woken):
    due, later, past = announced(), announced(), announced()
    Delivery.objects.filter(pk=later.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    long_ago = timezone.now() - services.KEPT_FOR - timedelta(days=1)
    Delivery.objects.filter(pk=past.pk).update(created_at=long_ago, next_attempt_at=None)

    services.sweep()

    assert woken == [str(due.pk)]
    assert set(Delivery.objects.all()) == {due, later}


def test_with_the_broker_away_nothing_is_lost_and_nobody_waits(
    webhook, monkeypatch, django_capture_on_commit_callbacks, caplog
):
    def away(name, args):
        raise BrokerUnavailable

    monkeypatch.setattr(services.current_app, "send_task", away)
    with caplog.at_level(logging.WARNING), django_capture_on_commit_callbacks(execute=True):
        announced()

    assert "the broker cannot be reached" in caplog.text
    assert Delivery.objects.due().count() == 1


# ---- The page


def test_an_admin_adds_one_sees_its_secret_once_and_removes_it(as_admin, server):
    page = as_admin.post("/admin/webhooks/", {"url": server.url("/hook", "127.0.0.1"), "event": ["run.finished"]})

    webhook = Webhook.objects.get()
    assert page.status_code == 201
    assert webhook.secret in page.content.decode()
    assert webhook.secret not in as_admin.get("/admin/webhooks/").content.decode()
    as_admin.post(f"/admin/webhooks/{webhook.pk}/remove/")
    assert not Webhook.objects.active().exists()
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["webhook added", "webhook removed"]


def test_a_test_message_shows_how_it_was_answered(as_admin, webhook, server):
    as_admin.post(f"/admin/webhooks/{webhook.pk}/ping/")
    services.deliver(Delivery.objects.get().pk)

    assert "It answered 204" in as_admin.get("/admin/webhooks/").content.decode()


def test_a_refused_address_keeps_what_was_typed(as_admin):
    response = as_admin.post("/admin/webhooks/", {"url": "http://x.example/", "event": ["flags.raised"]})

    assert response.status_code == 422
    assert "http://x.example/" in response.content.decode()
    assert "expected https" in response.content.decode()
