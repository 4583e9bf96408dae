"""The page of what to label next: what it says to whom, and its doors."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import LabellingRules, RankedTrack, Track
from energyapp.jobs.models import Job
from modeling.core.acquisition import STRATEGIES
from modeling.core.estimates import Estimate
from modeling.models import Experiment, TrainingRun
from modeling.ranking import forms, views
from modeling.ranking.models import Ranking
from modeling.ranking.proof import StrategyProof, newest_proof
from tests.factories import (
    AssignmentFactory,
    GenreFactory,
    JobFactory,
    PredictionFactory,
    PromotionFactory,
    RulesFactory,
    SucceededJobFactory,
    TrackFactory,
)
from tests.modeling.ranking.test_proof import answered

pytestmark = pytest.mark.django_db

SWITCH = {"order": "k_center", "random_share": "20", "seen": ""}


def html_of(response):
    return " ".join(response.content.decode().split())


def made(strategy="k_center", **results):
    """A ranking whose job has ended."""
    job = SucceededJobFactory(kind="rank", key=strategy)
    return Ranking.objects.create(job=job, strategy=strategy, **({"n_open": 90, "n_ranked": 60} | results))


def predicted(run, level, n):
    """Unlabelled tracks outside the evaluation slice."""
    outside = (uri for number in range(10_000) if not in_evaluation_slice(uri := f"page:{level}:{number}"))
    tracks = [TrackFactory(uri=next(outside), peaks=b"") for _ in range(n)]
    for track in tracks:
        PredictionFactory(run=run, track=track, part="final", true_level=None, level=level)
    return tracks


# ---- What it says


def test_before_there_is_anything_the_page_says_what_there_will_be(as_admin):
    html = html_of(as_admin.get("/queue/next/"))

    assert "Find out on your own labels" in html
    assert "No model yet" in html
    assert "No track has a genre." in html
    assert "There is none to follow: the order of new tracks is “random”." in html
    assert "Find out what more labels bring" in html


def test_every_strategy_is_offered_with_a_sentence_and_random_is_first(as_admin):
    assert STRATEGIES.keys() == forms.STRATEGY_WORDS.keys()
    assert next(iter(STRATEGIES)) == "random"

    html = html_of(as_admin.get("/queue/next/"))

    assert all(f'value="{name}"' in html for name in STRATEGIES)


def test_an_order_that_no_strategy_makes_is_shown_as_it_is(as_admin):
    RulesFactory(order="by list")

    html = html_of(as_admin.get("/queue/next/"))

    assert "now: by list" in html
    assert " checked" not in html


def test_the_proof_stands_beside_the_switch_and_marks_what_it_recommends(as_admin):
    answered()

    html = html_of(as_admin.get("/queue/next/"))

    assert "k_center would have needed 150 labels." in html
    assert f'{forms.STRATEGY_WORDS["k_center"]} <span class="chip good">recommended</span>' in html
    assert f'{forms.STRATEGY_WORDS["rare_levels"]} <span class="chip">no saving on your data</span>' in html
    assert "150 for random’s 200 (25 % fewer)" in html
    assert "more than tried for random’s 200" in html
    assert "Find out again" in html


def test_a_strategy_that_costs_labels_has_a_warning_and_can_be_chosen_nevertheless(as_admin, monkeypatch):
    answered(recommended="random")
    costly = StrategyProof("rare_levels", Estimate(0.08, 0.02), ())
    monkeypatch.setattr(views, "newest_proof", lambda: replace(newest_proof(), strategies=(costly,)))

    html = html_of(as_admin.get("/queue/next/"))
    as_admin.post("/queue/next/lead/", SWITCH | {"order": "rare_levels"})

    assert f'{forms.STRATEGY_WORDS["rare_levels"]} <span class="chip warn">costs labels on your data</span>' in html
    assert f'{forms.STRATEGY_WORDS["k_center"]} <span class="chip">not replayed</span>' in html
    assert LabellingRules.objects.current().order == "rare_levels"


def test_where_nothing_is_recommended_no_strategy_is_said_to_save(as_admin):
    answered(recommended="random")

    html = html_of(as_admin.get("/queue/next/"))

    assert f'{forms.STRATEGY_WORDS["random"]} <span class="chip good">recommended</span>' in html
    assert f'{forms.STRATEGY_WORDS["k_center"]} <span class="chip">no saving on your data</span>' in html
    assert "saves labels" not in html


def test_what_asks_for_opinions_is_judged_by_what_it_did_with_opinions():
    answered(recommended="random")
    without, with_ = (StrategyProof("relabel_or_new", Estimate(value, 0.01), ()) for value in (0.05, -0.05))
    proof = replace(newest_proof(), strategies=(without,))

    verdicts = [
        {each.name: each.verdict for each in forms.choices(each)} for each in (proof, replace(proof, opinions=(with_,)))
    ]

    assert [found["relabel_or_new"] for found in verdicts] == ["not replayed", "saves"]


def test_a_lead_reads_who_chooses_and_cannot_switch(as_lead):
    RulesFactory(order="k_center", random_share=30)

    html = html_of(as_lead.get("/queue/next/"))

    assert "New tracks come as <b>k_center</b> ranks them; 30 % of them are still drawn at random." in html
    assert 'name="order"' not in html
    assert as_lead.post("/queue/next/lead/", SWITCH).status_code == 403


def test_the_ranking_says_which_run_was_in_use_and_how_many_places_are_left(as_admin):
    run = PromotionFactory().run
    RulesFactory(order="k_center")
    made(run=run)
    RankedTrack.objects.create(order="k_center", position=0, track=TrackFactory())

    html = html_of(as_admin.get("/queue/next/"))

    assert f'with <a href="/runs/{run.pk}/">run {run.pk}</a> in use' in html
    assert "60; 90 tracks were open" in html
    assert '<dt>Left</dt><dd class="number">1</dd>' in html
    assert "is in use since" not in html


def test_a_ranking_of_a_run_that_is_not_in_use_any_more_says_so(as_admin):
    made(run=PromotionFactory().run)
    newer = PromotionFactory().run
    RulesFactory(order="k_center")

    assert f"Run {newer.pk} is in use since." in html_of(as_admin.get("/queue/next/"))


def test_while_a_ranking_is_made_the_page_follows_its_job(as_admin):
    RulesFactory(order="k_center")
    job = JobFactory(kind="rank", key="k_center")
    Ranking.objects.create(job=job, strategy="k_center")

    html = html_of(as_admin.get("/queue/next/"))

    assert f'hx-get="{reverse("follow_job", args=[job.pk])}"' in html
    assert "Rank again now" not in html
    assert "Until it is made, new tracks come at random." in html


# ---- The switch


def test_switching_a_strategy_on_changes_the_rules_and_asks_for_its_ranking(as_admin, admin):
    before = RulesFactory(labels_per_track=3)

    response = as_admin.post("/queue/next/lead/", SWITCH | {"random_share": "35", "seen": before.pk}, follow=True)

    now = LabellingRules.objects.current()
    assert (now.order, now.random_share, now.labels_per_track, now.changed_by) == ("k_center", 35, 3, admin)
    assert Ranking.objects.get().strategy == "k_center"
    assert Job.objects.get(kind="rank").requested_by == admin
    assert "New tracks come as k_center ranks them" in html_of(response)


def test_random_turns_it_off(as_admin):
    before = RulesFactory(order="k_center")

    response = as_admin.post("/queue/next/lead/", SWITCH | {"order": "random", "seen": before.pk}, follow=True)

    assert LabellingRules.objects.current().order == "random"
    assert "From the next track on new ones come at random." in html_of(response)


def test_what_is_so_already_is_not_saved_again(as_admin):
    before = RulesFactory(order="k_center", random_share=20)

    response = as_admin.post("/queue/next/lead/", SWITCH | {"seen": before.pk}, follow=True)

    assert "Nothing was changed" in html_of(response)
    assert LabellingRules.objects.get() == before
    assert not Ranking.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"order": "the best"}, "There is no strategy the best."),
        ({"order": "by list"}, "There is no strategy by list."),
        ({"order": ""}, "Choose one of these."),
        ({"random_share": "4"}, "A whole number of per cent, 5 to 100, please."),
        ({"random_share": "101"}, "A whole number of per cent, 5 to 100, please."),
        ({"random_share": "many"}, "A whole number of per cent, 5 to 100, please."),
        ({"random_share": ""}, "A whole number of per cent, 5 to 100, please."),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(wrong, said, as_admin):
    response = as_admin.post("/queue/next/lead/", SWITCH | wrong)

    assert response.status_code == 422
    assert said in html_of(response)
    assert not LabellingRules.objects.exists()
    assert not Ranking.objects.exists()


def test_an_admin_who_has_not_seen_the_newest_rules_is_told_who_changed_them(as_admin, admin):
    RulesFactory(changed_by=admin)

    response = as_admin.post("/queue/next/lead/", SWITCH)

    assert response.status_code == 409
    assert "adam has changed the rules meanwhile" in html_of(response)
    assert f'name="seen" value="{LabellingRules.objects.get().pk}"' in html_of(response)


def test_second_opinions_need_tracks_that_several_people_label(as_admin):
    before = RulesFactory(labels_per_track=1)

    response = as_admin.post("/queue/next/lead/", SWITCH | {"order": "relabel_or_new", "seen": before.pk})
    assert response.status_code == 422
    assert "to 2 or more first" in html_of(response)

    before = RulesFactory(labels_per_track=2)
    as_admin.post("/queue/next/lead/", SWITCH | {"order": "relabel_or_new", "seen": before.pk})
    assert LabellingRules.objects.current().order == "relabel_or_new"


def test_it_is_ranked_again_on_demand_and_twice_is_once(as_admin):
    RulesFactory(order="k_center")

    for _ in range(2):
        as_admin.post("/queue/next/rank/")

    assert Ranking.objects.get().job.key == "k_center"


def test_what_more_labels_bring_is_found_out_without_a_strategy_too(as_admin):
    RulesFactory(order="by list")

    html = html_of(as_admin.post("/queue/next/rank/", follow=True))

    assert Ranking.objects.get().strategy == "random"
    assert f'hx-get="{reverse("follow_job", args=[Ranking.objects.get().job_id])}"' in html


def test_who_asks_what_it_would_save_sees_how_far_that_is(as_lead):
    response = as_lead.post("/queue/next/find-out/", follow=True)

    experiment = Experiment.objects.get()
    assert (experiment.name, experiment.options["thin_rare"]) == ("active_learning", False)
    assert f'hx-get="{reverse("follow_job", args=[experiment.job_id])}"' in html_of(response)
    assert "Find out on your own labels" not in html_of(response)


# ---- Where the model is blind


def test_fifty_of_a_level_are_filled_in_where_they_can_be_assigned(as_lead):
    run = PromotionFactory().run
    tracks = predicted(run, 3, 55)

    response = as_lead.get("/queue/next/assign/?level=3")

    address = urlsplit(response["Location"])
    assert address.path == "/queue/assignments/"
    chosen = Track.objects.filter(pk__in=parse_qs(address.query)["track"])
    assert chosen.count() == 50
    assert set(chosen) <= set(tracks)
    html = as_lead.get(response["Location"]).content.decode()
    assert all(track.uri in html for track in chosen)


def test_where_fewer_are_left_the_page_says_how_many_and_why(as_lead):
    techno = GenreFactory(name="techno")
    free, asked = predicted(PromotionFactory().run, 3, 2)
    techno.tracks.set([free, asked])
    AssignmentFactory(track=asked)

    html = html_of(as_lead.get(f"/queue/next/assign/?genre={techno.pk}", follow=True))

    assert free.uri in html
    assert asked.uri not in html
    assert "All of techno that can be assigned, 1: 2 without a label, of these 1 assigned already." in html


def test_where_none_is_left_the_page_says_why(as_lead):
    PromotionFactory()

    response = as_lead.get("/queue/next/assign/?level=9", follow=True)

    assert response.redirect_chain == [("/queue/next/", 302)]
    assert "No track of level 9 can be assigned: 0 without a label." in html_of(response)


@pytest.mark.parametrize(
    "asked", ["", "level=11", "level=x", "genre=0", "genre=x", f"genre={10**30}", "level=3&genre=1", "level=3"]
)
def test_what_cannot_be_drawn_is_said(asked, as_lead):
    # The last: there is no model.
    response = as_lead.get(f"/queue/next/assign/?{asked}")

    assert response.status_code == 422
    assert 'role="alert"' in html_of(response)


def test_the_tables_can_be_downloaded(as_lead):
    run = PromotionFactory().run
    predicted(run, 3, 1)

    levels, genres = (as_lead.get(f"/queue/next/{name}.csv").content.decode() for name in ("levels", "genres"))

    assert "Level 3,0,,1,few labels" in levels
    assert genres.splitlines() == ["Genre,Labelled tracks,Mean error,Unlabelled tracks,Blind"]
    assert as_lead.get("/queue/next/others.csv").status_code == 404


def test_the_page_takes_few_statements_however_much_there_is(as_admin, django_assert_max_num_queries):
    RulesFactory(order="k_center")
    for number in range(8):
        made(run=PromotionFactory().run)
        answered()
        GenreFactory(name=f"genre {number}").tracks.set(predicted(TrainingRun.objects.live(), 1 + number, 2))

    with django_assert_max_num_queries(22):
        as_admin.get("/queue/next/")
