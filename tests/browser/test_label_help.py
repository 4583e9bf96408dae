"""Undo, skipping, examples and comparing on the label page: help, and second thoughts."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotations.models import Annotation, Comparison, Skip
from tests.browser.label_page import await_levels, levels_of, parts, press, second_of, shown, wait_for_next
from tests.processes import wait_until

pytestmark = pytest.mark.browser


PRESS_AT_ONCE = """keys => {
  for (const key of keys) document.dispatchEvent(new KeyboardEvent("keydown", key));
  return new Promise((resolve) => setTimeout(resolve, 300)); // until the browser has told of all that began
}"""


def heard(page):
    """The path of every sound that plays."""
    sounds = "[...document.querySelectorAll('audio')].filter((audio) => !audio.paused)"
    return page.evaluate(f"{sounds}.map((audio) => new URL(audio.src).pathname)")


# ---- Second thoughts


def test_undo_goes_back_step_by_step_a_number_relabels_and_one_is_where_one_was(open_page, annotator, library, unheard):
    library(5)
    page = open_page(annotator, "/label/")
    press(page, "3", "0")
    wait_until(lambda: len(levels_of(annotator)) == 2, what="both labels")
    assert parts(page).levels.first.evaluate("chip => chip.scrollHeight <= chip.clientHeight")  # 10 is no wider than it
    now = shown(page)
    page.locator("[data-wave]").press("End")
    at = second_of(page)

    page.keyboard.press("u")
    expect(page.get_by_role("button", name="10 all out")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("u")
    expect(parts(page).back).to_contain_text("level 3")
    page.keyboard.press("Escape")
    assert shown(page) == now
    assert second_of(page) == pytest.approx(at, abs=1)
    page.get_by_role("button", name="Undo level 3").click()
    page.keyboard.press("4")

    assert shown(page) == now
    expect(parts(page).levels).to_have_text(["10", "4"])
    await_levels(annotator, 3, 10, 4)
    assert Annotation.objects.order_by("pk").last().supersedes.level == 3


def test_skipping_asks_why_by_number_enter_or_touch_and_can_be_undone(open_page, annotator, library, unheard):
    library(5)
    page = open_page(annotator, "/label/")
    first = shown(page)

    page.keyboard.press("s")
    expect(page.get_by_role("button", name="I cannot judge it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(parts(page).skip).to_be_hidden()
    assert shown(page) == first
    page.keyboard.press("s")
    press(page, "2")
    expect(page.locator("#energy")).to_be_focused()  # and not "Skip", which Space would open
    page.keyboard.press("s")
    press(page, "Enter")
    page.locator("[data-skip] summary").click()
    page.get_by_role("button", name="The sound is too poor").click()
    wait_until(lambda: Skip.objects.count() == 3, what="three skips")
    assert list(Skip.objects.order_by("pk").values_list("reason", flat=True)) == [
        "not music",
        "cannot judge",
        "poor sound",
    ]

    for _ in range(3):
        page.keyboard.press("u")
    assert shown(page) == first
    page.keyboard.press("6")
    await_levels(annotator, 6)
    assert Annotation.objects.get().track_id == first
    expect(parts(page).levels).to_have_text(["–", "–", "6"])


# ---- Help for the unsure


def test_shift_and_a_number_play_an_example_and_the_same_again_ends_it(open_page, annotator, library, agreed, unheard):
    library(2)
    page = open_page(annotator, "/label/")
    page.keyboard.press("Space")
    playing = page.locator("[data-example-playing]")

    page.keyboard.press("Shift+Digit6")
    expect(playing).to_contain_text("Example of level 6: Agreed 6")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()  # two sounds at once are none
    page.keyboard.press("Shift+Digit6")
    expect(playing).to_be_hidden()
    page.get_by_role("button", name="Hear an example of level 8").click()
    expect(playing).to_contain_text("Agreed 8")
    page.keyboard.press("Shift+Digit1")
    expect(parts(page).said).to_contain_text("no example of level 1")
    assert levels_of(annotator) == []


def test_of_two_sounds_begun_in_the_same_moment_the_later_is_heard(open_page, annotator, library, agreed, unheard):
    """The browser tells of both only when both have begun."""
    library(2)
    page = open_page(annotator, "/label/")
    assert shown(page)  # by then it listens to keys
    play = {"key": " ", "code": "Space"}
    example = {"key": "^", "code": "Digit6", "shiftKey": True}
    playing = page.locator("[data-example-playing]")

    page.evaluate(PRESS_AT_ONCE, [play, example])
    expect(playing).to_contain_text("Agreed 6")
    assert heard(page) == [reverse("track_audio", args=[agreed[6].pk])]

    page.evaluate(PRESS_AT_ONCE, [example, example, play])
    expect(playing).to_be_hidden()
    assert heard(page) == [reverse("track_audio", args=[shown(page)])]


def test_comparing_says_where_the_answers_place_the_track_and_stores_them(
    open_page, annotator, library, agreed, unheard
):
    library(2)
    page = open_page(annotator, "/label/")
    first = shown(page)
    wait_for_next(page)
    says = page.locator("[data-compare-says]")

    page.keyboard.press("c")
    expect(says).to_contain_text("Near which level?")
    page.keyboard.press("6")
    rows = page.locator("[data-compare-list] li")
    expect(rows).to_have_count(3)
    expect(rows.nth(0).get_by_role("button", name="Play Agreed 4")).to_be_focused()
    rows.nth(1).get_by_role("button", name="Play Agreed 6").click()
    expect(page.locator("[data-example-playing]")).to_contain_text("Agreed 6")
    rows.nth(1).get_by_role("button", name="stronger").click()
    expect(says).to_have_text("Stronger than 6: that would be 7 or more.")
    rows.nth(2).get_by_role("button", name="calmer").click()
    expect(says).to_have_text("Stronger than 6, calmer than 8: that would be 7.")

    wait_until(lambda: Comparison.objects.count() == 2, what="both comparisons")
    page.keyboard.press("7")
    expect(page.locator("[data-compare-list] li")).to_have_count(0)
    stored = set(Comparison.objects.values_list("track", "other", "answer"))
    assert stored == {(first, agreed[6].pk, "stronger"), (first, agreed[8].pk, "calmer")}
    expect(page.locator("#energy")).to_be_focused()
