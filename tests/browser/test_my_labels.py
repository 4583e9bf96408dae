"""The page of one's own labels: listening again, and changing one's mind."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotations.models import Annotation
from tests.factories import AnnotationFactory

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 360, "height": 780}}


@pytest.fixture
def labelled(library, annotator):
    """Two tracks that the annotator has labelled 4 and 9."""
    return [
        AnnotationFactory(track=track, annotator=annotator, level=level, answered_s=3.2)
        for track, level in zip(library(2), (4, 9), strict=True)
    ]


def row_of(page, annotation):
    return page.locator(f"#track-{annotation.track_id}")


def test_one_row_plays_at_a_time_and_another_level_is_stored(open_page, annotator, labelled):
    page = open_page(annotator, "/label/mine/?fast=on")
    first, second = (row_of(page, annotation) for annotation in labelled)

    first.get_by_role("button", name="Play").click()
    expect(first.get_by_role("button", name="Pause")).to_be_visible()
    second.get_by_role("button", name="Play").click()
    expect(second.get_by_role("button", name="Pause")).to_be_visible()
    expect(first.get_by_role("button", name="Play")).to_be_visible()

    first.get_by_text("Change the level of").click()
    first.get_by_role("button", name="7", exact=True).click()

    expect(page.get_by_text("changed from 4 to 7")).to_be_visible()
    assert list(Annotation.objects.current().order_by("pk").values_list("level", flat=True)) == [9, 7]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_fits_a_phone_with_a_scale_open(open_page, annotator, labelled, scheme):
    AnnotationFactory(track=labelled[0].track, annotator=annotator, level=5, supersedes=labelled[0], source="relabel")
    page = open_page(annotator, "/label/mine/", color_scheme=scheme, reduced_motion="reduce", **PHONE)
    for closed in page.locator("summary").all():
        closed.click()

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()
