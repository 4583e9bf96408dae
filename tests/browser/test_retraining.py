"""Training again, watching it, putting the new model to use and going back: with a real worker, and by keyboard alone."""

import re

import numpy as np
import pytest
from django.db import connection
from playwright.sync_api import expect

from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling.models import Prediction, Promotion, RetrainingRules, TrainingRun
from tests.factories import TrackFactory, TrainingRunFactory
from tests.labelled_library import make_labelled_library
from tests.modeling.training_library import add_features, train
from tests.processes import broker_at, start_held_worker

pytestmark = pytest.mark.browser

PATIENCE_MS = 120_000


@pytest.fixture
def held(server, redis_url, tmp_path):
    """By this file a worker that trains and predicts, on a Redis that the server does not know, is held in the middle."""
    held = tmp_path / "held"
    started = start_held_worker("train", at=0.01, by=held, redis_url=redis_url, database=connection.settings_dict)
    yield held
    started.end()


def use(page, name):
    """A button, by keyboard."""
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press("Enter")


def test_a_training_is_watched_its_model_promoted_and_taken_back(open_page, admin, held, redis_url):
    make_labelled_library(300)
    first = train("baseline")
    page = open_page(admin, "/retraining/")
    expect(page.get_by_text("A training would learn the same again.")).to_be_visible()
    expect(page.get_by_text("Learnt from")).to_be_visible()

    page.get_by_text("How it learns: baseline").click()
    page.get_by_role("radio", name=re.compile("^ridge_thresholds")).check()
    use(page, "Train again")

    # The server's own broker is not there: the job waits, as it would for Redis, and the next look publishes it.
    card = page.get_by_role("region", name="Training")
    expect(card.get_by_role("progressbar")).to_be_visible()
    publish_what_waits(redis_url)
    expect(card.get_by_role("status")).to_contain_text("Cross-validation", timeout=PATIENCE_MS)
    held.unlink()
    second_beside_first = page.get_by_role("region", name="In use, and newest")
    expect(second_beside_first).to_be_visible(timeout=PATIENCE_MS)
    second = TrainingRun.objects.latest("pk")
    expect(second_beside_first).to_contain_text("95 % interval")
    expect(second_beside_first).to_contain_text(re.compile("The new run is better|No difference that chance"))

    track = TrackFactory()
    add_features(track, 6, np.random.default_rng(1))
    use(page, f"Promote run {second.pk}")
    expect(page.get_by_text(f"Run {second.pk} is now in use.")).to_be_visible()
    assert TrainingRun.objects.live() == second
    publish_what_waits(redis_url)
    expect(page.get_by_role("region", name="Predictions of all tracks")).to_have_count(0, timeout=PATIENCE_MS)
    assert second.predictions.filter(track=track, part=Prediction.Part.FINAL).exists()

    use(page, f"Go back to run {first.pk}")
    expect(page.get_by_text(f"Run {first.pk} is now in use.")).to_be_visible()
    log = page.get_by_role("region", name="What was in use").locator("tbody tr")
    expect(log).to_contain_text([f"Run {first.pk}", f"Run {second.pk}", "It is the first model."])
    assert list(Promotion.objects.order_by("pk").values_list("run", flat=True)) == [first.pk, second.pk, first.pk]


def publish_what_waits(redis_url):
    """As beat does every ten seconds, with the broker that the worker listens to."""
    with broker_at(redis_url):
        for job in Job.objects.filter(status=Job.Status.QUEUED):
            jobs.publish(job)


def test_the_form_works_without_javascript(open_page, admin):
    run = TrainingRunFactory()
    page = open_page(admin, "/retraining/", java_script_enabled=False)

    page.get_by_role("link", name="Count labels and tracks").click()
    expect(page.get_by_text("0 labelled tracks have features; a training needs 20")).to_be_visible()
    page.get_by_role("link", name="Retraining", exact=True).click()
    page.get_by_role("button", name="Train again").click()

    expect(page.get_by_role("button", name="Training …")).to_be_disabled()
    assert TrainingRun.objects.exclude(pk=run.pk).get().job.status == Job.Status.QUEUED


def test_rules_are_changed_and_their_history_shows(open_page, expect_console, admin):
    page = open_page(admin, "/retraining/")

    page.get_by_role("link", name="Change the rules").click()
    page.get_by_label("By the clock").select_option("Every week")
    page.get_by_label("On this day").select_option("Friday")
    page.get_by_label("After so many labels").fill("0")
    use(page, "Save the rules")
    expect(page.get_by_text("Nothing was saved: see what is marked below.")).to_be_visible()
    expect(page.get_by_label("By the clock")).to_have_value("weekly")
    expect_console("422")
    page.get_by_label("After so many labels").fill("50")
    use(page, "Save the rules")

    rules = page.get_by_role("region", name="Rules")
    expect(rules).to_contain_text("A training is asked for every Friday at 03:00 or after 50 new labels.")
    expect(rules).to_contain_text("On this day, where it is every week: Monday → Friday")
    expect(page.get_by_text("0 of 50 new labels or by the clock Friday")).to_be_visible()
    assert RetrainingRules.objects.get().changed_by == admin
