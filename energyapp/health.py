"""Whether this installation does its work: `/healthz` says that the process lives, `/readyz` that what it needs is there.

Each part is asked in a thread of its own and for a limited time, so that one that hangs is named and hangs nobody.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import Any

from celery import Celery, current_app
from celery.app import app_or_default
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError as BrokerUnavailable

from energyapp.jobs.models import Worker
from energyapp.jobs.workers import ALIVE_FOR

PATIENCE_S = 2.0
# An import of previews writes some gigabytes; below this the next one may not end.
MIN_FREE_BYTES = 2**30
_are_applied = threading.Event()


class NotReady(Exception):
    """What is missing, in a sentence for operators."""


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """200, or 503 with what is missing; `?parts=database,broker` asks for some. Strangers hear nothing but whether."""
    asked = request.GET.get("parts", "")
    if unknown := [name for name in asked.split(",") if asked and name not in CHECKS]:
        return JsonResponse({"error": f"unknown: {', '.join(unknown)}; there are {', '.join(CHECKS)}"}, status=400)
    problems = problems_of(asked.split(",") if asked else CHECKS)
    is_ready = not any(problems.values())
    answer: dict[str, Any] = {"ready": is_ready}
    if holds_token(request) or (not problems.get("database", "not asked") and _may_see(request)):
        answer["parts"] = {name: problem or "ok" for name, problem in problems.items()}
    return JsonResponse(answer, status=200 if is_ready else 503)


def _may_see(request: HttpRequest) -> bool:
    """An admin's browser. Asked only of a database that answers: who somebody is, it knows."""
    return request.user.has_perm("audit.view_auditentry")


def holds_token(request: HttpRequest) -> bool:
    """Whether a machine asks that knows the token."""
    said = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and secrets.compare_digest(said.encode(), settings.METRICS_TOKEN.encode())


# ---- Asking


def problems_of(names: Iterable[str]) -> dict[str, str]:
    """What is wrong with each part; empty where it is well. All are asked at once."""
    deadline = time.monotonic() + PATIENCE_S
    asked = {name: _ask(name) for name in names}
    return {name: _answer(answer, deadline - time.monotonic()) for name, answer in asked.items()}


_under_way: dict[str, Future[None]] = {}
_lock = threading.Lock()


def _ask(name: str) -> Future[None]:
    """Begin a check; where the last one has not ended, that one's answer is awaited: threads that hang do not pile up."""
    with _lock:
        answer = _under_way.get(name)
        if answer is None or answer.done():
            answer = _under_way[name] = Future()
            # Its own application is a thread's own matter to Celery.
            arguments = (CHECKS[name], answer, app_or_default())
            threading.Thread(target=_check, args=arguments, name=f"readyz {name}", daemon=True).start()
        return answer


def _check(check: Callable[[], None], answer: Future[None], app: Celery) -> None:
    app.set_current()
    try:
        check()
        answer.set_result(None)
    except (NotReady, DatabaseError, BrokerUnavailable, OSError) as problem:
        answer.set_exception(problem)
    except BaseException as error:
        answer.set_exception(error)  # else whoever waits would hear that it hangs
        raise
    finally:
        connections.close_all()  # this thread's own


def _answer(answer: Future[None], left_s: float) -> str:
    try:
        problem = answer.exception(timeout=max(0.0, left_s))
    except TooLate:
        return f"no answer within {PATIENCE_S:g} s"
    return "" if problem is None else f"{type(problem).__name__}: {problem}".removeprefix("NotReady: ")


# ---- The parts


def database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def migrations() -> None:
    """Once all are applied they stay so while this code runs: reading them for whoever asks would cost us, and them nothing."""
    if _are_applied.is_set():
        return
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady(f"{len(plan)} migrations are not applied, {plan[0][0]} first: run manage.py migrate")
    _are_applied.set()


def broker() -> None:
    with current_app.connection_for_write() as redis:
        redis.ensure_connection(max_retries=1, interval_start=0, timeout=int(PATIENCE_S))


def queues() -> None:
    if idle := [queue for queue, n_workers in n_workers_by_queue().items() if not n_workers]:
        raise NotReady(f"no worker takes from {', '.join(idle)}: start one; what waits is done then")


def disk() -> None:
    for folder in {settings.VAR_DIR, settings.MEDIA_ROOT}:
        if folder.exists() and (free := shutil.disk_usage(folder).free) < MIN_FREE_BYTES:
            raise NotReady(f"{free / 2**30:.1f} GiB are free in {folder}; {MIN_FREE_BYTES / 2**30:.0f} are needed")


CHECKS: dict[str, Callable[[], None]] = {
    "database": database,
    "migrations": migrations,
    "broker": broker,
    "workers": queues,
    "disk": disk,
}


def n_workers_by_queue() -> Counter[str]:
    """Of every queue that work is sent to, none where there is none."""
    sent_to = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    n_workers = Counter(dict.fromkeys(sorted(sent_to), 0))
    for worker in Worker.objects.filter(seen_at__gte=timezone.now() - ALIVE_FOR):
        n_workers.update(worker.queues)
    return n_workers
