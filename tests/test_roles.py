"""Every URL for every role. A new URL that is not listed here fails a test: somebody must say who may open it."""

import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from annotations.models import User
from energyapp.api import tokens
from tests.conftest import logged_in
from tests.factories import (
    INVITATION_SECRET,
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    DeliveryFactory,
    ExperimentFactory,
    ExportFactory,
    FlagFactory,
    InvitationFactory,
    PredictionFactory,
    RunningJobFactory,
    ScoringFactory,
    TrackFactory,
    TrainingRunFactory,
    UploadFactory,
    UserFactory,
    WebhookFactory,
)

pytestmark = pytest.mark.django_db

NOBODY, EVERYBODY, LABELLERS, LEADS, ADMINS = "nobody", "everybody", "labellers", "leads", "admins"
MAY = {
    EVERYBODY: {"stranger", "without role", "annotator", "lead", "admin"},
    LABELLERS: {"annotator", "lead", "admin"},
    LEADS: {"lead", "admin"},
    ADMINS: {"admin"},
}

# URL name -> (method, who)
RULES = {
    "healthz": ("get", EVERYBODY),
    "readyz": ("get", EVERYBODY),
    "metrics": ("get", EVERYBODY),  # who has the token: tests/test_metrics.py
    "invitation": ("get", EVERYBODY),
    "token": ("get", EVERYBODY),
    "log_in": ("get", EVERYBODY),
    "home": ("get", "logged in"),
    "log_out": ("post", "logged in"),
    "account": ("get", "logged in"),
    "change_name": ("post", "logged in"),
    "change_password": ("post", "logged in"),
    "exports": ("get", ADMINS),
    "export_file": ("get", ADMINS),
    "webhooks": ("get", ADMINS),
    "remove_webhook": ("post", ADMINS),
    "ping_webhook": ("post", ADMINS),
    "send_again": ("post", ADMINS),
    "people": ("get", ADMINS),
    "invite": ("post", ADMINS),
    "revoke_invitation": ("post", ADMINS),
    "person": ("get", ADMINS),
    "change_role": ("post", ADMINS),
    "deactivate": ("post", ADMINS),
    "activate": ("post", ADMINS),
    "offer_password": ("post", ADMINS),
    "settings": ("get", ADMINS),
    "audit": ("get", ADMINS),
    "audit_csv": ("get", ADMINS),
    "label": ("get", LABELLERS),
    "annotate": ("post", LABELLERS),
    "skip": ("post", LABELLERS),
    "claim": ("post", LABELLERS),
    "keep": ("post", LABELLERS),
    "release": ("post", LABELLERS),
    "outbox": ("post", LABELLERS),
    "compare": ("get", LABELLERS),
    "my_labels": ("get", LABELLERS),
    "change_my_label": ("post", LABELLERS),
    "track_audio": ("get", LABELLERS),
    "library": ("get", LEADS),
    "track": ("get", LEADS),
    "send_back": ("post", LEADS),
    "rules": ("get", ADMINS),
    "list_tracks": ("post", ADMINS),
    "take_list": ("post", ADMINS),
    "references": ("get", LEADS),
    "withdraw_reference": ("post", LEADS),
    "assignments": ("get", LEADS),
    "withdraw_assignments": ("post", LEADS),
    "next_tracks": ("get", LEADS),
    "lead_queue": ("post", ADMINS),
    "rank_again": ("post", ADMINS),
    "find_out": ("post", LEADS),
    "assign_some": ("get", LEADS),
    "coverage_csv": ("get", LEADS),
    "imports": ("get", LEADS),
    "upload": ("get", LEADS),
    "add_file": ("post", LEADS),
    "finish_upload": ("post", LEADS),
    "refused_rows": ("get", LEADS),
    "try_again": ("post", LEADS),
    "review_queue": ("get", LEADS),
    "decide_many": ("post", LEADS),
    "export_flags": ("get", LEADS),
    "review_rules": ("get", LEADS),
    "review": ("get", LEADS),
    "give_opinion": ("post", LEADS),
    "decide": ("post", LEADS),
    "undo_decision": ("post", LEADS),
    "annotators": ("get", LEADS),
    "look_again": ("post", LEADS),
    "annotator": ("get", LEADS),
    "exclude_annotator": ("post", LEADS),
    "dashboard": ("get", LEADS),
    "rounds": ("get", LEADS),
    "run": ("get", LEADS),
    "run_tracks": ("get", LEADS),
    "dashboard_csv": ("get", LEADS),
    "run_csv": ("get", LEADS),
    "runs": ("get", LEADS),
    "compare_runs": ("get", LEADS),
    "compare_csv": ("get", LEADS),
    "train": ("post", ADMINS),
    "promote": ("post", ADMINS),
    "retraining": ("get", LEADS),
    "retraining_preview": ("get", LEADS),
    "retrain": ("post", ADMINS),
    "put_to_use": ("post", ADMINS),
    "retraining_rules": ("get", ADMINS),
    "catalogue": ("get", LEADS),
    "catalogue_csv": ("get", LEADS),
    "scores": ("get", LEADS),
    "scoring": ("get", LEADS),
    "scoring_state": ("get", LEADS),
    "scoring_result": ("get", LEADS),
    "energy": ("get", LEADS),
    "draw_curve": ("post", LEADS),
    "lab": ("get", LEADS),
    "experiment": ("get", LEADS),
    "experiment_state": ("get", LEADS),
    "report_csv": ("get", LEADS),
    "report_json": ("get", LEADS),
    "run_experiment": ("post", LEADS),
    "run_again": ("post", LEADS),
    "jobs": ("get", LEADS),
    "live_jobs": ("get", LEADS),
    "job": ("get", LEADS),
    "follow_job": ("get", LEADS),
    "tokens": ("get", "logged in"),
    "revoke_token": ("post", "logged in"),  # another's is not found: tests/api/test_tokens.py
    "api:docs": ("get", "logged in"),
    "cancel_job": ("post", ADMINS),  # of a training; others: tests/jobs/test_cancelling.py
    "retry_job": ("post", ADMINS),
}


