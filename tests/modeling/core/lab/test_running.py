import datetime as dt
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from modeling.core.lab.__main__ import main
from modeling.core.lab.catalogue import Resampling
from modeling.core.lab.report import Report
from modeling.core.lab.running import run_experiment

from .odd import odd_data

GOLDEN = {
    "none": 0.722059233049945,
    "random_over": 0.654816780513375,
    "random_under": 0.7033490589218143,
    "smote": 0.7003505495765557,
    "smote_tomek": 0.7093141350107294,
}
QUICK = Resampling(recipe="ridge_thresholds", n_folds=3)
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture
def refused(monkeypatch, capsys):
    """The one line that the command ends with where its input is wrong."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lab", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return run


@pytest.fixture(scope="module")
def report():
    return run_experiment(QUICK, odd_data(), now=lambda: NOW)


@pytest.fixture
def snapshot(tmp_path):
    odd_data().save(tmp_path / "dataset.npz")
    return tmp_path / "dataset.npz"


def without_times(report):
    stored = json.loads(report.to_json())
    stored["provenance"] |= {"seconds": 0, "started_at": ""}
    for table in stored["findings"]["tables"]:
        table["rows"] = [row[:-1] for row in table["rows"]]  # the last column is the time it took
    return stored


def test_a_report_says_what_it_takes_to_make_it_again(report):
    about = report.provenance

    assert about.experiment == "resampling"
    assert Resampling(**about.options) == QUICK
    assert (about.n_tracks, about.n_artists, about.n_annotations) == (120, 60, 0)
    assert about.feature_sets == ("signal@2", "spotify@1", "transfer@1", "rare@1")
    assert about.data_digest == odd_data().digest()
    assert about.code_version.startswith("sha256:")
    assert {"python", "numpy", "scikit-learn"} <= set(about.versions)
    assert about.started_at == "2026-01-02T03:04:05+00:00"


def test_the_same_question_to_the_same_tracks_gets_the_same_answer(report):
    assert without_times(run_experiment(QUICK, odd_data(), now=lambda: NOW)) == without_times(report)
    other_seed = run_experiment(replace(QUICK, seed=1), odd_data())
    assert other_seed.findings.conclusions != report.findings.conclusions


def test_the_figures_are_those_they_were(report):
    """A change here is a change of every figure that was ever shown: mean it, or find it."""
    errors = {row[0]: row[1].value for row in report.findings.tables[0].rows}

    assert errors == pytest.approx(GOLDEN, abs=1e-9)


def test_a_code_version_that_is_known_is_kept():
    assert run_experiment(QUICK, odd_data(), code_version="v1.2").provenance.code_version == "v1.2"


def test_the_command_prints_and_writes_the_whole_report(snapshot, tmp_path):
    options = ("--set", "recipe=ridge_thresholds", "--set", "n_folds=3")
    files = ("--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv")
    command = [sys.executable, "-m", "modeling.core.lab", "resampling", snapshot, *options, *files]

    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr
    written = Report.from_json((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert all(sentence in ran.stdout for sentence in written.findings.conclusions)
    assert without_times(written)["findings"] == without_times(run_experiment(QUICK, odd_data()))["findings"]
    assert "Resampling,macro-MAE,macro-MAE (se)" in (tmp_path / "r.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "n_folds=five"), "found n_folds 'five'; expected a whole number"),
        (("--set", "n_folds"), "found --set n_folds; expected NAME=VALUE"),
        (("--set", "recipe=forest"), "found recipe 'forest'; expected one of baseline"),
        (("--set", "sets=mood@1"), "found feature set 'mood@1'; expected some of"),
        (("--set", "sets=transfer@1"), "9 labelled tracks have features; this experiment needs 10: label more"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(refused, tmp_path, arguments, said):
    odd_data().development().tracks(np.arange(9)).save(tmp_path / "few.npz")

    assert said in refused("resampling", tmp_path / "few.npz", *arguments)


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_computed(snapshot, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lab", "resampling", str(snapshot), "--json", "/no/such/r.json"])

    with pytest.raises(SystemExit):
        main()
    assert "--json: found /no/such/r.json; expected a file in a folder that is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.npz", None, "none.npz"),
        ("text.npz", b"PK\x03\x04 but no archive", "expected a snapshot"),
        ("README.md", b"# About", "README.md, which is neither; expected a snapshot (dataset.npz)"),
        ("other.csv", b"level,track\n3,a\n", "expected a snapshot"),
        ("empty.csv", b"", "expected a snapshot"),
    ],
)
def test_a_file_that_holds_no_tracks_is_one_line_and_exit_code_2(refused, tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    assert said in refused("resampling", tmp_path / name)
