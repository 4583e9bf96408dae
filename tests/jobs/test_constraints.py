"""What the database refuses, whoever asks."""

import pytest
from django.db import IntegrityError, transaction

from tests.factories import JobFactory, RunningJobFactory, SucceededJobFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "factory", "broken"),
    [
        # No unknown status has a valid end, so either constraint may speak first.
        ("job_status_known|job_finished_has_its_time", JobFactory, {"status": "asleep"}),
        ("job_progress_is_a_share", JobFactory, {"progress": -0.1}),
        ("job_progress_is_a_share", JobFactory, {"progress": 1.1}),
        ("job_running_is_held_and_beats", RunningJobFactory, {"token": None}),
        ("job_running_is_held_and_beats", RunningJobFactory, {"heartbeat_at": None}),
        ("job_finished_has_its_time", SucceededJobFactory, {"finished_at": None}),
        ("job_finished_has_its_time", SucceededJobFactory, {"status": "queued"}),
        ("job_finished_has_its_time", SucceededJobFactory, {"status": "failed", "finished_at": None}),
    ],
)
def test_a_job_that_contradicts_itself_is_refused(name, factory, broken):
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        factory(**broken)


@pytest.mark.parametrize("factory", [JobFactory, RunningJobFactory])
def test_two_live_jobs_of_a_kind_are_refused(factory):
    factory()

    with pytest.raises(IntegrityError), transaction.atomic():
        JobFactory()


def test_any_number_of_jobs_of_a_kind_may_have_ended():
    SucceededJobFactory.create_batch(2)
    JobFactory()
