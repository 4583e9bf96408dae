"""The label page as browser tests see it: its parts, and the ways through it."""

from types import SimpleNamespace

from playwright.sync_api import expect

from annotations.models import Annotation
from tests.processes import wait_until

IN_SYNC = "Saved · all labels in sync"


def parts(page):
    part = page.locator
    return SimpleNamespace(
        track=part("form[data-level-form] input[name=track_id]"),
        chip=part("[data-chip]"),
        recent=part("[data-recent] li"),
        levels=part("[data-recent] .level"),
        said=part("[data-say]"),
        message=part("[data-level-form] [data-message]"),
        skip=part("[data-skip] form"),
        back=part("[data-back]"),
        empty=part("[data-empty] h2"),
    )


def shown(page):
    return int(parts(page).track.input_value())


def wait_for_next(page):
    """Until the track after this one has been fetched ahead."""
    expect(page.locator("[data-player] audio[src]")).to_have_count(2)


def press(page, *keys):
    """Each moves on to another track."""
    for key in keys:
        before = parts(page).track.input_value()
        page.keyboard.press(key)
        expect(parts(page).track).not_to_have_value(before)


def levels_of(annotator):
    return list(Annotation.objects.filter(annotator=annotator).order_by("pk").values_list("level", flat=True))


def await_levels(annotator, *expected):
    wait_until(lambda: levels_of(annotator) == list(expected), what=f"the labels {expected}")


def second_of(page):
    return page.evaluate("Math.max(...[...document.querySelectorAll('[data-player] audio')].map(a => a.currentTime))")
