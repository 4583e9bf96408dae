"""The API in a real browser: under the pages' strict policy, with nothing from elsewhere, and usable by hand."""

import datetime as dt
import json
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from annotations.models import Annotation
from tests.browser.conftest import responses_of
from tests.factories import AnnotationFactory, LeadFactory, LeaseFactory

pytestmark = pytest.mark.browser


def test_a_token_is_made_shown_once_and_revoked_by_keyboard(open_page):
    page = open_page(LeadFactory(), "/account/tokens/")

    page.get_by_label("What it is for").fill("nightly script")
    page.get_by_label("What it is for").press("Enter")
    expect(page.locator("[data-secret]")).to_contain_text("energy_")
    page.goto("/account/tokens/")
    expect(page.locator("[data-secret]")).to_have_count(0)
    page.get_by_role("button", name="Revoke nightly script").press("Enter")

    expect(page.get_by_role("status").or_(page.locator(".messages"))).to_contain_text("is revoked")
    expect(page.locator("tbody")).to_contain_text("revoked")


def test_the_api_is_looked_through_and_tried_out_by_hand(open_page):
    """`open_page` fails on any console error, and so on anything that the policy forbids."""
    lead = LeadFactory()
    AnnotationFactory(track__title="A Title")
    track = LeaseFactory(annotator=lead, taken_at=timezone.now() - dt.timedelta(minutes=1)).track
    page = open_page(lead, "/api/v1/")
    body = page.get_by_label("Body, in JSON")

    page.get_by_role("link", name="annotations").click()
    expect(page.locator("pre").first).to_contain_text("A Title")
    body.fill("{")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-answer]")).to_contain_text("this is no JSON")
    body.fill(json.dumps({"track": track.pk, "level": 4, "submission_id": str(uuid4()), "listened_s": 5}))
    page.get_by_role("button", name="Send").click()

    expect(page.locator("[data-answer]")).to_contain_text("201 Created")
    assert Annotation.objects.get(annotator=lead).level == 4


def test_the_documentation_brings_nothing_from_elsewhere(open_page, server):
    page = open_page(LeadFactory(), "/")
    asked = responses_of(page)

    page.goto("/api/v1/docs/")
    page.get_by_text("/api/v1/annotations/", exact=True).first.click()

    expect(page.locator("details[open]").first).to_contain_text("Statuses")
    assert {urlsplit(response.url).netloc for response in asked} == {urlsplit(server.url).netloc}
