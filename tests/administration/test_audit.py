"""The audit log: everything that was done by anybody, once, in order, and for ever."""

import csv
import io
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from annotations.accounts import services
from annotations.annotators import exclusions
from annotations.models import LabellingRules, ReviewRules
from energyapp.administration.sources import KINDS, USUAL
from energyapp.administration.timeline import Asked, Cursor, cursor_at
from energyapp.audit.models import AuditEntry
from energyapp.jobs import services as jobs
from modeling.models import RetrainingRules
from tests.factories import (
    AnnotationFactory,
    DecisionFactory,
    FlagFactory,
    JobFactory,
    PromotionFactory,
    RulesFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def history(admin, lead, annotator):
    """One of each kind, an hour apart."""
    began = timezone.now() - timedelta(days=2)

    def at(hour):
        return began + timedelta(hours=hour)

    AuditEntry.objects.create(by=admin, action="role changed", subject="anna", created_at=at(0))
    RulesFactory(changed_by=admin, labels_per_track=2, created_at=at(1))
    RulesFactory(changed_by=admin, labels_per_track=3, created_at=at(2))
    ReviewRules.objects.create(changed_by=lead, share=2, created_at=at(3))
    RetrainingRules.objects.create(changed_by=admin, schedule="daily", created_at=at(4))
    promotion = PromotionFactory(promoted_by=admin, created_at=at(5))
    said = exclusions.say(annotator=annotator, is_excluded=True, note="random", decided_by=lead)
    job = JobFactory(kind="experiment", requested_by=lead, created_at=at(6))
    jobs.cancel(job=job, by="adam")
    flag = FlagFactory(annotation=AnnotationFactory(track=TrackFactory(title="Doubtful"), level=2))
    DecisionFactory(flag=flag, decided_by=lead, verdict="change", level=9, blind_level=9, created_at=at(8))
    return {"promotion": promotion, "exclusion": said, "job": job}


def whats(html: str) -> list[str]:
    return html.split('id="entries"')[1].split("</section>")[0]


def test_the_page_tells_all_of_it_newest_first_with_old_and_new(as_admin, history):
    html = whats(as_admin.get("/admin/audit/").content.decode())

    expected = [
        "was left out of training: “random”",
        f"Experiment (job {history['job'].pk}) was called off. Cancelled by adam",
        f"Experiment (job {history['job'].pk}) was asked for",
        f"Run {history['promotion'].run_id} was put to use",
        "Retraining. Schedule: Not by the clock → Every day",
        "Review rules. Labels that the model may doubt, %: 5 → 2",
        "Labelling rules. Labels per track: 2 → 3",
        "Labelling rules. Labels per track: 1 → 2",
        "Role changed: anna",
    ]
    places = [html.find(words) for words in expected]
    assert -1 not in places, expected[places.index(-1)]
    assert places[2:] == sorted(places[2:])
    assert "Doubtful" not in html


def test_a_job_that_was_called_off_and_begun_again_was_both(as_admin, lead):
    job = JobFactory(kind="export", requested_by=lead)
    jobs.cancel(job=job, by="adam")
    jobs.retry(job=job, by="lea")

    html = whats(as_admin.get("/admin/audit/?kind=jobs").content.decode())

    assert "was called off. Cancelled by adam" in html
    assert "was begun again. Asked for again by lea." in html
    assert "begun again" in whats(as_admin.get("/admin/audit/?kind=jobs&person=lea").content.decode())


def test_decisions_are_told_when_asked_for_and_without_what_is_to_be_heard(as_admin, history):
    html = whats(as_admin.get("/admin/audit/?kind=decisions").content.decode())

    assert "Decided: changed (Doubtful)" in html
    assert "9" not in html.split("Decided")[1].split("</li>")[0]
    assert "Role changed" not in html


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ({"person": "lea"}, 3),  # review rules, exclusion, the job; not what the other called off
        ({"person": "anna"}, 2),  # about her
        ({"person": "adam"}, 6),
        ({"kind": "settings"}, 4),
        ({"kind": ["people", "models"]}, 2),
        ({"since": "2100-01-01"}, 0),
        ({"until": "2000-01-01"}, 0),
    ],
)
def test_it_is_filtered_by_person_kind_and_time(as_admin, history, query, n):
    html = as_admin.get(f"/admin/audit/?{urlencode(query, doseq=True)}").content.decode()

    assert whats(html).count("<li>") == n


