"""The pages of jobs: all of them, one of them, and the parts that pages ask for again while a job is live."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from energyapp.jobs import services, waves, workers
from energyapp.jobs.listing import JobFilter, page_of
from energyapp.jobs.models import Job

# Of the live ones; the others wait behind them.
N_LIVE_SHOWN = 50

see_jobs = permission_required("jobs.follow_job", raise_exception=True)


# ---- All of them


@require_safe
@see_jobs
def jobs(request: HttpRequest) -> HttpResponse:
    """What runs and waits, who works on it, and what has ended."""
    chosen = JobFilter.from_query(request.GET)
    context = {
        **_live(),
        "stopped": waves.all_stopped(),
        "chosen": chosen,
        "selects": chosen.selects(),
        "page": page_of(chosen, request.GET),
    }
    return render(request, "jobs/jobs.html", context)


@require_safe
@see_jobs
def live_jobs(request: HttpRequest) -> HttpResponse:
    """How far those are that the page shows. Where others live by now, the page is loaded anew."""
    context = _live()
    response = render(request, "jobs/_live.html", context | {"is_update": True})
    if request.GET.get("shown") != context["shown"]:
        response["HX-Refresh"] = "true"
    return response


def _live() -> dict[str, Any]:
    live = Job.objects.live().select_related("requested_by").defer("error").order_by("-status", "pk")
    shown = list(live[:N_LIVE_SHOWN])
    return {
        "live": shown,
        "n_live": live.count() if len(shown) == N_LIVE_SHOWN else len(shown),
        "shown": ",".join(f"{job.pk}" for job in shown),
        "workers": workers.alive(),
        "unserved": workers.unserved(),
    }


# ---- One of them


@require_safe
@see_jobs
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is or how it ended, and what each attempt said."""
    shown = get_object_or_404(Job.objects.select_related("requested_by"), pk=pk)
    context = {
        "job": shown,
        "is_served": workers.serve(queue_of(shown)),
        "lines": shown.lines.order_by("-pk"),
        "can_retry": not (shown.is_superseded or shown.has_successor),
    }
    return render(request, "jobs/job.html", context)


@require_safe
@see_jobs
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
    job = _changeable(request, pk)
    if services.cancel(job=job, by=_name(request)):
        messages.success(request, f"{job.words} is called off. If it runs, it stops at its next step.")
    else:
        messages.error(request, f"{job.words} had ended before it could be called off.")
    return redirect(_page_around(request))


@require_POST
def retry_job(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a job done again; back to the page with the button."""
    job = _changeable(request, pk)
    try:
        services.retry(job=job, by=_name(request))
    except services.NotRetried as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{job.words} waits for a worker again.")
    return redirect(_page_around(request))


def _changeable(request: HttpRequest, pk: int) -> Job:
    user: Any = request.user
    job = get_object_or_404(Job, pk=pk)
    if not user.has_perm(job.permission):
        raise PermissionDenied
    return job


def _name(request: HttpRequest) -> str:
    user: Any = request.user
    return user.display_name


def _page_around(request: HttpRequest) -> str:
    path = request.POST.get("next", "")
    return path if url_has_allowed_host_and_scheme(path, allowed_hosts=None) else resolve_url("home")


def queue_of(job: Job) -> str:
    """Where its task is sent to; what is not listed goes where Celery puts it."""
    route = settings.CELERY_TASK_ROUTES.get(f"jobs.{job.kind}", {})
    return route.get("queue", settings.CELERY_TASK_DEFAULT_QUEUE)
