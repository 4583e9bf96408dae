"""The pages of lists that are scored: sending one, watching it, and its result."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotations.intake import receiving
from energyapp.jobs.models import Job, Worker
from modeling.scoring import score_job, views
from modeling.scoring.models import Scoring, ScoringRow
from tests.factories import (
    AnnotationFactory,
    FlagFactory,
    PredictionFactory,
    PromotionFactory,
    SucceededJobFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _uploads_of_this_test(settings, tmp_path):
    settings.UPLOADS_DIR = tmp_path / "uploads"


@pytest.fixture
def live():
    return PromotionFactory(run=TrainingRunFactory(feature_sets=["signal@2"])).run


def post(client, text, name="tracks.csv"):
    return client.post("/scores/", {"file": SimpleUploadedFile(name, text.encode())})


def scoring_of(*tracks) -> Scoring:
    scoring = Scoring.objects.create(name="tracks.csv", columns=["track_uri"], job=SucceededJobFactory(kind="score"))
    for position, track in enumerate(tracks, start=1):
        ScoringRow.objects.create(scoring=scoring, position=position, track=track, cells=[track.uri])
    return scoring


def predicted(run, **fields):
    values = {"score": 6.25, "level": 6, "lower": 4.5, "upper": 8.0}
    return PredictionFactory(run=run, part="final", true_level=None, **values | fields).track


def html(client, path) -> str:
    return " ".join(client.get(path).content.decode().split())


def test_a_file_that_was_sent_is_read_by_a_worker_and_shows_its_scores(as_lead, live, lead):
    track = predicted(live, track__uri="a:1", track__title="Eins")
    response = post(as_lead, "track_uri,energy\na:1,4\nb:2,\n")
    scoring = Scoring.objects.get()
    assert response.headers["Location"] == f"/scores/{scoring.pk}/"
    assert scoring.requested_by == lead
    assert "waiting for a worker" in html(as_lead, f"/scores/{scoring.pk}/").lower()

    score_job.take_rows_in(scoring.job_id)
    page = html(as_lead, f"/scores/{scoring.pk}/")

    assert f'<a href="/tracks/{track.pk}/energy/">Eins</a>' in page
    assert '<span class="level level-6">6</span>' in page
    assert "4.5 – 8.0" in page
    assert '<b class="number">1</b> of 2 rows scored' in page
    assert "Line 3: no track has this uri" in page
    assert "energy is left alone" in page


def test_a_file_that_is_no_csv_is_refused_with_what_it_is(as_lead):
    response = post(as_lead, "PK\x03\x04", name="tracks.xlsx")

    assert response.status_code == 422
    assert "tracks.xlsx was not taken: it is a spreadsheet of an office program" in response.content.decode()
    assert as_lead.post("/scores/").status_code == 422


def test_a_file_that_is_too_long_to_be_read_leads_back_to_the_page_of_scores(as_lead, monkeypatch):
    monkeypatch.setattr(receiving, "MAX_REQUEST_BYTES", 100)

    response = as_lead.post("/scores/", {"file": SimpleUploadedFile("tracks.csv", b"x" * 200)})

    assert response["Location"] == "/scores/"


def test_the_state_asks_again_while_something_waits_and_then_reloads_the_page(as_lead, live):
    scoring = scoring_of(TrackFactory(audio_state="not fetched"), TrackFactory(audio_state="waiting"))
    path = f"/scores/{scoring.pk}/state/"

    waiting = as_lead.get(path)
    assert 'hx-trigger="every 2s"' in waiting.content.decode()
    assert "HX-Refresh" not in waiting.headers
    assert "waiting for their preview" in html(as_lead, path)

    scoring.rows.all().delete()
    ScoringRow.objects.create(scoring=scoring, position=1, track=predicted(live))
    done = as_lead.get(path)
    assert "hx-get" not in done.content.decode()
    assert done.headers["HX-Refresh"] == "true"


def test_without_a_model_the_page_says_what_to_do_and_does_not_ask_for_ever(as_lead, as_admin):
    scoring = scoring_of(TrackFactory())

    assert "There is no model yet. An admin trains one" in html(as_lead, f"/scores/{scoring.pk}/")
    assert 'There is no model yet. <a href="/dashboard/">' in html(as_admin, f"/scores/{scoring.pk}/")
    assert "hx-get" not in html(as_lead, f"/scores/{scoring.pk}/state/")


def test_the_page_says_which_workers_are_missing(as_lead, live):
    scoring = scoring_of(TrackFactory(audio_state="not fetched"), TrackFactory(audio_state="waiting"))
    Worker.objects.create(name="worker-intake@here", queues=["intake"], seen_at=timezone.now())

    page = html(as_lead, f"/scores/{scoring.pk}/")

    assert "No worker is running for features" in page
    assert "No worker is running for previews" not in page


def test_rows_can_be_looked_at_by_state(as_lead, live):
    scoring = scoring_of(
        predicted(live, track__title="Scored one"), TrackFactory(audio_state="none", title="Silent one")
    )

    page = html(as_lead, f"/scores/{scoring.pk}/?state=unusable")

    assert "Silent one" in page
    assert "Scored one" not in page
    assert "Scored one" in html(as_lead, f"/scores/{scoring.pk}/?state=nonsense&page=99")


def test_the_result_is_sent_as_it_is_made_under_the_name_of_the_file(as_lead, live):
    scoring = scoring_of(predicted(live, track__uri="a:1"))
    Scoring.objects.update(name='Größe "1".csv')

    response = as_lead.get(f"/scores/{scoring.pk}/result.csv")

    assert response.streaming
    assert "filename*=utf-8''Gr%C3%B6%C3%9Fe%20%221%22.scored.csv" in response.headers["Content-Disposition"]
    head, row = b"".join(response.streaming_content).decode().splitlines()
    assert head.startswith("track_uri,predicted_level")
    assert row.startswith("a:1,6,6.25,4.5,8.0,")


def test_page_and_result_of_another_run(as_lead, live):
    track, older = TrackFactory(), TrainingRunFactory()
    predicted(live, track=track)
    predicted(older, track=track, level=2, score=2.5)
    scoring = scoring_of(track)

    assert '<span class="level level-2">2</span>' in html(as_lead, f"/scores/{scoring.pk}/?run={older.pk}")
    assert f"/result.csv?run={older.pk}" in html(as_lead, f"/scores/{scoring.pk}/?run={older.pk}")
    assert "2.50" not in html(as_lead, f"/scores/{scoring.pk}/?run=999")


def test_a_lead_does_not_see_scores_of_what_is_still_to_be_heard(as_lead, live):
    flag = FlagFactory(annotation=AnnotationFactory())
    track = predicted(live, track=flag.annotation.track, score=7.123)
    scoring = scoring_of(track)

    assert "7.12" not in html(as_lead, f"/scores/{scoring.pk}/")
    assert "covered until you have heard them" in html(as_lead, f"/scores/{scoring.pk}/")
    assert "7.123" not in b"".join(as_lead.get(f"/scores/{scoring.pk}/result.csv").streaming_content).decode()


def test_the_pages_take_the_same_number_of_queries_for_any_number_of_rows(
    as_lead, live, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr(views, "PAGE_SIZE", 5)
    scoring = scoring_of(*(predicted(live) for _ in range(12)))
    for _ in range(6):
        scoring_of()

    with django_assert_max_num_queries(14):
        as_lead.get(f"/scores/{scoring.pk}/")
    with django_assert_max_num_queries(12):
        as_lead.get("/scores/")


def test_a_list_of_the_command_line_has_neither_job_nor_person(as_lead):
    scoring = Scoring.objects.create(name="cli.csv")

    assert "command line" in html(as_lead, "/scores/")
    assert "Scored on the command line" in html(as_lead, f"/scores/{scoring.pk}/")


def test_a_failed_list_says_so(as_lead):
    job = SucceededJobFactory(kind="score", status=Job.Status.FAILED, message="The file is gone. Send it again.")
    scoring = Scoring.objects.create(name="x.csv", job=job)

    assert "Send it again" in html(as_lead, f"/scores/{scoring.pk}/")
