"""Which model is in use: people say it, rules may, nobody twice."""

import pytest
from django.db import Error, connection, transaction

from modeling import services
from modeling.models import Promotion, RetrainingRules, TrainingRun
from modeling.retraining.champion import ENOUGH_ARTISTS, ENOUGH_TRACKS, Comparison
from modeling.retraining.promotion import promote_by_itself
from modeling.services import ChangedMeanwhile
from tests.annotations.test_races import at_once
from tests.factories import AdminFactory, JobFactory, TrainingRunFactory


def better_than(run, *, high=-0.1):
    figures = {"before": 1.2, "after": 1.0, "change": -0.2, "se": 0.05, "low": -0.3, "high": high}
    return Comparison(run.pk, ENOUGH_TRACKS, ENOUGH_ARTISTS, measures={"macro_mae": figures})


@pytest.fixture
def champion(db, admin):
    run = TrainingRunFactory()
    services.promote(run=run, promoted_by=admin)
    return run


@pytest.fixture
def by_itself(db):
    RetrainingRules.objects.create(promotes_by_itself=True)


def test_promoting_what_is_in_use_changes_nothing(champion, admin):
    services.promote(run=champion, promoted_by=admin)

    assert Promotion.objects.count() == 1


def test_whoever_saw_another_run_in_use_is_told_and_nothing_changes(champion, admin):
    second, third = TrainingRunFactory(), TrainingRunFactory()
    services.promote(run=second, promoted_by=admin, instead_of=champion.pk)

    with pytest.raises(ChangedMeanwhile, match=f"{admin.display_name} put run {second.pk} to use meanwhile"):
        services.promote(run=third, promoted_by=admin, instead_of=champion.pk)

    assert TrainingRun.objects.live() == second


def test_a_run_without_a_model_is_refused(champion, admin):
    failed = TrainingRunFactory(job=JobFactory(status="queued"))

    with pytest.raises(services.NotPromotable, match="only a run that succeeded"):
        services.promote(run=failed, promoted_by=admin)


@pytest.mark.django_db
def test_the_first_model_is_put_to_use_by_itself_and_says_so():
    run = TrainingRunFactory()

    promotion = promote_by_itself(run, None)

    assert (promotion.is_automatic, promotion.why) == (True, "It is the first model.")
    assert TrainingRun.objects.live() == run


def test_a_better_model_is_put_to_use_by_itself_where_the_rules_say_so(champion, by_itself):
    run = TrainingRunFactory()

    promotion = promote_by_itself(run, better_than(champion))

    assert promotion.is_automatic
    assert promotion.why == "The new run is better: its macro-MAE is lower by 0.10 to 0.30 levels."
    assert TrainingRun.objects.live() == run


def test_without_the_rule_a_better_model_waits_for_people(champion):
    assert promote_by_itself(TrainingRunFactory(), better_than(champion)) is None
    assert TrainingRun.objects.live() == champion


def test_a_model_that_chance_alone_may_have_made_better_waits_for_people(champion, by_itself):
    assert promote_by_itself(TrainingRunFactory(), better_than(champion, high=0.01)) is None
    assert promote_by_itself(TrainingRunFactory(), None) is None


def test_one_that_was_held_against_a_run_that_is_not_in_use_any_more_waits_for_people(champion, by_itself, admin):
    services.promote(run=TrainingRunFactory(), promoted_by=admin)

    assert promote_by_itself(TrainingRunFactory(), better_than(champion)) is None


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_promote_at_once_over_the_same_run_one_succeeds():
    in_use = TrainingRunFactory()
    services.promote(run=in_use, promoted_by=AdminFactory())
    runs, people = TrainingRunFactory.create_batch(8), AdminFactory.create_batch(8)

    results = at_once(
        lambda run=run, person=person: services.promote(run=run, promoted_by=person, instead_of=in_use.pk)
        for run, person in zip(runs, people, strict=True)
    )

    assert sorted(type(result).__name__ for result in results) == ["ChangedMeanwhile"] * 7 + ["Promotion"]
    assert Promotion.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_eight_clicks_on_the_same_button_one_counts():
    in_use, run, person = TrainingRunFactory(), TrainingRunFactory(), AdminFactory()
    services.promote(run=in_use, promoted_by=person)

    results = at_once([lambda: services.promote(run=run, promoted_by=person)] * 8)

    assert {type(result) for result in results} == {Promotion}
    assert Promotion.objects.count() == 2


@pytest.mark.parametrize("table", ["modeling_promotion", "modeling_retrainingrules"])
def test_history_is_only_added_to(table, champion, by_itself):
    for statement in (f"UPDATE {table} SET created_at = created_at", f"DELETE FROM {table}"):
        with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
