"""The lab in a browser, with a real worker: ask an experiment, watch it, open its report again, take it away, call one off."""

import csv
import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from energyapp.jobs.models import Job, Worker
from modeling.models import Experiment
from tests.browser.conftest import arrive, page_loads
from tests.browser.test_every_page import PHONE, SCHEMES, widths
from tests.browser.test_keyboard_alone import tab_to
from tests.factories import ExperimentFactory, RunningJobFactory
from tests.labelled_library import make_labelled_library
from tests.processes import broker_at, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def worker(server):
    """Somebody who would answer, as far as the page can see."""
    return Worker.objects.create(name="w@test", queues=["train"], seen_at=timezone.now() + timedelta(hours=1))


def card(page, title):
    return page.get_by_role("region", name=title, exact=True)


def test_a_lead_asks_an_experiment_watches_it_and_takes_its_report_away(
    open_page, lead, server, start_workers, redis_url
):
    make_labelled_library(60)
    start_workers("train")
    page = open_page(lead, "/dashboard/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Lab", exact=True).click()

    resampling = card(page, "Resampling")
    resampling.get_by_text("Options").click()
    resampling.get_by_label("Recipe").select_option("ridge_thresholds")
    resampling.get_by_label("Folds").fill("2")
    resampling.get_by_role("button", name="Run").click()

    arrive(page, r"/lab/\d+/$")
    with broker_at(redis_url):  # the web server of these tests has a broker of its own, where nobody listens
        from energyapp.jobs import services as jobs

        jobs.publish(Job.objects.get())
    # The worker's start, and the numeric stack's.
    expect(page.get_by_role("heading", name="What it found")).to_be_visible(timeout=180_000)
    expect(page.get_by_text(re.compile("Lowest macro-MAE: "))).to_be_visible()
    expect(page.locator("tr.best")).to_have_count(1)
    expect(page.locator("svg.matrix")).to_have_count(5)

    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV").click()
    assert ["Resampling"] in list(csv.reader(taken.value.path().read_text().splitlines()))
    page.get_by_role("link", name="Counts").click()
    expect(page.locator("svg.matrix").first).to_have_accessible_name(re.compile("count of each label"))

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Lab", exact=True).click()
    expect(card(page, "Resampling")).to_contain_text("Lowest macro-MAE")
    card(page, "Resampling").get_by_role("link").click()
    expect(page.get_by_role("heading", name="What it found")).to_be_visible()


def test_progress_on_the_list_is_live_and_what_somebody_types_meanwhile_stays(open_page, lead, worker):
    job = RunningJobFactory(kind="experiment", progress=0.2, message="none: fold 1, repeat 1")
    experiment = ExperimentFactory(job=job, report="", data_digest="")
    page = open_page(lead, "/lab/")
    loads = page_loads(page)
    expect(card(page, "Resampling").get_by_role("status")).to_contain_text("20 %")
    final = card(page, "Final comparison")
    final.get_by_text("Options").click()
    final.get_by_label("Seed").fill("4711")

    answered = ExperimentFactory(name="final")
    Experiment.objects.filter(pk=experiment.pk).update(report=answered.report, data_digest=answered.data_digest)
    Job.objects.filter(pk=job.pk).update(
        status="succeeded", progress=1, finished_at=timezone.now(), message="smote is best."
    )

    expect(card(page, "Resampling")).to_contain_text("smote is best.")
    expect(card(page, "Resampling").get_by_role("progressbar")).to_have_count(0)
    expect(final.get_by_label("Seed")).to_have_value("4711")
    assert loads == []


def test_one_that_runs_is_called_off(open_page, lead, worker):
    job = RunningJobFactory(kind="experiment", progress=0.2, message="none: fold 1, repeat 1")
    experiment = ExperimentFactory(job=job, report="", data_digest="")
    page = open_page(lead, f"/lab/{experiment.pk}/")
    button = page.get_by_role("button", name="Cancel")
    button.focus()
    expect(page.get_by_role("status")).to_contain_text("20 %")
    Job.objects.filter(pk=job.pk).update(progress=0.3)
    expect(page.get_by_role("status")).to_contain_text("30 %")
    expect(button).to_be_focused()  # the progress was swapped, the button was not

    page.keyboard.press("Enter")

    expect(page.get_by_text("is called off")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("It stops at its next step.")
    expect(button).to_have_count(0)
    Job.objects.filter(pk=job.pk).update(status="cancelled", finished_at=timezone.now())
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Cancelled by lea")


def test_a_whole_visit_by_keyboard(open_page, lead, worker, expect_console):
    page = open_page(lead, "/lab/")

    resampling = card(page, "Resampling")
    tab_to(page, resampling.locator("summary"))
    page.keyboard.press("Enter")
    tab_to(page, resampling.get_by_label("Folds"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("99")
    tab_to(page, resampling.get_by_role("button", name="Run"))
    page.keyboard.press("Enter")
    expect(resampling.get_by_text("Found n_folds 99; expected 2 to 20.")).to_be_visible()
    expect_console("422")

    folds = resampling.get_by_label("Folds")
    expect(folds).to_have_value("99")
    expect(folds).to_have_attribute("aria-invalid", "true")
    tab_to(page, folds)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")

    arrive(page, r"/lab/\d+/$")
    tab_to(page, page.get_by_role("button", name="Cancel"))
    page.keyboard.press("Enter")
    wait_until(lambda: Job.objects.get().status == Job.Status.CANCELLED, what="the cancelling")
    assert Experiment.objects.get().options["n_folds"] == 3


def test_axe_finds_nothing_and_nothing_scrolls_sideways_on_a_phone(open_page, lead, worker):
    experiment = ExperimentFactory()
    running = ExperimentFactory(job=RunningJobFactory(kind="experiment", key="x"), report="", data_digest="")
    page = open_page(lead, "/lab/", bypass_csp=True, reduced_motion="reduce", **PHONE)
    found = []
    for path in (f"/lab/?from={experiment.pk}", f"/lab/{experiment.pk}/", f"/lab/{running.pk}/"):
        page.goto(path)
        assert widths(page)[0] <= 390, path
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        assert widths(page)[0] <= 390, f"{path}, all unfolded"
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            results = Axe().run(page)
            found += [
                f"{path}, {scheme}: {rule['id']} at {node['target']}: {node['failureSummary']}"
                for rule in results.response["violations"]
                for node in rule["nodes"]
            ]
    assert not found, "\n".join(found)
