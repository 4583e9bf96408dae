"""Doors for the workers. The numeric stack loads inside them, so the web process, which imports this file, stays light."""

from celery import shared_task


@shared_task(name="jobs.score")
def score(job_id: int) -> None:
    from modeling.scoring import score_job

    score_job.take_rows_in(job_id)


@shared_task(name="jobs.curve")
def draw_curve(job_id: int) -> None:
    from modeling.scoring import curves

    curves.draw(job_id)
