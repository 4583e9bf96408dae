"""The page of jobs: bars that move by themselves, ends that show, cancelling and trying again, by mouse and keyboard."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from energyapp.jobs import services
from energyapp.jobs.models import Job, Worker
from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory, TrainingRunFactory

pytestmark = pytest.mark.browser


def alive(*queues: str) -> None:
    # Of a worker whose beats a test need not repeat.
    Worker.objects.create(name="all@host", queues=list(queues), seen_at=timezone.now() + timedelta(hours=1))


@pytest.fixture
def running(server):
    alive("train", "intake", "features", "upkeep")
    began = timezone.now() - timedelta(minutes=4)
    job = RunningJobFactory(progress=0.3, message="Fold 2 of 5", started_at=began, progressed_at=timezone.now())
    TrainingRunFactory(job=job)
    return job


def test_bars_move_without_loading_the_page_and_buttons_keep_the_focus(open_page, admin, running):
    page = open_page(admin, "/jobs/")
    bar, button = page.get_by_role("progressbar", name="Training"), page.get_by_role("button", name="Cancel: Training")
    expect(page.get_by_text(re.compile(r"\d+ min left · 30 %"))).to_be_visible()
    button.focus()

    Job.objects.update(progress=0.6, message="Fold 4 of 5")

    expect(bar).to_have_attribute("value", "60")
    expect(page.get_by_text("Fold 4 of 5")).to_be_visible()
    expect(button).to_be_focused()


def test_a_job_is_cancelled_and_tried_again_from_the_list_by_keyboard(open_page, admin, running):
    page = open_page(admin, "/jobs/")

    page.get_by_role("button", name="Cancel: Training").press("Enter")
    expect(page.get_by_text("Training is called off.")).to_be_visible()
    expect(page.get_by_text("Cancelled by adam")).to_be_visible()

    # What its worker does then; the page notices by itself.
    Job.objects.filter(pk=running.pk).end_where_asked()
    again = page.get_by_role("button", name="Try again: Training")
    again.press("Enter")
    expect(page.get_by_text("Training waits for a worker again.")).to_be_visible()
    assert Job.objects.get().status == Job.Status.QUEUED


def test_workers_that_fall_silent_are_noticed_with_what_to_do(open_page, admin, running):
    page = open_page(admin, "/jobs/")
    expect(page.get_by_text("all@host")).to_be_visible()

    Worker.objects.update(seen_at=timezone.now())

    expect(page.get_by_text("No worker is running, so everything waits.")).to_be_visible()
    expect(page.get_by_text("make run")).to_be_visible()


def test_the_page_of_a_job_shows_what_it_says_as_it_says_it(open_page, admin, running):
    page = open_page(admin, f"/jobs/{running.pk}/")
    services.say(running, "Reading labels and features")
    expect(page.get_by_role("cell", name="Reading labels and features")).to_be_visible()

    Job.objects.update(
        status=Job.Status.FAILED, finished_at=timezone.now(), message="It broke.", error="Traceback: here"
    )

    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_text("What went wrong, in full").click()
    expect(page.get_by_text("Traceback: here")).to_be_visible()


def test_ended_jobs_are_filtered_and_paged(open_page, admin, server):
    SucceededJobFactory.create_batch(30, message="Done")
    SucceededJobFactory(kind="import", status="failed", message="No row could be read.", requested_by=admin)
    JobFactory(kind="import")
    page = open_page(admin, "/jobs/")

    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newer")).to_be_visible()
    page.get_by_label("Outcome", exact=True).select_option("failed")
    page.get_by_role("button", name="Filter").click()

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_text("No row could be read.")).to_be_visible()
