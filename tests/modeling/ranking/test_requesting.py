"""Who asks for a ranking, and that asking twice is once."""

import pytest

from energyapp.jobs.models import Job
from modeling import services
from modeling.core.acquisition import STRATEGIES
from modeling.ranking.models import Ranking
from modeling.ranking.services import UnknownStrategy, request_ranking
from modeling.retraining.promotion import promote_by_itself
from tests.factories import RulesFactory, TrainingRunFactory

pytestmark = pytest.mark.django_db


def test_asked_for_twice_it_is_one_and_after_its_end_another(admin):
    first = request_ranking(requested_by=admin)

    assert request_ranking(requested_by=None) == first
    assert first.requested_by == admin

    Job.objects.filter(pk=first.job_id).update(status="cancelled", finished_at=first.created_at)
    assert request_ranking(requested_by=admin) != first


def test_it_is_by_the_strategy_in_force_where_none_is_named(monkeypatch):
    assert request_ranking(requested_by=None).strategy == "random"

    monkeypatch.setitem(STRATEGIES, "by ear", STRATEGIES["random"])
    RulesFactory(order="by ear")
    assert request_ranking(requested_by=None).strategy == "by ear"


@pytest.mark.parametrize("order", ["oldest", "by list", "a strategy of before"])
def test_an_order_that_no_strategy_makes_asks_for_the_findings_alone(order):
    RulesFactory(order=order)

    assert request_ranking(requested_by=None).strategy == "random"


def test_a_strategy_that_nobody_knows_is_refused():
    with pytest.raises(UnknownStrategy, match="'coffee grounds'; expected one of random"):
        request_ranking(requested_by=None, strategy="coffee grounds")

    assert not Job.objects.exists()


def test_each_promotion_asks_and_says_who_it_was(admin):
    first, second = TrainingRunFactory(), TrainingRunFactory()

    promote_by_itself(first, None)
    assert Ranking.objects.get().requested_by is None
    Job.objects.filter(kind="rank").update(status="cancelled", finished_at=first.created_at)

    services.promote(run=second, promoted_by=admin)
    services.promote(run=second, promoted_by=admin)

    assert [ranking.requested_by for ranking in Ranking.objects.all()] == [admin, None]
