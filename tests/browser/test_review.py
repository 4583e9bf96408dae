"""Reviewing flagged labels: blind opinion, evidence, decision."""

import re

import pytest
from playwright.sync_api import expect

from annotations.models import Annotation, Decision, Flag
from tests.audio_files import track_with_audio
from tests.browser.conftest import arrive, page_loads
from tests.factories import AnnotationFactory, AnnotatorFactory, FlagFactory

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
        expect(rows.nth(chosen).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")

    arrive(page, f"/review/{flags[1].pk}/$")


def test_an_empty_queue_says_what_fills_it(open_page, lead):
    page = open_page(lead, "/review/")

    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.get_by_text("An admin starts one on the dashboard")).to_be_visible()


# ---- The blind opinion


def test_the_page_holds_no_evidence_before_the_blind_opinion(open_page, lead, accuse):
    flag = accuse(1)[0]
    page = open_page(lead, f"/review/{flag.pk}/")

    source = page.content()
    assert "Wanda" not in source
    assert "9.1" not in source
    assert "level-2" in source  # the button of the scale that everybody sees ...
    assert source.count("level-2") == source.count("level-3")  # ... and no trace of the accused level
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
    expect(facts).to_contain_text("2 by Wanda Wrong")
    expect(facts).to_contain_text("9.1")


# ---- The decision


def test_enter_changes_to_the_opinion_and_brings_the_next_flag(open_page, lead, accuse):
    first, second = accuse(2)
    page = open_page(lead, f"/review/{first.pk}/")
    give_blind_opinion(page, "8")

    page.keyboard.press("Enter")

    arrive(page, f"/review/{second.pk}/$")
    expect(page.get_by_text("Doubtful 0: changed to 8.")).to_be_visible()
    assert newest_decision() == (first.pk, 8, "change", 8)


@pytest.mark.parametrize(
    ("key", "button", "decided"),
    [
        ("k", "Keep 2", ("keep", None)),
        ("a", "Ask another", ("ask another", None)),
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

    page.get_by_role("link", name="Doubtful 0").click()
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


# ---- Annotators


def test_the_annotators_page_draws_each_annotator_against_the_pool(open_page, lead, server):
    track = track_with_audio()
    people = [AnnotatorFactory(first_name=name) for name in ("Ada", "Bob", "Cleo")]
    for person, level in zip(people, (3, 5, 9), strict=True):
        AnnotationFactory(track=track, annotator=person, level=level)
    page = open_page(lead, "/annotators/")

    tiles = page.locator(".tile")
    expect(tiles).to_have_count(3)
    for person in people:
        chart = tiles.filter(has_text=person.first_name).locator("svg.histogram")
        expect(chart.locator("rect.bar")).to_have_count(10)
        expect(chart.locator("path.outline")).to_have_count(1)
