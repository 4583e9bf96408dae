"""A link makes one account, or one new password; afterwards it says why it does not work."""

import hashlib
import re
from datetime import timedelta
from functools import partial

import pytest
from axes.models import AccessAttempt
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotations.accounts import services
from annotations.accounts.models import Invitation
from annotations.models import User
from energyapp.audit.models import AuditEntry
from tests.accounts.logging_in import PASSWORD, opens, with_login
from tests.annotations.test_races import at_once
from tests.conftest import logged_in
from tests.factories import INVITATION_SECRET, AnnotationFactory, AnnotatorFactory, InvitationFactory

pytestmark = pytest.mark.django_db

GOOD = "correct horse battery"
JOINING = {"name": "Nina Simone", "username": "nina", "password1": GOOD, "password2": GOOD}
LINK = f"/invitation/{INVITATION_SECRET}/"


def link_on(html: str) -> str:
    return re.search(r'value="http://testserver(/invitation/[^"]+)"', html)[1]


def dead(client, path: str, words: str) -> None:
    response = client.get(path)
    assert response.status_code == 410
    assert words in response.content.decode()


def test_somebody_who_is_invited_chooses_name_and_password_and_can_work(as_admin, client):
    html = as_admin.post("/admin/people/invite/", {"role": "lead", "note": "Nina", "lasts_days": 3}).content.decode()
    link = link_on(html)

    welcome = client.get(link)
    joined = client.post(link, JOINING, follow=True)

    assert "adam invites you to Energy lab as lead" in welcome.content.decode()
    assert welcome["Referrer-Policy"] == "strict-origin"
    assert "Your account is ready: log in as nina." in joined.content.decode()
    nina = User.objects.get(username="nina")
    assert (nina.display_name, nina.groups.get().name) == ("Nina Simone", "lead")
    assert opens("nina", GOOD)
    assert logged_in(nina).get("/review/").status_code == 200
    assert list(AuditEntry.objects.values_list("action", "subject")) == [("account made", "nina"), ("invited", "Nina")]


def test_the_secret_is_shown_once_and_not_stored(as_admin):
    link = link_on(as_admin.post("/admin/people/invite/", {"role": "lead", "lasts_days": 7}).content.decode())
    secret = link.split("/")[2]

    invitation = Invitation.objects.get()

    assert len(secret) > 40
    assert invitation.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(list(Invitation.objects.values())) + str(list(AuditEntry.objects.values()))
    assert secret not in as_admin.get("/admin/people/").content.decode()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password1": "password123", "password2": "password123"}, "too common"),
        ({"password1": "Nina.Simone", "password2": "Nina.Simone"}, "too similar"),
        ({"password2": "another one"}, "match"),
        ({"username": "ANNA"}, "already exists"),
        ({"username": "a b"}, "valid username"),
        ({"name": " "}, "required"),
    ],
)
def test_what_cannot_be_is_refused_and_the_link_stays(client, annotator, wrong, words):
    InvitationFactory()

    response = client.post(LINK, JOINING | wrong)

    assert response.status_code == 422
    assert words in response.content.decode()
    assert Invitation.objects.open().exists()


def test_dead_links_say_why(as_admin, client, admin):
    InvitationFactory()
    client.post(LINK, JOINING)
    dead(client, LINK, "has been used")

    expired = {"created_at": timezone.now() - timedelta(days=8), "expires_at": timezone.now() - timedelta(days=1)}
    InvitationFactory(digest=services.digest_of("old"), **expired)
    dead(client, "/invitation/old/", "has expired")

    revoked = InvitationFactory(digest=services.digest_of("revoked"))
    as_admin.post(f"/admin/people/links/{revoked.pk}/revoke/")
    dead(client, "/invitation/revoked/", "has been revoked")
    assert "revoked" in as_admin.post(f"/admin/people/links/{revoked.pk}/revoke/", follow=True).content.decode()

    dead(client, "/invitation/never-made/", "no such link")
    assert User.objects.filter(username="nina").count() == 1


