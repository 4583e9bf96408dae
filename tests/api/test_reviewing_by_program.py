"""Flags, decisions, runs, predictions and jobs: the same as on their pages, as blind as these, and by the same rules."""

from uuid import uuid4

import pytest

from annotations.models import Annotation, Decision, Flag
from energyapp.jobs.log import say
from energyapp.jobs.models import Job
from modeling.models import Promotion, TrainingRun
from tests.conftest import logged_in
from tests.factories import (
    AnnotationFactory,
    DecisionFactory,
    FlagFactory,
    JobFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    RunningJobFactory,
    SucceededJobFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db

LEADS = pytest.mark.parametrize("role", ["lead", "admin"])
COVERED = ("level", "expected_level", "annotator", "why", "newest_decision")


def hear(client, flag, level=8):
    return client.send(f"flags/{flag.pk}/opinion/", status=200, level=level, submission_id=str(uuid4()))


# ---- Flags


@LEADS
def test_flags_are_those_of_the_queue_in_its_order(program, request, role):
    user = request.getfixturevalue(role)
    weak, strong, _settled = FlagFactory(suspicion=2.0), FlagFactory(suspicion=4.0), DecisionFactory().flag
    FlagFactory(annotation=weak.annotation, reason=Flag.Reason.DRIFT, suspicion=1.0)
    FlagFactory(annotation=AnnotationFactory(annotator=user))  # their own

    page = logged_in(user).get("/review/").context["rows"]
    rows = program(user).rows("flags/")

    assert [row["id"] for row in rows] == [row["flag"].pk for row in page] == [strong.pk, weak.pk]
    assert rows[1]["other_reasons"] == ["drift"]


@LEADS
def test_a_flag_stays_covered_until_its_reviewer_has_said_what_they_hear(program, request, role):
    user = request.getfixturevalue(role)
    flag = FlagFactory(annotation=AnnotationFactory(level=3, annotator__username="accused"))
    client = program(user)

    before = client.read(f"flags/{flag.pk}/")
    listed = client.rows("flags/")[0]
    queue = logged_in(user).get("/review/").content.decode()
    after = hear(client, flag)

    assert [before[name] for name in COVERED] == [listed[name] for name in COVERED] == [None] * len(COVERED)
    assert "8.0 was expected" not in queue
    assert (after["level"], after["annotator"], after["expected_level"]) == (3, "accused", 8.0)
    assert after["why"] in logged_in(user).get("/review/").content.decode()


def test_a_level_of_a_covered_flag_is_not_found_out_by_asking_for_it(program, lead):
    FlagFactory(annotation=AnnotationFactory(level=3))

    assert program(lead).rows("flags/", level=3) == []


def test_an_opinion_is_given_once_and_a_submission_id_that_is_taken_is_refused(program, lead):
    flag, taken = FlagFactory(), AnnotationFactory()
    client = program(lead)

    client.send(f"flags/{flag.pk}/opinion/", status=409, level=4, submission_id=str(taken.submission_id))
    hear(client, flag, level=4)
    hear(client, flag, level=9)

    assert Annotation.objects.get(annotator=lead).level == 4


def test_annotators_see_neither_flags_nor_decisions_nor_runs_predictions_or_jobs(program, annotator):
    FlagFactory(annotation=AnnotationFactory(annotator=annotator))
    client = program(annotator)

    for path in ("flags/", "decisions/", "runs/", "predictions/", "jobs/"):
        refused = client.get(path)
        assert refused.status_code == 403, path
        assert "Your role does not allow this" in refused.json()["detail"]


# ---- Decisions


def test_a_decision_wants_an_opinion_first_and_then_is_made_once(program, lead):
    flag = FlagFactory()
    client, decision = program(lead), {"flag": flag.pk, "verdict": "change", "level": 8}

    assert "Say what you hear first" in client.send("decisions/", status=409, **decision)["detail"]
    heard = hear(client, flag)
    made = client.send("decisions/", status=201, **decision, seen_decision=heard["newest_decision"])
    again = client.send("decisions/", status=409, **decision, seen_decision=heard["newest_decision"])

    assert (made["verdict"], made["level"], made["blind_level"], made["is_standing"]) == ("change", 8, 8, True)
    assert "has decided about this track" in again["detail"]
    assert Decision.objects.get().decided_by == lead


def test_nobody_decides_on_their_own_label(program, lead):
    flag = FlagFactory(annotation=AnnotationFactory(annotator=lead))

    refused = program(lead).send("decisions/", status=409, flag=flag.pk, verdict="keep")

    assert "their own label" in refused["detail"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"verdict": "change"}, "level"), ({"verdict": "keep", "level": 4}, "level"), ({"verdict": "undo"}, "verdict")],
)
def test_a_decision_that_makes_no_sense_is_refused(program, lead, wrong, field):
    refused = program(lead).send("decisions/", status=400, flag=FlagFactory().pk, **wrong)

    assert field in refused["errors"]


