"""Accounts from the command line: registration is closed, and what the demo made can be locked."""

import getpass
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection

from annotations.models import Annotation, User
from annotations.roles import ROLE_PERMISSIONS
from energyapp.startup import refuse_demo_accounts_in_production
from tests.factories import AnnotationFactory, AnnotatorFactory, UserFactory

pytestmark = pytest.mark.django_db

PASSWORD = "a quiet drum 4 you"


@pytest.fixture
def add_user(monkeypatch):
    """`add_user("anna", role="lead")`: what the command prints when this password is typed."""

    def run(username: str, *, password: str = PASSWORD, **options) -> str:
        monkeypatch.setattr(getpass, "getpass", lambda prompt: password)
        out = StringIO()
        call_command("add_user", username, stdout=out, **options)
        return out.getvalue()

    return run


def can_log_in(rf, username, password=PASSWORD):
    return authenticate(rf.post("/"), username=username, password=password) is not None


# ---- add_user


@pytest.mark.parametrize("role", list(ROLE_PERMISSIONS))
def test_a_new_person_logs_in_with_the_permissions_of_the_role(add_user, rf, role):
    assert add_user("anna", role=role, name="Anna de Vries") == f"anna can now log in as {role}.\n"

    user = User.objects.get()
    assert can_log_in(rf, "anna")
    assert user.get_all_permissions() == set(ROLE_PERMISSIONS[role])
    assert (user.display_name, user.first_name, user.last_name) == ("Anna de Vries", "Anna", "de Vries")
    assert (user.is_demo, user.is_superuser, user.is_staff) == (False, False, False)


def test_a_known_person_gets_the_new_role_instead_of_the_old_and_keeps_their_labels(add_user, rf):
    annotator = AnnotatorFactory(username="anna", first_name="Anna")
    label = AnnotationFactory(annotator=annotator)

    assert add_user("anna", role="lead") == "anna was changed as lead.\n"

    annotator = User.objects.get()
    assert can_log_in(rf, "anna")
    assert [group.name for group in annotator.groups.all()] == ["lead"]
    assert annotator.first_name == "Anna"
    assert label.annotator == annotator


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("anna", "short", "too short"),
        ("anna", "password123", "too common"),
        ("jonathanwood", "jonathanwood", "too similar to the username"),
        ("anna", "", "too short"),
        ("imported:a1", PASSWORD, "Enter a valid username"),
        ("", PASSWORD, "cannot be blank"),
        ("a" * 151, PASSWORD, "at most 150 characters"),
    ],
)
def test_a_weak_password_or_a_bad_name_adds_nobody(add_user, username, password, reason):
    with pytest.raises(CommandError, match=reason):
        add_user(username, role="annotator", password=password)

    assert not User.objects.exists()


def test_a_weak_password_changes_nothing_of_a_known_person(add_user):
    AnnotatorFactory(username="anna")
    before = User.objects.values().get()

    with pytest.raises(CommandError):
        add_user("anna", role="admin", password="short", name="Anna")

    assert User.objects.values().get() == before
    assert [group.name for group in User.objects.get().groups.all()] == ["annotator"]


def test_a_role_that_does_not_exist_is_told():
    with pytest.raises(CommandError, match="invalid choice: 'boss'"):
        call_command("add_user", "anna", "--role", "boss")


@pytest.mark.django_db(transaction=True)
def test_nobody_else_waits_while_a_password_is_typed(transactional_db, monkeypatch):
    in_transaction = []
    monkeypatch.setattr(
        getpass, "getpass", lambda prompt: in_transaction.append(connection.in_atomic_block) or PASSWORD
    )

    call_command("add_user", "anna", role="annotator", stdout=StringIO())

    assert in_transaction == [False]


# ---- remove_demo_accounts


@pytest.fixture
def demo_account():
    user = AnnotatorFactory(username="lead", is_demo=True)
    user.set_password(PASSWORD)
    user.save()
    return user


def test_removing_demo_accounts_locks_them_and_keeps_their_labels(demo_account, rf, client):
    AnnotationFactory(annotator=demo_account)
    client.force_login(demo_account)
    out = StringIO()

    call_command("remove_demo_accounts", stdout=out)

    assert out.getvalue() == "1 demo accounts locked.\n"
    assert not can_log_in(rf, "lead")
    assert client.get("/").headers["Location"].startswith("/log-in/")  # a session that was open is over
    assert Annotation.objects.current().count() == 1


def test_removing_demo_accounts_leaves_real_people_alone(demo_account):
    UserFactory(username="anna", password="!")
    before = User.objects.values().get(username="anna")

    call_command("remove_demo_accounts", stdout=StringIO())

    assert User.objects.values().get(username="anna") == before


def test_removing_demo_accounts_twice_finds_none_left(demo_account):
    call_command("remove_demo_accounts", stdout=StringIO())
    out = StringIO()

    call_command("remove_demo_accounts", stdout=out)

    assert out.getvalue() == "0 demo accounts locked.\n"


def test_production_starts_when_the_demo_accounts_are_locked_or_taken_over(demo_account, add_user, rf, settings):
    settings.PRODUCTION = True
    with pytest.raises(ImproperlyConfigured, match="1 demo accounts are active"):
        refuse_demo_accounts_in_production()

    call_command("remove_demo_accounts", stdout=StringIO())
    refuse_demo_accounts_in_production()

    # "lead" is a natural name for a real person.
    add_user("lead", role="lead")
    assert can_log_in(rf, "lead")
    refuse_demo_accounts_in_production()
