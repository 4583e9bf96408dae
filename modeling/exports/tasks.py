"""Doors for the workers."""

from celery import shared_task


@shared_task(name="jobs.export")
def export(job_id: int) -> None:
    from modeling.exports import services

    services.run(job_id)


@shared_task(name="upkeep.remove_old_exports")
def remove_old_exports() -> None:
    from modeling.exports import services

    services.make_room()
