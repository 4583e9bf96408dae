"""What SQLite loses when it makes the table of promotions anew, on the way to the rules of retraining and back."""

import os
import sqlite3
import subprocess
import sys

from tests.processes import ROOT

BEFORE, AFTER = "0005", "0007"


def migrated(folder, name):
    """The triggers of a library in this folder, once it was migrated to here."""
    here = {key: value for key, value in os.environ.items() if not key.startswith("ENERGYAPP_")}
    subprocess.run(
        [sys.executable, ROOT / "manage.py", "migrate", "modeling", name, "--verbosity", "0"],
        env=here | {"ENERGYAPP_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "energyapp.settings"},
        check=True,
    )
    library = sqlite3.connect(folder / "db.sqlite3")
    triggers = {row[0] for row in library.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    library.close()
    return triggers


def test_promotions_are_only_added_to_after_every_migration_to_here_and_back(tmp_path):
    before = migrated(tmp_path, BEFORE)

    assert before < migrated(tmp_path, AFTER)
    assert migrated(tmp_path, BEFORE) == before
    assert {"modeling_promotion_no_update", "modeling_promotion_no_delete"} <= before
