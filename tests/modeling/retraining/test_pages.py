"""The pages of retraining: what they say to whom, and their doors."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from annotations.models import Annotation
from energyapp.jobs.models import Job
from modeling import services
from modeling.models import Promotion, RetrainingRules, TrainingRun
from modeling.retraining.champion import ENOUGH_TRACKS
from modeling.retraining.rules import in_words
from tests.factories import AnnotationFactory, JobFactory, PromotionFactory, TrainingRunFactory
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db

RULES = {"schedule": "daily", "weekday": "0", "hour": "4", "after_labels": "50", "after_decisions": ""}


@pytest.fixture(autouse=True)
def _nothing_counted_before():
    cache.clear()


def champion_figures(run, *, low=-0.3, high=-0.1, n=ENOUGH_TRACKS):
    figures = {"before": 1.2, "after": 1.0, "change": -0.2, "se": 0.05, "low": low, "high": high}
    return {
        "run": run.pk,
        "n": n,
        "n_artists": 40,
        "left_out": {"new": 2, "learnt": 0, "gone": 0},
        "measures": {"macro_mae": figures},
    }


def challenger_of(run, **figures):
    challenger = TrainingRunFactory()
    challenger.metrics["champion"] = champion_figures(run, **figures)
    challenger.save()
    return challenger


def html_of(response):
    return " ".join(response.content.decode().split())


def test_before_the_first_model_the_page_says_what_there_is_to_learn_from(as_admin, library):
    html = html_of(as_admin.get("/retraining/"))

    assert "Train the first model" in html
    assert "Nothing trains by itself: the rules leave it to people." in html
    assert "No model yet" in html
    assert "Count labels and tracks" in html
    assert "60" in html_of(as_admin.get("/retraining/preview/"))


def test_the_newest_run_stands_beside_the_one_in_use_with_what_that_means(as_admin):
    live = PromotionFactory().run
    challenger = challenger_of(live)

    html = html_of(as_admin.get("/retraining/"))

    assert "The new run is better: its macro-MAE is lower by 0.10 to 0.30 levels." in html
    assert "−0.30 to −0.10" in html
    assert "2 tracks left out: labelled since" in html
    assert f"Promote run {challenger.pk}" in html
    assert "Go back" not in html


def test_leads_see_it_all_and_change_nothing(as_lead):
    challenger = challenger_of(PromotionFactory().run)

    html = html_of(as_lead.get("/retraining/"))

    assert "The new run is better" in html
    for button in ("Promote run", "Go back to", "Train again", "Change the rules"):
        assert button not in html
    for name, data in (("retrain", {}), ("put_to_use", {"run": challenger.pk}), ("retraining_rules", RULES)):
        assert as_lead.post(reverse(name), data).status_code == 403
    assert not Job.objects.filter(kind="train", status="queued").exists()


def test_promote_and_go_back_are_rows_with_who_did_it(as_admin, admin):
    live = PromotionFactory(promoted_by=None, why="It is the first model.").run
    challenger = challenger_of(live)

    as_admin.post("/retraining/promote/", {"run": challenger.pk, "instead_of": live.pk})
    html = html_of(as_admin.get("/retraining/"))
    assert f"Run {challenger.pk} is now in use." in html
    assert f"Go back to run {live.pk}" in html
    assert "It is the first model." in html
    as_admin.post("/retraining/promote/", {"run": live.pk, "instead_of": challenger.pk})

    assert TrainingRun.objects.live() == live
    assert list(Promotion.objects.order_by("pk").values_list("run", "promoted_by")) == [
        (live.pk, None),
        (challenger.pk, admin.pk),
        (live.pk, admin.pk),
    ]
    assert Job.objects.filter(kind="predict").count() == 2


def test_promoting_over_a_run_that_is_not_in_use_any_more_is_refused_with_a_sentence(as_admin, admin):
    live, other, third = PromotionFactory().run, TrainingRunFactory(), TrainingRunFactory()
    services.promote(run=other, promoted_by=admin)

    response = as_admin.post("/retraining/promote/", {"run": third.pk, "instead_of": live.pk})

    assert response.status_code == 409
    assert f"put run {other.pk} to use meanwhile" in html_of(response)
    assert as_admin.post("/retraining/promote/", {"run": "none"}).status_code == 422


def test_the_button_asks_with_recipe_and_decision_and_twice_is_once(as_admin, admin):
    for _ in range(2):
        response = as_admin.post("/retraining/train/", {"recipe": "svr", "decision": "lowest_mae"})
        assert response.headers["Location"] == "/retraining/"

    run = TrainingRun.objects.get()
    assert (run.recipe, run.options, run.requested_by, run.reason) == ("svr", {"decision": "lowest_mae"}, admin, "")
    assert as_admin.post("/retraining/train/", {"recipe": "magic"}).status_code == 422
    assert "Training …" in html_of(as_admin.get("/retraining/"))


def test_a_comparison_with_a_run_that_is_not_in_use_any_more_says_so(as_admin, admin):
    old = PromotionFactory().run
    live = TrainingRunFactory()
    challenger_of(old)
    services.promote(run=live, promoted_by=admin)

    html = html_of(as_admin.get("/retraining/"))

    assert f"was held against run {old.pk}, which is not in use any more" in html


def test_rules_are_saved_with_their_history_and_the_same_again_change_nothing(as_admin, admin):
    assert as_admin.post("/retraining/rules/", RULES | {"promotes_by_itself": "on", "seen": ""}).status_code == 302
    first = RetrainingRules.objects.get()
    as_admin.post("/retraining/rules/", RULES | {"promotes_by_itself": "on", "seen": first.pk})
    as_admin.post("/retraining/rules/", RULES | {"hour": "5", "seen": first.pk})

    assert RetrainingRules.objects.count() == 2
    html = html_of(as_admin.get("/retraining/rules/"))
    assert "By the clock: not by the clock → every day" in html
    assert "At this hour: 4 → 5" in html
    assert "Put a better model to use by itself: yes → no" in html
    assert admin.display_name in html
    assert "every day at 05:00 or after 50 new labels" in html_of(as_admin.get("/retraining/"))


def test_rules_that_somebody_has_changed_meanwhile_are_not_overwritten(as_admin):
    RetrainingRules.objects.create(after_labels=7)

    response = as_admin.post("/retraining/rules/", RULES | {"seen": ""})

    assert response.status_code == 409
    assert "changed the rules meanwhile" in html_of(response)
    assert RetrainingRules.objects.current().after_labels == 7


@pytest.mark.parametrize(
    "odd", [{"hour": "24"}, {"hour": ""}, {"weekday": "7"}, {"schedule": "hourly"}, {"after_labels": "0"}]
)
def test_rules_that_cannot_be_are_refused_where_they_stand(as_admin, odd):
    response = as_admin.post("/retraining/rules/", RULES | {"seen": ""} | odd)

    assert response.status_code == 422
    assert "Nothing was saved" in html_of(response)
    assert not RetrainingRules.objects.exists()


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "A training is asked for by people only."),
        ({"schedule": "weekly", "weekday": 4, "hour": 3}, "A training is asked for every Friday at 03:00."),
        ({"after_labels": 5, "after_decisions": 6}, "asked for after 5 new labels or after 6 new decisions."),
    ],
)
def test_rules_are_read_as_sentences(rules, said):
    assert said in in_words(RetrainingRules(**rules))[0]


def test_a_failed_training_is_shown_with_its_sentence(as_lead):
    JobFactory(status="failed", message="3 tracks are labelled", finished_at="2026-11-23T12:00Z")

    assert "3 tracks are labelled" in html_of(as_lead.get("/retraining/"))


def test_the_page_takes_few_statements_however_much_there_is(as_admin, admin, library, django_assert_max_num_queries):
    live = train()
    challenger = train()
    for run in (challenger, live) * 8:
        services.promote(run=run, promoted_by=admin)
    for n in range(1, 6):
        RetrainingRules.objects.create(after_labels=n, changed_by=admin)
    AnnotationFactory(track=Annotation.objects.first().track)

    with django_assert_max_num_queries(34):
        as_admin.get("/retraining/")
