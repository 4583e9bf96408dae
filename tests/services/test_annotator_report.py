"""A real worker makes the report about annotators that a lead has asked for."""

import pytest

from annotations.annotators import report
from tests.annotations.test_annotators_report import shared_labels
from tests.factories import AnnotatorFactory
from tests.processes import broker_at, wait_until

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def test_what_a_lead_asks_for_a_worker_makes(as_lead, start_workers, redis_url):
    shared_labels(*AnnotatorFactory.create_batch(2))
    start_workers("intake")

    with broker_at(redis_url):
        asked = as_lead.post("/annotators/look-again/", follow=True)

    assert "A worker looks again" in asked.content.decode()
    wait_until(report.is_current, what="the report")
    assert as_lead.get("/annotators/").content.decode().count("tile person") == 2
