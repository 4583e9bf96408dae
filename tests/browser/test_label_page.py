"""What the label page promises beyond labelling: nothing waits for the server, nothing said is lost, and help is at hand."""

import gzip
import random
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from annotations.models import Annotation, Lease, Track
from tests.audio_files import track_with_audio
from tests.browser.conftest import responses_of
from tests.browser.label_page import IN_SYNC, await_levels, parts, press, second_of, shown, wait_for_next
from tests.browser.people import log_in, with_password
from tests.factories import AnnotationFactory, AnnotatorFactory, LeaseFactory, ReferenceFactory, RulesFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser

KB = 1024


# ---- In one's own time


def test_the_next_track_is_there_within_the_key_press_and_plays_unless_switched_off(
    open_page, annotator, library, unheard
):
    library(4)
    page = open_page(annotator, "/label/")
    wait_for_next(page)

    before, after = page.evaluate(
        """() => {
            const track = document.querySelector("form[data-level-form] input[name=track_id]");
            const before = track.value;
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "7", code: "Digit7", bubbles: true }));
            return [before, track.value];
        }"""
    )
    assert before != after
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    wait_until(lambda: second_of(page) > 0.2, what="the next track's sound")

    page.get_by_text("Play the next track at once").click()
    press(page, "8")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Play the next track at once")).not_to_be_checked()
    await_levels(annotator, 7, 8)


def test_a_track_that_was_not_heard_is_not_labelled_and_the_page_says_how_long_to_listen(
    open_page, annotator, library, server
):
    RulesFactory(min_listened_s=1.2)
    library(2)
    page = open_page(annotator, "/label/")
    first = shown(page)

    page.keyboard.press("7")
    expect(parts(page).message).to_have_text("Listen first: 2 s more")
    assert shown(page) == first
    page.keyboard.press("Space")
    expect(parts(page).message).to_be_hidden()  # heard long enough
    press(page, "7")

    await_levels(annotator, 7)
    assert Annotation.objects.get().listened_s >= 1.2


def test_title_and_artist_are_there_from_the_beginning_where_admins_want_it(open_page, annotator, library, server):
    RulesFactory(min_listened_s=0, hides_names=False)
    library(3)
    page = open_page(annotator, "/label/")
    names = page.locator("[data-names]")
    first = Track.objects.get(pk=shown(page))
    expect(names).to_have_text(f"{first.title} · {first.artist}")

    press(page, "5")

    track = Track.objects.get(pk=shown(page))
    expect(names).to_have_text(f"{track.title} · {track.artist}")


def test_counts_the_session_proposes_a_break_and_marks_answers_that_come_too_fast(
    open_page, annotator, library, server
):
    RulesFactory(min_listened_s=0, session_goal=3, break_after_minutes=7)
    library(7)
    page = open_page(annotator, "about:blank")
    page.clock.install()
    page.goto("/label/")
    session = page.locator("[data-session]")
    expect(session).to_have_text(re.compile(r"1 of 3\s*0 min · break in 7"))
    page.get_by_label("Play the next track at once").uncheck()  # who has heard nothing is in a hurry, at any pace

    press(page, "1", "2")
    expect(page.locator("[data-hurried]")).to_be_hidden()
    press(page, "3")
    expect(page.locator("[data-hurried]")).to_contain_text("faster than one can hear")
    expect(session).to_contain_text("4 · goal of 3 reached")
    page.evaluate("window.nHeard = 0; addEventListener('player:sound', () => { nHeard += 1 })")
    for n_heard, key in enumerate(("4", "5"), start=1):
        page.get_by_role("button", name="Play", exact=True).click()
        wait_until(lambda n=n_heard: page.evaluate("nHeard") == n, what="the sound's beginning")
        page.clock.fast_forward("03:40")
        press(page, key)
    expect(page.locator("[data-hurried]")).to_be_hidden()
    expect(page.locator("[data-break]")).to_be_visible()
    expect(session).to_contain_text("time for a break")

    page.get_by_role("button", name="Not now").click()
    expect(page.locator("[data-break]")).to_be_hidden()
    page.clock.fast_forward("06:00")  # a break after all
    expect(session).to_contain_text(re.compile("reached0 min.* break in 7"))


def test_gold_is_followed_by_what_leads_agree_on(open_page, annotator, server):
    RulesFactory(min_listened_s=0, gold_share=100, second_share=0, repeat_share=0, evaluation_share=0, shows_gold=True)
    ReferenceFactory(track=track_with_audio(title="Touchstone"), use="gold", level=7)
    page = open_page(annotator, "/label/")

    page.keyboard.press("5")

    expect(parts(page).recent).to_contain_text([re.compile("Touchstone .*leads agree on 7")])
    expect(parts(page).said).to_contain_text("Level 5 saved")


