"""The label page as annotators use it: by keyboard, by mouse, without JavaScript, and when something breaks."""

import re
import time

import pytest
from playwright.sync_api import expect

from annotations.models import Annotation, Lease, Skip, Track
from tests.browser.conftest import page_loads, responses_of
from tests.browser.label_page import wait_for_next
from tests.factories import AnnotatorFactory, LeaseFactory, RulesFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def rules(server):
    """Tracks may be labelled unheard: what must be heard is a test of its own."""
    return RulesFactory(min_listened_s=0)


def hidden_track(page):
    return int(page.locator("form[data-level-form] input[name=track_id]").input_value())


def expect_another(page, track):
    expect(page.locator(f"form[data-level-form] input[name=track_id][value='{track}']")).to_have_count(0)


def press_and_wait(page, key):
    """Press the key and wait until another track is there; its id."""
    before = hidden_track(page)
    page.keyboard.press(key)
    expect_another(page, before)
    return hidden_track(page)


def second_of(page):
    return page.locator("audio").first.evaluate("audio => audio.currentTime")


def levels():
    return list(Annotation.objects.order_by("pk").values_list("level", flat=True))


def await_levels(*expected):
    wait_until(lambda: levels() == list(expected), what=f"the labels {expected}, found {levels()}")


@pytest.mark.postgres  # the web server keeps a pool of connections there
def test_seven_labels_by_keyboard_without_a_page_load(open_page, annotator, library):
    library(8)
    page = open_page(annotator, "/label/")
    url, loads = page.url, page_loads(page)

    for key in ("3", "9", "0", "5", "1", "8", "2"):
        press_and_wait(page, key)

    await_levels(3, 9, 10, 5, 1, 8, 2)
    assert (page.url, loads) == (url, [])


def test_the_number_pad_labels_too(open_page, annotator, library):
    library(3)
    page = open_page(annotator, "/label/")
    # Playwright's own number pad has NumLock off, where 7 is Home and 0 is Insert.
    keyboard = page.context.new_cdp_session(page)

    for digit, label in (("7", "7"), ("0", "10")):
        key = {"key": digit, "code": f"Numpad{digit}", "isKeypad": True}
        before = hidden_track(page)
        keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", **key})
        keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
        expect(page.locator("[data-recent] .level").first).to_have_text(label)
        expect_another(page, before)

    await_levels(7, 10)


@pytest.mark.postgres  # one request waits for the other's row lock
def test_a_key_held_down_labels_one_track_once(open_page, annotator, library):
    library(3)
    page = open_page(annotator, "/label/")
    first = hidden_track(page)

    for _ in range(10):
        page.keyboard.down("6")
    expect(page.get_by_text("Saved · all labels in sync")).to_be_visible()
    page.keyboard.down("6")
    page.keyboard.up("6")

    expect(page.locator("[data-recent] .level")).to_have_text(["6"])
    await_levels(6)
    assert Annotation.objects.get().track_id == first


def test_title_and_artist_show_only_after_the_label(open_page, annotator, library):
    library(2)
    page = open_page(annotator, "/label/")
    assert not re.search("Zanzibar|Quixote", page.content())
    first = Track.objects.get(pk=hidden_track(page))

    press_and_wait(page, "4")

    just_labelled = page.locator("section.card", has=page.get_by_role("heading", name="Just labelled"))
    expect(just_labelled.locator("li")).to_contain_text([f"{first.title} {first.artist}"])
    other = Track.objects.exclude(pk=first.pk).get()
    assert other.title not in page.content()
    assert other.artist not in page.content()


def test_space_plays_arrows_seek_brackets_change_speed_and_l_loops(open_page, annotator, library):
    library(1)
    page = open_page(annotator, "/label/")
    expect(page.locator("[data-total]")).to_have_text("0:30")

    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    wait_until(lambda: second_of(page) > 0.2, what="the sound's beginning")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    stopped = second_of(page)
    page.keyboard.press("ArrowRight")
    assert second_of(page) == pytest.approx(stopped + 5, abs=0.1)
    page.keyboard.press("ArrowLeft")
    assert second_of(page) == pytest.approx(stopped, abs=0.1)
    page.keyboard.press("]")
    expect(page.locator("[data-speed]")).to_have_text("Speed 1.25×")

    loop = page.get_by_role("button", name="Loop loudest part")
    page.keyboard.press("l")
    expect(loop).to_have_attribute("aria-pressed", "true")
    assert second_of(page) == pytest.approx(5, abs=0.1)
    page.locator("audio").first.evaluate("audio => { audio.currentTime = 14.7 }")
    page.keyboard.press("Space")
    wait_until(lambda: 5 <= second_of(page) < 14, what="the loop's second round")


def test_what_was_heard_is_stored_with_the_label(open_page, annotator, library):
    library(2)
    page = open_page(annotator, "/label/")
    began = time.monotonic()

    page.keyboard.press("Space")
    wait_until(lambda: second_of(page) > 0.5, what="the sound's beginning")
    press_and_wait(page, "8")
    took_s = time.monotonic() - began

    await_levels(8)
    stored = Annotation.objects.get()
    assert 0.3 < stored.listened_s < took_s + 0.2  # what was decoded ahead counts as heard
    assert 0.3 < stored.answered_s < took_s


