"""The player: seeking, loops, speed, loudness, what counts as heard, and what it says when nothing can be heard."""

import re
import statistics
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from tests.audio_files import track_with_audio
from tests.browser.conftest import responses_of
from tests.browser.player_clocks import seek_ms, sound_ms
from tests.conftest import BROWSER_PATIENCE_S, _chromium, session_of
from tests.factories import AnnotationFactory, FlagFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
# Collects what the player tells, from before it has loaded.
NOTES = """
window.told = { sound: [], heard: [], error: [] };
for (const name of Object.keys(told)) addEventListener(`player:${name}`, ({ detail }) => told[name].push(detail));
"""


@pytest.fixture
def open_player(open_page, lead):
    """`open_player(track)`: the review page of a label of this track, which has a player and no rules about listening.

    `on_audio` gets each request for sound.
    """

    def open_on(track, *, on_audio=None, **context):
        flag = FlagFactory(annotation=AnnotationFactory(track=track))
        page = open_page(lead, "about:blank", **context)
        page.add_init_script(NOTES)
        if on_audio:
            page.route("**/audio", on_audio)  # before the page is there: one that is open may not obey at once
        page.goto(reverse("review", args=[flag.pk]))
        expect(page.locator("[data-total]")).to_have_text("0:30")
        return page

    return open_on


def sound_of(track):
    """As the label page's doors say it."""
    return {
        "track": track.pk,
        "audio": reverse("track_audio", args=[track.pk]),
        "duration_s": track.duration_s,
        "loudest": [track.loudest_start_s, track.loudest_end_s],
        "loudness_lufs": track.loudness_lufs,
        "is_synthetic": track.is_synthetic,
        "peaks": b64encode(track.peaks).decode(),
    }


def call(page, method, *arguments):
    """What the player's method returns, once it is done."""
    return page.evaluate(
        """async ([method, given]) => {
            const { mountPlayer } = await import(document.querySelector("script[src*='js/player.']").src);
            return mountPlayer(document.querySelector("[data-player]"))[method](...given);
        }""",
        [method, arguments],
    )


def audio(page):
    """The element that is heard: the first one, unless another plays."""
    return page.evaluate_handle(
        """() => {
            const all = [...document.querySelectorAll("[data-player] audio")];
            return all.find((each) => !each.paused) ?? all[0];
        }"""
    )


def second_of(page):
    return audio(page).evaluate("audio => audio.currentTime")


def set_second(page, seconds):
    audio(page).evaluate("(audio, seconds) => { audio.currentTime = seconds }", seconds)


def play_on(page, seconds, *, until=lambda: True):
    """Play this much of the track and until something holds, then pause."""
    start = second_of(page)
    page.keyboard.press("Space")
    wait_until(lambda: second_of(page) > start + seconds and until(), what="the sound")
    page.keyboard.press("Space")


def wave(page):
    return page.get_by_role("slider", name="Position in the track")


def drag(page, selector, start, end):
    """Press at one share of the element's width, release at another."""
    box = page.locator(selector).bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y)
    page.mouse.move(box["x"] + box["width"] * end, y)
    page.mouse.up()


def loop_text(page):
    return page.locator("[data-loop-text]")


def no_loop(page):
    expect(page.locator("[data-loop-clear]")).to_be_hidden()


# ---- Seeking and loops


def test_the_waveform_seeks_and_the_strip_below_it_loops_a_region(open_player):
    page = open_player(track_with_audio())

    drag(page, "[data-wave]", 0.1, 0.6)
    assert second_of(page) == pytest.approx(18, abs=0.3)
    no_loop(page)

    drag(page, "[data-loop-strip]", 0.5, 0.4)  # backwards is as good
    expect(loop_text(page)).to_have_text(re.compile("0:1[12] – 0:1[45]"))
    assert second_of(page) == pytest.approx(12, abs=0.3)  # where it begins, as the playhead was outside
    set_second(page, 14.8)
    page.keyboard.press("Space")
    wait_until(lambda: 11.9 <= second_of(page) < 14, what="the loop's second round")
    page.keyboard.press("Space")

    drag(page, "[data-loop-strip]", 0.5, 0.9)  # takes hold of its end
    expect(loop_text(page)).to_have_text(re.compile("0:1[12] – 0:2[67]"))
    drag(page, "[data-loop-strip]", 0.2, 0.203)
    no_loop(page)  # a click beside it


