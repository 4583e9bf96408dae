"""What holds for every resource: pages that nothing slips through, one shape for refusals, limits, and one schema."""

import json
import time
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.cache import caches
from django.core.management import call_command

from energyapp.api import throttling
from tests.conftest import logged_in
from tests.factories import AnnotationFactory, FlagFactory, TrackFactory

pytestmark = pytest.mark.django_db


# ---- Pages


def pages(client, path, **query):
    """The rows of each page, following `next`."""
    page = client.read(path, **query)
    while True:
        yield page["results"]
        if page["next"] is None:
            return
        page = client.client.get(page["next"]).json()


def test_pages_hold_every_row_once(program, lead):
    tracks = TrackFactory.create_batch(7)

    found = [[row["id"] for row in rows] for rows in pages(program(lead), "tracks/", limit=3)]

    assert found == [[track.pk for track in tracks[::-1]][i : i + 3] for i in (0, 3, 6)]


def test_what_is_added_meanwhile_moves_nothing_out_of_sight_or_in_twice(program, lead):
    tracks = TrackFactory.create_batch(6)
    client, seen = program(lead), []

    for rows in pages(client, "tracks/", limit=2):
        seen += [row["id"] for row in rows]
        TrackFactory.create_batch(3)

    assert seen == [track.pk for track in tracks[::-1]]


def test_rows_of_the_same_suspicion_are_told_apart(program, lead):
    flags = [FlagFactory(suspicion=suspicion) for suspicion in (3.0, 2.0, 3.0, 3.0, 2.0)]

    found = [row["id"] for rows in pages(program(lead), "flags/", limit=2) for row in rows]

    assert found == [flags[i].pk for i in (0, 2, 3, 1, 4)]


@pytest.mark.parametrize("cursor", ["nonsense", "W10", "WyJhIl0", "WzEsMl0", "W3RydWVd", "W05hTl0", "é", "WzFlNDAwXQ"])
def test_a_cursor_that_is_none_is_refused_in_a_sentence(program, lead, cursor):
    refused = program(lead).get("tracks/", cursor=cursor)

    assert refused.status_code == 400
    assert "no cursor of ours" in refused.json()["errors"]["cursor"][0]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"state": "loud"}, {"sort": "title"}])
def test_what_cannot_be_asked_for_is_refused_by_its_name(program, lead, query):
    refused = program(lead).get("tracks/", **query)

    assert refused.status_code == 400
    assert list(refused.json()["errors"]) == list(query)


# ---- Refusals


def test_refusals_are_problem_details(program, annotator):
    refused = program(annotator).post("annotations/", track="one", level=11)

    problem = refused.json()
    assert refused["Content-Type"] == "application/problem+json"
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Bad Request", 400)
    assert set(problem["errors"]) == {"track", "level", "submission_id"}
    assert problem["errors"]["level"] == ["Ensure this value is less than or equal to 10."]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "tracks/999/", 404),
        ("get", "nowhere/", 404),
        ("get", "tracks", 404),
        ("delete", "tracks/", 405),
        ("options", "tracks/", 405),
    ],
)
def test_whatever_goes_wrong_has_the_same_shape(program, lead, method, path, status):
    refused = getattr(program(lead).client, method)(f"/api/v1/{path}")

    assert refused.status_code == status
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["status"] == status
    assert refused.json()["detail"]


@pytest.mark.parametrize("kind", ["tracks", "annotations", "flags", "decisions", "runs", "predictions", "jobs"])
def test_what_is_not_there_is_named_as_the_address_names_it(program, lead, kind):
    said = program(lead).get(f"{kind}/999/").json()["detail"]

    assert said == f"Among the {kind} there is none with the id 999, or none that you may see."


