"""Everybody's own account."""

import pytest

from annotations.accounts.models import Invitation
from annotations.accounts.services import offer_password
from energyapp.audit.models import AuditEntry
from tests.accounts.logging_in import PASSWORD, opens, with_login
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db

GOOD = "correct horse battery"


def test_a_password_is_changed_here_stays_logged_in_and_elsewhere_not(annotator):
    with_login(annotator)
    here, elsewhere = logged_in(annotator), logged_in(annotator)

    response = here.post(
        "/account/password/", {"old_password": PASSWORD, "new_password1": GOOD, "new_password2": GOOD}, follow=True
    )

    assert "Your password is changed" in response.content.decode()
    assert opens("anna", GOOD)
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert AuditEntry.objects.get().action == "password changed"


def test_a_link_to_choose_a_password_ends_when_one_was_chosen_without_it(annotator, admin):
    client = logged_in(with_login(annotator))
    offer_password(user=annotator, by=admin)

    client.post("/account/password/", {"old_password": PASSWORD, "new_password1": GOOD, "new_password2": GOOD})

    assert not Invitation.objects.open().exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"old_password": "wrong"}, "entered incorrectly"),
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password2": "different one"}, "match"),
    ],
)
def test_a_password_is_not_changed_without_the_old_one_or_to_a_weak_one(annotator, data, words):
    client = logged_in(with_login(annotator))

    response = client.post(
        "/account/password/", {"old_password": PASSWORD, "new_password1": GOOD, "new_password2": GOOD} | data
    )

    assert response.status_code == 422
    assert words in response.content.decode()
    assert opens("anna", PASSWORD)


def test_the_name_that_others_see_is_ones_own(as_annotator, annotator):
    as_annotator.post("/account/name/", {"name": "Anna Netrebko von und zu"})

    annotator.refresh_from_db()
    assert annotator.display_name == "Anna Netrebko von und zu"
    assert AuditEntry.objects.get().detail == {"was": "", "now": "Anna Netrebko von und zu"}
    assert as_annotator.post("/account/name/", {"name": ""}).status_code == 422


def test_the_page_leads_to_what_the_role_has(as_annotator, as_admin):
    annotators, admins = (client.get("/account/").content.decode() for client in (as_annotator, as_admin))

    assert "/label/mine/" in annotators
    assert "/import/" not in annotators.split("<main")[1]
    assert "/import/" in admins.split("<main")[1]
    assert "/admin/people/" in admins.split("<main")[1]
