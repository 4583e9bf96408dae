"""The pages of the lab, without a browser: what is shown in which state, and what a form does with wrong options."""

import csv
import json
import re

import pytest
from django.utils import timezone

from annotations.annotators import report
from annotations.models import AnnotatorExclusion
from energyapp.jobs.models import Job
from modeling import services
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.models import Experiment
from tests.factories import AnnotationFactory, AnnotatorFactory, ExperimentFactory, JobFactory, RunningJobFactory

pytestmark = pytest.mark.django_db


def html_of(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def lasting(job, **fields):
    """An experiment without a report."""
    return ExperimentFactory(job=job, report="", data_digest="", **fields)


# ---- All of them


def test_every_experiment_is_there_with_a_form_of_all_its_options(as_lead):
    html = html_of(as_lead, "/lab/")

    for name, kind in EXPERIMENTS.items():
        assert kind.title in html
        for option in kind().options:
            assert (f'id="{name}-{option}"' in html) == (option not in kind.idle)
    assert 'type="number" min="2" max="20"' in html
    assert html.count("Not asked yet.") == len(EXPERIMENTS)
    assert "No worker is running" in html


def test_options_that_change_nothing_are_not_offered(as_lead):
    counted = ExperimentFactory(name="data_understanding", options=EXPERIMENTS["data_understanding"]().options)

    page = html_of(as_lead, f"/lab/{counted.pk}/")
    as_lead.post("/lab/data_understanding/run/")

    assert "n_folds" not in page
    assert "Other options" not in page
    assert Experiment.objects.latest("pk").options == EXPERIMENTS["data_understanding"]().options


def test_a_card_shows_what_was_last_found_and_what_goes_on_now(as_lead):
    answered = ExperimentFactory()
    running = lasting(RunningJobFactory(kind="experiment", progress=0.4, message="smote: fold 2, repeat 1"))
    failed = lasting(
        JobFactory(kind="experiment", key="x", status="failed", finished_at=timezone.now(), message="Label more."),
        name="final",
    )

    html = html_of(as_lead, "/lab/")

    assert f'href="/lab/{answered.pk}/"' in html
    assert "random_over with 0.93 ± 0.05 levels." in html
    assert f'href="/lab/{running.pk}/"' in html
    assert "smote: fold 2, repeat 1" in html
    assert f'href="/lab/{failed.pk}/"' in html
    assert "Label more." in html
    assert 'hx-get="/lab/resampling/state/"' in html
    assert 'hx-get="/lab/final/state/"' not in html


def test_the_list_costs_as_much_with_many_reports_as_with_few(as_lead, django_assert_max_num_queries):
    ExperimentFactory.create_batch(20)

    with django_assert_max_num_queries(12):
        as_lead.get("/lab/")


def test_one_click_asks_with_the_usual_options(as_lead, lead):
    response = as_lead.post("/lab/resampling/run/")

    experiment = Experiment.objects.get()
    assert response["Location"] == f"/lab/{experiment.pk}/"
    assert experiment.options == EXPERIMENTS["resampling"]().options
    assert experiment.requested_by == lead


def test_options_that_are_typed_are_asked_for(as_lead):
    as_lead.post("/lab/final/run/", {"n_folds": "3", "by_artist": "no", "recipes": "gp,  svr", "sets": "signal@2"})

    options = Experiment.objects.get().options
    assert (options["n_folds"], options["by_artist"]) == (3, False)
    assert (options["recipes"], options["sets"]) == (["gp", "svr"], ["signal@2"])


def test_a_set_checkbox_comes_twice_and_counts_once(as_lead):
    as_lead.post("/lab/resampling/run/", {"by_artist": ["no", "yes"]})

    assert Experiment.objects.get().options["by_artist"] is True


@pytest.mark.parametrize(
    ("option", "typed", "error"),
    [
        ("n_folds", "99", "Found n_folds 99; expected 2 to 20."),
        ("n_folds", "", "expected a whole number"),
        ("recipe", "<b>magic", "expected one of baseline"),
        ("sets", "signal@9", "Found feature set &#x27;signal@9&#x27;; expected some of signal@2"),
    ],
)
def test_an_error_stands_beside_its_field_and_nothing_typed_is_lost(option, typed, error, as_lead):
    response = as_lead.post("/lab/resampling/run/", {"seed": "4711", option: typed})

    html = response.content.decode()
    assert response.status_code == 422
    assert error in html
    assert 'value="4711"' in html
    assert html.count('class="error"') == 1
    assert html.count("<details open>") == 1
    assert "<b>magic" not in html
    assert not Experiment.objects.exists()


def test_whoever_labelled_can_be_chosen_as_the_one_who_is_left_out(as_lead, lead):
    ann, excluded = AnnotatorFactory(username="ann"), AnnotatorFactory(username="gone")
    twins = AnnotatorFactory.create_batch(2, first_name="Bo", last_name="Ek")
    AnnotatorFactory(username="silent")
    for annotator in (ann, excluded, *twins):
        AnnotationFactory(annotator=annotator)
    AnnotatorExclusion.objects.create(annotator=excluded, is_excluded=True, decided_by=lead)

    html = html_of(as_lead, "/lab/")
    names = ["ann", *(f"Bo Ek ({each.username})" for each in twins)]

    for name in names:
        assert f'<option value="{name}">{name}</option>' in html
    assert '<option value="" selected>–</option>' in html
    assert 'value="gone"' not in html
    assert 'value="silent"' not in html
    assert as_lead.post("/lab/without_annotator/run/", {"annotator": names[1]}).status_code == 302
    assert Experiment.objects.get().options["annotator"] == names[1]


def test_the_page_of_an_annotator_asks_with_the_name_that_the_lab_knows(as_lead):
    twins = AnnotatorFactory.create_batch(2, first_name="Bo", last_name="Ek")
    for annotator in twins:
        AnnotationFactory(annotator=annotator)
    report.refresh()

    html = html_of(as_lead, f"/annotators/{twins[0].pk}/")
    action, name = re.search(
        r'action="(/lab/without_annotator/run/)".*?name="annotator" value="([^"]+)"', html
    ).groups()

    assert as_lead.post(action, {"annotator": name}).status_code == 302
    assert Experiment.objects.get().options["annotator"] == f"Bo Ek ({twins[0].username})"


def test_an_annotator_whom_nobody_knows_is_refused_with_the_names_there_are(as_lead):
    AnnotationFactory(annotator=AnnotatorFactory(username="ann"))

    response = as_lead.post("/lab/without_annotator/run/", {"annotator": "<b>bob"})

    assert response.status_code == 422
    assert "Found annotator &#x27;&lt;b&gt;bob&#x27;; expected one of ann." in response.content.decode()
    assert not Experiment.objects.exists()


def test_an_experiment_that_there_is_not_is_not_found(as_lead):
    assert as_lead.post("/lab/alchemy/run/").status_code == 404
    assert as_lead.get("/lab/alchemy/state/").status_code == 404
    assert as_lead.get("/lab/0/").status_code == 404


def test_the_state_asks_for_itself_again_only_while_it_runs(as_lead):
    experiment = services.request_experiment(name="resampling", options={}, requested_by=None)
    assert "hx-get" in html_of(as_lead, "/lab/resampling/state/")

    Job.objects.filter(pk=experiment.job_id).update(status="cancelled", finished_at=timezone.now())

    html = html_of(as_lead, "/lab/resampling/state/")
    assert "hx-get" not in html
    assert "cancelled" in html


# ---- One of them


def test_a_report_shows_all_that_it_holds(as_lead, django_assert_max_num_queries):
    experiment = ExperimentFactory()

    with django_assert_max_num_queries(11):
        html = html_of(as_lead, f"/lab/{experiment.pk}/")

    assert "<b>Lowest macro-MAE: random_over with 0.93 ± 0.05 levels.</b>" in html
    assert '0.932 <span class="muted">± 0.051</span>' in html
    assert '<tr class="best"><td class="">random_over <span class="chip good">lowest</span>' in html
    assert '<td class="right number nowrap thesis">1.160</td>' in html
    assert "on its own data" in html
    assert "<b>macro-MAE</b>: In levels.</p>" in html
    assert html.count('class="chart') == 3
    assert "3 labelled tracks without signal@2: left out" in html
    assert "<dt>seed</dt><dd><b>3</b></dd>" in html
    assert "<dt>n_folds</dt><dd>4</dd>" in html
    assert "numpy 2.1" in html


def test_matrices_are_shown_as_shares_or_counts(as_lead):
    url = f"/lab/{ExperimentFactory().pk}/"

    shares, counts = html_of(as_lead, url), html_of(as_lead, f"{url}?cells=counts")

    assert ">60</text>" in shares
    assert ">60</text>" not in counts
    assert "count of each label level" in counts
    assert "per cent of each label level" in html_of(as_lead, f"{url}?cells=nonsense")


def test_a_report_is_downloaded_as_csv_and_json(as_lead):
    experiment = ExperimentFactory()

    table = as_lead.get(f"/lab/{experiment.pk}/report.csv")
    whole = as_lead.get(f"/lab/{experiment.pk}/report.json")

    assert table["Content-Disposition"] == f'attachment; filename="resampling-{experiment.pk}.csv"'
    assert ["random_over", "0.9321", "0.0512", "", "48"] in list(csv.reader(table.content.decode().splitlines()))
    assert json.loads(whole.content) == json.loads(experiment.report)


def test_what_has_no_report_yet_cannot_be_downloaded(as_lead):
    assert as_lead.get(f"/lab/{lasting(JobFactory(kind='experiment')).pk}/report.csv").status_code == 404


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        ("charts", {"kind": "pie"}),
        ("charts", {"x_names": ["one"]}),
        ("charts", {"series": [{"name": "a", "x": [0, 1], "y": [1.0], "se": []}]}),
        ("matrices", {"counts": [[1, 2], [3]]}),
        ("tables", {"rows": [["none"]]}),
    ],
)
def test_a_report_with_parts_that_cannot_be_drawn_is_a_message_and_no_error(part, damage, as_lead):
    experiment = ExperimentFactory()
    stored = json.loads(experiment.report)
    stored["findings"][part][-1] |= damage
    Experiment.objects.filter(pk=experiment.pk).update(report=json.dumps(stored))

    assert "written by another version of the program" in html_of(as_lead, f"/lab/{experiment.pk}/")


