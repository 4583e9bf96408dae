"""What SQLite loses when it makes a table anew, on the way to here and back."""

import os
import sqlite3
import subprocess
import sys

from tests.processes import ROOT


def migrated(folder, name):
    """The triggers of a library in this folder, once it was migrated to here."""
    here = {key: value for key, value in os.environ.items() if not key.startswith("ENERGYAPP_")}
    subprocess.run(
        [sys.executable, ROOT / "manage.py", "migrate", "annotations", name, "--verbosity", "0"],
        env=here | {"ENERGYAPP_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "energyapp.settings"},
        check=True,
    )
    library = sqlite3.connect(folder / "db.sqlite3")
    triggers = dict(library.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    library.close()
    return triggers


def test_what_triggers_promise_holds_after_every_migration_to_here_and_back(tmp_path):
    before_review = migrated(tmp_path, "0005")
    before_strategies = migrated(tmp_path, "0007")

    assert before_review.keys() < before_strategies.keys()
    assert migrated(tmp_path, "0008") == before_strategies
    assert migrated(tmp_path, "0007") == before_strategies
    assert migrated(tmp_path, "0005") == before_review
    assert {"annotations_decision_no_update", "annotations_decision_no_delete"} <= before_review.keys()
    assert {"annotations_annotation_counts", "annotations_labellingrules_no_update"} <= before_review.keys()