@pytest.mark.parametrize("data", [{"role": "owner"}, {"lasts_days": 0}, {"lasts_days": 31}, {"lasts_days": "x"}])
def test_an_invitation_that_makes_no_sense_is_refused(as_admin, data):
    response = as_admin.post("/admin/people/invite/", {"role": "lead", "lasts_days": 7} | data)

    assert response.status_code == 422
    assert not Invitation.objects.exists()


def test_who_is_logged_in_is_told_to_log_out_first(as_lead):
    InvitationFactory()

    response = as_lead.get(LINK)

    assert response.status_code == 409
    assert "You are logged in as lea" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_a_link_at_once_one_gets_an_account():
    InvitationFactory()
    calls = [
        partial(services.join, secret=INVITATION_SECRET, user=User(username=name, password="!"))
        for name in ("nina", "nino")
    ]

    results = at_once(calls)

    assert sorted(type(result).__name__ for result in results) == ["LinkIsDead", "User"]
    assert User.objects.filter(username__startswith="nin").count() == 1


def test_a_username_that_was_taken_a_moment_ago_is_said(annotator):
    InvitationFactory()

    with pytest.raises(services.NotDone, match="Somebody else is anna"):
        services.join(secret=INVITATION_SECRET, user=User(username="anna", password="!"))

    assert Invitation.objects.open().exists()


# ---- A new password


def test_who_forgot_the_password_chooses_a_new_one_by_a_link(as_admin, client, annotator):
    old_session = logged_in(with_login(annotator))
    link = link_on(as_admin.post(f"/admin/people/{annotator.pk}/password/").content.decode())

    assert "For anna." in client.get(link).content.decode()
    done = client.post(link, {"new_password1": GOOD, "new_password2": GOOD}, follow=True)

    assert "log in as anna" in done.content.decode()
    assert not opens("anna", PASSWORD)
    assert opens("anna", GOOD)
    assert old_session.get("/label/").status_code == 302, "an old session outlived the password"
    dead(client, link, "has been used")


def test_a_new_link_ends_the_one_before(as_admin, client, annotator):
    first, second = (
        link_on(as_admin.post(f"/admin/people/{annotator.pk}/password/").content.decode()) for _ in range(2)
    )

    dead(client, first, "revoked")
    assert client.get(second).status_code == 200


def test_who_was_locked_out_by_wrong_passwords_gets_in_with_the_new_one(as_admin, client, annotator):
    AccessAttempt.objects.create(
        username="anna", ip_address="127.0.0.1", failures_since_start=99, attempt_time=timezone.now()
    )
    link = link_on(as_admin.post(f"/admin/people/{annotator.pk}/password/").content.decode())

    client.post(link, {"new_password1": GOOD, "new_password2": GOOD})

    assert opens("anna", GOOD)


def test_a_name_in_a_file_becomes_somebody_who_logs_in_with_their_labels(as_admin, client):
    imported = AnnotatorFactory(username="imported:ann_07", alias="ann_07", password="!imported")
    AnnotationFactory(annotator=imported)
    link = link_on(as_admin.post(f"/admin/people/{imported.pk}/password/").content.decode())

    client.post(link, {"new_password1": GOOD, "new_password2": GOOD})

    assert opens("imported:ann_07", GOOD)
    imported.refresh_from_db()
    assert logged_in(imported).get("/label/mine/").status_code == 200


def test_a_link_does_not_open_an_account_that_is_closed(as_admin, admin, client, annotator):
    services.deactivate(user=annotator, by=admin)

    assert as_admin.post(f"/admin/people/{annotator.pk}/password/").status_code == 409
    InvitationFactory(role="", account=annotator)
    dead(client, LINK, "deactivated")


# ---- What the database holds


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": ""},
        {"role": "owner"},
        {"used_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(days=1)},
    ],
)
def test_the_database_refuses_links_that_make_no_sense(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        InvitationFactory(**wrong)


def test_no_link_is_used_and_revoked(annotator):
    now = timezone.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        InvitationFactory(used_at=now, used_by=annotator, revoked_at=now)
