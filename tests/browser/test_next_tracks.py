"""Letting a strategy choose what is labelled next, and sending people where the model is blind: in a real browser."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import Annotation, Assignment, LabellingRules, RankedTrack, Stream
from modeling.models import TrainingRun
from modeling.ranking import ranking_job
from modeling.ranking.models import Ranking
from tests.browser.conftest import arrive
from tests.browser.label_page import await_levels, press
from tests.factories import AnnotatorFactory, GenreFactory, PredictionFactory, PromotionFactory, RulesFactory
from tests.labelled_library import make_labelled_library
from tests.modeling.training_library import add_features, train

pytestmark = pytest.mark.browser


@pytest.fixture
def new_tracks(library):
    """Tracks that can be heard, and whose features say more or less what level they are of."""
    rng, tracks = np.random.default_rng(3), library(40)
    for number, track in enumerate(tracks):
        add_features(track, 1 + number % 10, rng)
    return tracks


def test_an_admin_lets_a_strategy_choose_and_labelling_follows_its_order(open_page, admin, annotator, new_tracks):
    make_labelled_library(60)
    train()
    RulesFactory(min_listened_s=0, gold_share=0, repeat_share=0, second_share=0)
    page = open_page(admin, "/queue/rules/")

    page.get_by_role("navigation", name="Queue").get_by_role("link", name="What next").click()
    page.get_by_role("radio", name=re.compile("^k_center:")).check()
    page.get_by_label("Still drawn at random").fill("5")
    page.get_by_role("button", name="Save").click()
    card = page.get_by_role("region", name="The ranking")
    expect(card.get_by_role("status")).to_contain_text("waiting for a worker")
    expect(card).to_contain_text("Until it is made, new tracks come at random.")
    assert (LabellingRules.objects.current().order, LabellingRules.objects.current().random_share) == ("k_center", 5)

    ranking_job.rank(Ranking.objects.get(strategy="k_center").job_id)
    expect(card).to_contain_text(f"with run {TrainingRun.objects.live().pk} in use")
    order = list(RankedTrack.objects.filter(order="k_center").order_by("position").values_list("track", flat=True))
    assert set(order) == {track.pk for track in new_tracks if not in_evaluation_slice(track.uri)}

    press(open_page(annotator, "/label/"), *"1234567890")
    await_levels(annotator, *range(1, 11))
    labels = Annotation.objects.filter(annotator=annotator).order_by("pk")
    ranked = list(labels.filter(stream=Stream.RANKED).values_list("track", flat=True))
    by_chance = set(labels.filter(stream=Stream.NEW).values_list("track", flat=True))
    # Of a hundred new tracks five come by chance, whatever is ranked.
    assert len(ranked) + len(by_chance) == 10
    assert len(ranked) >= 5
    assert ranked == [track for track in order if track not in by_chance][: len(ranked)]


@pytest.mark.parametrize("has_scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_lead_sends_somebody_where_the_model_is_blind(has_scripts, open_page, lead, library):
    anna = AnnotatorFactory(first_name="Anna")
    anna.set_password("x")
    anna.save()
    run, folk = PromotionFactory().run, GenreFactory(name="folk")
    tracks = library(12)
    folk.tracks.set(tracks[:3])
    for track in tracks:
        PredictionFactory(run=run, track=track, part="final", true_level=None, level=9)
    page = open_page(lead, "/queue/assignments/", java_script_enabled=has_scripts)

    page.get_by_role("navigation", name="Queue").get_by_role("link", name="What next").click()
    expect(page.get_by_role("region", name="Genres").get_by_role("row", name=re.compile("folk"))).to_contain_text(
        "few labels"
    )
    page.get_by_role("link", name=re.compile("Assign.*of Level 9")).press("Enter")
    arrive(page, "/queue/assignments/")
    expect(page.get_by_text("that can be assigned")).to_be_visible()
    page.get_by_role("checkbox", name="Anna").check()
    page.get_by_role("button", name="Assign", exact=True).click()

    outside = [track for track in tracks if not in_evaluation_slice(track.uri)]
    expect(page.get_by_text(f"Anna: {len(outside)} assigned")).to_be_visible()
    assert set(Assignment.objects.values_list("track", flat=True)) == {track.pk for track in outside}
