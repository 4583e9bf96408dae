"""The dashboard and what leads from it: asking for a training, watching it, its results, putting a model to use."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from energyapp.jobs.models import Job, Worker
from modeling.models import Promotion, TrainingRun
from tests.browser.conftest import page_loads
from tests.factories import JobFactory, PredictionFactory, RunningJobFactory, TrackFactory, TrainingRunFactory

pytestmark = pytest.mark.browser

NO_WORKER = "No worker is running"


@pytest.fixture
def worker(server):
    """Somebody who would train, as far as the page can see."""
    # Alive for the whole test: a row from the future stands for a beat every two seconds.
    return Worker.objects.create(name="w@test", queues=["train"], seen_at=timezone.now() + timedelta(hours=1))


def progress(page):
    return page.get_by_role("progressbar", name="Train")


# ---- A training


def test_training_without_a_worker_waits_and_the_page_says_why(open_page, admin):
    page = open_page(admin, "/dashboard/")

    page.get_by_role("button", name="Train the first model").click()

    card = page.get_by_role("region", name="Training")
    expect(card.get_by_role("status")).to_contain_text("waiting for a worker")
    expect(card.get_by_role("alert")).to_contain_text(NO_WORKER)
    expect(page.get_by_role("button", name="Training …")).to_be_disabled()
    assert TrainingRun.objects.get().job.status == Job.Status.QUEUED


def test_what_learns_is_chosen_by_radio_buttons_beside_the_form(open_page, admin):
    page = open_page(admin, "/dashboard/")

    page.get_by_text("How it learns: auto").click()
    page.get_by_role("radio", name=re.compile("^ridge_thresholds")).check()
    page.get_by_role("radio", name=re.compile("^Lowest MAE")).check()
    page.get_by_role("button", name="Train the first model").click()

    expect(page.get_by_role("button", name="Training …")).to_be_disabled()
    run = TrainingRun.objects.get()
    assert (run.recipe, run.options) == ("ridge_thresholds", {"decision": "lowest_mae"})


def test_the_page_notices_by_itself_that_the_worker_has_gone(open_page, admin, worker):
    JobFactory()
    page = open_page(admin, "/dashboard/")
    expect(progress(page)).to_be_visible()
    expect(page.get_by_text(NO_WORKER)).to_have_count(0)

    worker.delete()

    expect(page.get_by_text(NO_WORKER)).to_be_visible()


def test_progress_is_live_and_the_end_reloads_the_page(open_page, admin, worker):
    job = RunningJobFactory(progress=0.4, message="Fold 2 of 5")
    page = open_page(admin, "/dashboard/")
    loads = page_loads(page)
    status = page.get_by_role("region", name="Training").get_by_role("status")
    expect(status).to_contain_text("40 %")

    Job.objects.filter(pk=job.pk).update(progress=0.7, message="Fold 4 of 5")
    expect(status).to_contain_text("Fold 4 of 5")
    expect(status).to_contain_text("70 %")
    assert loads == []

    TrainingRunFactory(job=job)
    Job.objects.filter(pk=job.pk).update(status="succeeded", progress=1, finished_at=timezone.now())
    expect(page.get_by_role("button", name="Train again")).to_be_enabled()
    expect(page.get_by_role("heading", name="Macro-MAE by run")).to_be_visible()
    expect(progress(page)).to_have_count(0)


@pytest.mark.parametrize(("role", "sees_traceback"), [("admin", True), ("lead", False)])
def test_a_failed_training_says_why_and_admins_see_the_traceback(role, sees_traceback, request, open_page, worker):
    JobFactory(
        status=Job.Status.FAILED,
        message="TooFewLabels: 3 labelled tracks; training needs 20",
        error="Traceback (most recent call last): here",
        finished_at=timezone.now(),
    )
    page = open_page(request.getfixturevalue(role), "/dashboard/")

    expect(page.get_by_text("3 labelled tracks; training needs 20")).to_be_visible()
    details = page.get_by_text("What went wrong, in full")
    expect(details).to_have_count(int(sees_traceback))
    assert ("Traceback" in page.content()) == sees_traceback
    if sees_traceback:
        details.click()
        expect(page.get_by_text("Traceback (most recent call last)")).to_be_visible()


def test_leads_watch_but_do_not_train(open_page, lead, worker):
    run = TrainingRunFactory()
    page = open_page(lead, "/dashboard/")

    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Train"))).to_have_count(0)
    page.goto(f"/runs/{run.pk}/")
    expect(page.get_by_role("button", name="Put this model to use")).to_have_count(0)


# ---- Its results


def test_a_cell_of_the_confusion_matrix_opens_its_tracks(open_page, admin, worker):
    run = TrainingRunFactory()
    PredictionFactory(run=run, track=TrackFactory(title="Too loud"), true_level=5, level=7, score=6.6)
    PredictionFactory(run=run, track=TrackFactory(title="Just right"), true_level=5, level=5)
    page = open_page(admin, "/dashboard/")

    page.locator("svg.matrix a", has_text="label 5, predicted 7").click()

    expect(page.get_by_role("heading", name="1 track labelled 5, predicted 7")).to_be_visible()
    expect(page.locator("tbody tr")).to_contain_text(["Too loud"])


def test_a_point_of_the_trend_opens_its_run_whose_model_is_put_to_use(open_page, admin, worker):
    older, newer = TrainingRunFactory(), TrainingRunFactory()
    Promotion.objects.create(run=newer)
    page = open_page(admin, "/dashboard/")

    page.get_by_role("link", name=f"Run {older.pk}", exact=True).click()
    expect(page.get_by_role("heading", name=f"Run {older.pk}")).to_be_visible()
    page.get_by_role("link", name="Evaluation slice").click()
    expect(page.locator("dl.figures")).to_contain_text("1.05")
    page.get_by_role("button", name="Put this model to use").click()

    expect(page.get_by_text(f"Run {older.pk} is now in use.")).to_be_visible()
    expect(page.get_by_role("heading", name=f"Run {older.pk} in use")).to_be_visible()
    assert TrainingRun.objects.live() == older
