"""Everything can be taken out, by name or under pseudonyms, and what is taken out makes the same library elsewhere."""

import csv
import json
from datetime import datetime, timedelta
from io import StringIO

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotations.models import Annotation, Decision, Track, User
from energyapp.jobs.claims import JobRefused
from energyapp.jobs.models import Job
from modeling.core.feature_sets import FEATURE_SETS
from modeling.exports import services
from modeling.exports.models import Export
from modeling.exports.people import names_of_people
from modeling.exports.registry import TABLES
from modeling.exports.tables import Options
from modeling.exports.writing import write_table
from modeling.models import FeatureVector
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    GenreFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
    TrainingRunFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.EXPORTS_DIR = tmp_path / "exports"
    return tmp_path


def written(name, path, *, format="csv", **options):
    write_table(name, Options(**options), path, format=format)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def library():
    """Two tracks, three labels of which one was changed, a decision."""
    house = TrackFactory(uri="t:1", title="=SUM(A1)", artist="Änna", preview_url="https://p.example/1.mp3")
    house.genres.add(GenreFactory(name="house"), GenreFactory(name="acid"))
    quiet = TrackFactory(uri="t:2", title="'Allo", artist="-1+1", preview_url="")
    ann, ben = UserFactory(username="imported:a1", alias="a1"), UserFactory(username="ben")
    first = AnnotationFactory(track=house, annotator=ann, level=3, source="import")
    AnnotationFactory(track=house, annotator=ann, level=5, supersedes=first, source="relabel")
    AnnotationFactory(track=house, annotator=ben, level=8, listened_s=4.25, stream="gold")
    AnnotationFactory(track=quiet, annotator=ben, level=1)


def test_labels_have_the_thesis_layout_and_are_the_newest_that_count(library, folder):
    rows = written("labels", folder / "labels.csv")

    assert list(rows[0])[:5] == ["energy", "track_uri", "track_preview_url", "annotator_id", "genres"]
    assert [(row["energy"], row["track_uri"], row["annotator_id"], row["genres"]) for row in rows] == [
        ("5", "t:1", "a1", "acid,house"),
        ("8", "t:1", "ben", "acid,house"),
        ("1", "t:2", "ben", ""),
    ]


def test_labels_that_a_lead_dropped_are_only_in_the_history(library, folder):
    label = Annotation.objects.get(level=8)
    DecisionFactory(flag=FlagFactory(annotation=label), verdict=Decision.Verdict.DROP, level=None)

    assert [row["energy"] for row in written("labels", folder / "labels.csv")] == ["5", "1"]
    assert [row["energy"] for row in written("history", folder / "history.csv")] == ["3", "5", "8", "1"]


def test_one_level_a_track_is_what_the_product_shows(library, folder):
    decided = Annotation.objects.get(level=1)
    DecisionFactory(flag=FlagFactory(annotation=decided), verdict=Decision.Verdict.CHANGE, level=4)

    rows = written("consensus", folder / "levels.csv")

    # The median of 5 and 8 is 6.5, and a tie goes to the higher level.
    assert [(row["track_uri"], row["level"], row["n_labels"], row["set_by_lead"]) for row in rows] == [
        ("t:1", "7", "2", "False"),
        ("t:2", "4", "1", "True"),
    ]
    assert [(row["lowest"], row["highest"], row["standard_deviation"]) for row in rows] == [
        ("5", "8", "1.5"),
        ("1", "1", "0.0"),
    ]


def test_nothing_is_run_by_a_spreadsheet_and_nothing_is_lost(library, folder):
    rows = written("tracks", folder / "tracks.csv")

    assert [(row["title"], row["artist"]) for row in rows] == [("'=SUM(A1)", "Änna"), ("'Allo", "'-1+1")]
    out = StringIO()
    call_command("import_tracks", folder / "tracks.csv", stdout=out)
    assert "2 unchanged, 0 refused" in out.getvalue()


def test_pseudonyms_tell_people_apart_and_say_no_names(library, folder, settings):
    DecisionFactory(flag=FlagFactory(annotation=Annotation.objects.get(level=8)), note="ben was tired")
    for name in ("labels", "history", "decisions"):
        text = "".join(str(row) for row in written(name, folder / f"{name}.csv", is_pseudonymous=True))
        assert "ben" not in text
        assert "'a1'" not in text
    rows = written("labels", folder / "again.csv", is_pseudonymous=True)
    people = [row["annotator_id"] for row in rows]
    assert len(set(people)) == 2
    assert people == [row["annotator_id"] for row in written("labels", folder / "once more.csv", is_pseudonymous=True)]

    settings.SECRET_KEY = "another installation's"
    assert set(names_of_people(is_pseudonymous=True).values()).isdisjoint(people)


