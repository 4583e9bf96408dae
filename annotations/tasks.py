"""Doors for the workers."""

from celery import shared_task


@shared_task(name="upkeep.refresh_annotator_report")
def refresh_annotator_report() -> None:
    from annotations.annotators import report

    report.refresh()
