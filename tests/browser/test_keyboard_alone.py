"""Whole visits without a mouse: every control is reached by Tab and used by Enter, Space and the shortcuts."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from annotations.models import Annotation, Decision, Skip
from tests.audio_files import track_with_audio
from tests.browser.conftest import arrive
from tests.browser.label_page import wait_for_next
from tests.browser.people import log_in, with_password
from tests.factories import AnnotationFactory, FlagFactory, RulesFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser

MAX_TABS = 40


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    for _ in range(MAX_TABS):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached by {MAX_TABS} presses of {key}")


def test_an_annotators_first_visit(open_page, annotator, library):
    RulesFactory(min_listened_s=0)
    library(3)
    page = open_page(None, "/")
    log_in(page, with_password(annotator).username)
    arrive(page, "/label/$")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    tab_to(page, page.get_by_role("slider", name="Position in the track"))
    page.keyboard.press("End")
    expect(page.locator("[data-time]")).to_have_text(re.compile("0:(29|30)"))
    page.keyboard.press("Home")
    tab_to(page, page.get_by_role("button", name="Play"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()

    seven = page.get_by_role("button", name="7 driving")
    tab_to(page, seven)
    wait_for_next(page)  # where there is no next track yet, the focus goes to the words that say so
    page.keyboard.press("Enter")
    expect(page.locator("[data-recent] .level")).to_have_text(["7"])
    expect(seven).to_be_focused()
    tab_to(page, page.locator("[data-skip] summary"))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="I cannot judge it")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="It is not music"))
    wait_for_next(page)
    page.keyboard.press("Enter")
    wait_until(Skip.objects.exists, what="the skip")
    expect(page.locator("[data-skip] summary")).to_be_focused()

    tab_to(page, page.get_by_role("button", name="Log out"), key="Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    assert Annotation.objects.get().level == 7
    assert Skip.objects.get().reason == "not music"


def test_a_leads_first_visit(open_page, lead, server):
    flag = FlagFactory(annotation=AnnotationFactory(track=track_with_audio(title="Doubtful"), level=2))
    page = open_page(None, "/review/")
    log_in(page, with_password(lead).username)
    arrive(page, "/review/$")

    tab_to(page, page.get_by_role("link", name="Start reviewing"))
    page.keyboard.press("Enter")
    arrive(page, f"/review/{flag.pk}/$")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    tab_to(page, page.locator("[data-level-form]").get_by_role("button", name="8", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Why it was flagged")).to_be_focused()

    tab_to(page, page.get_by_text("Change to another level"))
    page.keyboard.press("Enter")
    assert not Decision.objects.exists()  # it opened the list of levels; it did not decide
    tab_to(page, page.locator("[data-decision-form]").get_by_role("button", name="9", exact=True))
    page.keyboard.press("Enter")
    arrive(page, "/review/$")
    expect(page.get_by_text("Doubtful: changed to 9.")).to_be_visible()

    tab_to(page, page.get_by_role("link", name="Resolved 1"))
    page.keyboard.press("Enter")
    arrive(page, "state=resolved$")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert Decision.objects.get().flag == flag


def test_an_admins_training_by_keyboard(open_page, admin, server):
    page = open_page(None, "/label/")
    log_in(page, with_password(admin).username)
    arrive(page, "/label/$")

    tab_to(page, page.get_by_role("link", name="Dashboard"))
    page.keyboard.press("Enter")
    arrive(page, "/dashboard/$")
    tab_to(page, page.get_by_role("button", name="Train the first model"))
    page.keyboard.press("Enter")

    expect(page.get_by_role("region", name="Training")).to_be_visible()