# ---- When something breaks


def test_without_a_network_labels_wait_here_and_the_page_goes_on_when_it_is_back(
    open_page, annotator, library, unheard, expect_console
):
    library(3)
    page = open_page(annotator, "/label/")
    wait_for_next(page)

    page.context.set_offline(True)
    press(page, "4")
    page.keyboard.press("9")
    expect(parts(page).empty).to_have_text("No connection")
    expect(parts(page).empty).to_be_focused()
    expect(page.get_by_role("link", name="Look again")).to_be_hidden()  # it would lead to the browser's own error page
    expect(parts(page).chip).to_have_text("2 waiting · no connection")
    page.context.set_offline(False)

    expect(parts(page).chip).to_have_text(IN_SYNC)
    expect(page.locator("#energy")).to_be_focused()
    await_levels(annotator, 4, 9)
    assert shown(page) not in Annotation.objects.values_list("track", flat=True)
    expect_console("ERR_INTERNET_DISCONNECTED")


def test_an_ended_login_keeps_everything_until_one_has_logged_in_again_in_another_tab(
    open_page, annotator, library, unheard, expect_console
):
    library(3)
    page = open_page(with_password(annotator), "/label/")
    wait_for_next(page)
    Session.objects.all().delete()

    press(page, "6")
    expect(parts(page).chip).to_have_text("1 waiting · you are logged out")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log in again").click()
    log_in(opened.value, annotator.username)
    expect(opened.value.get_by_role("heading", name="My labels")).to_be_visible()
    opened.value.close()
    page.bring_to_front()

    expect(parts(page).chip).to_have_text(IN_SYNC)
    await_levels(annotator, 6)
    expect_console("401")


def test_a_refused_label_says_why_until_it_is_dismissed(open_page, annotator, library, unheard, expect_console):
    library(3)
    page = open_page(annotator, "/label/")
    wait_for_next(page)
    RulesFactory(min_listened_s=20)
    first = shown(page)

    press(page, "6")
    refused = page.locator("[data-refused]")
    expect(refused.locator("summary")).to_contain_text("before it can be labelled")
    refused.locator("summary").click()
    expect(refused).to_contain_text("Level 6")
    refused.get_by_role("button", name="Dismiss").click()

    expect(refused).to_be_hidden()
    expect(parts(page).recent).to_have_count(0)
    assert Lease.objects.filter(track=first).exists()  # and it comes again
    expect_console("409")


def test_a_track_that_somebody_else_has_got_meanwhile_gives_way_to_another(open_page, annotator, library, unheard):
    library(4)
    page = open_page(annotator, "/label/")
    wait_for_next(page)
    page.keyboard.press("Space")
    wait_until(lambda: second_of(page) > 0.2, what="the sound's beginning")
    lost = shown(page)
    Lease.objects.filter(track=lost).delete()
    LeaseFactory(track=Track.objects.get(pk=lost), annotator=AnnotatorFactory())

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the tab

    expect(parts(page).message).to_contain_text("You no longer held this track")
    assert shown(page) != lost


def test_leaving_lets_go_of_the_tracks_but_not_of_one_whose_answer_waits(
    open_page, annotator, library, unheard, expect_console
):
    library(4)
    page = open_page(annotator, "about:blank")
    page.route("**/label/outbox/", lambda route: route.abort())
    page.goto("/label/")
    wait_for_next(page)
    first = shown(page)

    press(page, "6")
    expect(parts(page).chip).to_contain_text("1 waiting")
    page.goto("/label/mine/")

    wait_until(lambda: list(Lease.objects.values_list("track", flat=True)) == [first], what="one lease")
    expect_console("ERR_FAILED")


def test_a_second_tab_that_is_left_takes_no_track_from_the_first_and_the_last_lets_go(
    open_page, annotator, library, unheard
):
    library(4)
    page = open_page(annotator, "about:blank")
    channel = f"new BroadcastChannel('energyapp-label-{annotator.pk}')"
    page.context.add_init_script(f"window.heard = []; {channel}.onmessage = ({{ data }}) => heard.push(data.word);")
    page.goto("/label/")
    wait_for_next(page)
    both = set(Lease.objects.values_list("track", flat=True))
    second = page.context.new_page()
    second.goto("/label/")
    wait_for_next(second)
    second.wait_for_function("heard.includes('here')")

    second.goto("/label/mine/")
    page.wait_for_function("heard.includes('gone')")
    page.evaluate("fetch('/token/')")  # after whatever the other tab has sent
    assert set(Lease.objects.values_list("track", flat=True)) == both

    page.goto("/label/mine/")
    wait_until(lambda: not Lease.objects.exists(), what="no lease")


