"""What the page beside the switch gets to show of the newest replay."""

from dataclasses import replace

import pytest

from modeling.core.estimates import Estimate
from modeling.core.lab.catalogue import ActiveLearning
from modeling.core.lab.report import Chart, Findings, Report, Series
from modeling.core.lab.running import run_experiment
from modeling.core.lab.savings import CURVE, REAL, SIMULATED, Choice, Saving, Standing, savings_table, standings_table
from modeling.models import Experiment
from modeling.ranking.proof import AS_A_PROOF, newest_proof
from tests.factories import AnnotationFactory, ExperimentFactory
from tests.modeling.core.lab.planted import lab_data

pytestmark = pytest.mark.django_db

AS_THEY_ARE = {"thin_rare": False, "by_artist": True, "n_repeats": 20}


def answered(*, recommended="k_center", options=AS_THEY_ARE, n_labels=10, more=()):
    standings = [
        Standing("random", None, Estimate(1.1, 0.02), None, None),
        Standing("k_center", Estimate(-0.05, 0.01), Estimate(1.0, 0.02), Estimate(-0.1, 0.02), Estimate(-0.04, 0.01)),
        Standing("rare_levels", Estimate(0.03, 0.02), Estimate(1.2, 0.02), Estimate(0.1, 0.02), None),
    ]
    chosen = Choice("k_center", Estimate(-0.04, 0.01 if recommended == "k_center" else 0.03))
    savings = [
        Saving("k_center", 100, 80, 70, 95),
        Saving("k_center", 200, 150, 130, None),
        Saving("rare_levels", 200, None, 210, None),
    ]
    chart = Chart(CURVE, "Labels", "macro-MAE", (Series("random", (20, 40), (1.4, 1.2), (0.1, 0.1)),))
    experiment = ExperimentFactory(name="active_learning", options=options)
    template = Report.from_json(experiment.report)
    report = replace(
        template,
        provenance=replace(template.provenance, n_tracks=48, n_annotations=n_labels),
        findings=Findings(
            conclusions=("k_center would have needed 150 labels.", "More."),
            tables=(standings_table(standings, chosen), savings_table(savings), *more),
            charts=(chart,),
        ),
    )
    experiment.report = report.to_json()
    experiment.save()
    return experiment


def test_a_proof_says_what_each_strategy_would_have_saved_and_how_surely():
    experiment = answered()

    proof = newest_proof()

    assert (proof.experiment, proof.answered_at) == (experiment, experiment.job.finished_at)
    assert (proof.n_tracks, proof.n_labels, proof.is_stale) == (48, 10, False)
    assert (proof.recommended, proof.saves) == ("k_center", True)
    assert proof.sentence == "k_center would have needed 150 labels."
    assert proof.chart.series[0].name == "random"
    clear, by_chance = proof.strategies
    assert (clear.strategy, clear.could_be_chance, clear.area_less) == ("k_center", False, Estimate(-0.05, 0.01))
    assert clear.savings == (Saving("k_center", 100, 80, 70, 95), Saving("k_center", 200, 150, 130, None))
    assert [each.saved_share for each in clear.savings] == pytest.approx([0.2, 0.25])
    assert (by_chance.could_be_chance, by_chance.savings[0].saved_share) == (True, None)


def test_second_opinions_of_ones_own_annotators_stand_apart_and_those_of_simulated_ones_are_no_proof():
    both = [
        Standing(name, Estimate(-0.02, 0.03), Estimate(1.0, 0.1), Estimate(0.0, 0.1), None)
        for name in ("relabel_or_new", "random_mix")
    ]
    saving = Saving("relabel_or_new", 100, 90, 60, 120)
    answered(
        more=[
            table
            for of in (SIMULATED, REAL)
            for table in (standings_table(both, None, of), savings_table([saving], of))
        ]
    )

    (opinion,) = newest_proof().opinions

    assert (opinion.strategy, opinion.savings, opinion.could_be_chance) == ("relabel_or_new", (saving,), True)
    assert len(newest_proof().strategies) == 2


def test_what_the_experiment_writes_is_what_is_read_and_shown(as_lead, monkeypatch):
    monkeypatch.setitem(AS_A_PROOF, "options__n_repeats__gte", 4)
    asked = ActiveLearning(n_repeats=4, batch=10, strategies=("k_center", "rare_levels"))
    report = run_experiment(asked, lab_data(150))
    experiment = ExperimentFactory(name="active_learning", options=asked.options, report=report.to_json())

    proof = newest_proof()

    assert proof.sentence == report.findings.conclusions[0]
    assert {each.strategy for each in proof.strategies} == {"k_center", "rare_levels"}
    assert all(len(each.savings) == 3 for each in proof.strategies)
    assert proof.recommended in {"random", "k_center", "rare_levels"}
    assert {series.name for series in proof.chart.series} == {"random", "k_center", "rare_levels"}
    assert as_lead.get(f"/lab/{experiment.pk}/").status_code == 200


def test_where_nothing_is_recommended_it_is_random():
    answered(recommended="random")

    assert (newest_proof().recommended, newest_proof().saves) == ("random", False)


def test_the_newest_thorough_answer_on_the_labels_as_they_are_counts():
    answered()
    newest = answered()
    for other in ({"thin_rare": True}, {"by_artist": False}, {"n_repeats": 19}):
        answered(options=AS_THEY_ARE | other)
    Experiment.objects.filter(pk=answered().pk).update(report="", data_digest="")

    assert newest_proof().experiment == newest


def test_without_an_answer_or_with_one_of_another_version_there_is_no_proof():
    assert newest_proof() is None

    ExperimentFactory(name="active_learning", options=AS_THEY_ARE)
    assert newest_proof() is None

    ExperimentFactory(name="active_learning", options=AS_THEY_ARE, report='{"format": 7}')
    assert newest_proof() is None


def test_a_proof_of_few_labels_is_stale_once_there_are_half_as_many_again():
    AnnotationFactory()
    answered(n_labels=8)
    AnnotationFactory.create_batch(3)
    assert not newest_proof().is_stale

    AnnotationFactory()
    assert newest_proof().is_stale


def test_reading_it_costs_two_statements(django_assert_max_num_queries):
    answered()

    with django_assert_max_num_queries(2):
        newest_proof()
