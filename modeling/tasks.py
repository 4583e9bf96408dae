"""Doors for the workers. The numeric stack loads inside them, so the web process, which imports this file, stays light."""

from celery import current_app, shared_task
from celery.signals import worker_process_init

from modeling import feature_queue
from modeling.worker_limits import SOFT_TIME_LIMIT_S, TIME_LIMIT_S, limit_memory


@worker_process_init.connect
def limit_memory_of_features(**kwargs) -> None:
    """Files come from strangers. Training reads our own arrays, and fetching wants room for its threads."""
    if "features" in current_app.amqp.queues.consume_from:
        limit_memory()


@shared_task(name="upkeep.enqueue_features")
def enqueue_features() -> None:
    feature_queue.enqueue()


@shared_task(name="jobs.features")
def go_on_with_features(job_id: int) -> None:
    """The next tick of beat would do it too."""
    feature_queue.enqueue()


@shared_task(name="features.compute", soft_time_limit=SOFT_TIME_LIMIT_S, time_limit=TIME_LIMIT_S)
def compute_features(track_id: int) -> None:
    if feature_queue.give_back_where_stopped(track_id):
        return
    from modeling import feature_extraction

    feature_extraction.compute_features(track_id, feature_queue.computable_sets())


@shared_task(name="jobs.train")
def train(job_id: int) -> None:
    from modeling import pipeline

    pipeline.train(job_id)


@shared_task(name="jobs.predict")
def predict(job_id: int) -> None:
    from modeling.retraining import predictions

    predictions.refresh(job_id)


@shared_task(name="upkeep.retrain_if_due")
def retrain_if_due() -> None:
    from modeling.retraining import automatic

    automatic.retrain_if_due()


@shared_task(name="upkeep.refresh_predictions")
def refresh_predictions() -> None:
    from modeling.retraining import refreshing

    refreshing.request_if_lacking()


@shared_task(name="jobs.experiment")
def run_experiment(job_id: int) -> None:
    from modeling import experiments

    experiments.run(job_id)
