"""The Celery application. Tasks are doors: each takes an id and calls one function (see docs/architecture.md)."""

import os

from celery import Celery
from celery.signals import heartbeat_sent, task_postrun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "energyapp.settings")

app = Celery("energyapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@heartbeat_sent.connect
def record_that_this_worker_is_alive(sender, **kwargs):
    """Every two seconds, from the worker's own timer: pages say "no worker is running" from these rows."""
    from energyapp.jobs import workers

    workers.beat(name=sender.eventer.hostname, queues=list(app.amqp.queues.consume_from))


@task_postrun.connect
def forget_the_job_in_logs(**kwargs):
    """Not at the end of the claim: the worker's own line about a failure comes after it."""
    from energyapp import logs

    logs.job_id.set(None)
