"""Doors for the workers."""

from celery import shared_task

from energyapp.webhooks import services


@shared_task(name="webhooks.deliver")
def deliver(delivery_id: str) -> None:
    services.deliver(delivery_id)


@shared_task(name="webhooks.sweep")
def sweep() -> None:
    services.sweep()
