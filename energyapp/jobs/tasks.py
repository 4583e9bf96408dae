from celery import shared_task

from energyapp.jobs import services


@shared_task(name="upkeep.reap_jobs")
def reap_jobs() -> None:
    services.reap()
