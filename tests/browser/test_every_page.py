"""What holds for all pages: narrow screens, both colour schemes, accessibility, weight."""

import gzip
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from annotations.annotators import report
from annotations.models import LEVELS
from annotations.review import decisions
from energyapp.jobs import services
from modeling.models import TrainingRun
from tests.audio_files import track_with_audio
from tests.browser.conftest import responses_of
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    AssignmentFactory,
    DecisionFactory,
    ExperimentFactory,
    FlagFactory,
    JobFactory,
    LeadFactory,
    PredictionFactory,
    PromotionFactory,
    ReferenceFactory,
    RulesFactory,
    ScoringRowFactory,
    SucceededJobFactory,
    TrackFactory,
    TrainingRunFactory,
    UploadedFileFactory,
    UploadFactory,
    WindowCurveFactory,
)

pytestmark = pytest.mark.browser

KB = 1024
PHONE = {"viewport": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
LONG = "A Title That Goes On And On Donaudampfschifffahrtsgesellschaft (Extended Late Night Remix)"


@pytest.fixture
def furnished(server, admin):
    """An installation in use; the paths of its pages, each with something on it."""
    people = [AnnotatorFactory(first_name="Wilhelmina", last_name=f"Featherstonehaugh {i}") for i in range(3)]
    labelled = [track_with_audio(title=f"{LONG} {i}", artist=LONG) for i in range(4)]
    for i, level in enumerate(LEVELS):
        AnnotationFactory(track=labelled[i % 4], annotator=people[i // 4], level=level)
    AnnotationFactory(annotator=admin, level=10)
    ReferenceFactory(track=track_with_audio(title=f"{LONG} as agreed", artist=LONG), level=4)
    AssignmentFactory(track=labelled[3], annotator=people[0])
    RulesFactory(changed_by=admin)
    run = TrainingRunFactory()
    PromotionFactory(run=TrainingRunFactory(), promoted_by=admin)
    job = JobFactory(kind="train")
    services.say(job, LONG)
    SucceededJobFactory(kind="import", status="failed", message=LONG, error=LONG * 3, requested_by=people[0])
    services.cancel(job=JobFactory(kind="features"), by=LONG)
    PredictionFactory(run=run, track=labelled[0])
    neighbours = [{"track": track.pk, "similarity": 0.9} for track in labelled[1:]]
    flags = [_flag(labelled[i], annotation, neighbours) for i, annotation in enumerate(_first_annotations(labelled))]
    decisions.give_blind_opinion(
        reviewer=admin, track=labelled[1], level=8, submission_id="9f1c9f7e-0f3e-4a55-a9f3-3f0f4d1d5a55"
    )
    DecisionFactory(flag=flags[1], decided_by=LeadFactory(), verdict="ask another", note=LONG)
    report.refresh()
    track_with_audio(title=LONG)
    TrackFactory(audio_state="unreachable", audio_problem=LONG, audio="")
    song = track_with_audio(title=f"{LONG}, the song", artist=LONG, duration_s=70.0)
    curve = WindowCurveFactory(run=TrainingRun.objects.live(), track=song)
    PredictionFactory(run=curve.run, track=song, part="final", true_level=None, lower=4.5, upper=8.5)
    scored = ScoringRowFactory(track=song, scoring__name=f"{LONG}.csv").scoring
    upload = UploadFactory()
    UploadedFileFactory(upload=upload, path=f"{LONG}.jpg", stored_as="", problem=LONG)
    upload.folder.mkdir(parents=True)
    upload.report.write_text(f"line,reason,row\n2,{LONG},{LONG}\n")
    return SimpleNamespace(
        login="/log-in/",
        label="/label/",
        mine="/label/mine/",
        rules="/queue/rules/",
        references="/queue/references/?q=",
        assignments=f"/queue/assignments/?annotator={people[0].pk}",
        next_tracks="/queue/next/",
        track=f"/tracks/{labelled[0].pk}/",
        queue="/review/",
        blind=f"/review/{flags[0].pk}/",
        evidence=f"/review/{flags[1].pk}/",
        review_rules="/review/rules/",
        annotators="/annotators/",
        annotator=f"/annotators/{people[0].pk}/",
        library="/tracks/",
        imports="/import/",
        upload=f"/import/{upload.pk}/",
        dashboard="/dashboard/",
        rounds="/rounds/",
        retraining="/retraining/",
        retraining_rules="/retraining/rules/",
        run=f"/runs/{run.pk}/",
        runs="/runs/",
        compared="/runs/compare/",
        tracks=f"/runs/{run.pk}/tracks/?true=5&predicted=7",
        catalogue="/catalogue/",
        energy=f"/tracks/{song.pk}/energy/",
        scores="/scores/",
        scored=f"/scores/{scored.pk}/",
        lab="/lab/",
        report=f"/lab/{ExperimentFactory().pk}/",
        jobs="/jobs/",
        tokens="/account/tokens/",
        api="/api/v1/annotations/",
        api_docs="/api/v1/docs/",
        job=f"/jobs/{job.pk}/",
        missing="/nowhere/",
    )


def _first_annotations(tracks):
    return [track.annotations.order_by("pk").first() for track in tracks[:2]]


def _flag(track, annotation, neighbours):
    flag = FlagFactory(annotation=annotation)
    flag.evidence["neighbours"] = neighbours
    flag.save()
    return flag


def visit(page: Page, name: str, path: str) -> None:
    """Go there, and make sure that what the name promises is on it."""
    page.goto(path)
    page.wait_for_load_state("load")
    assert urlsplit(page.url).path == urlsplit(path).path
    marks = {"blind": "Evidence stays covered", "evidence": "Most similar tracks", "dashboard": "Confusion matrix"}
    if name in marks:
        expect(page.get_by_role("heading", name=marks[name])).to_be_visible()


def widths(page):
    return page.evaluate("[document.documentElement.scrollWidth, innerWidth]")


def test_no_page_scrolls_sideways_on_a_phone_and_the_way_out_is_in_reach(open_page, admin, furnished, expect_console):
    page = open_page(admin, "/label/", **PHONE)
    for name, path in vars(furnished).items():
        if name == "login":
            continue  # somebody who is logged in is sent on; see below
        page.goto(path)
        scroll_width, inner_width = widths(page)
        assert scroll_width <= inner_width == 390, f"{name} is {scroll_width} pixels wide"
        if name != "missing":
            expect(page.get_by_role("button", name="Log out")).to_be_in_viewport()
            expect(
                page.get_by_role("navigation", name="Main").get_by_role("link", name="Dashboard")
            ).to_be_in_viewport()
    stranger = open_page(None, furnished.login, **PHONE)
    assert widths(stranger)[0] <= 390
    expect_console("404")


def test_both_colour_schemes_follow_the_system(open_page, annotator, furnished):
    page = open_page(annotator, "/label/", reduced_motion="reduce")  # colours are to be final, not under way

    def luminance(selector):
        colour = page.locator(selector).first.evaluate(
            """element => {
                const context = document.createElement("canvas").getContext("2d");
                context.fillStyle = getComputedStyle(element).backgroundColor;
                context.fillRect(0, 0, 1, 1);
                return [...context.getImageData(0, 0, 1, 1).data];
            }"""
        )
        return sum(colour[:3]) / 3

    page.emulate_media(color_scheme="light")
    assert min(luminance("body"), luminance(".card")) > 220
    page.emulate_media(color_scheme="dark")
    assert max(luminance("body"), luminance(".card")) < 40


@pytest.mark.parametrize(
    "names",
    [
        ("login", "label", "mine", "queue", "missing"),
        ("rules", "references", "assignments", "next_tracks", "track"),
        ("blind", "evidence", "review_rules"),
        ("annotators", "annotator", "rounds"),
        ("library", "imports", "upload"),
        ("dashboard", "run", "tracks", "runs", "compared"),
        ("catalogue", "energy", "scores", "scored"),
        ("jobs", "job"),
        ("retraining", "retraining_rules"),
    ],
    ids="-".join,
)
def test_axe_finds_nothing_in_either_scheme(names, open_page, admin, furnished, expect_console):
    axe = Axe()
    # The checker is a script of its own, which the pages' policy rightly refuses; colours are to be final, not under way.
    context = {"bypass_csp": True, "reduced_motion": "reduce"}
    page = open_page(admin, "/label/", **context)
    found = []
    for name in names:
        if name == "login":
            page.context.clear_cookies()
        visit(page, name, getattr(furnished, name)) if name != "missing" else page.goto(furnished.missing)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            results = axe.run(page)
            found += [
                f"{name}, {scheme}: {rule['id']} at {node['target']}: {node['failureSummary']}"
                for rule in results.response["violations"]
                for node in rule["nodes"]
            ]
        if name == "login":
            page = open_page(admin, "/label/", **context)
    assert not found, "\n".join(found)
    if "missing" in names:
        expect_console("404")


# ---- Budgets: sizes as they travel


def weigh(page: Page, path: str) -> dict[str, int]:
    """Bytes of the page itself (gzipped, as nginx does it), its scripts and its style sheets."""
    seen = responses_of(page)
    page.goto(path)
    page.wait_for_load_state("load")
    weights = {"html": 0, "js": 0, "css": 0}
    for response in seen:
        kind = response.headers.get("content-type", "").split(";")[0].rpartition("/")[2].replace("javascript", "js")
        if response.request.is_navigation_request():  # and none of the parts that a live page asks for
            weights["html"] += len(gzip.compress(response.body(), compresslevel=6))
        elif kind in {"js", "css"}:
            assert response.headers.get("content-encoding") in {"br", "gzip"}, f"{response.url} is not compressed"
            weights[kind] += response.request.sizes()["responseBodySize"]
    return weights


@pytest.mark.parametrize(
    ("name", "html_kb", "js_kb", "css_kb"),
    [
        ("label", 12, 40, 12),
        ("queue", 20, 25, 8),
        # htmx and the player, as parts of the page are swapped and a track is heard: each weighs some 14.
        ("blind", 20, 32, 8),
        ("evidence", 20, 32, 8),
        ("mine", 20, 25, 8),
        ("rules", 20, 25, 8),
        ("references", 20, 25, 8),
        ("assignments", 20, 25, 8),
        ("next_tracks", 20, 25, 8),
        ("track", 20, 25, 8),
        ("annotators", 20, 25, 8),
        ("imports", 20, 30, 8),
        ("dashboard", 20, 25, 8),
        ("run", 20, 25, 8),
        ("runs", 20, 25, 8),
        ("compared", 20, 25, 8),
        ("lab", 20, 25, 8),
        ("report", 20, 25, 8),
        ("catalogue", 20, 25, 8),
        ("energy", 20, 32, 8),
        ("jobs", 20, 25, 8),
    ],
)
def test_pages_keep_to_their_budget(name, html_kb, js_kb, css_kb, open_page, admin, furnished):
    page = open_page(admin, "about:blank")

    weights = weigh(page, getattr(furnished, name))

    assert 0 < weights["html"] <= html_kb * KB, weights
    assert 0 < weights["js"] <= js_kb * KB, weights
    assert 0 < weights["css"] <= css_kb * KB, weights
