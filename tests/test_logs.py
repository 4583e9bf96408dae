"""What the log says: who, which request, which job; and what it never says."""

import json
import logging
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.test import Client
from django.urls import path

from energyapp import logs
from energyapp.jobs.claims import Claim
from energyapp.urls import urlpatterns
from tests.conftest import ROOT, logged_in
from tests.factories import INVITATION_SECRET, InvitationFactory, JobFactory

pytestmark = pytest.mark.django_db


@login_not_required
def fails(request, secret):
    raise RuntimeError("on purpose")


def speaks(request):
    logging.getLogger("anything").warning("said %s", "something")
    raise RuntimeError("on purpose")


class BreakingUrls:
    urlpatterns = [path("invitation/<str:secret>/fails/", fails), path("speaks/", speaks, name="speaks"), *urlpatterns]


@pytest.fixture
def lines():
    """What the product's own handler writes, each line as it is parsed by a machine."""
    written: list[dict] = []

    class Kept(logging.Handler):
        def emit(self, record):
            written.append(json.loads(self.format(record)))

    handler = Kept()
    handler.addFilter(logs.Context())
    handler.setFormatter(logs.Json())
    access, root = logging.getLogger("energyapp.access"), logging.getLogger()
    level = access.level
    access.setLevel(logging.INFO)
    logs.job_id.set(None)  # whatever job a test before this one has run, without the worker that forgets it
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)
    access.setLevel(level)


def test_each_request_is_one_line_with_route_status_time_and_person(lines, annotator):
    response = logged_in(annotator).get("/label/mine/?page=1")

    line = lines[-1]
    assert len(lines) == 1
    assert (line["logger"], line["level"]) == ("energyapp.access", "INFO")
    assert (line["route"], line["status"], line["user_id"]) == ("my_labels", 200, annotator.pk)
    assert line["message"] == "GET /label/mine/"
    assert 0 < line["ms"] < 60_000
    assert line["request_id"] == response["X-Request-ID"]
    assert line["at"].startswith("20")
    assert line["job_id"] is None


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("0123456789abcdef", True), ("a-b_c.d1-2345", True), ("short", False), ("x" * 65, False), ("two words", False)],
)
def test_a_sane_request_id_of_a_proxy_is_kept_and_any_other_replaced(client, sent, is_kept):
    answered = client.get("/healthz", headers={"X-Request-ID": sent})["X-Request-ID"]

    assert (answered == sent) == is_kept
    assert len(answered) >= 8


def test_requests_that_match_nothing_or_are_refused_are_lines_too(lines, client, as_annotator):
    client.get("/nowhere/")
    client.get("/review/")
    as_annotator.get("/review/")

    assert [(line["route"], line["status"]) for line in lines] == [
        ("none", 404),
        ("review_queue", 302),
        ("review_queue", 403),
    ]


def test_a_stranger_costs_no_query_for_the_log(lines, client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/healthz")

    assert lines[-1]["user_id"] is None


def test_lines_from_within_a_view_belong_to_its_request(lines, annotator, settings):
    settings.ROOT_URLCONF = BreakingUrls
    client = logged_in(annotator)
    client.raise_request_exception = False

    client.get("/speaks/")

    said, error, access = lines
    assert said["message"] == "said something"
    assert {line["request_id"] for line in lines} == {access["request_id"]}
    assert {line["user_id"] for line in lines} == {annotator.pk}
    assert "RuntimeError: on purpose" in error["exc_info"]
    assert access["status"] == 500


def test_what_django_says_of_an_answer_belongs_to_its_request_too(lines, client):
    response = client.get("/readyz?parts=workers")

    assert response.status_code == 503
    assert {(line["logger"], line["request_id"]) for line in lines} == {
        ("energyapp.access", response["X-Request-ID"]),
        ("django.request", response["X-Request-ID"]),
    }


def test_no_line_has_the_secret_of_an_invitation(lines, client, settings):
    InvitationFactory()
    client.get(f"/invitation/{INVITATION_SECRET}/")
    client.post(f"/invitation/{INVITATION_SECRET}/", {"password1": "a-password-nobody-sees"})
    client.get(f"/invitation/{INVITATION_SECRET}")
    Client(enforce_csrf_checks=True).post(f"/invitation/{INVITATION_SECRET}/")
    settings.ROOT_URLCONF = BreakingUrls
    Client(raise_request_exception=False).get(f"/invitation/{INVITATION_SECRET}/fails/")

    everything = json.dumps(lines)
    assert len(lines) >= 6  # the accesses, and Django's own of the refused and the failed one
    assert any(line["logger"] == "django.request" for line in lines)
    assert "/invitation/\\u2026/" in everything
    assert INVITATION_SECRET not in everything
    assert "nobody-sees" not in everything


def test_what_a_job_logs_names_it_and_so_does_the_line_about_its_failure(lines):
    job = JobFactory()

    def work():
        with Claim(job.pk):
            logging.getLogger("modeling").warning("at work")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    logging.getLogger("celery.app.trace").error("Task raised unexpected")

    assert [line["job_id"] for line in lines] == [job.pk, job.pk]


def test_the_next_task_of_a_worker_starts_without_a_job():
    from celery.signals import task_postrun

    logs.job_id.set(7)
    task_postrun.send(sender=None)

    assert logs.job_id.get() is None


@pytest.mark.parametrize(("log_format", "is_json"), [("json", True), ("plain", False)])
def test_the_environment_chooses_the_format(log_format, is_json):
    code = "import django, logging; django.setup(); logging.getLogger('x').warning('hello')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={
            "DJANGO_SETTINGS_MODULE": "energyapp.settings",
            "ENERGYAPP_VAR": str(settings.VAR_DIR),
            "ENERGYAPP_LOG_FORMAT": log_format,
        },
    )

    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("{") == is_json
    assert (json.loads(line)["message"] if is_json else line.rpartition(": ")[2]) == "hello"
