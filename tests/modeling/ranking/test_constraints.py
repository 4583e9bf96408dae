"""What the database refuses of rankings."""

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from modeling.ranking.models import Ranking
from modeling.ranking.services import request_ranking
from tests.factories import TrainingRunFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "part",
    [{"n_open": 3}, {"n_ranked": 3}, {"found": {"more": 1}}, {"run": TrainingRunFactory}],
    ids=lambda part: next(iter(part)),
)
def test_what_a_ranking_found_is_there_altogether_or_not_at_all(part):
    ranking = request_ranking(requested_by=None)
    values = {name: value() if callable(value) else value for name, value in part.items()}

    with pytest.raises(IntegrityError, match="ranking_results_all_or_none"), transaction.atomic():
        Ranking.objects.filter(pk=ranking.pk).update(**values)

    done = {"n_open": 3, "n_ranked": 3, "found": {"more": 1}}
    assert Ranking.objects.filter(pk=ranking.pk).update(**done | values) == 1


def test_a_job_has_one_ranking_and_stays_as_long_as_it():
    ranking = request_ranking(requested_by=None)

    with pytest.raises(IntegrityError), transaction.atomic():
        Ranking.objects.create(job=ranking.job, strategy="random")
    with pytest.raises(ProtectedError):
        ranking.job.delete()