def test_a_loop_ends_by_escape_by_its_button_by_a_seek_out_of_it_and_by_another_loop(open_player):
    page = open_player(track_with_audio())

    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.get_by_role("button", name="Stop looping").click(),
        lambda: page.keyboard.press("ArrowLeft"),
        lambda: page.keyboard.press("l"),
    ):
        drag(page, "[data-loop-strip]", 0.4, 0.5)
        expect(loop_text(page)).to_be_visible()
        leave()
        no_loop(page)
    loudest = page.get_by_role("button", name="Loop loudest part")
    expect(loudest).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(loudest).to_have_attribute("aria-pressed", "false")


def test_choosing_a_loop_moves_nothing_and_ending_it_keeps_the_focus(open_player):
    page = open_player(track_with_audio(is_synthetic=True))
    height = page.locator("[data-player]").bounding_box()["height"]

    drag(page, "[data-loop-strip]", 0.4, 0.5)
    assert page.locator("[data-player]").bounding_box()["height"] == height
    page.get_by_role("button", name="Stop looping").press("Enter")

    expect(page.get_by_role("button", name="Play")).to_be_focused()


def test_a_region_is_set_by_keys_and_told_to_those_who_do_not_see_it(open_player):
    page = open_player(track_with_audio())

    set_second(page, 4)
    page.keyboard.press("i")
    expect(loop_text(page)).to_have_text("0:04 – 0:30")
    set_second(page, 10)
    page.keyboard.press("o")

    expect(loop_text(page)).to_have_text("0:04 – 0:10")
    assert second_of(page) == pytest.approx(4, abs=0.1)
    expect(page.locator("[data-said]")).to_have_text("Looped from 0:04 to 0:10.")


def test_a_loop_up_to_the_end_of_the_track_starts_over_there(open_player):
    page = open_player(track_with_audio())

    set_second(page, 28)
    page.keyboard.press("i")
    set_second(page, 29.7)
    page.keyboard.press("Space")

    wait_until(lambda: 28 <= second_of(page) < 29, what="the loop's second round")