def test_both_days_of_a_span_are_meant_whole(as_admin, admin):
    noon = timezone.make_aware(datetime(2026, 5, 4, 12))
    AuditEntry.objects.create(by=admin, action="invited", created_at=noon)

    found = [
        whats(as_admin.get(f"/admin/audit/?since={since}&until={until}").content.decode()).count("<li>")
        for since, until in [("2026-05-04", "2026-05-04"), ("2026-05-05", "2026-05-06"), ("2026-05-01", "2026-05-03")]
    ]

    assert found == [1, 0, 0]


@pytest.mark.parametrize("cursor", ["nonsense", "0001-01-01T00:00:00+14:00,1,1", "2026-01-01T00:00:00,1,1"])
def test_a_cursor_of_nonsense_shows_the_newest(as_admin, history, cursor):
    page = as_admin.get("/admin/audit/", {"after": cursor})

    assert "Role changed: anna" in page.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("person=nobody", "username “nobody”"),
        ("since=yesterday", "valid date"),
        ("until=9999-12-31", "less than or equal to"),
        ("kind=x", "see what is marked"),
    ],
)
def test_what_cannot_be_looked_up_is_said(as_admin, query, words):
    response = as_admin.get(f"/admin/audit/?{query}")

    assert response.status_code == 422
    assert words in response.content.decode()
    assert as_admin.get(f"/admin/audit.csv?{query}").status_code == 422


def test_pages_meet_without_a_gap_or_a_repeat_even_where_much_happens_at_once(admin, lead):
    moment = timezone.now()
    for i in range(7):
        AuditEntry.objects.create(by=admin, action=f"act {i}", created_at=moment)
        ReviewRules.objects.create(changed_by=lead, share=i + 1, created_at=moment)
        LabellingRules.objects.create(changed_by=admin, created_at=moment - timedelta(seconds=i % 2))
    asked = Asked(USUAL)
    whole = asked.page(None, 100)

    paged, after = [], None
    while page := asked.page(after, 4):
        paged += page
        after = Cursor.from_text(str(cursor_at(page[-1])))

    assert len(whole) == 21
    assert paged == whole


def test_a_cursor_that_nobody_was_given_begins_at_the_newest(as_admin, history):
    for text in ("x", "2026-01-01,1", "2026-01-01T00:00:00+00:00,a,b", "2026-01-01T00:00:00,1,1", "9999,1,2"):
        assert as_admin.get(f"/admin/audit/?{urlencode({'after': text})}").status_code == 200


def test_a_long_history_costs_a_page_no_more(as_admin, admin, django_assert_max_num_queries):
    for i in range(60):
        AuditEntry.objects.record(by=admin, action="invited", subject=str(i))
        RulesFactory(changed_by=admin, labels_per_track=1 + i % 9)

    with django_assert_max_num_queries(28):
        html = as_admin.get("/admin/audit/").content.decode()

    assert whats(html).count("<li>") == 40
    assert "Older" in html


def test_the_csv_has_every_entry_and_nothing_that_runs(as_admin, admin):
    for i in range(600):
        AuditEntry.objects.record(by=admin, action="invited", subject=f"friend {i}")
    services.invite(role="lead", note="=cmd|' /C calc'!A0", by=admin)
    AuditEntry.objects.record(by=admin, action="=1+1", subject="x")

    response = as_admin.get("/admin/audit.csv?kind=people")

    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert rows[0] == ["at", "kind", "by", "what"]
    assert len(rows) == 603
    assert rows[1][1:] == ["people and access", "adam", "'=1+1: x"]


def test_every_kind_has_words_and_is_shown_or_asked_for():
    assert USUAL | {"decisions"} == set(KINDS)


# ---- For ever


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEntry.objects.update(action="nothing happened"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: AuditEntry.objects.first().delete(),
    ],
    ids=["update", "delete all", "delete one"],
)
def test_the_database_refuses_to_change_history(admin, change):
    AuditEntry.objects.record(by=admin, action="invited", subject="x")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()

    assert AuditEntry.objects.get().action == "invited"


def test_what_has_several_parts_is_read_as_a_list_and_a_job_can_be_opened(as_admin, admin):
    AuditEntry.objects.create(by=admin, action="webhook added", subject="here", detail={"events": ["a.done", "b.done"]})
    job = JobFactory(kind="export", requested_by=admin)

    html = whats(as_admin.get("/admin/audit/").content.decode())

    assert "Webhook added: here (events: a.done, b.done)" in html
    assert f'<a href="/jobs/{job.pk}/">Export (job {job.pk}) was asked for</a>' in html
