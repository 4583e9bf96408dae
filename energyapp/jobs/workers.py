"""Which workers are alive: what pages need to say "no worker is running" instead of waiting for ever."""

import datetime as dt

from django.db import connections
from django.utils import timezone

from energyapp.jobs.models import Worker

# Workers beat every 2 s; a page must notice within 10.
ALIVE_FOR = dt.timedelta(seconds=8)


def beat(*, name: str, queues: list[str]) -> None:
    Worker.objects.update_or_create(name=name, defaults={"queues": queues, "seen_at": timezone.now()})
    # This runs in the process that forks the pool: a connection left open would be shared with the children.
    connections.close_all()


def serve(queue: str) -> bool:
    """Whether a live worker takes work from this queue."""
    alive = Worker.objects.filter(seen_at__gte=timezone.now() - ALIVE_FOR)
    return any(queue in worker.queues for worker in alive)
