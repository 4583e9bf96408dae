"""Whatever breaks between a key press and the database: each answer ends there once."""

import pytest

from annotations.models import Annotation, Comparison, Skip
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
# As in windows of browsers that are to keep nothing.
NO_DATABASE = "IDBFactory.prototype.open = () => { throw new DOMException('not in this window', 'SecurityError'); }"


class Outbox:
    """The outbox alone, on a page that has none of its own."""

    def __init__(self, page, annotator):
        self.page = page
        page.goto("/label/mine/")
        page.evaluate(OPEN_OUTBOX, annotator.pk)
        page.wait_for_function("seen.state")

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
    """`outbox()`: the annotator's, in a browser of its own."""
    return lambda: Outbox(open_page(annotator, "/label/mine/"), annotator)


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
