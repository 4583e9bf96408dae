"""Doors for the workers. The numeric stack loads inside them, so the web process, which imports this file, stays light."""

from celery import shared_task

from modeling import services

# A 15-minute file takes seconds. What takes a minute is a trap, and is stopped; the hard limit is for what cannot be.
SOFT_TIME_LIMIT_S, TIME_LIMIT_S = 60, 90


@shared_task(name="upkeep.enqueue_features")
def enqueue_features() -> None:
    services.enqueue_waiting_features()


@shared_task(name="features.compute", soft_time_limit=SOFT_TIME_LIMIT_S, time_limit=TIME_LIMIT_S)
def compute_features(track_id: int) -> None:
    from modeling import pipeline

    pipeline.compute_features(track_id)


@shared_task(name="jobs.train")
def train(job_id: int) -> None:
    from modeling import pipeline

    pipeline.train(job_id)
