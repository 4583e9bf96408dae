"""Reviewing flagged labels: blind opinion, evidence, decision."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from annotations.models import Annotation, Decision, Flag
from annotations.review import decisions
from tests.audio_files import track_with_audio
from tests.browser.conftest import arrive, page_loads
from tests.factories import AnnotationFactory, AnnotatorFactory, DecisionFactory, FlagFactory, LeadFactory
from tests.processes import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def accuse(server):
    """`accuse(3)`: three flagged labels, most suspicious first: level 2 by Wanda, where 9 was expected."""

    def make(n: int) -> list[Flag]:
        wanda = AnnotatorFactory(username="wanda", first_name="Wanda", last_name="Wrong")
        return [
            FlagFactory(
                annotation=AnnotationFactory(track=track_with_audio(title=f"Doubtful {i}"), annotator=wanda, level=2),
                expected_level=9.1,
                suspicion=7.1 - i,
            )
            for i in range(n)
        ]

    return make


def evidence(page):
    return page.get_by_role("heading", name="Why it was flagged")


def news(page):
    """What the page says of the step that led to it."""
    return page.locator(".messages .message")


def newest_decision():
    return Decision.objects.values_list("flag", "blind_level", "verdict", "level").first()


def give_blind_opinion(page, key="8"):
    page.keyboard.press(key)
    expect(evidence(page)).to_be_focused()


# ---- The queue


def test_j_and_k_walk_through_the_queue_and_enter_opens_a_row(open_page, lead, accuse):
    flags = accuse(3)
    page = open_page(lead, "/review/")
    rows = page.locator("table[data-queue] tbody tr")

    for key, chosen in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(rows.nth(chosen)).to_have_attribute("aria-selected", "true")
        expect(rows.nth(chosen).locator(".name a")).to_be_focused()
    page.keyboard.press("Enter")

    arrive(page, f"/review/{flags[1].pk}/$")


def test_an_empty_queue_says_what_fills_it(open_page, lead):
    page = open_page(lead, "/review/")

    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.get_by_text("An admin starts one on the dashboard")).to_be_visible()


# ---- The blind opinion


def test_nothing_the_server_sends_before_the_opinion_is_evidence(open_page, lead, accuse):
    flag = accuse(1)[0]
    alike = AnnotationFactory(track__title="Sounds Alike").track
    flag.evidence["neighbours"] = [{"track": alike.pk, "similarity": 0.97}]
    flag.save()
    FlagFactory(annotation=flag.annotation, reason="too fast", evidence={"answered_s": 1.37})
    other = AnnotationFactory(track=flag.annotation.track, annotator=AnnotatorFactory(first_name="Otto"), level=9)
    DecisionFactory(
        flag=FlagFactory(annotation=other), decided_by=LeadFactory(first_name="Lindsay"), verdict="ask another"
    )
    page = open_page(lead, "about:blank")

    source = page.goto(f"/review/{flag.pk}/").text()

    for hidden in (
        "Wanda",
        "Otto",
        "Lindsay",
        "9.1",
        "7.1",
        "7.8",
        "Sounds Alike",
        "0.97",
        "1.37",
        "Answered too fast",
    ):
        assert hidden not in source
    # The buttons of the scale that everybody sees, and no trace of the levels that were said.
    assert [source.count(f"level-{level}") for level in (2, 3, 8, 9)] == [1, 1, 1, 1]
    expect(page.get_by_role("heading", name="Your blind opinion")).to_be_visible()
    expect(page.get_by_role("heading", name="Evidence stays covered")).to_be_visible()


def test_a_number_gives_the_opinion_and_the_evidence_takes_the_focus(open_page, lead, accuse):
    flag = accuse(1)[0]
    page = open_page(lead, f"/review/{flag.pk}/")
    loads = page_loads(page)

    give_blind_opinion(page, "8")

    assert loads == []
    opinion = Annotation.objects.get(annotator=lead)
    assert (opinion.track, opinion.level, opinion.source) == (flag.annotation.track, 8, "review")
    facts = page.locator("section.card", has=evidence(page))
    expect(facts).to_contain_text("Wanda Wrong")
    expect(facts).to_contain_text("9.1 was expected; 2 is 7.1 levels lower")
    expect(page.get_by_role("log")).to_contain_text("Your opinion is kept. The evidence is shown.")


def test_an_opinion_that_the_server_does_not_understand_is_asked_for_again(open_page, lead, accuse, expect_console):
    flag = accuse(1)[0]
    page = open_page(lead, f"/review/{flag.pk}/")
    page.locator("[data-level-form] button[value='8']").evaluate("button => button.value = 11")

    page.locator("[data-level-form] button[value='11']").click()

    expect(page.get_by_role("alert").filter(has_text="Choose a level from 1 to 10.")).to_be_focused()
    assert not Annotation.objects.filter(annotator=lead).exists()
    expect_console("422")


# ---- All of it


def test_a_whole_review_by_keyboard_alone(open_page, lead, accuse):
    first, second, third = accuse(3)
    page = open_page(lead, "/review/")

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    arrive(page, f"/review/{first.pk}/$")
    expect(page.get_by_text("1 of 3")).to_be_visible()
    page.keyboard.press("j")
    arrive(page, f"/review/{second.pk}/$")
    page.keyboard.press("k")
    arrive(page, f"/review/{first.pk}/$")
    give_blind_opinion(page, "8")
    page.keyboard.press("n")
    page.keyboard.type("no ballad, 8 it is")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    arrive(page, f"/review/{second.pk}/$")
    expect(page.get_by_role("log")).to_contain_text("Doubtful 0: changed to 8.")
    page.keyboard.press("u")
    arrive(page, f"/review/{first.pk}/$")
    expect(page.get_by_role("log")).to_contain_text("Doubtful 0: no longer changed to 8.")
    expect(page.get_by_role("button", name="Keep 2")).to_be_visible()
    page.keyboard.press("y")
    arrive(page, f"/review/{second.pk}/$")
    expect(news(page)).to_contain_text("Doubtful 0: kept.")

    verdicts = Decision.objects.order_by("pk").values_list("flag", "verdict", "level", "note")
    assert list(verdicts) == [
        (first.pk, "change", 8, "no ballad, 8 it is"),
        (first.pk, "undo", None, ""),
        (first.pk, "keep", None, ""),
    ]
    assert list(Flag.objects.open().for_queue()) == [second, third]


def test_a_whole_review_by_touch(open_page, lead, accuse):
    first, second = accuse(2)
    page = open_page(lead, f"/review/{first.pk}/", viewport={"width": 390, "height": 844}, has_touch=True)

    page.get_by_role("button", name="8", exact=True).tap()
    page.get_by_role("button", name="Change to 8").tap()
    arrive(page, f"/review/{second.pk}/$")
    page.get_by_role("button", name="Undo").tap()
    arrive(page, f"/review/{first.pk}/$")
    page.get_by_role("button", name="Exclude label").tap()

    arrive(page, f"/review/{second.pk}/$")
    assert newest_decision() == (first.pk, 8, "drop label", None)


def test_the_filter_of_the_queue_stays(open_page, lead, accuse):
    first, _, third = accuse(3)
    Flag.objects.filter(pk__in=[first.pk, third.pk]).update(reason="drift")
    page = open_page(lead, f"/review/{first.pk}/?reason=drift")
    expect(page.get_by_text("1 of 2")).to_be_visible()

    give_blind_opinion(page)
    page.keyboard.press("Enter")
    arrive(page, rf"/review/{third.pk}/\?reason=drift$")
    page.keyboard.press("u")

    arrive(page, rf"/review/{first.pk}/\?reason=drift$")


# ---- The decision


def test_enter_changes_to_the_opinion_and_brings_the_next_flag(open_page, lead, accuse):
    first, second = accuse(2)
    page = open_page(lead, f"/review/{first.pk}/")
    give_blind_opinion(page, "8")

    page.keyboard.press("Enter")

    arrive(page, f"/review/{second.pk}/$")
    expect(news(page)).to_contain_text("Doubtful 0: changed to 8.")
    assert newest_decision() == (first.pk, 8, "change", 8)


@pytest.mark.parametrize(
    ("key", "button", "decided"),
    [
        ("y", "Keep 2", ("keep", None)),
        ("a", "Ask another", ("ask another", None)),
        ("d", "Exclude label", ("drop label", None)),
        ("e", "Exclude track", ("exclude", None)),
        ("0", "10", ("change", 10)),
    ],
)
def test_every_decision_by_key_and_by_mouse(key, button, decided, open_page, lead, accuse):
    by_key, by_mouse = accuse(2)
    page = open_page(lead, f"/review/{by_key.pk}/")
    give_blind_opinion(page)
    page.keyboard.press(key)

    arrive(page, f"/review/{by_mouse.pk}/$")
    give_blind_opinion(page)
    form = page.locator("[data-decision-form]")
    if decided[0] == "change":
        form.get_by_text("Change to another level").click()
    form.get_by_role("button", name=re.compile(f"^{button}")).click()

    arrive(page, "/review/$")
    assert list(Decision.objects.order_by("pk").values_list("flag", "verdict", "level")) == [
        (by_key.pk, *decided),
        (by_mouse.pk, *decided),
    ]


def test_numbers_typed_into_the_note_decide_nothing_and_the_note_is_kept(open_page, lead, accuse):
    flag = accuse(1)[0]
    page = open_page(lead, f"/review/{flag.pk}/")
    give_blind_opinion(page)

    page.get_by_label("Note").press_sequentially("7 bars in, keep it")
    assert not Decision.objects.exists()
    page.get_by_role("button", name="Keep 2").click()

    arrive(page, "/review/$")
    assert Decision.objects.get().note == "7 bars in, keep it"


def test_without_javascript_a_flag_is_reviewed_by_plain_forms(open_page, lead, accuse):
    first, second = accuse(2)
    page = open_page(lead, "/review/", java_script_enabled=False)

    page.get_by_role("link", name="Doubtful 0", exact=True).click()
    assert "Wanda" not in page.content()
    page.get_by_role("button", name="8", exact=True).click()
    expect(evidence(page)).to_be_visible()
    page.get_by_role("button", name="Change to 8").click()

    arrive(page, f"/review/{second.pk}/$")
    assert newest_decision() == (first.pk, 8, "change", 8)


def test_nobody_reviews_their_own_label(open_page, lead, server):
    own = FlagFactory(annotation=AnnotationFactory(track=track_with_audio(), annotator=lead))
    page = open_page(lead, f"/review/{own.pk}/")

    expect(page.get_by_text("This is your own label.")).to_be_visible()
    page.keyboard.press("8")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This is your own label.")).to_be_visible()
    assert not Decision.objects.exists()


def test_what_holds_is_undone_from_the_history(open_page, lead, accuse):
    flag = accuse(1)[0]
    decisions.give_blind_opinion(reviewer=lead, track=flag.annotation.track, level=8, submission_id=uuid4())
    decisions.decide(reviewer=lead, flag=flag, verdict="change", level=8)
    page = open_page(lead, f"/review/{flag.pk}/")
    history = page.locator("section.card", has=page.get_by_role("heading", name="History"))
    expect(page.get_by_text("Decide again")).to_be_visible()

    history.get_by_role("button", name="Undo").click()

    expect(news(page)).to_contain_text("no longer changed to 8")
    expect(history.locator("li")).to_have_count(2)
    expect(history.locator("li").nth(1)).to_contain_text("undone by lea")
    expect(history.locator("del")).to_contain_text("changed to 8")
    expect(history.get_by_role("button", name="Undo")).to_have_count(0)
    expect(page.get_by_role("button", name="Change to 8")).to_be_visible()


def test_a_decision_that_came_in_between_is_said_and_the_note_stays(open_page, lead, accuse, expect_console):
    flag = accuse(1)[0]
    page = open_page(lead, f"/review/{flag.pk}/")
    give_blind_opinion(page)
    page.get_by_label("Note").fill("seven bars in")
    DecisionFactory(flag=flag, decided_by=LeadFactory(first_name="Lin"))

    page.get_by_role("button", name="Change to 8").click()

    expect(page.get_by_role("alert").filter(has_text="Meanwhile Lin has decided")).to_be_focused()
    expect(page.get_by_label("Note")).to_have_value("seven bars in")
    expect_console("409")


def test_annotators_do_not_get_to_the_review_page(open_page, annotator, accuse, expect_console):
    page = open_page(annotator, f"/review/{accuse(1)[0].pk}/")

    assert "Wanda" not in page.content()
    expect(page.get_by_role("heading", name="Your blind opinion")).to_have_count(0)
    expect_console("403")


def test_after_the_last_label_the_queue_says_what_was_decided_and_u_undoes_it_there(open_page, lead, accuse):
    flag = accuse(1)[0]
    page = open_page(lead, f"/review/{flag.pk}/")
    give_blind_opinion(page)
    page.keyboard.press("Enter")
    arrive(page, "/review/$")
    expect(news(page)).to_contain_text("Doubtful 0: changed to 8.")

    page.keyboard.press("u")

    arrive(page, f"/review/{flag.pk}/$")
    assert list(Flag.objects.open()) == [flag]


def test_what_was_decided_without_hearing_is_undone_without_seeing_evidence(open_page, lead, accuse):
    flag = accuse(1)[0]
    decisions.decide_many(reviewer=lead, flags=[flag.pk], verdict="keep")
    page = open_page(lead, f"/review/{flag.pk}/")
    assert "Wanda" not in page.content()

    page.get_by_role("button", name="Undo").click()

    expect(news(page)).to_contain_text("Doubtful 0: no longer kept.")
    expect(page.get_by_role("heading", name="Evidence stays covered")).to_be_visible()
    assert list(Flag.objects.open()) == [flag]


# ---- Tracks that sound alike


@pytest.fixture
def alike(accuse):
    """A flag with two similar tracks."""
    flag = accuse(1)[0]
    tracks = [AnnotationFactory(track=track_with_audio(title=f"Alike {level}"), level=level).track for level in (7, 9)]
    flag.evidence["neighbours"] = [{"track": track.pk, "similarity": 0.9} for track in tracks]
    flag.save()
    return flag


def sounding(page):
    """The addresses of all that is heard now."""
    return page.evaluate(
        """[...document.querySelectorAll("audio")]
            .filter(({ paused, played }) => !paused && played.length && played.end(0) > played.start(0))
            .map(({ currentSrc }) => currentSrc.split("/tracks/")[1])"""
    )


def expect_sound_of(page, track):
    """Of this track, and of nothing else."""
    wait_until(lambda: sounding(page) == [f"{track}/audio"], what=f"the sound of track {track} alone")


def test_similar_tracks_are_heard_one_at_a_time_and_not_beside_the_player(open_page, lead, alike):
    one, other = (row["track"] for row in alike.evidence["neighbours"])
    page = open_page(lead, f"/review/{alike.pk}/")
    give_blind_opinion(page)
    page.keyboard.press(" ")
    expect_sound_of(page, alike.annotation.track_id)

    page.get_by_role("button", name="Play Alike 7").click()
    expect(page.get_by_role("button", name="Play Alike 7")).to_have_attribute("aria-pressed", "true")
    expect_sound_of(page, one)
    page.get_by_role("button", name="Play Alike 9").focus()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play Alike 7")).to_have_attribute("aria-pressed", "false")
    expect_sound_of(page, other)
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play Alike 9")).to_have_attribute("aria-pressed", "false")
    assert sounding(page) == []
    page.keyboard.press("Enter")
    expect_sound_of(page, other)
    page.get_by_role("button", name="Play", exact=True).click()

    expect(page.get_by_role("button", name="Play Alike 9")).to_have_attribute("aria-pressed", "false")
    expect_sound_of(page, alike.annotation.track_id)
    assert not Decision.objects.exists()


def test_a_similar_track_that_cannot_be_played_says_so(open_page, lead, alike, expect_console):
    page = open_page(lead, "about:blank")
    page.route(f"**/tracks/{alike.evidence['neighbours'][0]['track']}/audio", lambda route: route.fulfill(status=404))
    page.goto(f"/review/{alike.pk}/")
    give_blind_opinion(page)

    page.get_by_role("button", name="Play Alike 7").click()

    expect(page.get_by_text("Alike 7 cannot be played.")).to_be_visible()
    expect(page.get_by_role("button", name="Play Alike 7")).to_have_attribute("aria-pressed", "false")
    expect_console("404")
