"""Every command in docs/api.md is run, in order, and answers the status that stands below it."""

import datetime as dt
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from energyapp.api import tokens
from tests.audio_files import track_with_audio
from tests.factories import FlagFactory, LeaseFactory, PromotionFactory, TrainingRunFactory

pytestmark = pytest.mark.django_db

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "api.md"


def commands():
    """(curl's arguments, the status below)."""
    lines = GUIDE.read_text().splitlines()
    return [(shlex.split(line)[1:], int(below[2:])) for line, below in pairwise(lines) if line.startswith("curl ")]


def run(client, arguments, secret):
    headers, body, method, url = {}, None, "get", ""
    given = iter(argument.replace("$TOKEN", secret).replace("$SERVER", "") for argument in arguments)
    for argument in given:
        if argument == "-H":
            name, _, value = next(given).partition(": ")
            headers[name] = value
        elif argument == "-d":
            body, method = next(given), "post"
        elif argument == "-X":
            method = next(given).lower()
        else:
            url = argument
    if method == "get":
        return client.get(url, headers=headers)
    return client.post(url, body or "", content_type=headers.pop("Content-Type", "text/plain"), headers=headers)


def test_every_command_of_the_guide_answers_what_it_says(admin):
    LeaseFactory(track=track_with_audio(pk=12), annotator=admin, taken_at=timezone.now() - dt.timedelta(minutes=1))
    FlagFactory(pk=7)
    TrainingRunFactory(pk=3)
    PromotionFactory()
    _, secret = tokens.make(user=admin, name="guide", scope="write")

    answered = [(arguments[-1], run(Client(), arguments, secret).status_code) for arguments, _ in commands()]

    assert answered == [(arguments[-1], status) for arguments, status in commands()]
    assert len(answered) >= 13


def test_the_guide_names_the_days_and_limits_that_hold(settings):
    text = GUIDE.read_text()

    assert f"{tokens.DEFAULT_DAYS} days" in text
    assert f"{settings.API_REQUESTS_PER_MINUTE['token']} times a minute" in text
    assert f"a person {settings.API_REQUESTS_PER_MINUTE['user']} times" in text