def test_an_account_is_not_taken_for_an_imported_annotator_of_its_name():
    UserFactory(username="imported:ann", alias="ann")
    account = AnnotatorFactory(username="ann")

    assert sorted(names_of_people(is_pseudonymous=False).values()) == ["ann", f"ann#{account.pk}"]


def test_decisions_say_what_was_decided_about_which_label(library, folder):
    label = Annotation.objects.get(level=8)
    decision = DecisionFactory(
        flag=FlagFactory(annotation=label, suspicion=3.5), verdict=Decision.Verdict.CHANGE, level=5, note="=calm"
    )

    (row,) = written("decisions", folder / "decisions.csv")

    assert row["submission_id"] == str(label.submission_id)
    assert (row["energy"], row["changed_to"], row["verdict"]) == ("8", "5", "change")
    assert (row["note"], row["decided_by"]) == ("'=calm", decision.decided_by.username)


def test_predictions_are_those_of_the_model_in_use(folder):
    in_use, newer = TrainingRunFactory(), TrainingRunFactory()
    PromotionFactory(run=in_use)
    for run, level in ((in_use, 6), (newer, 2)):
        PredictionFactory(run=run, track=TrackFactory(), part="final", level=level, score=5.75, true_level=None)

    (row,) = written("predictions", folder / "predictions.csv")

    assert (row["level"], row["score"], row["run"]) == ("6", "5.75", str(in_use.pk))
    assert row["model"] == in_use.artifact_digest


def test_without_a_model_it_says_what_to_do(folder):
    with pytest.raises(JobRefused, match="Train one first"):
        written("predictions", folder / "predictions.csv")
    assert not (folder / "predictions.csv").exists()


def test_features_have_their_own_digits_and_come_back_the_same(folder):
    signal = FEATURE_SETS["signal"]
    values = np.linspace(0.1, 1, len(signal.columns), dtype="<f4")
    whole, broken = TrackFactory(uri="t:1"), TrackFactory(uri="t:2")
    FeatureVector.objects.create(track=whole, feature_set=signal.key, values=values.tobytes())
    FeatureVector.objects.create(track=broken, feature_set=signal.key, values=(values * np.nan).tobytes())
    FeatureVector.objects.create(track=TrackFactory(), feature_set=signal.key, values=b"")

    rows = written("features", folder / "features.csv", feature_set="signal")

    assert [row["track_uri"] for row in rows] == ["t:1", "t:2"]
    assert np.array([np.float32(rows[0][name]) for name in signal.columns]).tobytes() == values.tobytes()
    assert rows[0][signal.columns[0]] == "0.1"
    assert rows[1][signal.columns[0]] == ""


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_says_the_same_in_every_format(name, library, folder):
    PromotionFactory(run=(run := TrainingRunFactory()))
    PredictionFactory(run=run, track=Track.objects.first(), part="final", true_level=None)
    DecisionFactory(flag=FlagFactory(annotation=Annotation.objects.get(level=8)))
    values = np.linspace(0.1, 1, len(FEATURE_SETS["signal"].columns), dtype="<f4")
    FeatureVector.objects.create(
        track=Track.objects.first(), feature_set=FEATURE_SETS["signal"].key, values=values.tobytes()
    )
    options = Options(feature_set="signal" if name == "features" else "")
    for format in Export.Format:
        write_table(name, options, folder / f"all.{format}", format=format)

    with (folder / "all.csv").open(newline="") as file:
        texts = list(csv.DictReader(file))
    objects = [json.loads(line) for line in (folder / "all.jsonl").read_text().splitlines()]
    table = pq.read_table(folder / "all.parquet").to_pylist()

    assert len(texts) == len(objects) == len(table) > 0
    assert list(texts[0]) == list(objects[0]) == list(table[0])
    for text, plain, typed in zip(texts, objects, table, strict=True):
        for column, value in plain.items():
            if isinstance(typed[column], datetime):
                assert typed[column] == datetime.fromisoformat(value)
            elif isinstance(value, float):
                assert np.float32(typed[column]) == np.float32(value)
            else:
                assert typed[column] == value
            assert text[column].lstrip("'") == ("" if value is None else str(value)).lstrip("'")


def test_a_history_makes_the_same_labels_elsewhere(library, folder):
    write_table("history", Options(), folder / "history.csv", format="csv")
    before = (folder / "history.csv").read_bytes()
    _forget_everything()

    call_command("import_tracks", folder / "history.csv", stdout=StringIO())

    write_table("history", Options(), folder / "again.csv", format="csv")
    assert (folder / "again.csv").read_bytes() == before
    assert Annotation.objects.current().count() == 3


def _forget_everything():
    Track.genres.through.objects.all().delete()
    with _history_may_go():
        Annotation.objects.all()._raw_delete("default")
    Track.objects.all()._raw_delete("default")
    User.objects.all()._raw_delete("default")


