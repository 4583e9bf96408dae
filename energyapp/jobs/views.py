from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from energyapp.jobs import services, workers
from energyapp.jobs.models import Job


@permission_required("jobs.follow_job", raise_exception=True)
def follow_job(request: HttpRequest, pk: int) -> HttpResponse:
    """The progress of one job: a fragment that asks for itself again until the job has ended."""
    job = get_object_or_404(Job, pk=pk)
    response = render(request, "jobs/_job.html", {"job": job, "is_served": workers.serve(queue_of(job))})
    if not job.is_live:
        response["HX-Refresh"] = "true"  # what the job made is on the page around it
    return response


@require_POST
def cancel_job(request: HttpRequest, pk: int) -> HttpResponse:
    """Call a job off; back to the page with the button."""
    user: Any = request.user
    job = get_object_or_404(Job, pk=pk)
    if not user.has_perm(job.cancel_permission):
        raise PermissionDenied
    if services.cancel(job=job, by=user.display_name):
        messages.success(request, f"{job.words} is called off. If it runs, it stops at its next step.")
    else:
        messages.error(request, f"{job.words} had ended before it could be called off.")
    return redirect(_page_around(request))


def _page_around(request: HttpRequest) -> str:
    path = request.POST.get("next", "")
    return path if url_has_allowed_host_and_scheme(path, allowed_hosts=None) else resolve_url("home")


def queue_of(job: Job) -> str:
    return settings.CELERY_TASK_ROUTES[f"jobs.{job.kind}"]["queue"]
