"""What Prometheus scrapes: how requests went, as the web server's processes counted, and what the database says now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import MiddlewareNotUsed
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotations.models import Annotation, Flag, Track
from energyapp.health import holds_token, n_workers_by_queue
from energyapp.jobs.models import Job
from energyapp.logs import route_of
from modeling.models import TrainingRun

if TYPE_CHECKING:
    from prometheus_client import Histogram
    from prometheus_client.metrics_core import Metric

# Seconds. A page takes some 10 ms, one over all flags of a large library a second.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@require_safe
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    if not settings.METRICS_TOKEN:
        raise Http404("ENERGYAPP_METRICS_TOKEN is not set")
    if not holds_token(request):
        return HttpResponse(
            "the token is missing or wrong\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"}
        )
    settings.METRICS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(Facts())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


# ---- Requests


def measure_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Count requests and how long they took, by the name of their address and the answer's status."""
    if not settings.METRICS_TOKEN:
        raise MiddlewareNotUsed("nobody scrapes")
    seconds = request_seconds()

    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = get_response(request)
        seconds.labels(route_of(request), response.status_code).observe(time.perf_counter() - began)
        return response

    return middleware


@cache
def request_seconds() -> Histogram:
    """Counted in files that all processes of the web server share: a scrape reaches one of them and is to see all."""
    settings.METRICS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    from prometheus_client import Histogram

    about = "From the request to the head of its answer."
    return Histogram("energyapp_request_seconds", about, ["route", "status"], buckets=BUCKETS)


# ---- Facts


class Facts:
    """What the database says at the moment of the scrape. Conclusions are computed, so nothing is counted twice."""

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        def gauge(name: str, about: str, value: float | None) -> Metric:
            return GaugeMetricFamily(f"energyapp_{name}", about, value)

        def gauges(name: str, about: str, labels: list[str], rows: object) -> Metric:
            family = GaugeMetricFamily(f"energyapp_{name}", about, labels=labels)
            for *values, number in rows:  # type: ignore[attr-defined]
                family.add_metric(values, number)
            return family

        jobs = Job.objects.order_by().values_list("kind", "status").annotate(n=Count("pk"))
        yield gauges("jobs", "Jobs.", ["kind", "status"], jobs)
        yield gauge("oldest_waiting_job_seconds", "Age of the oldest job that no worker has begun.", _oldest_s())
        yield gauges("workers", "Workers that live.", ["queue"], n_workers_by_queue().items())
        tracks = Track.objects.order_by().values_list("audio_state").annotate(n=Count("pk"))
        yield gauges("tracks", "Tracks.", ["audio_state"], tracks)
        yield gauge("labels", "Labels ever given, changes of mind among them.", Annotation.objects.count())
        n_flagged = Flag.objects.open().values("annotation").distinct().count()
        yield gauge("flagged_labels", "Labels that wait for a decision.", n_flagged)
        yield gauges("live_run_macro_mae", "Of the model in use, in levels.", ["run", "part"], _macro_maes())


def _oldest_s() -> float:
    oldest = Job.objects.filter(status=Job.Status.QUEUED).aggregate(oldest=Min("created_at"))["oldest"]
    return (timezone.now() - oldest).total_seconds() if oldest else 0


def _macro_maes() -> list[tuple[str, str, float]]:
    if (run := TrainingRun.objects.live()) is None:
        return []
    parts = {name: run.results[name] for name in ("out_of_fold", "slice") if run.results.get(name)}
    return [(str(run.pk), name, part["macro_mae"]) for name, part in parts.items() if part["macro_mae"] is not None]
