"""Whatever breaks between a key press and the database: each answer ends there once."""

import re
from contextlib import suppress

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Error, expect

from annotations.models import Annotation, Comparison, Lease, Skip
from tests.browser.people import log_in, with_password
from tests.conftest import session_of
from tests.factories import AnnotatorFactory, LeaseFactory, ReferenceFactory, RulesFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser

OPEN_OUTBOX = """async (annotator) => {
  const { openOutbox } = await import("/static/js/outbox.js");
  window.seen = { saved: [], toldOf: [] };
  window.outbox = await openOutbox({
    annotator,
    onState: (state) => (seen.state = state),
    onSaved: (item) => seen.saved.push([item.kind, item.level]),
    onRefused: (item) => seen.toldOf.push([item.kind, item.level]),
  });
}"""
OUTBOX = "**/label/outbox/"
# As in windows of browsers that are to keep nothing.
NO_DATABASE = "IDBFactory.prototype.open = () => { throw new DOMException('not in this window', 'SecurityError'); }"


class Outbox:
    """The outbox alone, on a page that has none of its own."""

    def __init__(self, page, annotator):
        self.page = page
        page.goto("/label/mine/")
        page.evaluate(OPEN_OUTBOX, annotator.pk)
        wait_until(lambda: page.evaluate("seen.state"), what="the outbox's first word")

    def put(self, kind, track, **answer):
        answer = {"kind": kind, "track_id": track.pk, "listened_s": 1, **answer}
        return self.page.evaluate("answer => outbox.put(answer)", answer)

    def dismiss(self, item):
        self.page.evaluate("id => outbox.dismiss(id)", item["submission_id"])

    @property
    def state(self):
        return self.page.evaluate("seen.state")

    def wait_for(self, **expected):
        wait_until(lambda: expected.items() <= {**self.state, **self.page.evaluate("seen")}.items(), what=f"{expected}")
        return self.state


@pytest.fixture
def outbox(open_page, annotator):
    """`outbox()`: the annotator's, in a browser of its own. `on_send` gets every request that brings an answer."""

    def open_one(on_send=None):
        page = open_page(annotator, "about:blank")
        if on_send:
            page.route(
                OUTBOX, on_send
            )  # before the page is there: what one that is open asks next may still get through
        return Outbox(page, annotator)

    return open_one


@pytest.fixture
def held(server, annotator):
    return LeaseFactory(annotator=annotator).track


@pytest.fixture(autouse=True)
def _nothing_has_to_be_heard(server):
    RulesFactory(min_listened_s=0)


def labels():
    """Every row, superseded ones too."""
    return list(Annotation.objects.order_by("pk").values_list("track_id", "level"))


def test_each_kind_of_answer_arrives_in_order(outbox, held):
    sent = outbox()
    example = ReferenceFactory(level=6).track

    sent.put("skip", held, reason="other")
    sent.put("label", held, level=4)
    sent.put("comparison", held, other_id=example.pk, answer="calmer")
    sent.put("relabel", held, level=5)

    sent.wait_for(waiting=0, saved=[["skip", None], ["label", 4], ["comparison", None], ["relabel", 5]])
    assert labels() == [(held.pk, 4), (held.pk, 5)]
    assert Comparison.objects.get().other == example
    assert not Skip.objects.exists()


def test_a_refused_label_is_kept_with_its_change_until_dismissed_and_stops_nothing_else(outbox, held, expect_console):
    sent = outbox()
    not_held = LeaseFactory().track
    sent.page.context.set_offline(True)
    refused = [sent.put("label", not_held, level=7), sent.put("relabel", not_held, level=8)]
    sent.put("label", held, level=2)
    sent.wait_for(waiting=3, trouble="offline")

    sent.page.context.set_offline(False)

    state = sent.wait_for(waiting=0, trouble=None, toldOf=[["label", 7], ["relabel", 8]])
    whys = [each["why"] for each in state["refused"]]
    assert whys[0].startswith("You no longer held this track")
    assert whys[1] == f"The label that this was to change was refused: {whys[0]}"
    assert labels() == [(held.pk, 2)]
    for item in refused:
        sent.dismiss(item)
    sent.wait_for(refused=[])
    expect_console("ERR_INTERNET_DISCONNECTED")
    expect_console("409")


