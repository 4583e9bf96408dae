"""Telling others' servers what has happened: noted with the fact itself, sent by workers until it is taken."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnavailable

from energyapp.audit.models import AuditEntry
from energyapp.downloads.faults import DownloadFailed, LastingFault
from energyapp.downloads.links import Rules, addresses_of, parse_link
from energyapp.downloads.posting import post
from energyapp.webhooks.events import EVENTS, PING
from energyapp.webhooks.models import Delivery, Webhook
from energyapp.webhooks.signing import signature

logger = logging.getLogger(__name__)

# After the first, third... attempt: as the Standard Webhooks specification advises, a day and a half in all.
WAITS = [dt.timedelta(**{unit: n}) for unit, n in [("seconds", 5), ("minutes", 5), ("minutes", 30), ("hours", 2)]]
WAITS += [dt.timedelta(hours=5), dt.timedelta(hours=10), dt.timedelta(hours=20)]
# Longer than sending may take: whoever sends has the message for himself, and dies without a trace.
LEASE = dt.timedelta(minutes=2)
KEPT_FOR = dt.timedelta(days=30)
MAX_AT_ONCE = 100
GONE = 410
MAX_URL = Webhook._meta.get_field("url").max_length or 0


class NotAdded(Exception):
    """The webhook cannot be as it was asked for; the message says why."""


def rules() -> Rules:
    return Rules(read_s=10, total_s=30, **settings.WEBHOOK_RULES)


@transaction.atomic
def add(*, url: str, events: list[str], by: Any) -> Webhook:
    """
    Raises
    ------
    NotAdded
        The address may not be followed, is told already, or is to hear of nothing.
    """
    if unknown := set(events) - EVENTS.keys():
        raise NotAdded(f"There is no event {min(unknown)!r}; expected some of {', '.join(EVENTS)}")
    if not events:
        raise NotAdded("Choose at least one event.")
    try:
        link = parse_link(url, rules())
        # Names are looked up when a message is sent; an address can be judged at once.
        addresses_of(link, rules(), resolve=lambda host, port, seconds: [], timeout_s=0)
        url = str(link)
        if len(url) > MAX_URL:
            raise NotAdded(f"The address has {len(url):,} characters; at most {MAX_URL} are taken.")
        with transaction.atomic():
            webhook = Webhook.objects.create(url=url, events=sorted(events), created_by=by)
    except LastingFault as problem:
        raise NotAdded(f"{problem}.") from None
    except IntegrityError:
        raise NotAdded(f"{url} is told already. Remove it first to change what it hears of.") from None
    AuditEntry.objects.record(by=by, action="webhook added", subject=url, events=sorted(events))
    return webhook


@transaction.atomic
def remove(*, webhook: Webhook, by: Any) -> None:
    if _end(webhook, f"Removed by {by.display_name}"):
        AuditEntry.objects.record(by=by, action="webhook removed", subject=webhook.url)


def _end(webhook: Webhook, because: str) -> bool:
    """What still waits for it waits no longer."""
    # In this order: what is noted between the two waits no longer either.
    ended = Webhook.objects.active().filter(pk=webhook.pk).update(ended_at=timezone.now(), ended_because=because)
    Delivery.objects.filter(webhook=webhook, delivered_at=None).update(next_attempt_at=None)
    return bool(ended)


def announce(event: str, payload: dict[str, Any]) -> None:
    """Tell all who want to hear of it. Call it in the transaction that stores the fact: both happen or neither."""
    if event not in EVENTS:
        raise ValueError(f"found event {event!r}; expected one of {', '.join(EVENTS)}")
    _note(event, payload, [webhook for webhook in Webhook.objects.active() if event in webhook.events])


def ping(webhook: Webhook) -> None:
    """Send a message of no meaning, to see whether it arrives."""
    _note(PING, {}, [webhook])


def _note(event: str, payload: dict[str, Any], webhooks: list[Webhook]) -> None:
    noted = [Delivery(webhook=webhook, event=event, payload=payload) for webhook in webhooks]
    Delivery.objects.bulk_create(noted)
    transaction.on_commit(lambda: _wake_for(noted))


def _wake_for(deliveries: list[Delivery]) -> None:
    """With the broker away they wait: `sweep` finds them."""
    for delivery in deliveries:
        try:
            current_app.send_task("webhooks.deliver", args=[str(delivery.pk)])
        except BrokerUnavailable as problem:
            logger.warning("webhooks wait: the broker cannot be reached (%s)", problem)
            return


def send_again(delivery: Delivery) -> None:
    """What was given up, once more from the beginning."""
    given_up = Delivery.objects.filter(pk=delivery.pk, delivered_at=None, next_attempt_at=None)
    if given_up.filter(webhook__ended_at=None).update(attempts=0, next_attempt_at=timezone.now()):
        _wake_for([delivery])


def sweep() -> None:
    """Send what is due, and forget what is long past. Called every few seconds."""
    _wake_for(list(Delivery.objects.due().order_by("next_attempt_at")[:MAX_AT_ONCE]))
    Delivery.objects.filter(created_at__lt=timezone.now() - KEPT_FOR, next_attempt_at=None).delete()


# ---- Sending


def deliver(delivery_id: str) -> None:
    """Send a message, if it is due and nobody else does."""
    now = timezone.now()
    if (
        not Delivery.objects.due()
        .filter(pk=delivery_id)
        .update(next_attempt_at=now + LEASE, attempts=F("attempts") + 1)
    ):
        return
    delivery = Delivery.objects.select_related("webhook").get(pk=delivery_id)
    ours = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, next_attempt_at__isnull=False)
    try:
        status = _send(delivery)
    except DownloadFailed as problem:
        ours.update(last_answer=str(problem)[:300], next_attempt_at=_next_attempt(delivery))
        return
    except Exception:
        # Else it would come again with each end of its lease, for ever.
        ours.update(last_answer="An error in the program stopped it.", next_attempt_at=_next_attempt(delivery))
        raise
    answer = f"It answered {status}"
    if 200 <= status < 300:
        ours.update(last_answer=answer, next_attempt_at=None, delivered_at=timezone.now())
    elif status == GONE:
        ours.update(last_answer=answer, next_attempt_at=None)
        _end(delivery.webhook, f"{answer}: nobody wants to be told there any more")
    else:
        ours.update(last_answer=answer, next_attempt_at=_next_attempt(delivery))


def _send(delivery: Delivery) -> int:
    said = {"type": delivery.event, "timestamp": delivery.created_at.isoformat(), "data": delivery.payload}
    body = json.dumps(said).encode()
    message_id, timestamp = str(delivery.pk), int(timezone.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(delivery.webhook.secret, message_id=message_id, timestamp=timestamp, body=body),
    }
    return post(delivery.webhook.url, body, headers, rules=rules())


def _next_attempt(delivery: Delivery) -> dt.datetime | None:
    """None when it is given up."""
    return timezone.now() + WAITS[delivery.attempts - 1] if delivery.attempts <= len(WAITS) else None
