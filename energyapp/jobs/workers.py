"""Which workers are alive: what pages need to say "no worker is running" instead of waiting for ever."""

import datetime as dt

from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

from energyapp.jobs.models import Worker

# Workers beat every 2 s; a page must notice within 10.
ALIVE_FOR = dt.timedelta(seconds=8)


def beat(*, name: str, queues: list[str]) -> None:
    Worker.objects.update_or_create(name=name, defaults={"queues": queues, "seen_at": timezone.now()})
    # This runs in the process that forks the pool: a connection left open would be shared with the children.
    connections.close_all()


# What waits when nobody takes from a queue.
QUEUES = {
    "train": "trainings, experiments and predictions",
    "intake": "imports, previews and exports",
    "features": "features of new tracks",
    "upkeep": "schedules, and jobs of workers that died",
}


def alive() -> QuerySet[Worker]:
    return Worker.objects.filter(seen_at__gte=timezone.now() - ALIVE_FOR).order_by("name")


def serve(queue: str) -> bool:
    """Whether a live worker takes work from this queue."""
    return any(queue in worker.queues for worker in alive())


def unserved() -> dict[str, str]:
    """The queues that no live worker takes from, and what waits there."""
    served = {queue for worker in alive() for queue in worker.queues}
    return {queue: words for queue, words in QUEUES.items() if queue not in served}