# (method, URL name) -> who. Here strangers are answered, and not sent to the login; a token opens what a login opens.
API_RULES = {
    ("get", "api:root"): "logged in",
    ("get", "api:me"): "logged in",
    ("get", "api:schema"): "logged in",
    ("get", "api:nothing"): "logged in",
    ("get", "api:tracks-list"): LABELLERS,
    ("get", "api:tracks-detail"): LABELLERS,
    ("get", "api:tracks-audio"): LABELLERS,
    ("post", "api:tracks-claim"): LABELLERS,
    ("post", "api:tracks-skip"): LABELLERS,
    ("post", "api:tracks-release"): LABELLERS,
    ("get", "api:annotations-list"): LABELLERS,
    ("post", "api:annotations-list"): LABELLERS,
    ("get", "api:annotations-detail"): LABELLERS,
    ("post", "api:annotations-change"): LABELLERS,
    ("get", "api:flags-list"): LEADS,
    ("get", "api:flags-detail"): LEADS,
    ("post", "api:flags-opinion"): LEADS,
    ("get", "api:decisions-list"): LEADS,
    ("post", "api:decisions-list"): LEADS,
    ("get", "api:decisions-detail"): LEADS,
    ("post", "api:decisions-undo"): LEADS,
    ("get", "api:runs-list"): LEADS,
    ("post", "api:runs-list"): ADMINS,
    ("get", "api:runs-detail"): LEADS,
    ("post", "api:runs-promote"): ADMINS,
    ("get", "api:predictions-list"): LEADS,
    ("get", "api:predictions-detail"): LEADS,
    ("get", "api:jobs-list"): LEADS,
    ("get", "api:jobs-detail"): LEADS,
    ("post", "api:jobs-cancel"): ADMINS,  # of a training; others: tests/api/test_reviewing_by_program.py
    ("post", "api:jobs-retry"): ADMINS,
}


