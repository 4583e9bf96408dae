from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from energyapp.jobs import workers
from energyapp.jobs.models import Job


@permission_required("jobs.follow_job", raise_exception=True)
def follow_job(request: HttpRequest, pk: int) -> HttpResponse:
    """The progress of one job: a fragment that asks for itself again until the job has ended."""
    job = get_object_or_404(Job, pk=pk)
    response = render(request, "jobs/_job.html", {"job": job, "is_served": workers.serve(queue_of(job))})
    if not job.is_live:
        response["HX-Refresh"] = "true"  # what the job made is on the page around it
    return response


def queue_of(job: Job) -> str:
    return settings.CELERY_TASK_ROUTES[f"jobs.{job.kind}"]["queue"]
