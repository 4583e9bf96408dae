"""The review queue by keyboard alone, and by whatever else a browser has."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotations.models import Decision, Flag
from annotations.review import paging
from tests.audio_files import track_with_audio
from tests.browser.conftest import arrive
from tests.factories import AnnotationFactory, DecisionFactory, FlagFactory, GenreFactory

pytestmark = pytest.mark.browser


@pytest.fixture
def accuse(server):
    """`accuse(3)`: three flagged labels, the most suspicious first, by turns for two reasons and of two genres."""

    def make(n: int) -> list[Flag]:
        genres = [GenreFactory(name="Techno"), GenreFactory(name="Folk")]
        flags = []
        for i in range(n):
            track = track_with_audio(title=f"Doubtful {i}")
            track.genres.add(genres[i % 2])
            reason = [Flag.Reason.MODEL_ERROR, Flag.Reason.DRIFT][i % 2]
            flags.append(FlagFactory(annotation__track=track, suspicion=8.0 - i / 10, reason=reason))
        return flags

    return make


def row(page, title):
    return page.locator("[data-queue] tbody tr", has=page.get_by_role("link", name=title, exact=True))


def expect_titles(page, *titles):
    expect(page.locator("[data-queue] .name a")).to_have_text(titles)


def ticked(page):
    return page.locator("[data-queue] input[name=flag]:checked")


def test_rows_are_walked_through_ticked_and_kept_by_keys(open_page, lead, accuse):
    flags = accuse(4)
    page = open_page(lead, "/review/")

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("k")
    expect(row(page, "Doubtful 1")).to_have_attribute("aria-selected", "true")
    expect(ticked(page)).to_have_count(2)
    keep = page.get_by_role("button", name="Keep 2")
    expect(page.get_by_role("button", name="Ask another for 2")).to_be_enabled()
    keep.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Kept 2 labels.")).to_be_visible()
    expect_titles(page, "Doubtful 1", "Doubtful 3")
    kept = {(decision.flag, decision.verdict, decision.blind_level) for decision in Decision.objects.all()}
    assert kept == {(flags[0], "keep", None), (flags[2], "keep", None)}


def test_all_of_a_page_are_ticked_at_once_and_nothing_is_sent_for_none(open_page, lead, accuse):
    accuse(3)
    page = open_page(lead, "/review/")
    expect(page.get_by_role("button", name="Keep")).to_be_disabled()

    everything = page.get_by_label("Tick all on this page")
    everything.check()
    expect(page.get_by_role("button", name="Keep 3")).to_be_enabled()
    page.get_by_label("Doubtful 1", exact=True).uncheck()
    expect(everything).to_have_js_property("indeterminate", True)
    everything.check()
    page.get_by_role("button", name="Ask another for 3").click()

    expect(page.get_by_text("Asked another annotator about 3 labels.")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.get_by_role("link", name="Second opinion 3")).to_be_visible()


def test_enter_opens_the_chosen_row_also_from_its_tick_box_and_r_the_first(open_page, lead, accuse):
    flags = accuse(3)
    page = open_page(lead, "/review/")

    page.get_by_label("Doubtful 1", exact=True).focus()
    page.keyboard.press("Enter")
    arrive(page, rf"/review/{flags[1].pk}/$")
    page.go_back()
    page.keyboard.press("r")
    arrive(page, rf"/review/{flags[0].pk}/$")


def test_a_filter_applies_as_it_is_chosen_and_stays_on_the_way(open_page, lead, accuse):
    flags = accuse(4)
    page = open_page(lead, "/review/")

    page.get_by_label("Reason", exact=True).select_option("drift")
    arrive(page, r"/review/\?reason=drift$")
    expect_titles(page, "Doubtful 1", "Doubtful 3")
    page.get_by_label("Genre", exact=True).select_option(label="Folk")
    arrive(page, r"genre=\d+")
    expect_titles(page, "Doubtful 1", "Doubtful 3")
    page.keyboard.press("r")
    arrive(page, rf"/review/{flags[1].pk}/\?reason=drift&genre=\d+$")
    page.go_back()
    page.get_by_role("link", name="Clear the filter").click()
    expect(page.locator("[data-queue] tbody tr")).to_have_count(4)


def test_letters_typed_into_the_search_are_no_keys(open_page, lead, accuse):
    accuse(3)
    page = open_page(lead, "/review/")

    page.get_by_role("searchbox").press_sequentially("jrx")
    expect(page.locator("[data-queue] tr[aria-selected=true]")).to_have_count(0)
    page.get_by_role("searchbox").fill("doubtful 2")
    page.keyboard.press("Enter")

    arrive(page, r"q=doubtful\+2")
    expect_titles(page, "Doubtful 2")


def test_pages_go_on_after_the_last_row_and_back(open_page, lead, accuse):
    accuse(paging.PAGE_SIZE + 3)
    page = open_page(lead, "/review/")

    page.get_by_role("link", name="Next page").click()
    arrive(page, r"after=")
    expect_titles(page, *(f"Doubtful {paging.PAGE_SIZE + i}" for i in range(3)))
    expect(page.get_by_text(re.compile("26 – 28 of 28"))).to_be_visible()
    page.get_by_role("link", name="Previous page").click()
    arrive(page, r"before=")
    expect(page.locator("[data-queue] .name a").first).to_have_text("Doubtful 0")
    expect(page.get_by_role("link", name="Previous page")).to_have_count(0)


def test_the_file_is_that_of_the_filter(open_page, lead, accuse):
    accuse(4)
    page = open_page(lead, "/review/?reason=drift")

    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()

    assert re.fullmatch(r"review-open-[\d-]+\.csv", download.value.suggested_filename)
    lines = download.value.path().read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["title", "Doubtful 1", "Doubtful 3"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways_on_a_phone(open_page, lead, accuse, scheme):
    flags = accuse(3)
    AnnotationFactory(annotator=lead, track=flags[0].annotation.track)
    DecisionFactory(flag=flags[2])

    for path in ("/review/", "/review/?state=resolved", "/review/?reason=wrong&q=nowhere", "/review/rules/"):
        context = {"color_scheme": scheme, "reduced_motion": "reduce", "viewport": {"width": 390, "height": 844}}
        page = open_page(lead, path, **context)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.set_viewport_size({"width": 1440, "height": 900})
        found = Axe().run(page).response["violations"]
        assert not found, (path, [(each["id"], each["nodes"][0]["html"]) for each in found])
