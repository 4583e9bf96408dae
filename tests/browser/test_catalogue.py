"""Catalogue, scores and the curve of a song in a real browser: by keys alone, on a phone, and for all eyes."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from energyapp.jobs.models import Job
from modeling.scoring.models import Scoring, WindowCurve
from tests.audio_files import track_with_audio
from tests.browser.conftest import arrive
from tests.factories import (
    GenreFactory,
    PredictionFactory,
    PromotionFactory,
    ScoringFactory,
    ScoringRowFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}}
LONG = "Donaudampfschifffahrtsgesellschaft (Extended Late Night Remix)"


@pytest.fixture
def heard(server):
    """A run in use that has predicted a song and some clips, and a list of tracks that are scored."""
    run = PromotionFactory(run=TrainingRunFactory()).run
    song = track_with_audio(title=f"{LONG} 0", artist=LONG, duration_s=70.0, loudest_start_s=31.0, loudest_end_s=56.0)
    clips = [track_with_audio(title=f"{LONG} {i}", duration_s=4.0) for i in range(1, 4)]
    for level, track in zip((9, 2, 5, 5), [song, *clips], strict=True):
        track.genres.add(GenreFactory(name="folk"))
        values = {"score": level + 0.25, "level": level, "lower": level - 1.5, "upper": min(10, level + 1.5)}
        PredictionFactory(run=run, track=track, part="final", true_level=None, **values)
    scoring = ScoringFactory(name=f"{LONG}.csv", columns=["track_uri", "energy"])
    for track in (song, clips[0], TrackFactory(audio_state="unreachable", audio_problem=LONG, audio="")):
        ScoringRowFactory(scoring=scoring, track=track)
    return song


@pytest.fixture
def curve(heard):
    return WindowCurve.objects.create(run_id=heard.predictions.get().run_id, track=heard, scores=[3.0, 8.5, 5.0])


def tab_to(page, locator, *, at_most=80):
    """As somebody does who has no mouse."""
    for _ in range(at_most):
        if locator.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{locator} is not reached by {at_most} tabs")


def test_from_the_bars_to_a_part_of_a_song_by_keys_alone(open_page, lead, heard, curve):
    page = open_page(lead, "/catalogue/")
    expect(page.locator("tbody tr")).to_have_count(4)

    tab_to(page, page.locator("svg.histogram a[aria-label^='9:']"))
    page.keyboard.press("Enter")
    arrive(page, r"low=9&high=9")
    expect(page.locator("tbody tr")).to_have_count(1)
    tab_to(page, page.get_by_role("link", name=f"{LONG} 0"))
    page.keyboard.press("Enter")
    arrive(page, rf"/tracks/{heard.pk}/energy/$")
    bar = page.locator("svg.song a[href='#part-30']")
    tab_to(page, bar)
    page.keyboard.press("Enter")

    clock = page.locator("[data-time]")
    expect(clock).to_have_text(re.compile(r"0:3\d"))
    expect(bar).to_have_attribute("aria-current", "true")
    expect(page.locator("#part-30").get_by_text("plays")).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    tab_to(page, page.get_by_role("link", name="Play from 1:00"))
    page.keyboard.press("Enter")
    expect(clock).to_have_text(re.compile(r"1:0\d"))
    assert page.url.endswith("/energy/"), "the page stays"


def test_a_curve_is_asked_for_by_the_page_itself_and_waited_for(open_page, lead, heard):
    page = open_page(lead, f"/tracks/{heard.pk}/energy/")

    expect(page.locator("#curve .job")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="No worker is running")).to_be_visible()
    job = Job.objects.get(kind="curve")
    WindowCurve.objects.create(run_id=job.arguments["run"], track=heard, scores=[3.0, 8.5, 5.0])
    Job.objects.filter(pk=job.pk).update(status="succeeded", finished_at=job.created_at, progress=1)

    expect(page.locator("svg.song a")).to_have_count(3)


def test_a_file_is_sent_and_its_page_follows_how_it_is_read(open_page, lead, heard, tmp_path):
    table = tmp_path / "tracks.csv"
    table.write_text(f"track_uri\n{heard.uri}\n")
    page = open_page(lead, "/scores/")

    page.get_by_label("File, of up to").set_input_files(table)
    page.get_by_role("button", name="Score these tracks").click()
    arrive(page, r"/scores/\d+/$")
    expect(page.get_by_text("waiting for a worker")).to_be_visible()
    scoring = Scoring.objects.latest("pk")
    ScoringRowFactory(scoring=scoring, position=1, track=heard)
    Job.objects.filter(pk=scoring.job_id).update(status="succeeded", finished_at=scoring.created_at, progress=1)

    expect(page.get_by_text("1 of 1 row scored")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the result").click()
    assert download.value.suggested_filename == "tracks.scored.csv"
    assert f"\n{heard.uri},9,9.25" in download.value.path().read_text().replace("\r", "")


def test_the_pages_fit_a_phone_and_axe_finds_nothing_in_either_scheme(open_page, lead, heard, curve):
    page = open_page(lead, "/scores/", **PHONE, bypass_csp=True, reduced_motion="reduce")
    found = []
    for path in ("/catalogue/", f"/tracks/{heard.pk}/energy/", "/scores/", f"/scores/{Scoring.objects.get().pk}/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for rule in Axe().run(page).response["violations"]:
                found += [f"{path}, {scheme}: {rule['id']} at {node['target']}" for node in rule["nodes"]]
    assert not found, "\n".join(found)