def test_a_decision_that_holds_is_undone(program, lead):
    decision = DecisionFactory()
    client = program(lead)

    undone = client.send(f"decisions/{decision.pk}/undo/", status=201, note="A slip.")

    assert (undone["verdict"], undone["undoes"]) == ("undo", decision.pk)
    assert client.send(f"decisions/{decision.pk}/undo/", status=409)


@LEADS
def test_what_others_decided_shows_its_levels_to_who_has_heard_the_track(program, request, role):
    user = request.getfixturevalue(role)
    decision = DecisionFactory(verdict="change", level=9, note="It drives.", blind_level=9)
    client = program(user)

    [before] = client.rows("decisions/", track=decision.flag.annotation.track_id)
    csv = b"".join(logged_in(user).get("/review/export.csv?state=resolved").streaming_content).decode()
    hear(client, decision.flag)
    [after] = client.rows("decisions/")

    assert [before[name] for name in ("level", "blind_level", "level_after", "note")] == [None] * 4
    assert "It drives." not in csv
    assert before["verdict"] == "change"
    assert (after["level"], after["note"], after["decided_by"]["name"]) == (9, "It drives.", str(decision.decided_by))


# ---- Runs


@LEADS
def test_runs_say_what_their_pages_say(program, request, role):
    user = request.getfixturevalue(role)
    older, newer = TrainingRunFactory(), TrainingRunFactory()
    PromotionFactory(run=older)

    rows = program(user).rows("runs/")
    in_full = program(user).read(f"runs/{older.pk}/")

    assert [(row["id"], row["is_live"]) for row in rows] == [(newer.pk, False), (older.pk, True)]
    assert rows[0]["out_of_fold"]["macro_mae"] == newer.metrics["out_of_fold"]["macro_mae"]
    assert in_full["metrics"] == older.metrics
    assert "metrics" not in rows[0]
    assert logged_in(user).get(f"/runs/{older.pk}/").status_code == 200


def test_an_admin_asks_for_a_training_and_twice_is_once(program, admin):
    client = program(admin)

    first = client.send("runs/", status=202, seed=3)
    again = client.send("runs/", status=202, seed=4)

    assert (first["status"], first["seed"], first["requested_by"]["id"]) == ("queued", 3, admin.pk)
    assert again["id"] == first["id"]
    assert TrainingRun.objects.count() == 1


def test_an_admin_puts_a_run_to_use_and_goes_back(program, admin):
    older, newer = TrainingRunFactory(), TrainingRunFactory()
    client = program(admin)

    assert client.send(f"runs/{newer.pk}/promote/", status=200)["is_live"]
    assert client.send(f"runs/{older.pk}/promote/", status=200, instead_of=newer.pk)["is_live"]
    assert "look again" in client.send(f"runs/{newer.pk}/promote/", status=409, instead_of=newer.pk + 99)["detail"]
    assert [promotion.promoted_by for promotion in Promotion.objects.all()] == [admin, admin]


def test_a_run_without_a_model_is_not_put_to_use(program, admin):
    nothing = {"artifact_digest": "", "dataset_digest": "", "metrics": None, "n_tracks": None}
    run = TrainingRunFactory(job=JobFactory(status="queued"), **nothing)

    assert "only a run that succeeded" in program(admin).send(f"runs/{run.pk}/promote/", status=409)["detail"]


# ---- Predictions