def test_the_answers_of_somebody_else_wait_until_they_are_back(outbox, held, annotator, server, expect_console):
    """They share a browser. The one who comes second neither sends nor sees what the first has left."""
    second = AnnotatorFactory()
    first = outbox()

    def log_in(user):
        first.page.context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": server.url}])

    log_in(second)
    first.put("label", held, level=7)
    first.wait_for(waiting=1, trouble="log in")
    seconds = Outbox(first.page, second)
    assert seconds.state["waiting"] == 0
    assert labels() == []

    log_in(annotator)
    Outbox(first.page, annotator).wait_for(waiting=0)

    assert labels() == [(held.pk, 7)]
    expect_console("401")


def test_a_server_that_never_answers_is_asked_again(outbox, held):
    is_mute = [True]
    sent = outbox(lambda route: None if is_mute else route.continue_())
    # Twenty seconds are long for a test.
    sent.page.evaluate(
        """() => {
            const wait = AbortSignal.timeout;
            window.patience = 300;
            AbortSignal.timeout = (ms) => wait.call(AbortSignal, window.patience ?? ms);
        }"""
    )

    sent.put("label", held, level=7)

    sent.wait_for(waiting=1, trouble="server")
    sent.page.evaluate("delete window.patience")
    is_mute.clear()
    sent.wait_for(waiting=0, trouble=None)
    assert labels() == [(held.pk, 7)]


@pytest.mark.parametrize("lack", ["no database", "no room"])
def test_what_cannot_be_kept_on_the_device_is_sent_all_the_same_and_the_page_can_warn(
    lack, open_page, annotator, held, expect_console
):
    page = open_page(annotator, "/label/mine/")
    if lack == "no database":
        page.add_init_script(NO_DATABASE)
    else:
        full = {"origin": page.evaluate("location.origin"), "quotaSize": 1}
        page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", full)
    sent = Outbox(page, annotator)

    page.context.set_offline(True)
    sent.put("label", held, level=7)
    sent.put("relabel", held, level=8)
    warning = sent.wait_for(waiting=2, trouble="offline")["warning"]
    page.context.set_offline(False)

    reason = {"no database": "not in this window", "no room": "there is no room left"}[lack]
    assert warning.endswith(f"({reason}). Stay on this page until all answers are saved.")
    sent.wait_for(waiting=0)
    assert labels() == [(held.pk, 7), (held.pk, 8)]
    expect_console("ERR_INTERNET_DISCONNECTED")


# ---- The label page, from the key press


SAVED = re.compile("Saved")


class LabelPage:
    def __init__(self, page):
        self.page = page
        self.state = page.locator("[data-chip]")

    @property
    def track(self):
        return int(self.page.locator("[data-level-form] input[name=track_id]").input_value())

    def wait_for_next(self):
        """Until the track after this one is loaded ahead."""
        n_loaded = "[...document.querySelectorAll('audio')].filter((each) => each.readyState > 2).length"
        wait_until(lambda: self.page.evaluate(n_loaded) == 2, what="the next track's sound")

    def wait_for_another(self, given):
        """Until a track is shown that has no label yet."""
        wait_until(lambda: self.track not in dict(given), what="the next track")

    def wait_for_labels(self, expected):
        """Until they are in the database. Looking at the page, too: only then Playwright hears of requests to be let through."""
        wait_until(lambda: self.track and sorted(labels()) == sorted(expected), what=f"the labels {expected}")

    def label(self, *keys):
        """Press each key at another track; returns track and level of each."""
        given = []
        for key in keys:
            # After an answer the next track may be on its way: till then the form is hidden, and keys mean nothing.
            expect(self.page.locator("[data-level-form]")).to_be_visible()
            given.append((self.track, int(key) or 10))
            self.page.keyboard.press(key)
            expect(self.page.locator("ul[data-recent] .level").first).to_have_text(str(int(key) or 10))
        return given


class Server:
    """What stands between the page and the server, for as long as a test wants."""

    def __init__(self):
        self.failure = None

    def __call__(self, route):
        return self.failure(route) if self.failure else route.continue_()


@pytest.fixture
def between():
    return Server()


@pytest.fixture
def label_page(open_page, annotator, library, between):
    library(4)
    page = open_page(annotator, "about:blank")
    page.context.route(OUTBOX, between)
    page.goto("/label/")
    label_page = LabelPage(page)
    label_page.wait_for_next()  # so that nothing is under way, which a test may be about to break
    return label_page