def test_a_track_without_audio_says_that_and_one_that_is_not_there_says_so(program, lead):
    silent = TrackFactory(audio_state="none", audio="")

    assert program(lead).get(f"tracks/{silent.pk}/audio/").json()["detail"] == "this track has no audio"
    assert "Among the tracks there is none" in program(lead).get("tracks/999/audio/").json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[" * 20_000, "application/json", 400),
        ('{"n": NaN}', "application/json", 400),
        (f'{{"n": "{"x" * 70_000}"}}', "application/json", 413),
        ("n=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(program, annotator, body, kind, status):
    refused = program(annotator).client.post("/api/v1/tracks/claim/", body, content_type=kind)

    assert refused.status_code == status
    assert refused.json()["status"] == status


# ---- Limits


@pytest.fixture
def within_a_minute(monkeypatch):
    """However long a test takes: when the clock's minute ends, counting begins anew."""
    now = time.time()
    monkeypatch.setattr(throttling, "time", SimpleNamespace(time=lambda: now, monotonic=time.monotonic))


@pytest.mark.usefixtures("within_a_minute")
def test_too_many_requests_of_a_token_are_told_how_long_to_wait(program, annotator, settings):
    settings.API_REQUESTS_PER_MINUTE = {"token": 3, "user": 100}
    one, other = program(annotator), program(annotator)

    statuses = [one.get("me/").status_code for _ in range(4)]
    refused = one.get("me/")

    assert statuses == [200, 200, 200, 429]
    assert refused["Content-Type"] == "application/problem+json"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert other.get("me/").status_code == 200


@pytest.mark.usefixtures("within_a_minute")
def test_the_tokens_of_a_user_share_a_limit_with_their_browser(program, annotator, settings):
    settings.API_REQUESTS_PER_MINUTE = {"token": 100, "user": 3}
    browser = logged_in(annotator)

    statuses = [client.get("/api/v1/me/").status_code for client in (program(annotator).client, browser) * 2]

    assert statuses == [200, 200, 200, 429]


@pytest.mark.usefixtures("within_a_minute")
def test_with_redis_away_requests_are_counted_all_the_same_and_wait_for_it_once(program, annotator, settings):
    """No Redis runs here: the settings point to a socket that is not there."""
    settings.API_REQUESTS_PER_MINUTE = {"token": 5, "user": 100}
    throttling._away_until = 0.0
    client = program(annotator)

    started = time.monotonic()
    statuses = [client.get("me/").status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]
    assert throttling._away_until > started


@pytest.mark.usefixtures("within_a_minute")
def test_a_count_that_was_thrown_out_for_want_of_memory_begins_anew(monkeypatch):
    counters = caches["default"]
    monkeypatch.setattr(throttling, "_away_until", time.monotonic() + 60)
    monkeypatch.setattr(counters, "add", lambda key, value, timeout: counters.delete(key))  # gone between the two

    assert throttling.count("some-key") == 1


@pytest.mark.services
@pytest.mark.usefixtures("within_a_minute")
def test_all_processes_count_together_in_redis(redis_url, settings):
    """As other processes would: each with connections of its own."""
    location = redis_url.replace("redis+socket://", "unix://", 1)
    settings.CACHES = {**settings.CACHES, "shared": {**settings.CACHES["shared"], "LOCATION": location}}
    throttling._away_until = 0.0

    counted = []
    for _ in range(3):
        counted.append(throttling.count("some-key"))
        caches.close_all()
        del caches["shared"]

    assert counted == [1, 2, 3]
    assert throttling._away_until == 0.0


# ---- The schema


def test_the_schema_is_valid_and_nothing_in_it_is_guessed():
    said = StringIO()

    call_command("spectacular", "--fail-on-warn", "--validate", "--format", "openapi-json", stdout=said)

    paths = json.loads(said.getvalue())["paths"]
    assert "/api/v1/annotations/{id}/change/" in paths
    assert all(path.startswith("/api/v1/") for path in paths)


def test_whoever_is_logged_in_reads_the_schema_and_its_documentation(annotator):
    browser = logged_in(annotator)

    schema = browser.get("/api/v1/schema/").json()
    page = browser.get("/api/v1/docs/").content.decode()

    assert schema["openapi"].startswith("3.")
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert f'id="{operation["operationId"]}"' in page, (method, path)


def test_every_operation_has_a_name_and_words_of_its_own(as_lead):
    operations = [
        each for methods in as_lead.get("/api/v1/schema/").json()["paths"].values() for each in methods.values()
    ]

    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] for each in operations)


# ---- In a browser


def test_in_a_browser_everything_is_a_page_of_ours(lead):
    AnnotationFactory(track__title="<b>Bold</b>")
    browser = logged_in(lead)

    for path in ("", "me/", "tracks/", "annotations/", "flags/", "tracks/999/", "decisions/"):
        page = browser.get(f"/api/v1/{path}", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert page["Content-Type"].startswith("text/html"), path
        assert "<b>Bold" not in page.content.decode()
        assert "unsafe" not in page["Content-Security-Policy"]


def test_a_stranger_s_browser_is_offered_the_login(client, db):
    page = client.get("/api/v1/tracks/", headers={"accept": "text/html"})

    assert page.status_code == 401
    assert "/log-in/?next=/api/v1/tracks/" in page.content.decode()