def test_on_a_phone_a_finger_seeks_and_loops_and_nothing_is_too_small_for_it(open_player):
    page = open_player(track_with_audio(), **PHONE)
    finger = page.context.new_cdp_session(page)

    def swipe(selector, start, end):
        box = page.locator(selector).bounding_box()
        for type_, share in (("touchStart", start), ("touchMove", (start + end) / 2), ("touchMove", end)):
            point = {"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] / 2}
            finger.send("Input.dispatchTouchEvent", {"type": type_, "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe("[data-wave]", 0.2, 0.5)
    assert second_of(page) == pytest.approx(15, abs=0.7)
    swipe("[data-loop-strip]", 0.2, 0.4)
    expect(loop_text(page)).to_have_text(re.compile("0:0[56] – 0:1[12]"))

    small = page.evaluate(
        """() => [...document.querySelectorAll("[data-player] :is(button, input, label, [role=slider], [data-loop-strip])")]
            .filter((each) => each.checkVisibility() && !each.closest("label:not(:scope)")?.contains(each.parentElement))
            .map((each) => [each.outerHTML.slice(0, 60), each.getBoundingClientRect()])
            .filter(([, box]) => box.height < 24 || box.width < 24).map(([html]) => html)"""
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# ---- Speed and loudness


def test_speed_goes_from_half_to_double_without_a_change_of_pitch_and_stays_for_the_next_track(open_player):
    following = track_with_audio()
    page = open_player(track_with_audio())
    speed = page.locator("[data-speed]")

    for _ in range(5):
        page.keyboard.press("]")
    expect(speed).to_have_text("Speed 2×")
    for _ in range(6):
        page.get_by_role("button", name="Slower").click()
    expect(speed).to_have_text("Speed 0.5×")
    page.get_by_role("button", name="Faster").click()
    sound_ms(page, sound_of(following))

    rates = page.evaluate(
        "[...document.querySelectorAll('[data-player] audio')].map((audio) => [audio.playbackRate, audio.preservesPitch])"
    )
    assert rates == [[0.75, True], [0.75, True]]


def test_all_equally_loud_turns_loud_tracks_down_never_up_and_is_remembered(open_player):
    loud, soft = track_with_audio(loudness_lufs=-9.0), track_with_audio(loudness_lufs=-30.0)
    page = open_player(loud)

    def volumes():
        volume = audio(page).evaluate("audio => audio.volume")
        call(page, "show", sound_of(soft))
        return volume, audio(page).evaluate("audio => audio.volume")

    assert volumes() == (1, 1)
    page.get_by_label("Volume").fill("50")
    page.get_by_label("All equally loud").check()
    page.reload()

    assert volumes() == pytest.approx((0.5 * 10 ** (-14 / 20), 0.5), abs=1e-6)
    expect(page.get_by_label("Volume")).to_have_value("50")
    expect(page.get_by_text("Louder music seems more energetic")).to_be_visible()


def test_where_pages_cannot_set_the_volume_they_offer_none(open_player):
    """As on iPhones: what is set reads back at once, and in the next task it is 1 again."""
    fixed = """Object.defineProperty(HTMLMediaElement.prototype, "volume", {
        get() { return this.fleeting ?? 1 },
        set(volume) { this.fleeting = volume; setTimeout(() => delete this.fleeting) },
    })"""
    page = open_player(track_with_audio())
    page.add_init_script(fixed)
    page.reload()

    expect(page.get_by_label("Volume")).to_be_hidden()
    expect(page.get_by_label("All equally loud")).to_be_hidden()
    expect(page.get_by_text("Louder music seems more energetic")).to_be_visible()


# ---- What was heard


def test_seconds_of_the_track_are_heard_at_any_speed_and_not_by_seeking_nor_in_silence(open_player):
    page = open_player(track_with_audio())

    for _ in range(4):
        page.keyboard.press("]")
    start = second_of(page)
    # Told all the time, and not only at the end.
    play_on(page, 1.5, until=lambda: page.evaluate("told.heard.length") >= 4)
    played = second_of(page) - start
    assert call(page, "heard") == pytest.approx(played, abs=0.1)
    page.keyboard.press("ArrowRight")
    wave(page).click()
    set_second(page, 3)
    assert call(page, "heard") == pytest.approx(played, abs=0.1)

    page.get_by_label("Volume").fill("0")
    expect(page.get_by_text("Silent: what plays now does not count as heard.")).to_be_visible()
    play_on(page, 0.5)
    assert call(page, "heard") == pytest.approx(played, abs=0.1)
    told = page.evaluate("told.heard")
    assert told[-1]["heard_s"] == pytest.approx(played, abs=0.1)
    assert len(page.evaluate("told.sound")) == 1


# ---- The next track


def test_the_next_track_is_loaded_ahead_and_sounds_with_nothing_left_of_the_last(open_player):
    """How soon it sounds is measured where nothing else runs: `make bench-label-page`."""
    first, *following = [track_with_audio() for _ in range(5)]
    page = open_player(first)
    drag(page, "[data-loop-strip]", 0.4, 0.5)
    play_on(page, 0.3)
    seen = responses_of(page)

    for track in following:
        sound_ms(page, sound_of(track))
    for share in (0.8, 0.2, 0.6):
        seek_ms(page, share=share)

    fetched = {urlsplit(response.url).path for response in seen if response.url.endswith("/audio")}
    assert fetched - {sound_of(first)["audio"]} == {sound_of(track)["audio"] for track in following}
    assert [note["track"] for note in page.evaluate("told.sound")] == [track.pk for track in (first, *following)]
    first_told = {note["track"]: note["heard_s"] for note in reversed(page.evaluate("told.heard"))}
    assert {first_told[track.pk] for track in following} == {0}
    no_loop(page)
    assert page.evaluate("[...document.querySelectorAll('audio')].filter((audio) => !audio.paused).length") == 1


def test_a_frame_while_playing_costs_little_and_nothing_else_moves(open_player):
    """Bars are drawn once; each frame copies them, and draws the edges of the loudest part and the playhead."""
    page = open_player(track_with_audio(), reduced_motion="reduce")

    drawn = page.evaluate(
        """() => new Promise((resolve) => {
            const drawn = [], ask = window.requestAnimationFrame.bind(window);
            const { fillRect } = CanvasRenderingContext2D.prototype;
            let nRectangles = 0;
            CanvasRenderingContext2D.prototype.fillRect = function (...box) {
                nRectangles += 1;
                return fillRect.apply(this, box);
            };
            window.requestAnimationFrame = (act) => ask((now) => {
                nRectangles = 0;
                act(now);
                if (nRectangles && drawn.push(nRectangles) === 20) resolve(drawn);
            });
            document.querySelector("[data-play]").click();
        })"""
    )

    assert statistics.median(drawn) <= 4
    assert page.evaluate("document.getAnimations().length") == 0


# ---- When nothing can be heard


def trouble(page):
    return page.locator("[data-player-error]")


def test_a_missing_file_and_a_damaged_one_are_told_apart_and_offer_no_retry(open_player, expect_console):
    gone, damaged = track_with_audio(), track_with_audio()
    (Path(settings.MEDIA_ROOT) / gone.audio.name).unlink()
    (Path(settings.MEDIA_ROOT) / damaged.audio.name).write_bytes(b"no sound at all" * 100)
    page = open_player(track_with_audio())

    call(page, "show", sound_of(gone))
    expect(trouble(page)).to_have_text("This track cannot be played: the file is missing.")
    call(page, "show", sound_of(damaged))
    expect(trouble(page)).to_contain_text("the file is damaged or of a kind that this browser does not play")

    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    assert [note["track"] for note in page.evaluate("told.error")] == [gone.pk, damaged.pk]
    expect_console("404")


def test_a_lost_connection_is_told_and_the_track_plays_on_when_it_is_back(open_player, expect_console):
    is_blocked, blocked = [], []

    def answer(route):
        if not is_blocked:
            return route.continue_()
        blocked.append(route)
        return route.abort()

    page = open_player(track_with_audio(), on_audio=answer)
    other = track_with_audio()
    page.context.set_offline(True)

    call(page, "show", sound_of(other))
    expect(trouble(page)).to_have_text("This track cannot be played: the connection was lost.")
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    is_blocked.append(True)  # coming back online alone must not be enough here
    page.context.set_offline(False)
    # The player's own try, and its question what stands against it.
    wait_until(lambda: page.evaluate("navigator.onLine") and len(blocked) >= 2, what="another try")
    expect(retry).to_be_visible()
    is_blocked.clear()
    retry.click()

    wait_until(lambda: second_of(page) > 0, what="the sound")
    expect(trouble(page)).to_be_hidden()
    expect_console("ERR_")


def test_sound_that_does_not_arrive_is_told_after_a_while(open_player, expect_console):
    is_mute, unanswered = [], []
    page = open_player(
        track_with_audio(), on_audio=lambda route: unanswered.append(route) if is_mute else route.continue_()
    )
    page.clock.install()
    page.clock.pause_at(timezone.now() + timedelta(hours=1))  # from now on it moves only as this test wants
    page.evaluate("document.addEventListener('waiting', () => { window.isWaiting = true }, { capture: true })")
    is_mute.append(True)

    call(page, "show", sound_of(track_with_audio()), {"autoplay": True})
    wait_until(lambda: page.evaluate("window.isWaiting") and unanswered, what="the question for sound")
    is_mute.clear()
    page.clock.fast_forward(4_000)
    expect(trouble(page)).to_be_hidden()
    page.clock.fast_forward(6_000)

    expect(trouble(page)).to_have_text("No sound arrives: the connection is slow or lost.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    unanswered[0].abort()
    expect(trouble(page)).to_contain_text("This track cannot be played")
    expect_console("ERR_")


def test_a_browser_that_refuses_to_start_by_itself_is_explained(browser, server, lead):
    """With the policy that browsers have outside of tests: no sound before somebody has done something on the page."""
    flag = FlagFactory(annotation=AnnotationFactory(track=track_with_audio()))
    with browser.browser_type.launch(
        executable_path=_chromium(),
        args=["--no-sandbox", "--autoplay-policy=document-user-activation-required"],
        timeout=1000 * BROWSER_PATIENCE_S,
    ) as strict:
        page = strict.new_page(base_url=server.url)
        page.set_default_timeout(1000 * BROWSER_PATIENCE_S)
        # A script, not page.evaluate: this would count as somebody's doing.
        page.add_init_script("addEventListener('load', () => document.querySelector('[data-play]').click())")
        page.context.add_cookies([{"name": "sessionid", "value": session_of(lead), "url": server.url}])
        page.goto(reverse("review", args=[flag.pk]))

        expect(trouble(page)).to_have_text("The browser waits for you before it plays sound: press play.")
        page.get_by_role("button", name="Play").click()

        expect(trouble(page)).to_be_hidden()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_without_javascript_the_browsers_own_player_is_there(open_page, lead):
    flag = FlagFactory(annotation=AnnotationFactory(track=track_with_audio()))
    page = open_page(lead, reverse("review", args=[flag.pk]), java_script_enabled=False)

    expect(page.locator("audio[controls]")).to_be_visible()
    expect(page.locator("[data-play]")).to_be_hidden()


def test_axe_finds_nothing_while_a_region_is_looped_and_a_message_shows(open_player, expect_console):
    gone = track_with_audio()
    (Path(settings.MEDIA_ROOT) / gone.audio.name).unlink()
    page = open_player(track_with_audio(), bypass_csp=True, reduced_motion="reduce")
    page.get_by_label("Volume").fill("0")
    call(page, "show", sound_of(gone))
    expect(trouble(page)).to_be_visible()
    drag(page, "[data-loop-strip]", 0.4, 0.5)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, context="[data-player]").response["violations"]
        assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == []
    expect_console("404")
