"""Admins decide who may do what: nobody closes the door behind themselves, and there is always somebody who can open it."""

from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from annotations.accounts import services
from annotations.accounts.models import Invitation
from annotations.models import Lease, User
from annotations.roles import ADMIN, LEAD
from energyapp.api import tokens
from energyapp.audit.models import AuditEntry
from tests.accounts.logging_in import PASSWORD, opens, with_login
from tests.annotations.test_races import at_once
from tests.conftest import logged_in
from tests.factories import AdminFactory, AnnotationFactory, AnnotatorFactory, InvitationFactory, LeaseFactory

pytestmark = pytest.mark.django_db


def admins() -> set[str]:
    return set(User.objects.filter(groups__name=ADMIN, is_active=True).values_list("username", flat=True))


# ---- The list


def test_everybody_is_listed_with_role_and_last_label_and_imported_names_apart(as_admin, annotator):
    with_login(annotator)
    AnnotationFactory(annotator=annotator, created_at=timezone.now() - timedelta(days=3))
    newest = AnnotationFactory(annotator=annotator).created_at
    AnnotatorFactory(username="imported:ann_07", alias="ann_07", password="!imported")

    active = as_admin.get("/admin/people/").content.decode()
    imported = as_admin.get("/admin/people/?kind=imported").content.decode()

    assert "anna" in active
    assert f"{timezone.localtime(newest):%H:%M}" in active
    assert "ann_07" not in active
    assert "ann_07" in imported
    assert "Without a login 1" in active


def test_people_are_found_by_each_word_of_any_of_their_names(as_admin):
    for first, last in (("Ada", "Lovelace"), ("Ada", "Yonath"), ("Grace", "Hopper")):
        with_login(AnnotatorFactory(first_name=first, last_name=last))

    html = as_admin.get("/admin/people/?q=love+ada").content.decode()

    assert "Ada Lovelace" in html
    assert "Yonath" not in html
    assert "Hopper" not in html
    assert "Nobody here has “zzz”" in as_admin.get("/admin/people/?q=zzz").content.decode()


def test_the_list_costs_the_same_however_long(as_admin, django_assert_max_num_queries):
    for person in AnnotatorFactory.create_batch(40, password="x"):
        AnnotationFactory(annotator=person)
    InvitationFactory()

    with django_assert_max_num_queries(14):
        html = as_admin.get("/admin/people/").content.decode()

    assert "Next page" in html


# ---- Roles


def test_an_annotator_becomes_lead_at_once_and_it_is_known_by_whom(as_admin, annotator):
    client = logged_in(annotator)
    assert client.get("/review/").status_code == 403

    as_admin.post(f"/admin/people/{annotator.pk}/role/", {"role": "lead"})

    assert client.get("/review/").status_code == 200
    entry = AuditEntry.objects.get()
    assert (entry.by.username, entry.action, entry.subject) == ("adam", "role changed", "anna")
    assert entry.detail == {"was": "annotator", "now": "lead"}
    assert "annotator → lead" in as_admin.get(f"/admin/people/{annotator.pk}/").content.decode()


@pytest.mark.parametrize(("role", "status", "words"), [("owner", 422, "three roles"), ("annotator", 409, "already")])
def test_a_role_that_is_none_or_theirs_already_is_refused_in_words(as_admin, annotator, role, status, words):
    response = as_admin.post(f"/admin/people/{annotator.pk}/role/", {"role": role})

    assert response.status_code == status
    assert words in response.content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("act", "data"), [("role", {"role": "lead"}), ("deactivate", {})])
def test_nobody_changes_their_own_account_of_an_admin(as_admin, admin, act, data):
    AdminFactory()

    response = as_admin.post(f"/admin/people/{admin.pk}/{act}/", data)

    assert response.status_code == 409
    assert "another admin" in response.content.decode()
    assert "adam" in admins()


def test_the_last_admin_stays_even_where_somebody_without_the_role_asks(admin):
    root = User.objects.create_superuser("root")

    for call in (
        partial(services.deactivate, user=admin, by=root),
        partial(services.change_role, user=admin, by=root, role=LEAD),
    ):
        with pytest.raises(services.NotDone, match="last admin"):
            call()

    assert admins() == {"adam"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [services.deactivate, partial(services.change_role, role=LEAD)])
def test_of_two_admins_who_remove_each_other_at_once_one_stays(act):
    one, other = AdminFactory(), AdminFactory()

    results = at_once([partial(act, user=other, by=one), partial(act, user=one, by=other)])

    assert [type(result) for result in results if result] == [services.NotDone]
    assert len(admins()) == 1


# ---- Deactivating


def test_who_is_deactivated_is_logged_out_for_good_and_their_tracks_go_back(as_admin, annotator):
    client = logged_in(with_login(annotator))
    LeaseFactory(annotator=annotator)
    AnnotationFactory(annotator=annotator)

    as_admin.post(f"/admin/people/{annotator.pk}/deactivate/")

    assert client.get("/label/").headers["Location"].startswith("/log-in/")
    assert not opens("anna", PASSWORD)
    assert not Lease.objects.exists()
    assert annotator.annotations.count() == 1
    as_admin.post(f"/admin/people/{annotator.pk}/activate/")
    assert client.get("/label/").headers["Location"].startswith("/log-in/"), "an old session came back to life"
    assert opens("anna", PASSWORD)
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["activated", "deactivated"]


def test_tokens_end_with_their_account_and_do_not_come_back_with_it(admin, annotator, lead):
    (theirs, secret), (other, _) = (tokens.make(user=user, name="script") for user in (annotator, lead))

    services.deactivate(user=annotator, by=admin)
    services.activate(user=annotator, by=admin)

    with pytest.raises(tokens.TokenRefused, match="was revoked"):
        tokens.find(secret)
    theirs.refresh_from_db()
    other.refresh_from_db()
    assert (theirs.is_usable, other.is_usable) == (False, True)


def test_only_their_own_sessions_end(as_admin, annotator, lead):
    logged_in(annotator)
    others = [logged_in(lead), logged_in(lead)]

    as_admin.post(f"/admin/people/{annotator.pk}/deactivate/")

    assert Session.objects.count() == 3  # the admin's and the lead's two
    assert all(client.get("/review/").status_code == 200 for client in others)


def test_links_made_for_or_by_somebody_end_with_their_account(admin):
    other = AdminFactory()
    InvitationFactory(invited_by=other)
    InvitationFactory(digest="b" * 64, role="", account=other, invited_by=admin)
    kept = InvitationFactory(digest="c" * 64, invited_by=admin)

    services.deactivate(user=other, by=admin)

    assert list(Invitation.objects.open()) == [kept]


@pytest.mark.parametrize(("act", "words"), [("deactivate", "deactivated already"), ("activate", "active already")])
def test_what_is_so_already_is_said(as_admin, annotator, act, words):
    if act == "deactivate":
        as_admin.post(f"/admin/people/{annotator.pk}/deactivate/")

    response = as_admin.post(f"/admin/people/{annotator.pk}/{act}/")

    assert response.status_code == 409
    assert words in response.content.decode()


def test_what_operators_do_on_the_server_is_in_the_log_too(db, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: "correct horse battery")

    call_command("add_user", "zoe", role="admin", stdout=StringIO())

    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject) == (None, "account made on the server", "zoe")
    assert entry.detail == {"role": "admin"}
