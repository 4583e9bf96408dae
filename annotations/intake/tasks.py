"""Doors for the workers."""

from celery import shared_task

from annotations.intake import import_job, previews, uploads


@shared_task(name="upkeep.enqueue_previews")
def enqueue_previews() -> None:
    previews.enqueue()


@shared_task(name="jobs.fetch")
def go_on_with_previews(job_id: int) -> None:
    """The next tick of beat would do it too."""
    previews.enqueue()


@shared_task(name="previews.fetch_host")
def fetch_host(name: str) -> None:
    previews.fetch_host(name)


@shared_task(name="jobs.import")
def import_upload(job_id: int) -> None:
    import_job.import_upload(job_id)


@shared_task(name="upkeep.remove_stale_uploads")
def remove_stale_uploads() -> None:
    uploads.remove_stale_uploads()
