"""The pages of jobs: all of them, what moves there, one of them."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from energyapp.jobs import listing, services, workers
from energyapp.jobs.models import Job, Worker
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory, TrainingRunFactory

pytestmark = pytest.mark.django_db


def jobs_page(client, query=""):
    return client.get(f"/jobs/{query}")


def shown(response):
    return [job.pk for job in response.context["page"].rows]


def alive(*queues):
    # A row from the future stands for beats: however long a test takes.
    return Worker.objects.create(name="w@host", queues=list(queues), seen_at=timezone.now() + timedelta(hours=1))


def ended(ago_s=0, **fields):
    return SucceededJobFactory(finished_at=timezone.now() - timedelta(seconds=ago_s), **fields)


# ---- Live


def test_what_runs_comes_before_what_waits_and_both_before_what_has_ended(as_lead):
    waiting, done, running = JobFactory(kind="import"), ended(), RunningJobFactory()

    response = jobs_page(as_lead)

    assert [job.pk for job in response.context["live"]] == [running.pk, waiting.pk]
    assert shown(response) == [done.pk]


def test_one_request_moves_all_bars(as_lead):
    jobs = [RunningJobFactory(kind=kind, progress=0.25) for kind in ("train", "import")]
    query = ",".join(str(job.pk) for job in jobs)

    response = as_lead.get(f"/jobs/live/?shown={query}")

    html = response.content.decode()
    assert html.count("hx-swap-oob") == len(jobs) + 1  # and the workers
    assert html.count('value="25"') == len(jobs)
    assert "HX-Refresh" not in response
    assert "<button" not in html


def test_when_others_live_than_the_page_shows_it_is_loaded_anew(as_lead):
    job = RunningJobFactory()

    assert as_lead.get("/jobs/live/?shown=")["HX-Refresh"] == "true"
    Job.objects.update(status="succeeded", finished_at=timezone.now())
    assert as_lead.get(f"/jobs/live/?shown={job.pk}")["HX-Refresh"] == "true"


def test_it_says_that_nobody_works_which_queue_nobody_takes_from_and_what_to_do(as_lead):
    assert "No worker is running, so everything waits." in jobs_page(as_lead).content.decode()

    worker = alive("train", "features", "upkeep")
    html = jobs_page(as_lead).content.decode()
    assert "so everything waits" not in html
    assert "takes from the queue <code>intake</code>: imports, previews and exports wait" in html
    assert "worker-intake" in html

    worker.queues.append("intake")
    worker.save()
    assert "No worker" not in jobs_page(as_lead).content.decode()
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=9))
    assert "No worker is running, so everything waits." in as_lead.get("/jobs/live/?shown=").content.decode()


def test_silence_shows_on_an_open_page_within_ten_seconds(as_lead):
    every_s = int(
        re.search(r'hx-get="/jobs/live/[^"]*" hx-trigger="every (\d+)s"', jobs_page(as_lead).content.decode())[1]
    )

    assert workers.ALIVE_FOR.total_seconds() + every_s <= 10


def test_what_was_stopped_is_said_with_who_and_a_way_to_go_on_where_tracks_come_in_too(as_lead):
    job = JobFactory(kind="features")
    services.cancel(job=job, by="Lea")

    for path in ("/jobs/", "/import/"):
        html = as_lead.get(path).content.decode()
        assert "Computing features is stopped. Cancelled by Lea" in html
        assert reverse("retry_job", args=[job.pk]) in html


# ---- Ended


def test_the_newest_end_comes_first_whatever_was_asked_first():
    first, second = ended(ago_s=1), ended(ago_s=50)

    assert list(Job.objects.ended()) == [first, second]


def test_filters_by_kind_end_and_who_asked(as_lead, lead):
    mine = ended(kind="import", requested_by=lead)
    failed = ended(status="failed")
    by_itself = ended(kind="features")

    assert shown(jobs_page(as_lead, "?kind=import")) == [mine.pk]
    assert shown(jobs_page(as_lead, "?state=failed")) == [failed.pk]
    assert shown(jobs_page(as_lead, f"?by={lead.pk}")) == [mine.pk]
    assert set(shown(jobs_page(as_lead, "?by=nobody"))) == {failed.pk, by_itself.pk}
    assert shown(jobs_page(as_lead, f"?by={lead.pk}&kind=train")) == []
    assert (
        "No ended job matches this filter."
        in jobs_page(as_lead, "?kind=train&by=nobody&state=cancelled").content.decode()
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?by=x", "There is no such person “x”: all show."),
        ("?by=" + "9" * 60, f"There is no such person “{'9' * 40}”: all show."),
        ("?kind=<script>", "There is no kind of job “&lt;script&gt;”: all show."),
        ("?state=running", "There is no outcome “running”: all show."),
    ],
)
def test_a_filter_by_what_does_not_exist_is_left_out_and_says_so(query, said, as_lead):
    job = ended()

    response = jobs_page(as_lead, query)

    assert shown(response) == [job.pk]
    assert said in response.content.decode()


def test_an_empty_character_in_a_filter_breaks_nothing(as_lead):
    job = ended()

    assert shown(jobs_page(as_lead, "?state=%00")) == [job.pk]


def test_pages_go_on_where_the_last_ended_also_when_jobs_end_meanwhile_or_in_the_same_moment(as_lead, monkeypatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 4)
    moment = timezone.now()
    jobs = [SucceededJobFactory(finished_at=moment - timedelta(seconds=n // 3)).pk for n in range(10)]
    expected = list(Job.objects.ended().values_list("pk", flat=True))

    first = jobs_page(as_lead)
    ended()
    second = jobs_page(as_lead, first.context["page"].next)
    third = jobs_page(as_lead, second.context["page"].next)

    assert sorted(expected) == sorted(jobs)
    assert shown(first) + shown(second) + shown(third) == expected
    assert third.context["page"].next == ""
    assert shown(jobs_page(as_lead, third.context["page"].previous)) == shown(second)
    assert shown(jobs_page(as_lead, second.context["page"].previous)) == shown(first)


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "2026-13-01,1", "2026-01-01T00:00:00,1", "2026-01-01T00:00:00+00:00,x", "\0"),
        "0001-01-01T00:00:00+14:00,1",
    ],
)
def test_a_cursor_of_nonsense_shows_the_first_page(cursor, as_lead):
    job = ended()

    assert shown(as_lead.get("/jobs/", {"after": cursor})) == [job.pk]


def test_pages_cost_the_same_however_many_jobs_there_are(as_lead, lead, django_assert_max_num_queries):
    for kind in ("train", "import", "experiment", "features", "fetch"):
        RunningJobFactory(kind=kind, requested_by=lead)
    for number in range(30):
        ended(status="failed", requested_by=lead, kind="import", key=str(number))

    with django_assert_max_num_queries(15):
        jobs_page(as_lead)
    with django_assert_max_num_queries(8):
        as_lead.get("/jobs/live/?shown=")


# ---- One


def test_the_page_of_a_job_has_its_log_and_leads_to_what_it_is_about(as_lead):
    run = TrainingRunFactory()
    services.say(run.job, "Reading labels")

    html = as_lead.get(f"/jobs/{run.job_id}/").content.decode()

    assert "Reading labels" in html
    assert reverse("run", args=[run.pk]) in html


def test_tracebacks_are_for_admins_and_a_sentence_for_others(as_lead, as_admin):
    job = ended(status="failed", message="It broke.", error="Traceback: secrets.py, line 1")

    assert "secrets.py" in as_admin.get(f"/jobs/{job.pk}/").content.decode()
    for path in (f"/jobs/{job.pk}/", "/jobs/"):
        html = as_lead.get(path).content.decode()
        assert "It broke." in html
        assert "secrets.py" not in html


def test_a_job_that_ended_without_a_row_of_its_own_cannot_be_retried_from_its_page(as_admin):
    job = ended(status="failed", kind="import", key="gone")

    html = as_admin.get(f"/jobs/{job.pk}/").content.decode()

    assert reverse("retry_job", args=[job.pk]) not in html
    assert "It has been asked for anew since, by another job." in html


def test_who_may_not_export_is_shown_no_way_to_the_exports(as_lead, as_admin):
    job = JobFactory(kind="export")

    assert "What it is about" not in as_lead.get(f"/jobs/{job.pk}/").content.decode()
    assert 'href="/exports/">What it is about' in as_admin.get(f"/jobs/{job.pk}/").content.decode()