@LEADS
def test_predictions_are_of_the_model_in_use_unless_another_is_asked_for(program, request, role):
    user = request.getfixturevalue(role)
    live, other = PromotionFactory().run, TrainingRunFactory()
    shown = PredictionFactory(run=live, part="final", true_level=None, level=7)
    elsewhere = PredictionFactory(run=other, part="final", true_level=None)
    held_out = PredictionFactory(run=other, true_level=5)
    client = program(user)

    assert [row["id"] for row in client.rows("predictions/")] == [shown.pk]
    assert [row["id"] for row in client.rows("predictions/", run=other.pk)] == [elsewhere.pk]
    assert [row["id"] for row in client.rows("predictions/", run=other.pk, part="out-of-fold")] == [held_out.pk]
    assert client.rows("predictions/", level=3) == []


@LEADS
def test_no_prediction_shows_of_what_its_reader_is_about_to_hear(program, request, role):
    """As on the page of a run's tracks."""
    user = request.getfixturevalue(role)
    run = PromotionFactory().run
    flagged, held = FlagFactory(), LeaseFactory(annotator=user)
    shown = PredictionFactory(run=run)
    covered = [PredictionFactory(run=run, track=track) for track in (flagged.annotation.track, held.track)]
    client = program(user)

    rows = client.rows("predictions/", part="out-of-fold")
    page = logged_in(user).get(f"/runs/{run.pk}/tracks/").context["page"]

    assert [row["id"] for row in rows] == [prediction.pk for prediction in page] == [shown.pk]
    assert [client.get(f"predictions/{each.pk}/").status_code for each in covered] == [404, 404]
    hear(client, flagged)
    assert len(client.rows("predictions/", part="out-of-fold")) == 2


# ---- Jobs


@LEADS
def test_jobs_say_how_they_go_and_their_tracebacks_to_admins_alone(program, request, role):
    user = request.getfixturevalue(role)
    job = RunningJobFactory(progress=0.4, message="Fold 2 of 5", error="Traceback: secret")
    say(job, "Fold 2 of 5")

    [row] = program(user).rows("jobs/", status="running")
    in_full = program(user).read(f"jobs/{job.pk}/")
    page = logged_in(user).get(f"/jobs/{job.pk}/").content.decode()

    assert (row["progress"], row["message"]) == (0.4, "Fold 2 of 5")
    assert [line["text"] for line in in_full["log"]] == ["Fold 2 of 5"]
    assert ("secret" in str(in_full)) == ("secret" in page) == (role == "admin")


def test_a_job_is_called_off_and_done_again_by_who_may_ask_for_it(program, lead, admin):
    run = TrainingRunFactory(job=JobFactory(), artifact_digest="", dataset_digest="", metrics=None, n_tracks=None)

    assert program(lead).get(f"jobs/{run.job_id}/").status_code == 200
    assert program(lead).post(f"jobs/{run.job_id}/cancel/").status_code == 403
    assert program(admin).send(f"jobs/{run.job_id}/cancel/", status=202)["status"] == "cancelled"
    assert program(admin).send(f"jobs/{run.job_id}/retry/", status=202)["status"] == "queued"


def test_a_lead_calls_off_an_import(program, lead):
    job = JobFactory(kind="import")

    program(lead).send(f"jobs/{job.pk}/cancel/", status=202)

    assert Job.objects.get().status == "cancelled"


def test_what_has_ended_can_be_neither_called_off_nor_done_again(program, admin):
    job = TrainingRunFactory(job=SucceededJobFactory()).job

    assert "had ended" in program(admin).send(f"jobs/{job.pk}/cancel/", status=409)["detail"]
    assert "nothing to do again" in program(admin).send(f"jobs/{job.pk}/retry/", status=409)["detail"]


# ---- Statements


@pytest.mark.parametrize(
    ("path", "n_statements"),
    [("flags/", 4), ("decisions/", 3), ("runs/", 4), ("predictions/?part=slice", 3), ("jobs/", 3)],
)
def test_a_list_takes_as_many_statements_however_long(program, lead, path, n_statements, django_assert_num_queries):
    client, run = program(lead), PromotionFactory().run
    for _ in range(12):
        DecisionFactory(verdict="ask another"), FlagFactory(), TrainingRunFactory()
        PredictionFactory(run=run, part="slice")
    client.rows(path)

    with django_assert_num_queries(n_statements):
        assert len(client.rows(path)) >= 12
