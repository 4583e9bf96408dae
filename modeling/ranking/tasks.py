"""A door for the workers. The numeric stack loads inside it, so the web process, which imports this file, stays light."""

from celery import shared_task


@shared_task(name="jobs.rank")
def rank(job_id: int) -> None:
    from modeling.ranking import ranking_job

    ranking_job.rank(job_id)
