"""Whatever the schema allows, and much that it forbids, is sent to every operation by every role: in this process, with one seed.

Every answer must be one that the schema knows, in its shape, and what the schema forbids must be refused.
"""

from itertools import cycle

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from energyapp.api import tokens
from energyapp.api.views import whole_schema
from tests.factories import (
    AnnotationFactory,
    DecisionFactory,
    FlagFactory,
    JobFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db

WANTED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
]


@pytest.fixture
def furnished(annotator, lead, admin):
    """Something of everything, with ids that are easily guessed."""
    LeaseFactory(annotator=annotator)
    for level in (3, 7):
        AnnotationFactory(annotator=annotator, level=level)
    for _ in range(3):
        FlagFactory()
    DecisionFactory()
    JobFactory(kind="import")
    promotion = PromotionFactory()
    PredictionFactory(run=promotion.run, part="final", true_level=None)
    TrackFactory(audio="", audio_state="none")


@pytest.fixture
def programs(annotator, lead, admin, settings):
    settings.API_REQUESTS_PER_MINUTE = {"token": 10**9, "user": 10**9}
    return cycle([tokens.make(user=user, name="fuzz", scope="write")[1] for user in (annotator, lead, admin)])


@pytest.fixture(autouse=True)
def _connection_stays():
    """As Django's own test client has it: a request's end would close the connection that this test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


schema = schemathesis.openapi.from_dict(whole_schema())
schema.app = WSGIHandler()


@schema.parametrize()
@settings(max_examples=9, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_schema_says(case, furnished, programs):
    # In turn: of a hundred cases an operation each role gets a third.
    case.call_and_validate(headers={"Authorization": f"Bearer {next(programs)}"}, checks=CHECKS.get_by_names(WANTED))
