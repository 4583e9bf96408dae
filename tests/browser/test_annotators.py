"""The annotators' pages in a browser: sorting, one person, leaving out and taking back by keyboard alone, and who waits."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotations.annotators import report
from annotations.models import AnnotatorExclusion
from tests.annotations.test_annotators_report import shared_labels
from tests.browser.conftest import arrive
from tests.browser.test_every_page import PHONE, SCHEMES, widths
from tests.browser.test_keyboard_alone import tab_to
from tests.factories import AnnotationFactory, AnnotatorFactory

pytestmark = pytest.mark.browser

LONG = "Wilhelmina-Hieronyma Featherstonehaugh-Cholmondeley von und zu Hohenfels"


@pytest.fixture
def crowd(server):
    """Fifteen of whom one labels two levels higher, one has an endless name, and one has said little."""
    people = [AnnotatorFactory(username=f"person {n:02}", first_name=LONG if n == 4 else "") for n in range(15)]
    shared_labels(*people, n=30, level=lambda person, number: 1 + (number + person // 5) % 8 + 2 * (person == 2))
    AnnotationFactory(annotator=AnnotatorFactory(username="says little"))
    report.refresh()
    return people


def expect_names(page, *, first, last=None):
    names = page.locator("table.sortable td.name")
    expect(names.first).to_have_text(first)
    if last:
        expect(names.last).to_have_text(last)


def test_a_lead_sorts_the_measures_and_opens_the_person_on_top(open_page, lead, crowd):
    page = open_page(lead, "/annotators/")
    expect(page.locator(".tile")).to_have_count(16)
    expect(page.locator(".tile", has_text="biased high")).to_have_count(1)

    page.get_by_role("columnheader", name="Bias").get_by_role("link").click()

    expect(page.get_by_role("columnheader", name="Bias")).to_have_attribute("aria-sort", "descending")
    expect_names(page, first="person 02", last="says little")
    page.get_by_role("columnheader", name="Annotator").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="Annotator")).to_have_attribute("aria-sort", "ascending")
    expect_names(page, first="person 00")

    page.locator(".tile", has_text="person 02").click(position={"x": 80, "y": 70})  # anywhere on it
    arrive(page, rf"/annotators/{crowd[2].pk}/$")
    expect(page.get_by_role("heading", name="person 02")).to_be_visible()
    expect(page.get_by_text("Labels higher than others do of the same tracks")).to_be_visible()
    page.get_by_role("link", name="Their flags in the review queue").click()
    arrive(page, rf"/review/\?annotator={crowd[2].pk}")


def test_the_drawings_lead_to_people_and_say_what_they_show(open_page, lead, crowd):
    page = open_page(lead, "/annotators/")

    expect(page.locator("svg.triangle")).to_have_accessible_name(
        re.compile("Agreement of each two: weighted kappa from")
    )
    expect(page.locator("svg.triangle .cell")).to_have_count(120)
    expect(page.locator("svg.ridges")).to_have_accessible_name(re.compile("Shape of the scale: mean level of "))
    page.locator("svg.ridges").get_by_role("link", name=re.compile("^person 03: mean level")).click()
    arrive(page, rf"/annotators/{crowd[3].pk}/$")


def test_leaving_out_and_taking_back_by_keyboard_alone(open_page, lead, crowd):
    page = open_page(lead, "/annotators/")
    tab_to(page, page.locator(".tile").get_by_role("link", name="person 02"))
    page.keyboard.press("Enter")
    arrive(page, rf"/annotators/{crowd[2].pk}/$")

    tab_to(page, page.get_by_label("Why (kept in the history)"))
    page.keyboard.type("two levels too high")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Leave out of training")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_text("person 02 is left out, from the next training on.")).to_be_visible()
    expect(page.get_by_role("heading", name="Left out of training", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="History")).to_contain_text("two levels too high")
    expect(page.get_by_role("button", name="See what leaving them out")).to_have_count(0)
    assert AnnotatorExclusion.objects.get().annotator == crowd[2]

    tab_to(page, page.get_by_role("button", name="Take back into training"))
    page.keyboard.press("Enter")

    expect(page.get_by_text("person 02 is taken back, from the next training on.")).to_be_visible()
    expect(page.get_by_role("region", name="History").get_by_role("listitem")).to_have_count(2)
    assert not AnnotatorExclusion.objects.excluded().exists()


def test_a_page_that_waits_shows_the_report_once_it_is_there(open_page, lead, server):
    AnnotationFactory(annotator=AnnotatorFactory(username="first of all"))
    page = open_page(lead, "/annotators/")
    expect(page.get_by_text("A worker makes the first report within a minute.")).to_be_visible()

    report.refresh()

    expect(page.locator(".tile")).to_contain_text("first of all")
    expect(page.get_by_role("status")).to_have_count(0)


def test_axe_finds_nothing_and_nothing_scrolls_sideways_on_a_phone(open_page, lead, crowd):
    page = open_page(lead, "/annotators/", bypass_csp=True, reduced_motion="reduce", **PHONE)
    found = []
    for path in ("/annotators/", f"/annotators/{crowd[4].pk}/", f"/annotators/{lead.pk}/"):
        page.goto(path)
        assert widths(page)[0] <= 390, path
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            results = Axe().run(page)
            found += [
                f"{path}, {scheme}: {rule['id']} at {node['target']}: {node['failureSummary']}"
                for rule in results.response["violations"]
                for node in rule["nodes"]
            ]
    page.set_viewport_size({"width": 1440, "height": 900})
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.goto("/annotators/")
        found += [f"wide, {scheme}: {rule['id']}" for rule in Axe().run(page).response["violations"]]
    assert not found, "\n".join(found)
