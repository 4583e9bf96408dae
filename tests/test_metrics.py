"""What Prometheus gets: the truth of the database now, and requests as all processes have counted them."""

import re
import subprocess
import sys

import pytest

from energyapp import metrics
from tests.factories import (
    AnnotationFactory,
    FlagFactory,
    JobFactory,
    PromotionFactory,
    RunningJobFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-twenty-characters-and-more"
MACHINE = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def scraped(settings):
    settings.METRICS_TOKEN = TOKEN


def scrape(client) -> dict[str, float]:
    """Sample -> value, as Prometheus' own parser reads it."""
    response = client.get("/metrics", headers=MACHINE)
    assert response.status_code == 200
    from prometheus_client.parser import text_string_to_metric_families  # loaded by the page first, as in the product

    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_without_a_token_there_is_no_such_page(client):
    assert client.get("/metrics", headers=MACHINE).status_code == 404


@pytest.mark.parametrize("said", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}])
def test_only_who_has_the_token_may_scrape(scraped, client, as_admin, said):
    assert client.get("/metrics", headers=said).status_code == 401
    assert as_admin.get("/metrics", headers=said).status_code == 401


def test_the_facts_are_those_of_the_database(scraped, client):
    JobFactory(kind="experiment")
    RunningJobFactory(kind="import")
    FlagFactory()  # with its label and its track
    AnnotationFactory(track=TrackFactory(audio_state="none", audio=""))
    PromotionFactory(run=TrainingRunFactory())

    now = scrape(client)

    assert now["energyapp_jobs[('kind', 'experiment'), ('status', 'queued')]"] == 1
    assert now["energyapp_jobs[('kind', 'import'), ('status', 'running')]"] == 1
    assert now["energyapp_oldest_waiting_job_seconds[]"] >= 0
    assert now["energyapp_workers[('queue', 'train')]"] == 0
    assert now["energyapp_tracks[('audio_state', 'none')]"] == 1
    assert now["energyapp_labels[]"] == 2
    assert now["energyapp_flagged_labels[]"] == 1
    assert [value for name, value in now.items() if "macro_mae" in name] == [0.95, 1.05]


def test_an_empty_installation_is_scraped_too(scraped, client):
    now = scrape(client)

    assert now["energyapp_oldest_waiting_job_seconds[]"] == 0
    assert not [name for name in now if "macro_mae" in name]


def test_requests_are_counted_by_route_and_status_without_ids(scraped, client):
    before = scrape(client)
    for _ in range(3):
        client.get("/tracks/12345/")
    client.get("/nowhere/at/all/")

    now = scrape(client)

    def grown(name):
        return now[name] - before.get(name, 0)

    assert grown("energyapp_request_seconds_count[('route', 'track'), ('status', '302')]") == 3
    assert grown("energyapp_request_seconds_count[('route', 'none'), ('status', '404')]") == 1
    assert grown("energyapp_request_seconds_bucket[('le', '10.0'), ('route', 'track'), ('status', '302')]") == 3
    assert not re.search("12345", str(list(now)))


def test_a_scrape_sees_what_another_process_has_counted(scraped, client, settings):
    scrape(client)
    name = "energyapp_request_seconds_count[('route', 'elsewhere'), ('status', '200')]"
    code = "from energyapp.metrics import request_seconds; request_seconds().labels('elsewhere', 200).observe(0.1)"
    environment = {
        "DJANGO_SETTINGS_MODULE": "energyapp.settings",
        "ENERGYAPP_VAR": str(settings.VAR_DIR),
        "ENERGYAPP_METRICS": str(settings.METRICS_DIR),
    }
    code = f"import django; django.setup(); {code}"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)

    assert scrape(client)[name] == 1


def test_nothing_is_counted_where_nobody_scrapes(client, monkeypatch):
    monkeypatch.setattr(metrics, "request_seconds", lambda: pytest.fail("counted"))

    assert client.get("/healthz").status_code == 200
