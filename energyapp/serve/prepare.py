"""Bring the state folder up to date: database, static files; on the first start the demo library and the network."""

import argparse
import os
import sys
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m energyapp.serve.prepare")
    parser.add_argument("--no-demo", action="store_true", help="leave an empty library empty")
    options = parser.parse_args()
    try:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "energyapp.settings")
        django.setup()
        prepare(demo=not options.no_demo)
    except (CommandError, DatabaseError, ImproperlyConfigured, OSError) as error:
        print(" ".join(str(error).split()))
        return 1
    return 0


def prepare(*, demo: bool) -> None:
    call_command("migrate", interactive=False, verbosity=0)
    # django-htmx's extensions, which no page uses, import modules that are not there.
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["ext"])
    if demo and is_empty():
        print("first start: making the demo library and its three accounts", flush=True)
        call_command("make_demo")
    fetch_network_once(Path(settings.VAR_DIR) / "network-was-tried")


def is_empty() -> bool:
    """Whether nobody has put anything in yet."""
    # By name: `energyapp` knows nothing about tracks, and nothing here may depend on the applications above it.
    return not get_user_model().objects.exists() and not apps.get_model("annotations", "Track").objects.exists()


def fetch_network_once(marker: Path) -> None:
    """Try to fetch the transfer network's weights, on the first start only: offline it takes five seconds."""
    if not marker.exists():
        call_command("install_convnet", "--fetch", "--optional")
        marker.touch()


if __name__ == "__main__":
    sys.exit(main())