def test_a_reload_shows_the_same_track_and_the_same_comes_next(open_page, annotator, library, unheard):
    library(12)  # in random order
    page = open_page(annotator, "/label/")
    wait_for_next(page)
    first = shown(page)
    both = set(Lease.objects.values_list("track", flat=True))

    with page.expect_response("**/label/claim/"):
        page.reload()
    wait_for_next(page)

    assert shown(page) == first
    assert set(Lease.objects.values_list("track", flat=True)) == both


def test_where_no_track_is_shown_none_is_heard(open_page, annotator, library, unheard):
    library(1)
    page = open_page(annotator, "/label/")
    n_playing = "[...document.querySelectorAll('audio')].filter(audio => !audio.paused).length"
    page.keyboard.press("5")
    expect(parts(page).empty).to_have_text("All done")

    page.keyboard.press("u")
    page.wait_for_function(f"{n_playing} === 1")
    page.keyboard.press("4")
    expect(parts(page).empty).to_be_visible()
    assert page.evaluate(n_playing) == 0
    page.keyboard.press("Space")

    assert page.evaluate(n_playing) == 0


# ---- For every eye, ear and hand


def test_a_screen_reader_hears_each_step_and_the_focus_stays(open_page, annotator, library, unheard):
    library(3)
    page = open_page(annotator, "/label/")
    seven = page.get_by_role("button", name="7 driving")
    expect(parts(page).said).to_contain_text("Track 1, ready")
    wait_for_next(page)  # while there is none, nothing is there to have the focus

    seven.focus()
    press(page, "Enter")

    expect(parts(page).said).to_contain_text("Track 2, ready")
    expect(parts(page).said).to_contain_text("Level 7 saved")
    expect(seven).to_be_focused()


def test_on_a_narrow_phone_all_is_in_reach_of_the_thumb(open_page, annotator, library, agreed, unheard, expect_console):
    library(3)
    AnnotationFactory(annotator=annotator, track=track_with_audio())
    page = open_page(annotator, "/label/", viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    wait_for_next(page)
    page.get_by_role("button", name="Hear examples").tap()
    page.get_by_role("button", name="Compare near level 6").tap()
    expect(page.locator("[data-compare-list] li")).to_have_count(3)

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for level in ("1 still", "10 all out"):
        expect(page.get_by_role("button", name=level)).to_be_in_viewport(ratio=1)
    small = page.evaluate(
        """() => [...document.querySelectorAll("#label button, #label summary")]
            .filter((each) => each.checkVisibility() && !each.closest("[data-player]"))
            .map((each) => [each.textContent.trim(), each.getBoundingClientRect()])
            .filter(([, box]) => box.height < 43.5 || box.width < 43.5)
            .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)"""
    )
    assert small == []

    RulesFactory(min_listened_s=20)
    page.get_by_role("button", name="7 driving").tap()
    page.locator("[data-refused] summary").tap()
    page.get_by_role("button", name=re.compile("^Undo")).first.tap()
    expect(parts(page).back).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect_console("409")


def test_axe_finds_nothing_while_everything_is_open(open_page, annotator, library, agreed, unheard):
    library(3)
    page = open_page(annotator, "/label/", bypass_csp=True, reduced_motion="reduce")
    wait_for_next(page)
    press(page, "6")
    page.keyboard.press("c")
    page.keyboard.press("6")
    page.locator("[data-compare-list]").get_by_role("button", name="stronger").first.click()
    page.keyboard.press("u")
    page.keyboard.press("s")
    page.keyboard.press("Shift+Digit6")

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        violations = Axe().run(page).response["violations"]
        assert not [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in violations], scheme


def test_keeps_to_its_budget(open_page, annotator, library, agreed, unheard):
    library(4)
    for level in range(1, 11):
        AnnotationFactory(annotator=annotator, level=level)
    for track in Track.objects.all():
        Track.objects.filter(pk=track.pk).update(peaks=random.Random(track.pk).randbytes(1000))  # not to be compressed
    page = open_page(annotator, "/label/")
    wait_for_next(page)  # two tracks are held, so that the page comes with both
    seen = responses_of(page)
    page.reload()
    weights = {"html": 0, "javascript": 0, "css": 0}
    for response in seen:
        kind = response.headers.get("content-type", "").split(";")[0].rpartition("/")[2]
        if kind in weights:
            weights[kind] += len(gzip.compress(response.body(), compresslevel=6))
    print(weights)

    fetched = {response.url for response in seen if response.url.endswith(".js")}
    named = page.locator("head [rel=modulepreload], head script").evaluate_all(
        "all => all.map(each => each.href || each.src)"
    )
    assert fetched == set(named)  # so that none is found out about only when another one has come
    assert 0 < weights["html"] <= 12 * KB, weights
    assert 0 < weights["javascript"] <= 40 * KB, weights
    assert 0 < weights["css"] <= 12 * KB, weights
