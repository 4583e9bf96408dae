"""`manage.py score_tracks`: from file to file without a worker, with a real model, real audio and real processes."""

import csv
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from annotations.intake import previews
from annotations.models import Annotation, Track
from energyapp.jobs.models import Job
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import Prediction, TrainingRun
from modeling.scoring import foreground
from modeling.scoring.models import Scoring
from tests.audio_files import write_tone
from tests.factories import AnnotationFactory, PredictionFactory, PromotionFactory, TrackFactory, TrainingRunFactory
from tests.modeling.training_library import train
from tests.processes import ROOT, database_url

SIGNAL = FEATURE_SETS["signal"]


def score(table: Path, *options, **kwargs) -> tuple[list[str], list[dict[str, str]]]:
    """What the command said, and the rows that it wrote."""
    said, out = StringIO(), table.with_name("out.csv")
    call_command("score_tracks", str(table), "--out", str(out), *map(str, options), stdout=said, **kwargs)
    return said.getvalue().splitlines(), list(csv.DictReader(out.open(encoding="utf-8", newline="")))


def written(folder: Path, text: str, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def live(db):
    return PromotionFactory(run=TrainingRunFactory(feature_sets=[SIGNAL.key])).run


def predicted(run, uri, level=6):
    track = TrackFactory(uri=uri)
    track.feature_vectors.create(feature_set=SIGNAL.key, values=np.zeros(len(SIGNAL.columns), "<f4").tobytes())
    PredictionFactory(run=run, track=track, part="final", true_level=None, level=level, score=float(level))
    return track


@pytest.fixture
def nothing_to_compute(monkeypatch):
    """Of tests of the list and the files: no processes, and no model that is asked."""
    monkeypatch.setattr(foreground, "lacking_features", lambda *args: [])
    monkeypatch.setattr(foreground, "predict", lambda *args, **kwargs: 0)


# ---- What it refuses


def refusal(*arguments) -> CommandError:
    with pytest.raises(CommandError) as raised:
        call_command("score_tracks", *map(str, arguments), stdout=StringIO())
    return raised.value


@pytest.mark.django_db
def test_without_a_model_it_says_what_to_do(tmp_path):
    error = refusal(written(tmp_path, "track_uri\na:1\n"), "--out", tmp_path / "out.csv")

    assert str(error).startswith("There is no model yet. Label some tracks and train one")
    assert error.returncode == 1


def test_a_run_that_does_not_exist_is_named_with_those_that_do(live, tmp_path):
    error = refusal(written(tmp_path, "track_uri\na:1\n"), "--out", tmp_path / "out.csv", "--run", 999)

    assert str(error) == f"There is no run 999 with a model; there is {live.pk}."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty; expected a first line"),
        ("uri\n1\n", "has no column 'track_uri'. Its first line is 'uri'."),
        ("track_uri;x\n1;2\n", "it looks separated by semicolons"),
        ("PK\x03\x04", "is a spreadsheet of an office program"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_with_what_was_found(text, problem, live, tmp_path):
    error = refusal(written(tmp_path, text), "--out", tmp_path / "out.csv")

    assert problem in str(error)
    assert error.returncode == 1
    assert not (tmp_path / "out.csv").exists()
    assert not Scoring.objects.exists()


def test_paths_that_cannot_be_are_refused_before_anything_is_done(live, tmp_path):
    table = written(tmp_path, "track_uri\na:1\n")

    assert "There is no file" in str(refusal(tmp_path / "no.csv", "--out", tmp_path / "out.csv"))
    assert "is a folder; expected a CSV" in str(refusal(tmp_path, "--out", tmp_path / "out.csv"))
    assert "is the file to read" in str(refusal(table, "--out", table))
    assert "cannot be written: No such file or directory" in str(refusal(table, "--out", tmp_path / "no" / "out.csv"))
    assert "There is no folder" in str(refusal(table, "--out", tmp_path / "out.csv", "--audio-dir", tmp_path / "no"))
    assert not Scoring.objects.exists()


# ---- What it does


def test_known_tracks_are_scored_at_once_and_the_rest_says_why_not(live, nothing_to_compute, tmp_path):
    predicted(live, "a:1", level=7)
    table = written(tmp_path, "track_uri,note\na:1,ü\nmissing:1,\n")

    with pytest.raises(CommandError, match=r"1 rows have no score; .*out.csv says why") as raised:
        score(table)

    assert raised.value.returncode == 3
    one, missing = csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8"))
    assert (one["note"], one["predicted_level"]) == ("ü", "7")
    assert missing["scoring_reason"].startswith("Line 3: no track has this uri")
    assert [path.name for path in tmp_path.iterdir()].count(".out.csv.part") == 0


def test_scoring_a_file_again_replaces_its_list(live, nothing_to_compute, tmp_path):
    predicted(live, "a:1")
    table = written(tmp_path, "track_uri\na:1\n")

    first, second = score(table), score(table)

    assert first == second
    assert Scoring.objects.count() == 1
    assert not Job.objects.filter(kind="score").exists()


def test_a_disk_that_is_full_is_said_and_the_old_result_stays(live, nothing_to_compute, tmp_path, monkeypatch):
    table = written(tmp_path, "track_uri\na:1\n")
    (tmp_path / "out.csv").write_text("old")

    def full(*args, **kwargs):
        yield "track_uri\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(foreground, "csv_lines", full)
    error = refusal(table, "--out", tmp_path / "out.csv")

    assert "No space left on device. What was done is stored" in str(error)
    assert (tmp_path / "out.csv").read_text() == "old"
    assert not (tmp_path / ".out.csv.part").exists()


def test_a_model_whose_files_are_gone_is_said(live, tmp_path):
    error = refusal(written(tmp_path, "track_uri\na:1\n"), "--out", tmp_path / "out.csv")

    assert "model are gone or changed" in str(error)


def test_a_preview_that_has_to_wait_is_not_waited_for(live, nothing_to_compute, tmp_path, monkeypatch):
    """A server that asks for patience."""
    asked = []

    def turned_away(name):
        asked.append(name)
        previews.PreviewHost.objects.filter(pk=name).update(not_before="2100-01-01T00:00Z")

    monkeypatch.setattr(previews, "fetch_host", turned_away)
    table = written(tmp_path, "track_uri,track_preview_url\nn:1,https://previews.example/1.mp3\n")

    error = refusal(table, "--out", tmp_path / "out.csv")

    assert error.returncode == 3
    assert asked == ["previews.example:443"]
    assert "still to be fetched" in (tmp_path / "out.csv").read_text()


# ---- All of it: a model that has learnt, audio in a folder


@pytest.fixture
def trained(transactional_db, settings, monkeypatch) -> TrainingRun:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "energyapp.settings")
    monkeypatch.setenv("ENERGYAPP_DATABASE_URL", database_url(connection.settings_dict))
    rng = np.random.default_rng(7)
    for index in range(40):
        level = 1 + index % 10
        values = rng.normal(size=len(SIGNAL.columns)).astype("<f4")
        values[0] += level
        track = TrackFactory(uri=f"lib:{index}", artist=f"Artist {index % 13}")
        track.feature_vectors.create(feature_set=SIGNAL.key, values=values.tobytes())
        AnnotationFactory(track=track, level=level)
    run = train()
    assert run.job.status == Job.Status.SUCCEEDED, run.job.message
    return run


@pytest.mark.services
def test_new_tracks_of_a_folder_come_back_with_level_score_and_interval(trained, tmp_path):
    for name in ("eins", "zwei"):
        write_tone(tmp_path / "music" / f"{name}.wav", duration_s=6, frequency_hz=len(name) * 110)
    (tmp_path / "music" / "bad.wav").write_bytes(b"no audio at all")
    table = written(
        tmp_path,
        "track_uri,title,track_preview_url,energy\n"
        "n:1,Eins,eins.wav,3\nlib:5,,,\nn:2,Zwei,zwei.wav,\nn:3,Bad,bad.wav,\nn:4,Gone,gone.wav,\n",
    )

    with pytest.raises(CommandError) as raised:
        score(table, "--audio-dir", tmp_path / "music", "--workers", 1)

    assert raised.value.returncode == 3
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8")))
    assert [row["scoring_state"] for row in rows] == ["scored", "scored", "scored", "unusable", "unusable"]
    assert "there is no file 'gone.wav'" in rows[4]["scoring_reason"]
    assert rows[3]["scoring_reason"]
    for row in rows[:3]:
        said = Prediction.objects.get(run=trained, track__uri=row["track_uri"], part="final")
        assert int(row["predicted_level"]) == said.level
        assert float(row["predicted_score"]) == pytest.approx(said.score, abs=0.001)
        assert float(row["predicted_lower"]) <= float(row["predicted_score"]) <= float(row["predicted_upper"])
    assert Annotation.objects.filter(track__uri="n:1").count() == 0, "energy is left alone"
    assert Track.objects.get(uri="n:1").audio_state == "ready", "an ordinary track, which can be labelled"

    (tmp_path / "music" / "gone.wav").write_bytes((tmp_path / "music" / "eins.wav").read_bytes())
    with pytest.raises(CommandError):
        score(table, "--audio-dir", tmp_path / "music", "--workers", 1)
    again = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8")))
    assert [row["scoring_state"] for row in again] == ["scored", "scored", "scored", "unusable", "scored"]


@pytest.mark.services
def test_the_command_ends_with_its_exit_code_and_can_be_killed_and_run_again(trained, tmp_path):
    for i in range(3):
        write_tone(tmp_path / f"{i}.wav", duration_s=6, frequency_hz=200 + 40 * i)
    table = written(tmp_path, "track_uri,track_preview_url\n" + "".join(f"n:{i},{i}.wav\n" for i in range(3)))
    out = tmp_path / "out.csv"
    command = [
        sys.executable,
        "manage.py",
        "score_tracks",
        table,
        "--out",
        out,
        "--audio-dir",
        tmp_path,
        "--workers",
        "1",
    ]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert "rows read" in killed.stdout.readline()
    killed.kill()
    killed.wait()
    assert not out.exists()

    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ, timeout=300)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"3 rows: 3 scored. Written to {out}" in finished.stdout
    assert Track.objects.filter(uri__startswith="n:").count() == 3
    assert Scoring.objects.count() == 1
