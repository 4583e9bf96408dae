"""What happens to people whose session has ended while a page was open."""

import pytest
from django.test import Client

from tests.conftest import logged_in
from tests.factories import LeaseFactory

pytestmark = pytest.mark.django_db

FROM_THE_LABEL_PAGE = {"HX-Request": "true", "HX-Current-URL": "http://testserver/label/"}


def test_a_stranger_comes_back_to_the_page_that_was_asked_for(client):
    assert client.get("/review/?state=resolved").url == "/log-in/?next=/review/%3Fstate%3Dresolved"


def test_a_label_after_the_session_ended_leads_to_the_login_and_back_to_the_label_page(client):
    response = client.post("/label/answer/", {"level": 3}, headers=FROM_THE_LABEL_PAGE)

    assert response.headers["HX-Redirect"] == "/log-in/?next=/label/"


def test_without_htmx_what_was_sent_leads_back_to_the_page_it_was_sent_from(client):
    response = client.post("/label/answer/", {"level": 3}, headers={"Referer": "http://testserver/label/"})

    assert response.url == "/log-in/?next=/label/"


@pytest.mark.parametrize("elsewhere", ["http://evil.example/label/", "javascript:alert(1)", "//evil.example", ""])
def test_nobody_is_sent_elsewhere_after_the_login(client, elsewhere):
    headers = {"HX-Request": "true", "HX-Current-URL": elsewhere}

    assert client.post("/label/answer/", headers=headers).headers["HX-Redirect"] == "/log-in/?next=/"


def test_a_lost_token_leads_to_the_login_instead_of_a_dead_end():
    strict = Client(enforce_csrf_checks=True)

    assert strict.post("/label/answer/", headers=FROM_THE_LABEL_PAGE).headers["HX-Redirect"] == "/log-in/?next=/label/"


def test_a_form_without_its_token_is_refused_and_says_what_to_do(annotator):
    lease = LeaseFactory(annotator=annotator)
    strict = logged_in(annotator)
    strict.handler.enforce_csrf_checks = True

    response = strict.post("/label/answer/", {"track_id": lease.track_id, "level": 3})

    assert response.status_code == 403
    assert "Log in, go back, reload the page" in response.content.decode()


# ---- What modules of a page ask


@pytest.fixture
def strict(annotator):
    """A browser of the annotator's whose requests need their token."""
    client = logged_in(annotator)
    client.handler.enforce_csrf_checks = True
    return client


def test_a_module_is_told_that_the_login_has_ended(client):
    """A redirect it would follow, and find a page where it looks for data."""
    for response in (
        client.post("/label/keep/", "{}", content_type="application/json"),
        client.get("/label/compare/?level=7", headers={"Accept": "application/json"}),
    ):
        assert (response.status_code, response.json()) == (401, {"state": "log in"})
        assert "no-store" in response["Cache-Control"]


def test_a_module_without_its_token_is_told_so_gets_another_and_is_heard(strict):
    def keep(**headers):
        return strict.post("/label/keep/", "{}", content_type="application/json", headers=headers)

    lost = keep()
    assert (lost.status_code, lost.json()) == (403, {"state": "token"})

    assert strict.get("/token/").status_code == 204
    assert keep(**{"X-CSRFToken": strict.cookies["csrftoken"].value}).json() == {"held": []}


def test_who_has_lost_login_and_token_gets_a_token_and_hears_of_the_login():
    stranger = Client(enforce_csrf_checks=True)
    stranger.get("/token/")

    response = stranger.post(
        "/label/keep/",
        "{}",
        content_type="application/json",
        headers={"X-CSRFToken": stranger.cookies["csrftoken"].value},
    )

    assert (response.status_code, response.json()) == (401, {"state": "log in"})


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "*/*", ""])
def test_browsers_and_htmx_are_still_sent_to_the_login(accept, client):
    assert client.get("/label/", headers={"Accept": accept}).url == "/log-in/?next=/label/"


@pytest.mark.parametrize(("role", "page"), [("annotator", "/label/"), ("lead", "/review/"), ("admin", "/dashboard/")])
def test_everybody_starts_where_their_work_is(role, page, request):
    assert logged_in(request.getfixturevalue(role)).get("/").url == page