class _history_may_go:
    """Labels are only added to; another installation is one without the triggers that hold this, for a moment."""

    def __enter__(self):
        from django.db import connection

        self._connection = connection
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # Else those of the rows of this transaction are pending.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("ALTER TABLE annotations_annotation DISABLE TRIGGER USER")
                return
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'annotations_annotation'"
            )
            self._triggers = cursor.fetchall()
            for name, _ in self._triggers:
                cursor.execute(f'DROP TRIGGER "{name}"')

    def __exit__(self, *error):
        with self._connection.cursor() as cursor:
            if self._connection.vendor == "postgresql":
                cursor.execute("ALTER TABLE annotations_annotation ENABLE TRIGGER USER")
                return
            for _, sql in self._triggers:
                cursor.execute(sql)


# ---- As a job


def ask(admin, **asked) -> Export:
    options = asked.pop("options", Options())
    return services.request_export(
        requested_by=admin, **{"table": "labels", "format": "csv", "options": options, **asked}
    )


def test_a_worker_writes_the_file_and_says_how_long_it_is(library, admin):
    export = ask(admin)

    services.run(export.job_id)

    export.refresh_from_db()
    assert export.job.status == Job.Status.SUCCEEDED
    assert export.job.message.startswith("3 rows, ")
    assert export.n_bytes == export.path.stat().st_size


def test_asked_twice_is_one(admin):
    assert ask(admin) == ask(admin)
    assert ask(admin, format="jsonl") != ask(admin)
    assert ask(admin, options=Options(is_pseudonymous=True)) != ask(admin)


def test_one_that_is_called_off_leaves_no_file(library, admin, monkeypatch, settings):
    export = ask(admin)
    written_before = services.write_table

    def called_off_at_the_end(*args, **kwargs):
        found = written_before(*args, **kwargs)
        Job.objects.filter(pk=export.job_id).update(cancel_requested_at=timezone.now())
        return found

    monkeypatch.setattr(services, "write_table", called_off_at_the_end)
    services.run(export.job_id)

    export.refresh_from_db()
    assert (export.job.status, export.file) == (Job.Status.CANCELLED, "")
    assert not list(settings.EXPORTS_DIR.iterdir())


def test_a_full_disk_is_said_and_not_a_traceback(library, admin, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(services, "write_table", full)
    export = ask(admin)
    with pytest.raises(JobRefused):
        services.run(export.job_id)

    export.job.refresh_from_db()
    assert export.job.message == "The disk is full. Make room, then ask again."


def test_old_files_make_room_and_new_ones_stay(library, admin):
    old, new = ask(admin), ask(admin, format="jsonl")
    for export in (old, new):
        services.run(export.job_id)
        export.refresh_from_db()
    Job.objects.filter(pk=old.job_id).update(finished_at=timezone.now() - services.KEPT_FOR - timedelta(minutes=1))

    services.make_room()

    old.refresh_from_db()
    assert (old.is_there, old.path.exists()) == (False, False)
    assert new.path.exists()


# ---- The page and the command


def test_an_admin_asks_and_downloads(library, as_admin, admin):
    as_admin.post("/exports/", {"table": "labels", "format": "csv", "people": "names"})
    services.run(Export.objects.get().job_id)

    page = as_admin.get("/exports/")
    assert "3 rows" in page.text
    response = as_admin.get(f"/exports/{Export.objects.get().pk}/file")
    assert response["Content-Disposition"] == f'attachment; filename="energy-labels-{Export.objects.get().pk}.csv"'
    assert b"".join(response.streaming_content).startswith(b"energy,track_uri")


def test_features_want_to_know_which(as_admin):
    response = as_admin.post("/exports/", {"table": "features", "format": "csv", "people": "names"})

    assert response.status_code == 422
    assert "Choose the set whose numbers you want" in response.text
    assert not Export.objects.exists()


def test_a_file_that_is_gone_is_not_found(as_admin, library, admin):
    export = ask(admin)
    assert as_admin.get(f"/exports/{export.pk}/file").status_code == 404
    services.run(export.job_id)
    export.refresh_from_db()
    export.path.unlink()
    assert as_admin.get(f"/exports/{export.pk}/file").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["labels", "x.txt"], "expected .csv, .jsonl or .parquet"),
        (["features", "x.csv"], "--feature-set belongs to the table of features"),
        (["labels", "nowhere/x.csv"], "cannot be written: No such file or directory"),
        (["predictions", "x.csv"], "No model is in use yet"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, problem, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(CommandError, match=problem):
        call_command("export_table", *arguments)


def test_the_command_never_overwrites(library, folder):
    (folder / "labels.csv").write_text("mine")
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_table", "labels", folder / "labels.csv")
    assert (folder / "labels.csv").read_text() == "mine"