def urls(patterns=None, namespace=""):
    """Each name with its pattern."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from urls(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name}", pattern


def test_every_url_has_a_rule():
    assert {name for name, _ in urls()} == {*RULES, *(name for _, name in API_RULES)}


def test_every_method_of_the_api_has_a_rule():
    of_resources = {
        (method, name)
        for name, pattern in urls()
        for method in getattr(pattern.callback, "actions", None) or ()
        if name.startswith("api:") and method != "head"  # is a get, and listed with it once one was answered
    }

    assert of_resources <= set(API_RULES)


@pytest.fixture
def objects():
    """Something behind every URL that takes an id."""
    run, track, job = TrainingRunFactory(), TrackFactory(), RunningJobFactory()
    return {
        **dict.fromkeys(["track_audio", "track", "send_back"], track.pk),
        **dict.fromkeys(["review", "give_opinion", "decide", "undo_decision"], FlagFactory().pk),
        **dict.fromkeys(["energy", "draw_curve"], TrackFactory().pk),
        **dict.fromkeys(["scoring", "scoring_state", "scoring_result"], ScoringFactory().pk),
        **dict.fromkeys(["run", "run_tracks", "promote"], run.pk),
        **dict.fromkeys(["dashboard_csv", "compare_csv"], "macro_mae"),
        "run_csv": (run.pk, "matrix"),
        "coverage_csv": "genres",
        **dict.fromkeys(["job", "follow_job", "cancel_job", "retry_job"], job.pk),
        "export_file": ExportFactory().pk,
        **dict.fromkeys(["remove_webhook", "ping_webhook"], WebhookFactory().pk),
        "send_again": DeliveryFactory().pk,
        **dict.fromkeys(["annotator", "exclude_annotator"], AnnotatorFactory().pk),
        **dict.fromkeys(["experiment", "report_csv", "report_json", "run_again"], ExperimentFactory().pk),
        **dict.fromkeys(["experiment_state", "run_experiment"], "resampling"),
        **dict.fromkeys(["person", "change_role", "deactivate", "activate", "offer_password"], UserFactory().pk),
        "revoke_token": 1,
        **dict.fromkeys(["api:tracks-detail", "api:tracks-audio", "api:tracks-skip", "api:tracks-release"], track.pk),
        **dict.fromkeys(["api:annotations-detail", "api:annotations-change"], AnnotationFactory().pk),
        **dict.fromkeys(["api:flags-detail", "api:flags-opinion"], FlagFactory().pk),
        **dict.fromkeys(["api:decisions-detail", "api:decisions-undo"], DecisionFactory().pk),
        **dict.fromkeys(["api:runs-detail", "api:runs-promote"], run.pk),
        "api:predictions-detail": PredictionFactory(run=run).pk,
        **dict.fromkeys(["api:jobs-detail", "api:jobs-cancel", "api:jobs-retry"], job.pk),
        "api:nothing": "nowhere/",
        "revoke_invitation": InvitationFactory().pk,
        "invitation": INVITATION_SECRET,
        **dict.fromkeys(["upload", "add_file", "finish_upload", "refused_rows"], UploadFactory().pk),
    }


def address(name, objects):
    """What takes two arguments has a tuple of them."""
    behind = objects.get(name, ())
    return reverse(name, args=behind if isinstance(behind, tuple) else [behind])


@pytest.fixture
def people(client, annotator, lead, admin):
    return {
        "stranger": client,
        "without role": logged_in(UserFactory()),
        "annotator": logged_in(annotator),
        "lead": logged_in(lead),
        "admin": logged_in(admin),
    }


@pytest.mark.parametrize("name", RULES)
def test_only_those_who_may_get_through(name, objects, people):
    method, who = RULES[name]
    url = address(name, objects)
    may = MAY.get(who, MAY[EVERYBODY] - {"stranger"})

    for person, client in people.items():
        response = getattr(client, method)(url)
        if person in may:
            assert response.status_code not in {401, 403}, f"{person} is kept from {name}"
            assert not response.headers.get("Location", "").startswith("/log-in/?"), f"{person} is sent to the login"
        elif person == "stranger":
            assert response.headers["Location"].startswith("/log-in/?next="), f"{name} does not ask for a login"
        else:
            assert response.status_code == 403, f"{person} gets through to {name}"


@pytest.fixture
def program_of(people):
    """A client with a token in place of the login."""

    def program(person):
        session = people[person].session
        if "_auth_user_id" not in session:
            return Client()
        user = User.objects.get(pk=session["_auth_user_id"])
        _, secret = tokens.make(user=user, name="x", scope="write")
        return Client(headers={"authorization": f"Bearer {secret}"})

    return program


@pytest.mark.parametrize(("method", "name"), API_RULES)
def test_only_those_who_may_get_an_answer_of_the_api(method, name, objects, people, program_of):
    url, who = address(name, objects), API_RULES[method, name]
    may = MAY.get(who, MAY[EVERYBODY] - {"stranger"})

    for person, client in people.items():
        statuses = {getattr(each, method)(url).status_code for each in (client, program_of(person))}
        if person in may:
            assert not statuses & {401, 403}, f"{person} is kept from {name}"
        else:
            assert statuses == {401 if person == "stranger" else 403}, f"{person} gets through to {name}"


@pytest.mark.parametrize(
    "name", [name for name, (method, _) in RULES.items() if method == "post" and name != "log_out"]
)
def test_what_changes_something_is_not_done_by_a_link(name, objects, people):
    url = address(name, objects)

    assert people["admin"].get(url).status_code == 405


def test_an_annotator_sees_no_label_of_another_and_no_prediction_by_any_url(annotator, objects):
    """Looks for the other's name, level and the prediction in the body of every URL that an annotator can open."""
    other = AnnotatorFactory(username="somebody-else")
    track = TrackFactory(title="The Track")
    AnnotationFactory(track=track, annotator=other, level=9)
    AnnotationFactory(track=track, annotator=annotator, level=2)
    PredictionFactory(track=track, score=8.7654)
    client = logged_in(annotator)

    looked_at = [name for name, (method, _) in RULES.items() if method == "get"]
    for name in [*looked_at, *(name for method, name in API_RULES if method == "get")]:
        response = client.get(address(name, objects), follow=True)
        if response.streaming:
            continue
        html = response.content.decode()
        assert "somebody-else" not in html, name
        assert "8.7654" not in html, name
        assert "8.77" not in html, name
        assert 'level-9">9' not in html, name
        assert '"level":9' not in html, name


def test_no_role_gets_a_file_by_its_place_in_the_storage(people):
    """Audio goes out by `track_audio` and the API alone; media, runs and uploads have no address of their own."""
    path = default_storage.save("audio/somebody.wav", ContentFile(b"RIFF"))

    for client in people.values():
        assert client.get(f"/media/{path}").status_code in {302, 404}
        assert b"RIFF" not in client.get(f"/media/{path}", follow=True).content


def test_the_label_page_hides_title_and_artist_until_it_is_labelled(as_annotator):
    track = TrackFactory(title="Secret Title", artist="Secret Artist")

    before = as_annotator.get("/label/").content.decode()
    as_annotator.post(
        "/label/answer/", {"track_id": track.pk, "level": 4, "submission_id": uuid.uuid4(), "listened_s": 4}
    )
    after = as_annotator.get("/label/").content.decode()

    assert "Secret" not in before
    assert "Secret Title" in after
    assert "Secret Artist" in after


def test_pages_are_kept_out_of_shared_caches(as_annotator):
    assert "no-store" in as_annotator.get("/label/")["Cache-Control"]


def test_every_page_forbids_foreign_and_inline_scripts(as_annotator):
    policy = as_annotator.get("/label/")["Content-Security-Policy"]

    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
