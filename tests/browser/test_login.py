"""Coming in and going out."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.people import log_in, with_password

pytestmark = pytest.mark.browser


@pytest.fixture
def anna(annotator):
    return with_password(annotator)


def test_a_wrong_password_and_an_unknown_name_get_the_same_message(open_page, anna):
    page = open_page(None, "/log-in/")
    messages = []
    for username in ("anna", "nobody"):
        with page.expect_event("load"):  # the second page has a message as the first one had
            log_in(page, username, "wrong password")
        expect(page.get_by_role("alert")).to_be_visible()
        messages.append(page.get_by_role("alert").inner_text())

    assert len(set(messages)) == 1
    assert not re.search("anna|nobody|unknown|exist", messages[0])


def test_after_a_wrong_password_the_right_one_opens_the_page_first_asked_for(open_page, anna):
    page = open_page(None, "/label/?from=mail")
    expect(page).to_have_url(re.compile(r"/log-in/\?next="))
    expect(page.get_by_label("Name")).to_be_focused()

    log_in(page, "anna", "wrong password")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, "anna")

    expect(page).to_have_url(re.compile(r"/label/\?from=mail$"))


def test_logging_out_closes_every_page_again(open_page, anna):
    page = open_page(anna, "/label/")

    page.get_by_role("button", name="Log out").click()

    expect(page).to_have_url(re.compile("/log-in/"))
    page.goto("/label/")
    expect(page).to_have_url(re.compile(r"/log-in/\?next="))
