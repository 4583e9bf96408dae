"""How leads and admins guide labelling, in a real browser and without its scripts."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotations.models import Assignment, LabellingRules, RankedTrack, Reference
from tests.browser.conftest import arrive
from tests.factories import AnnotationFactory, AnnotatorFactory, AssignmentFactory, ReferenceFactory

pytestmark = pytest.mark.browser


@pytest.fixture
def anna(db):
    anna = AnnotatorFactory(first_name="Anna")
    anna.set_password("x")
    anna.save()
    return anna


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_lead_finds_tracks_makes_one_an_example_and_assigns_the_others(
    has_scripts, open_page, lead, library, anna, expect_console
):
    library(3)
    page = open_page(lead, "/tracks/", java_script_enabled=has_scripts)
    page.get_by_role("searchbox").fill("Zanzibar")
    page.get_by_role("searchbox").press("Enter")
    arrive(page, "q=Zanzibar")

    page.get_by_role("checkbox", name="Zanzibar 0").check()
    page.get_by_label("Level").select_option("7")
    page.get_by_role("button", name="Make examples").click()
    expect(page.get_by_text("1 track is example of level 7")).to_be_visible()
    assert Reference.objects.get().track.title == "Zanzibar 0"
    expect(page.get_by_role("searchbox")).to_have_value("Zanzibar")

    for title in ("Zanzibar 0", "Zanzibar 1", "Zanzibar 2"):
        page.get_by_role("checkbox", name=title).check()
    page.get_by_role("button", name="Assign").click()
    arrive(page, "/queue/assignments/")
    page.get_by_role("checkbox", name="Anna").check()
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.get_by_text("1 × an example, which nobody is given to label")).to_be_visible()
    page.get_by_role("button", name="Assign the 2 others").click()
    expect(page.get_by_text("Anna: 2 assigned")).to_be_visible()
    assert set(Assignment.objects.values_list("track__title", flat=True)) == {"Zanzibar 1", "Zanzibar 2"}
    expect_console("422")


def test_an_admin_has_new_tracks_come_by_a_list(open_page, admin, library, expect_console):
    first, second = library(2)
    labelled = AnnotationFactory().track
    page = open_page(admin, "/queue/assignments/")
    page.get_by_role("navigation", name="Queue").get_by_role("link", name="Rules").click()
    arrive(page, "/queue/rules/")

    page.get_by_role("textbox", name="Uris of tracks").fill(f"{second.uri}\n{labelled.uri}\n{first.uri}")
    page.get_by_role("button", name="Set the list").click()
    expect(page.get_by_text("1 × labelled already")).to_be_in_viewport()
    page.get_by_role("button", name="Take the 2, leave out the rest").click()
    expect(page.get_by_text("The list is in place: 2 tracks.")).to_be_visible()
    page.get_by_role("radio", name="By list").check()
    page.get_by_role("button", name="Save the rules").click()

    expect(page.get_by_text("Order of new tracks: random → by list")).to_be_visible()
    assert LabellingRules.objects.current().order == "by list"
    assert list(RankedTrack.objects.order_by("position").values_list("track", flat=True)) == [second.pk, first.pk]
    expect_console("422")


@pytest.mark.parametrize("width", [1440, 360])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(width, open_page, admin, library, anna):
    tracks = library(4)
    ReferenceFactory(track=tracks[0], level=4)
    AnnotationFactory(track=tracks[1], annotator=anna)
    AssignmentFactory(track=tracks[2], annotator=anna)
    pages = [
        "/queue/rules/",
        "/queue/references/?q=",
        f"/queue/assignments/?annotator={anna.pk}",
        "/tracks/",
        f"/tracks/{tracks[1].pk}/",
    ]
    view = {"viewport": {"width": width, "height": 800}, "bypass_csp": True, "reduced_motion": "reduce"}
    page = open_page(admin, "/tracks/", **view)
    for path in pages:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate("(nav => nav.scrollWidth <= nav.clientWidth)(document.querySelector('.nav ul'))"), path
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            violations = Axe().run(page).response["violations"]
            assert not [(path, scheme, rule["id"], rule["nodes"][0]["target"]) for rule in violations]


def test_examples_play_where_they_are_chosen_and_load_nothing_before(open_page, lead, library):
    for track in library(2):
        ReferenceFactory(track=track, level=4)
    page = open_page(lead, "/queue/references/")
    sounds = []
    page.on("request", lambda request: sounds.append(request.url) if request.url.endswith("/audio") else None)
    page.reload()
    page.wait_for_load_state("networkidle")
    assert not sounds

    player = page.get_by_role("region", name="Zanzibar 1")
    player.get_by_role("button", name="Play").click()
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    expect(player.locator("[data-time]")).not_to_have_text("0:00")
