"""What production refuses to start with."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from energyapp.startup import refuse_demo_accounts_in_production
from tests.factories import UserFactory

ROOT = Path(__file__).resolve().parent.parent

GOOD = {
    "ENERGYAPP_MODE": "production",
    "ENERGYAPP_SECRET_KEY": secrets.token_urlsafe(50),
    "ENERGYAPP_DATABASE_URL": "postgres://nobody@127.0.0.1/none",
    "ENERGYAPP_REDIS_URL": "redis://127.0.0.1:1/0",
    "ENERGYAPP_ALLOWED_HOSTS": "energy.example.org",
}


def start_with(**environment):
    """The last line of a process that loads the settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ENERGYAPP_")}
    result = subprocess.run(
        [sys.executable, "-c", "import energyapp.settings; print('started')"],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
    )
    return (result.stdout + result.stderr).strip().splitlines()[-1]


def test_production_starts_with_what_it_needs():
    assert start_with(**GOOD) == "started"


@pytest.mark.parametrize("name", [name for name in GOOD if name != "ENERGYAPP_MODE"])
def test_production_names_what_is_missing(name):
    assert f"{name} is not set" in start_with(**{**GOOD, name: ""})


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"ENERGYAPP_DEBUG": "1"}, "DEBUG is on"),
        ({"ENERGYAPP_SECRET_KEY": "short"}, "default or too short"),
        ({"ENERGYAPP_SECRET_KEY": "change-me-" * 8}, "default or too short"),
        ({"ENERGYAPP_SECRET_KEY": "a" * 60}, "default or too short"),
        ({"ENERGYAPP_MODE": "prod"}, "expected 'local' or 'production'"),
    ],
)
def test_production_refuses_what_is_unsafe(broken, complaint):
    assert complaint in start_with(**{**GOOD, **broken})


@pytest.mark.django_db
def test_production_refuses_to_serve_demo_accounts(settings):
    UserFactory(is_demo=True)
    refuse_demo_accounts_in_production()  # local: fine

    settings.PRODUCTION = True
    with pytest.raises(Exception, match="1 demo accounts are active"):
        refuse_demo_accounts_in_production()


@pytest.mark.django_db
def test_locked_demo_accounts_are_no_obstacle(settings):
    settings.PRODUCTION = True
    UserFactory(is_demo=True, is_active=False)

    refuse_demo_accounts_in_production()


def test_the_local_secret_is_drawn_at_random_and_kept_for_its_owner(tmp_path):
    for _ in range(2):
        assert start_with(ENERGYAPP_VAR=str(tmp_path)) == "started"

    key = tmp_path / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text()) >= 50
