"""Tokens: made, shown once, used, taken back; and what those that open nothing are told."""

import datetime as dt
import hashlib

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from energyapp.api import tokens
from energyapp.api.models import ApiToken
from energyapp.audit.models import AuditEntry
from tests.conftest import logged_in
from tests.factories import AnnotatorFactory, UserFactory

pytestmark = pytest.mark.django_db


def asked(client, secret):
    return client.get("/api/v1/me/", headers={"authorization": f"Bearer {secret}"})


def detail(response):
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    return response.json()["detail"]


# ---- The page


def test_a_token_is_made_on_the_page_and_shown_this_once(client, annotator):
    browser = logged_in(annotator)

    made = browser.post("/account/tokens/", {"name": "nightly script", "scope": "read", "days": 30})

    token = ApiToken.objects.get()
    secret = made.context["secret"]
    assert made.status_code == 201
    assert secret in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert asked(client, secret).json()["token"]["name"] == "nightly script"
    assert token.expires_at - token.created_at == dt.timedelta(days=30)
    assert secret not in browser.get("/account/tokens/").content.decode()


def test_only_the_digest_of_the_secret_is_stored(annotator):
    token, secret = tokens.make(user=annotator, name="x")

    kept = {str(value) for value in ApiToken.objects.values().get(pk=token.pk).values()}

    assert hashlib.sha256(secret.encode()).hexdigest() in kept
    assert not any(secret in value for value in kept)
    assert not any(secret in str(entry.detail) for entry in AuditEntry.objects.all())


def test_a_token_lives_ninety_days_unless_told_otherwise_and_a_year_at_most(annotator, as_annotator):
    token, _ = tokens.make(user=annotator, name="x")

    assert token.expires_at - token.created_at == dt.timedelta(days=90)
    assert as_annotator.post("/account/tokens/", {"name": "x", "scope": "read", "days": 366}).status_code == 422
    with pytest.raises(ValueError, match="days is 366"):
        tokens.make(user=annotator, name="x", days=366)


def test_the_page_is_for_everybody_who_is_logged_in_and_shows_their_own_alone(client):
    someone, other = UserFactory(), UserFactory()
    tokens.make(user=other, name="not yours")

    page = logged_in(someone).get("/account/tokens/")

    assert page.status_code == 200
    assert "not yours" not in page.content.decode()
    assert client.get("/account/tokens/")["Location"].startswith("/log-in/")


def test_nobody_revokes_the_token_of_another(annotator, as_annotator):
    token, _ = tokens.make(user=AnnotatorFactory(), name="x")

    assert as_annotator.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_making_and_revoking_is_written_down(annotator, as_annotator):
    as_annotator.post("/account/tokens/", {"name": "script", "scope": "write", "days": 5})
    as_annotator.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")
    as_annotator.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")

    entries = list(AuditEntry.objects.order_by("pk").values_list("by", "action", "subject"))

    assert entries == [(annotator.pk, "token made", "script"), (annotator.pk, "token revoked", "script")]


def test_nobody_piles_up_tokens(annotator, as_annotator):
    for _ in range(20):
        tokens.make(user=annotator, name="x")

    refused = as_annotator.post("/account/tokens/", {"name": "x", "scope": "read", "days": 5})

    assert refused.status_code == 409
    assert "revoke one that you do not need" in refused.content.decode()


def test_the_page_asks_two_questions_however_many_tokens(annotator, as_annotator, django_assert_max_num_queries):
    for _ in range(12):
        tokens.make(user=annotator, name="x")

    with django_assert_max_num_queries(6):
        as_annotator.get("/account/tokens/")


# ---- What opens nothing is told why


def test_an_unknown_token_is_told_so(client, db):
    assert "There is no such token" in detail(asked(client, "energy_made-up"))


def test_an_expired_token_is_told_when(client, annotator):
    token, secret = tokens.make(user=annotator, name="old")
    ApiToken.objects.filter(pk=token.pk).update(
        created_at=timezone.now() - dt.timedelta(days=2), expires_at=timezone.now() - dt.timedelta(days=1)
    )

    assert "“old” expired on" in detail(asked(client, secret))


def test_a_revoked_token_is_told_so(client, annotator):
    token, secret = tokens.make(user=annotator, name="lost")
    tokens.revoke(token=token, by=annotator)

    assert "“lost” was revoked on" in detail(asked(client, secret))


def test_the_token_of_a_deactivated_user_is_told_so(client, annotator):
    _, secret = tokens.make(user=annotator, name="x")
    annotator.is_active = False
    annotator.save()

    assert "anna is deactivated" in detail(asked(client, secret))


def test_a_stranger_is_told_what_to_send_and_is_not_sent_to_the_login(client, db):
    response = client.get("/api/v1/tracks/")

    assert "/account/tokens/" in detail(response)
    assert "Location" not in response


# ---- Use


def test_use_is_noted_once_a_minute(client, annotator, django_assert_num_queries):
    _, secret = tokens.make(user=annotator, name="x")

    asked(client, secret)
    noted = ApiToken.objects.get().last_used_at
    with django_assert_num_queries(2):  # whose token it is, and their roles: nothing is written
        asked(client, secret)

    assert noted is not None
    assert ApiToken.objects.get().last_used_at == noted
    ApiToken.objects.update(last_used_at=timezone.now() - dt.timedelta(minutes=2))
    asked(client, secret)
    assert ApiToken.objects.get().last_used_at >= noted


def test_a_token_that_may_only_read_changes_nothing(program, annotator):
    refused = program(annotator, scope="read").post("tracks/claim/")

    assert refused.status_code == 403
    assert "may only read" in refused.json()["detail"]


def test_a_login_serves_too_and_then_what_is_sent_needs_the_page_s_token(annotator):
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(annotator)

    assert browser.get("/api/v1/me/").json()["username"] == "anna"
    assert browser.post("/api/v1/tracks/claim/", "{}", content_type="application/json").status_code == 403


# ---- The database


@pytest.mark.parametrize(
    "wrong", [{"scope": "all"}, {"digest": ""}, {"expires_at": timezone.now() - dt.timedelta(days=400)}]
)
def test_the_database_refuses_a_token_that_cannot_be(annotator, wrong):
    fields = {"scope": "read", "digest": "d" * 64, "expires_at": timezone.now() + dt.timedelta(days=1)}

    with pytest.raises(IntegrityError), transaction.atomic():
        ApiToken.objects.create(user=annotator, name="x", **(fields | wrong))


def test_no_two_tokens_share_a_digest(annotator):
    until = timezone.now() + dt.timedelta(days=1)
    ApiToken.objects.create(user=annotator, name="x", digest="d" * 64, expires_at=until)

    with pytest.raises(IntegrityError), transaction.atomic():
        ApiToken.objects.create(user=annotator, name="y", digest="d" * 64, expires_at=until)
