"""People come in by a link and see to their own account, and admins see to them: by keyboard alone, on a phone, for everybody."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from annotations.accounts import services
from annotations.models import LabellingRules, User
from energyapp.audit.models import AuditEntry
from tests.browser.conftest import arrive
from tests.browser.people import log_in, with_password
from tests.browser.test_keyboard_alone import tab_to
from tests.factories import AnnotationFactory, AnnotatorFactory, InvitationFactory

pytestmark = pytest.mark.browser

FIRST, SECOND = "correct horse battery", "another fine passphrase"
LONG = "Wilhelmina Featherstonehaugh-Donaudampfschifffahrtsgesellschaft"


def test_from_an_invitation_to_an_account_with_a_password_of_ones_own(open_page, admin):
    at_the_admins = open_page(admin, "/admin/people/")
    tab_to(at_the_admins, at_the_admins.get_by_label("Whom it is for"))
    at_the_admins.keyboard.type("Nina")
    at_the_admins.keyboard.press("Enter")
    link = at_the_admins.get_by_label("Copy it now")
    expect(link).to_be_focused()

    page = open_page(None, link.input_value())
    tab_to(page, page.get_by_label("Name", exact=True))
    for text in ("Nina Simone", "nina", FIRST, FIRST):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Your account is ready: log in as nina.")).to_be_visible()
    log_in(page, "nina", FIRST)
    arrive(page, "/label/$")
    tab_to(page, page.get_by_role("link", name="Nina Simone"))
    page.keyboard.press("Enter")
    arrive(page, "/account/$")
    tab_to(page, page.get_by_label("Old password"))
    for text in (FIRST, SECOND, SECOND):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your password is changed.")).to_be_visible()

    tab_to(page, page.get_by_role("button", name="Log out"), key="Shift+Tab")
    page.keyboard.press("Enter")
    log_in(page, "nina", SECOND)
    arrive(page, "/label/$")
    assert User.objects.get(username="nina").groups.get().name == "annotator"


def test_an_admin_gives_a_role_closes_an_account_and_finds_it_in_the_log_by_keyboard(open_page, admin, annotator):
    with_password(annotator)
    page = open_page(admin, "/admin/people/")
    tab_to(page, page.get_by_role("link", name="anna"))
    page.keyboard.press("Enter")

    tab_to(page, page.get_by_label("Annotator"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("anna is lead now.")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Deactivate the account"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("anna is deactivated.")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="All that they did"))
    page.keyboard.press("Enter")

    arrive(page, r"/admin/audit/\?person=anna$")
    expect(page.get_by_text(re.compile("Deactivated: anna"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Role changed: anna \(was: annotator, now: lead\)"))).to_be_visible()


def test_the_link_is_copied(open_page, admin):
    page = open_page(admin, "/admin/people/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Copy it now").input_value()

    page.get_by_role("button", name="Copy the link").click()

    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link


@pytest.fixture
def furnished(server, admin):
    """Something on each page, with names that are long."""
    person = with_password(AnnotatorFactory(first_name=LONG, last_name=LONG, username="w" * 60))
    AnnotationFactory(annotator=person)
    for _ in range(3):
        services.invite(role="lead", note=LONG, by=admin)
    _, secret = services.offer_password(user=person, by=admin)
    InvitationFactory()
    services.deactivate(user=AnnotatorFactory(username="gone"), by=admin)
    LabellingRules.objects.create(changed_by=admin, labels_per_track=3, hides_names=False, session_goal=55)
    AuditEntry.objects.record(by=admin, action="webhook added", subject=f"https://{LONG}.example.org/{LONG}/{LONG}")
    paths = ["/admin/people/", f"/admin/people/{person.pk}/", "/admin/settings/", "/admin/audit/", "/account/"]
    return paths, f"/invitation/{secret}/"


def test_no_page_scrolls_sideways_on_a_phone_and_the_rest_is_behind_the_name(
    open_page, admin, furnished, expect_console
):
    paths, link = furnished
    page = open_page(admin, "/account/", viewport={"width": 390, "height": 844})
    expect(page.get_by_role("navigation", name="More pages").get_by_role("link", name="Import")).to_be_visible()
    stranger = open_page(None, link, viewport={"width": 390, "height": 844})

    for each, path in [*((page, path) for path in paths), (stranger, link), (stranger, "/invitation/none/")]:
        each.goto(path)
        width = each.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} pixels wide"
    expect_console("410")


def test_axe_finds_nothing_in_either_scheme(open_page, admin, furnished, expect_console):
    paths, link = furnished
    context = {"bypass_csp": True, "reduced_motion": "reduce"}
    page, stranger = open_page(admin, "/account/", **context), open_page(None, link, **context)
    found = []
    for each, path in [*((page, path) for path in paths), (stranger, link), (stranger, "/invitation/none/")]:
        each.goto(path)
        for scheme in ("light", "dark"):
            each.emulate_media(color_scheme=scheme)
            found += [
                f"{path}, {scheme}: {rule['id']} at {node['target']}: {node['failureSummary']}"
                for rule in Axe().run(each).response["violations"]
                for node in rule["nodes"]
            ]
    assert not found, "\n".join(found)
    expect_console("410")