@pytest.mark.parametrize("report", ['{"format": 2}', '{"format": 1}', "[]", "no json"])
def test_a_report_of_another_version_is_a_message_and_no_error(report, as_lead):
    experiment = ExperimentFactory(report=report)

    assert "written by another version of the program" in html_of(as_lead, f"/lab/{experiment.pk}/")
    html = as_lead.get(f"/lab/{experiment.pk}/report.csv", follow=True).content.decode()
    assert "only its JSON can be had" in html
    assert as_lead.get(f"/lab/{experiment.pk}/report.json").content.decode() == report


@pytest.mark.parametrize(
    ("job", "shows"),
    [
        ({"status": "queued"}, "waiting for a worker"),
        ({"status": "failed", "message": "Label more.", "finished_at": timezone.now()}, "Label more."),
        ({"status": "cancelled", "message": "Cancelled by Lea.", "finished_at": timezone.now()}, "Cancelled by Lea."),
    ],
)
def test_one_without_a_report_says_how_it_is(job, shows, as_lead):
    experiment = lasting(JobFactory(kind="experiment", **job))

    assert shows in html_of(as_lead, f"/lab/{experiment.pk}/")


def test_it_can_be_asked_again_as_it_was_and_with_other_options(as_lead):
    experiment = ExperimentFactory()
    html = html_of(as_lead, f"/lab/?from={experiment.pk}")
    assert 'id="resampling-seed" name="seed" value="3"' in html

    response = as_lead.post(f"/lab/{experiment.pk}/again/")

    again = Experiment.objects.latest("pk")
    assert again != experiment
    assert again.options == experiment.options
    assert response["Location"] == f"/lab/{again.pk}/"
    assert f'href="/lab/{experiment.pk}/"' in html_of(as_lead, f"/lab/{again.pk}/")


@pytest.mark.parametrize("former", [{"name": "alchemy"}, {"options": {"lead": "gold"}}])
def test_one_that_cannot_be_asked_any_more_says_so(former, as_lead):
    experiment = ExperimentFactory(**former)

    html = as_lead.post(f"/lab/{experiment.pk}/again/", follow=True).content.decode()

    assert "It cannot be asked any more as it was" in html
    assert Experiment.objects.count() == 1


def test_the_way_there_is_on_the_dashboard_and_in_the_navigation_of_leads_only(as_lead, as_annotator):
    assert html_of(as_lead, "/dashboard/").count('href="/lab/"') == 2
    assert 'href="/lab/"' not in html_of(as_annotator, "/label/")