def test_a_click_on_the_waveform_seeks_and_audio_comes_by_range(open_page, annotator, library):
    library(1)
    page = open_page(annotator, "/label/")
    seen = responses_of(page)
    page.reload()
    expect(page.locator("[data-total]")).to_have_text("0:30")
    wave = page.get_by_role("slider", name="Position in the track")
    box = wave.bounding_box()

    wave.click(position={"x": box["width"] * 0.8, "y": box["height"] / 2})

    assert second_of(page) == pytest.approx(24, abs=0.2)
    expect(wave).to_have_attribute("aria-valuetext", re.compile("0:2[34] of 0:30"))
    audio = [response for response in seen if "/audio" in response.url]
    assert {response.status for response in audio} == {206}
    assert all(re.match(r"bytes \d+-\d+/480044$", response.headers["content-range"]) for response in audio)


def test_s_skips_and_b_reports_a_broken_track(open_page, annotator, library):
    library(3)
    page = open_page(annotator, "/label/")

    skipped = hidden_track(page)
    page.keyboard.press("s")
    broken = press_and_wait(page, "s")
    press_and_wait(page, "b")

    expected = {skipped: "cannot judge", broken: "broken"}
    wait_until(lambda: dict(Skip.objects.values_list("track", "reason")) == expected, what="both skips")
    assert levels() == []


def test_the_question_mark_lists_the_keys_and_escape_closes_the_list(open_page, annotator, library):
    library(1)
    page = open_page(annotator, "/label/")

    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_be_visible()
    page.keyboard.press("7")
    page.keyboard.press("Escape")

    expect(keys).to_be_hidden()
    assert levels() == []  # a number pressed while reading the list is no label


def test_after_the_last_track_the_page_says_so(open_page, annotator, library):
    library(1)
    page = open_page(annotator, "/label/")

    page.keyboard.press("2")

    expect(page.get_by_role("heading", name="All done")).to_be_focused()
    page.keyboard.press("3")
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    await_levels(2)


def test_without_javascript_labels_and_skips_are_plain_forms(open_page, annotator, library):
    library(3)
    page = open_page(annotator, "/label/", java_script_enabled=False)

    page.get_by_role("button", name="7 driving").click()
    expect(page).to_have_url(re.compile("/label/$"))
    expect(page.locator("[data-recent] .level")).to_have_text(["7"])
    page.locator("[data-skip] summary").click()
    second = hidden_track(page)
    page.get_by_role("button", name="The sound is too poor").click()
    expect_another(page, second)
    page.get_by_role("button", name="2", exact=True).click()

    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert levels() == [7, 2]
    assert Skip.objects.get().reason == "poor sound"


# ---- When something breaks


def test_a_track_that_went_to_somebody_else_is_not_labelled_and_the_page_says_so(
    open_page, annotator, library, expect_console
):
    library(2)
    page = open_page(annotator, "/label/")
    wait_for_next(page)  # it asks for no more then, and does not hear of it before the key
    lost = Track.objects.get(pk=hidden_track(page))
    Lease.objects.all().delete()
    LeaseFactory(track=lost, annotator=AnnotatorFactory())

    following = press_and_wait(page, "9")

    expect(page.locator("[data-level-form]").get_by_role("alert")).to_contain_text("Level 9 was not stored")
    expect(page.locator("[data-refused] summary")).to_contain_text("1 refused: You no longer held this track")
    expect(page.locator("[data-recent] li")).to_have_count(0)
    assert following != lost.pk
    assert levels() == []
    expect_console("409")


@pytest.mark.parametrize("failure", ["500", "network"])
def test_a_label_that_failed_is_sent_again_under_the_same_number(
    failure, open_page, annotator, library, expect_console
):
    """The first answer is lost after the server has stored the label: the worst case."""
    library(2)
    page = open_page(annotator, "about:blank")
    sent, is_failing = [], [True]

    def lose_the_answer(route):
        sent.append(route.request.post_data_json)
        if not is_failing:
            return route.continue_()
        route.fetch()
        return route.fulfill(status=500, body="") if failure == "500" else route.abort()

    page.route("**/label/outbox/", lose_the_answer)  # before the page is there: one that is open may not obey at once
    page.goto("/label/")
    first = hidden_track(page)
    press_and_wait(page, "6")
    expect(page.locator("[data-chip]")).to_contain_text(
        "1 waiting · " + ("the server" if failure == "500" else "no conn")
    )
    is_failing.clear()
    expect(page.locator("[data-chip]")).to_have_text("Saved · all labels in sync")

    numbers = [item["submission_id"] for item in sent]
    assert len(numbers) >= 2
    assert len(set(numbers)) == 1
    assert list(Annotation.objects.values_list("track", "level")) == [(first, 6)]
    expect_console("500|ERR_FAILED")
