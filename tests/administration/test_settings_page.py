"""Every setting is found in one place, with its value; secrets are not."""

import re

import pytest

from annotations.models import ReviewRules
from energyapp.administration.environment import variables
from energyapp.administration.rules import RULES
from modeling.models import RetrainingRules
from tests.conftest import ROOT
from tests.factories import RulesFactory

pytestmark = pytest.mark.django_db


def test_each_table_of_rules_is_shown_as_it_is_now_and_can_be_changed(as_admin, admin):
    RulesFactory(changed_by=admin, labels_per_track=7)
    ReviewRules.objects.create(changed_by=admin, share=2.5)
    RetrainingRules.objects.create(changed_by=admin, after_labels=123)

    html = as_admin.get("/admin/settings/").content.decode()

    for label, value in (("Labels per track", "7"), ("the model may doubt, %", "2.5"), ("so many new labels", "123")):
        assert re.search(rf"{re.escape(label)}</dt><dd class=\"number\">{value}</dd>", html), label
    for path in ("/queue/rules/", "/review/rules/"):
        assert f'href="{path}"' in html


def test_the_history_of_all_of_them_is_one_list(as_admin, admin, lead):
    RulesFactory(changed_by=admin, labels_per_track=2)
    ReviewRules.objects.create(changed_by=lead, share=2)
    RetrainingRules.objects.create(changed_by=admin, promotes_by_itself=True)

    html = as_admin.get("/admin/settings/").content.decode().split('id="changes"')[1].split("</section>")[0]

    lines = re.findall(r"<b>(\w+)</b> · <a [^>]+>([^<]+)</a>", html)
    assert lines == [
        ("adam", "Retraining. Better models are put to use by themselves: no → yes"),
        ("lea", "Review rules. Labels that the model may doubt, %: 5 → 2"),
        ("adam", "Labelling rules. Labels per track: 1 → 2"),
    ]


def test_every_column_of_the_rules_is_a_setting_on_the_page():
    for rules in RULES:
        columns = {field.name for field in rules.model._meta.concrete_fields} - {"id", "changed_by", "created_at"}
        assert set(rules.labels) == columns, rules.title


def test_every_variable_that_the_settings_read_is_on_the_page():
    source = (ROOT / "energyapp/settings.py").read_text()
    read = {
        f"ENERGYAPP_{name}"
        for name in re.findall(r"\b(?:env(?:_flag|_list)?|required)\(\s*(?:#.*\s*)?\"([A-Z_]+)\"", source)
    }

    assert len(read) > 20
    assert read - {each.name for each in variables()} == set()


def test_no_secret_is_on_the_page(as_admin, settings):
    settings.METRICS_TOKEN = "a-token-of-twenty-characters-and-more"
    settings.SPOTIFY_CLIENT_SECRET = "the-secret-of-an-application"

    html = as_admin.get("/admin/settings/").content.decode()

    for secret in (
        settings.SECRET_KEY,
        settings.METRICS_TOKEN,
        settings.SPOTIFY_CLIENT_SECRET,
        settings.CELERY_BROKER_URL,
    ):
        assert secret not in html
    assert "ENERGYAPP_METRICS_TOKEN" in html
