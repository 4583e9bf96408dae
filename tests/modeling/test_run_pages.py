"""The pages of those who watch the model: dashboard, train form, run, the tracks behind a cell."""

import pytest

from modeling.models import TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_RECIPE, RECIPE_CHOICES
from tests.factories import (
    AnnotationFactory,
    FlagFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db


def test_the_dashboard_shows_the_newest_run_and_how_it_moved(as_admin, django_assert_max_num_queries):
    TrainingRunFactory()
    run = TrainingRunFactory()
    run.metrics["out_of_fold"]["macro_mae"] = 0.85
    TrainingRun.objects.filter(pk=run.pk).update(metrics=run.metrics)
    PromotionFactory(run=run)

    with django_assert_max_num_queries(14):
        html = as_admin.get("/dashboard/").content.decode()

    assert "0.85" in html
    assert f"−0.10 vs run {run.pk - 1}" in html
    assert f"In use: run {run.pk}" in html


def test_the_dashboard_without_a_run_says_what_to_do(as_admin):
    html = as_admin.get("/dashboard/").content.decode()

    assert "No model yet" in html
    assert "Train the first model" in html


def test_the_dashboard_says_when_no_worker_is_running(as_admin):
    assert "No worker is running" in as_admin.get("/dashboard/").content.decode()


def test_only_admins_see_the_train_button(as_lead):
    assert "Train the first model" not in as_lead.get("/dashboard/").content.decode()


def test_the_train_button_makes_a_run_of_the_usual_recipe(as_admin, admin):
    as_admin.post("/train/")

    run = TrainingRun.objects.get()
    assert (run.requested_by, run.recipe, run.options) == (admin, DEFAULT_RECIPE, {"decision": "lowest_macro_mae"})


def test_recipe_and_decision_can_be_chosen(as_admin):
    html = as_admin.get("/dashboard/").content.decode()
    as_admin.post("/train/", {"recipe": "svr", "decision": "lowest_mae"})

    assert all(f'value="{name}"' in html for name in (*RECIPE_CHOICES, *DECISION_CHOICES))
    assert (TrainingRun.objects.get().recipe, TrainingRun.objects.get().options) == ("svr", {"decision": "lowest_mae"})


def test_what_the_newest_run_was_asked_is_chosen_again(as_admin):
    TrainingRunFactory(recipe="gp", options={"decision": "lowest_mae"})

    html = as_admin.get("/dashboard/").content.decode()

    assert "How it learns: gp. Lowest MAE" in html
    assert 'value="gp" checked' in html


def test_a_recipe_that_is_not_offered_is_refused_with_a_sentence(as_admin):
    html = as_admin.post("/train/", {"recipe": "magic"}, follow=True).content.decode()

    assert "Select a valid choice. magic is not one of the available choices." in html
    assert not TrainingRun.objects.exists()


def test_a_run_page_shows_the_race_the_importance_the_intervals_and_the_notes(as_lead):
    run = TrainingRunFactory(recipe="auto", options={"decision": "lowest_mae"})
    lap = {"outcome": "raced", "seconds": 2.0, "error": 0.95, "error_se": 0.04, "behind": 0, "behind_se": 0}
    late = {"candidate": "svr", "outcome": "skipped for time", "seconds": 1.5, "error": None, "behind": None}
    row = {"name": "signal_loudness", "n_columns": 1, "increase": 0.321, "se": 0.012}
    run.metrics |= {
        "details": {"judged_by": "mae", "race": [{"candidate": "gp", **lap}, late]},
        "importance": {"n_tracks": 9, "n_repeats": 5, "n_columns": 30, "by_set": [row], "by_feature": [row]},
        "notes": ["all labels are by one person"],
        "versions": {"numpy": "2.9"},
    }
    run.metrics["out_of_fold"] |= {"coverage": 0.87, "interval_width": 3.2}
    run.save()

    html = as_lead.get(f"/runs/{run.pk}/").content.decode()

    for shown in ("skipped for time", "0.321", "0.87", "All labels are by one person", "numpy 2.9", "Lowest MAE"):
        assert shown in html
    assert html.count(">chosen<") == 1


def test_a_cell_of_the_confusion_matrix_opens_its_tracks(as_lead):
    there = PredictionFactory(track__title="There", true_level=5, level=7, lower=5.2, upper=8.1)
    PredictionFactory(run=there.run, track__title="Elsewhere", true_level=5, level=5)
    url = f"/runs/{there.run.pk}/tracks/"

    html = as_lead.get(url, {"true": 5, "predicted": 7}).content.decode()

    assert "There" in html
    assert "5.2 – 8.1" in html
    assert "Elsewhere" not in html
    assert as_lead.get(url, {"true": "x", "predicted": "99", "part": "slice", "page": "y"}).status_code == 200


def test_a_cell_leaves_out_what_its_reader_is_still_to_hear(as_lead, lead):
    there = PredictionFactory(track__title="There", true_level=5, level=7)
    flag = FlagFactory(annotation__track=there.track)
    url = f"/runs/{there.run.pk}/tracks/"

    html = as_lead.get(url, {"true": 5, "predicted": 7}).content.decode()
    assert "There" not in html
    assert "1 more is not shown" in html

    AnnotationFactory(annotator=lead, track=flag.annotation.track)
    html = as_lead.get(url, {"true": 5, "predicted": 7}).content.decode()
    assert "There" in html
    assert "not shown" not in html


def test_a_run_page_shows_both_held_out_parts_and_how_it_was_made(as_lead):
    run = TrainingRunFactory()

    html = as_lead.get(f"/runs/{run.pk}/").content.decode()
    assert "0.95" in html
    assert "ridge_thresholds, seed 0" in html
    assert "1.05" in as_lead.get(f"/runs/{run.pk}/?part=slice").content.decode()
    assert as_lead.get(f"/runs/{run.pk}/?part=nonsense").status_code == 200
    assert as_lead.get(f"/runs/{run.pk}/tracks/?true={'9' * 5000}").status_code == 200


def test_promoting_from_the_run_page_puts_it_to_use(as_admin):
    run = TrainingRunFactory()

    html = as_admin.post(f"/runs/{run.pk}/promote/", follow=True).content.decode()

    assert f"Run {run.pk} is now in use" in html
    assert TrainingRun.objects.live() == run


def test_a_run_that_still_waits_has_a_page_with_its_progress(as_admin):
    as_admin.post("/train/")

    html = as_admin.get(f"/runs/{TrainingRun.objects.get().pk}/").content.decode()

    assert "waiting for a worker" in html


def test_a_lead_sees_no_prediction_of_a_track_that_they_are_about_to_label(as_lead, lead):
    prediction = PredictionFactory(track__title="In hand")
    url = f"/runs/{prediction.run_id}/tracks/"
    assert "In hand" in as_lead.get(url).content.decode()

    LeaseFactory(track=prediction.track, annotator=lead)

    assert "In hand" not in as_lead.get(url).content.decode()