def answers_500(route):
    route.fulfill(status=500, body="<h1>Server Error</h1>")


def stores_and_says_nothing(route):
    route.fetch()
    route.abort()


@pytest.mark.parametrize("failure", [answers_500, stores_and_says_nothing])
def test_a_server_that_fails_is_asked_again_until_it_does_not(failure, label_page, between, expect_console):
    between.failure = failure

    given = label_page.label("7", "3")

    expect(label_page.state).to_have_text(re.compile("2 waiting · (the server does not answer|no connection)"))
    between.failure = None
    expect(label_page.state).to_have_text(SAVED)
    assert labels() == given
    expect_console("500|ERR_FAILED")


def test_labels_outlive_a_reload_and_a_crash(label_page, between, expect_console):
    between.failure = answers_500
    given = label_page.label("7")
    expect(label_page.state).to_contain_text("1 waiting")
    label_page.page.reload()
    expect(label_page.state).to_contain_text("1 waiting")
    label_page.wait_for_another(given)  # the server, which knows of no label yet, hands the first out again
    given += label_page.label("3")
    expect(label_page.state).to_contain_text("2 waiting")

    with label_page.page.expect_event("crash"), suppress(Error):  # the way there fails, in words that vary
        label_page.page.goto("chrome://crash")
    between.failure = None
    next_day = label_page.page.context.new_page()
    next_day.goto("/label/")

    expect(LabelPage(next_day).state).to_have_text(SAVED)
    assert labels() == given
    expect_console("500")


def test_after_the_login_has_ended_labels_wait_until_one_logs_in_in_another_tab(label_page, annotator, expect_console):
    with_password(annotator)
    Session.objects.all().delete()

    given = label_page.label("7", "3")
    expect(label_page.state).to_have_text("2 waiting · you are logged out")
    other_tab = label_page.page.context.new_page()
    other_tab.goto("/log-in/")
    log_in(other_tab, "anna")

    expect(label_page.state).to_have_text(SAVED)
    assert labels() == given
    expect_console("401")


def test_a_lost_token_is_renewed(label_page, expect_console):
    label_page.page.context.clear_cookies(name="csrftoken")

    given = label_page.label("7", "3")

    label_page.wait_for_labels(given)
    expect(label_page.state).to_have_text(SAVED)
    assert labels() == given
    expect_console("403")


def test_ten_labels_and_changes_of_mind_made_offline_arrive_in_order(label_page, expect_console):
    label_page.page.context.set_offline(True)

    given = label_page.label("7", "3")
    for key in "45678901":
        label_page.page.keyboard.press("u")
        given += label_page.label(key)
    expect(label_page.state).to_have_text("10 waiting · no connection")
    label_page.page.context.set_offline(False)

    expect(label_page.state).to_have_text(SAVED)
    assert labels() == given
    expect_console("ERR_INTERNET_DISCONNECTED")


def test_a_refused_label_is_shown_until_it_is_dismissed(label_page, expect_console):
    lost = label_page.track
    Lease.objects.filter(track=lost).update(annotator=AnnotatorFactory())

    label_page.page.keyboard.press("7")
    refused = label_page.page.locator("[data-refused]")
    expect(refused.locator("summary")).to_have_text(re.compile("1 refused: You no longer held this track"))
    label_page.wait_for_another([(lost, 7)])
    kept = label_page.label("3")
    expect(label_page.state).to_have_text(SAVED)
    label_page.page.reload()
    refused.locator("summary").click()
    refused.get_by_role("button").click()
    expect(refused).to_be_hidden()
    assert labels() == kept
    expect_console("409")


@pytest.mark.postgres  # two tabs ask for tracks at once
def test_of_two_tabs_one_sends_and_both_hear_of_it(label_page):
    sent = []
    context = label_page.page.context
    context.on("request", lambda request: request.url.endswith("/label/outbox/") and sent.append(request))
    tabs = [label_page, LabelPage(context.new_page())]
    tabs[1].page.goto("/label/")

    given = []
    for tab, key in zip([*tabs, *tabs], "7395", strict=True):
        tab.wait_for_another(given)
        given += tab.label(key)

    for tab in tabs:
        expect(tab.state).to_have_text(SAVED)
        expect(tab.page.locator("ul[data-recent] .level")).to_have_text([*"5937"])  # the newest first
    label_page.wait_for_labels(given)
    assert len({track for track, _ in given}) == len(sent) == 4
