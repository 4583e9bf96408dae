"""Trainings that nobody asked for: as the rules say, one at a time, and not over and over when they fail."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from annotations.models import Annotation
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling import pipeline, services
from modeling.models import RetrainingRules, TrainingRun
from modeling.retraining.automatic import facts, retrain_if_due, way_of_learning
from modeling.training_data import NotEnoughLabels
from tests.annotations.test_races import at_once
from tests.factories import (
    AdminFactory,
    AnnotationFactory,
    DecisionFactory,
    FlagFactory,
    PromotionFactory,
    RunningJobFactory,
    TrainingRunFactory,
)
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db


def after(n, **also):
    return RetrainingRules.objects.create(after_labels=n, **also)


def test_by_default_nothing_trains_by_itself(library):
    assert retrain_if_due() is None


def test_after_so_many_labels_a_training_is_asked_for_by_nobody_with_its_reason(library):
    after(5)
    train("baseline", decision="lowest_mae")
    AnnotationFactory.create_batch(4)
    assert retrain_if_due() is None

    AnnotationFactory()
    run = retrain_if_due().training_run

    assert (run.requested_by, run.reason) == (None, "after 5 new labels")
    assert (run.recipe, run.options) == ("baseline", {"decision": "lowest_mae"}), "as what is in use was taught"


def test_after_so_many_decisions_undone_ones_not_counted(library):
    RetrainingRules.objects.create(after_decisions=2)
    train()
    kept = DecisionFactory()
    DecisionFactory(flag=kept.flag, verdict="undo", undoes=kept, blind_level=None)
    assert retrain_if_due() is None

    DecisionFactory(flag=FlagFactory())

    assert retrain_if_due().training_run.reason == "after 2 new decisions"


def test_not_while_one_runs_and_what_comes_meanwhile_counts_for_the_next(library):
    after(3)
    running = services.request_training(requested_by=AdminFactory())
    AnnotationFactory.create_batch(3)
    assert retrain_if_due() is None

    pipeline.train(running.pk)

    # They came before it had read the labels, so it has learnt from them.
    assert retrain_if_due() is None
    AnnotationFactory.create_batch(3)
    assert retrain_if_due().training_run.reason == "after 3 new labels"


def test_a_training_that_failed_waits_for_as_many_labels_again_instead_of_looping():
    after(3)
    AnnotationFactory.create_batch(3)
    job = retrain_if_due()
    with pytest.raises(NotEnoughLabels):
        pipeline.train(job.pk)

    assert retrain_if_due() is None
    AnnotationFactory.create_batch(2)
    assert retrain_if_due() is None
    AnnotationFactory()
    assert retrain_if_due() is not None
    assert TrainingRun.objects.count() == 2


def test_one_that_was_called_off_is_not_begun_again_by_itself():
    after(3)
    AnnotationFactory.create_batch(3)

    jobs.cancel(job=retrain_if_due(), by="Adam")

    assert Job.objects.get().status == Job.Status.CANCELLED
    assert retrain_if_due() is None


def test_by_the_clock_once_and_only_where_something_has_changed(library):
    RetrainingRules.objects.create(
        schedule="daily",
        hour=(timezone.localtime() - timedelta(hours=1)).hour,
        created_at=timezone.now() - timedelta(3),
    )
    run = train()
    TrainingRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=2))
    assert retrain_if_due() is None
    assert not facts().anything_new

    AnnotationFactory()
    job = retrain_if_due()

    assert job.training_run.reason == "by the schedule"
    Job.objects.filter(pk=job.pk).update(status="failed", finished_at=timezone.now())
    assert retrain_if_due() is None, "the hour has had its training"


def test_a_recipe_that_cannot_be_asked_for_any_more_gives_way_to_the_usual_one():
    assert way_of_learning(TrainingRunFactory(recipe="gone", options={})) == {
        "recipe": "auto",
        "decision": "lowest_macro_mae",
    }
    assert way_of_learning(None) == {"recipe": "auto", "decision": "lowest_macro_mae"}


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_look_at_once_one_training_comes():
    after(3)
    AnnotationFactory.create_batch(3)

    found = at_once([retrain_if_due] * 8)

    assert not [each for each in found if isinstance(each, Exception)]
    assert TrainingRun.objects.count() == Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_on_retrain_are_one_training():
    people = AdminFactory.create_batch(20)

    found = at_once(partial(services.request_training, requested_by=person) for person in people)

    assert len({job.pk for job in found}) == 1
    assert TrainingRun.objects.count() == Job.objects.count() == 1


def test_looking_takes_few_statements_however_many_labels_there_are(django_assert_max_num_queries, library):
    after(1_000)
    PromotionFactory(run=train())
    RunningJobFactory(kind="import")
    AnnotationFactory(supersedes=Annotation.objects.first(), track=Annotation.objects.first().track)

    with django_assert_max_num_queries(11):
        assert retrain_if_due() is None
