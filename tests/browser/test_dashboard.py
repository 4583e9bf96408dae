"""The dashboard, runs and their comparison in a browser: by keyboard alone, on a phone, in both schemes, without scripts."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotations.annotators import report
from modeling.models import TrainingRun
from tests.browser.conftest import arrive
from tests.browser.test_every_page import LONG, PHONE, SCHEMES, widths
from tests.browser.test_keyboard_alone import tab_to
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    FlagFactory,
    GenreFactory,
    PredictionFactory,
    PromotionFactory,
    RankingFactory,
    TrackFactory,
    TrainingRunFactory,
)
from tests.modeling.test_dashboard import LIVE, MORE

pytestmark = pytest.mark.browser


@pytest.fixture
def watched(server, admin):
    """Three runs, the last two of the same tracks; labels of three people, one with an endless name."""
    runs = TrainingRunFactory.create_batch(3)
    people = [AnnotatorFactory(username=f"judge-{n}", first_name=LONG if n == 1 else "") for n in range(3)]
    genre = GenreFactory(name=LONG)
    for number in range(30):
        track = TrackFactory(title=f"{LONG} {number}", artist=f"{LONG} {number % 9}")
        track.genres.add(genre)
        for person in people:
            AnnotationFactory(track=track, annotator=person, level=1 + number % 10, answered_s=9)
        for run, level in ((runs[1], 1 + (number + 1) % 10), (runs[2], 1 + (number + number % 2) % 10)):
            part = "slice" if number % 3 else "out-of-fold"
            PredictionFactory(run=run, track=track, part=part, true_level=1 + number % 10, level=level, score=level)
    FlagFactory()
    measured = [
        {"n": 30, "mae": 1.0, "mae_se": 0.1, "bias": 0.2, "bias_se": 0.1, "annotator": str(p.pk)} for p in people
    ]
    runs[2].metrics["out_of_fold"]["by_annotator"] = measured
    TrainingRun.objects.filter(pk=runs[2].pk).update(metrics=runs[2].metrics)
    PromotionFactory(run=runs[1], promoted_by=admin)
    RankingFactory(found={"more": MORE, "live": LIVE})
    report.refresh()
    return runs


def test_from_the_dashboard_to_two_runs_and_a_download_by_keyboard_alone(open_page, lead, watched):
    page = open_page(lead, "/dashboard/")
    tab_to(page, page.get_by_role("link", name="Compare runs"))
    page.keyboard.press("Enter")
    arrive(page, r"/runs/compare/$")
    heading = page.get_by_role("heading", name=f"From run {watched[1].pk} to run {watched[2].pk}")
    expect(heading).to_be_visible()

    tab_to(page, page.get_by_role("link", name="CSV of All measures"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")

    assert download.value.suggested_filename == f"runs-{watched[1].pk}-{watched[2].pk}-measures-slice.csv"


def test_the_matrix_switches_and_a_cell_opens_its_tracks_without_scripts(open_page, lead, watched):
    page = open_page(lead, "/dashboard/", java_script_enabled=False)
    cell = page.get_by_role("link", name="label 5, predicted 5: 6 of 8 (75 %)")
    expect(cell).to_contain_text("75")

    page.get_by_role("link", name="Counts").click()
    expect(cell).to_contain_text("6")
    cell.click()

    arrive(page, rf"/runs/{watched[2].pk}/tracks/")


def test_every_drawing_has_a_table_beside_it_that_opens_on_demand(open_page, lead, watched):
    page = open_page(lead, "/dashboard/")
    drawn = page.locator(".chart-card:has(> svg.chart)")
    names = drawn.get_by_role("heading").all_inner_texts()
    assert {"Macro-MAE by run", "Confusion matrix", "Labels by week", "Coverage of levels", "By annotator"} <= set(
        names
    )

    for name in names:
        card = drawn.filter(has=page.get_by_role("heading", name=name, exact=True))
        expect(card.locator("table").first).to_be_hidden()
        card.locator("summary").click()
        expect(card.locator("table").first).to_be_visible()
        expect(card.locator("svg.chart").first).to_have_accessible_name(re.compile(r"\w"))


def test_two_runs_are_chosen_from_the_list(open_page, lead, watched):
    page = open_page(lead, "/runs/")
    page.get_by_label(f"from run {watched[0].pk}").check()
    page.get_by_label(f"to run {watched[1].pk}").check()
    page.get_by_role("button", name="Compare the two").click()

    arrive(page, rf"/runs/compare/\?b={watched[1].pk}&a={watched[0].pk}$")
    expect(page.get_by_role("heading", name="Nothing in common")).to_be_visible()


def test_on_a_phone_nothing_scrolls_sideways_with_every_table_open(open_page, lead, watched):
    page = open_page(lead, "/dashboard/", **PHONE)
    for path in (
        "/dashboard/",
        "/dashboard/?by=day&cells=counts",
        "/runs/",
        "/runs/compare/",
        f"/runs/{watched[2].pk}/",
    ):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert widths(page) == [390, 390], path


def test_axe_finds_nothing_in_either_scheme(open_page, lead, watched):
    page = open_page(lead, "/dashboard/", bypass_csp=True, reduced_motion="reduce")
    found = []
    for path in ("/dashboard/", "/runs/", "/runs/compare/"):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found += [
                f"{path}, {scheme}: {rule['id']} at {node['target']}: {node['failureSummary']}"
                for rule in Axe().run(page).response["violations"]
                for node in rule["nodes"]
            ]
    assert not found, "\n".join(found)
