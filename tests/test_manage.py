"""A command that is started where nothing has been made yet: one sentence, whichever command it is."""

import os
import subprocess
import sys

import pytest

from modeling.core.feature_sets import FEATURE_SETS
from tests.processes import ROOT


@pytest.mark.parametrize(
    "command",
    [
        ["compute_features"],
        ["import_features", "signal", "features.csv"],
        ["import_tracks", "tracks.csv"],
        ["describe_features"],
    ],
    ids=" ".join,
)
def test_without_a_library_a_command_says_so_in_one_sentence_unless_it_needs_none(tmp_path, command):
    columns = ",".join(("track_uri", *FEATURE_SETS["signal"].columns))
    (tmp_path / "features.csv").write_text(f"{columns}\ntest:1{',0' * 175}\n")
    (tmp_path / "tracks.csv").write_text("track_uri\ntest:1\n")
    here = {name: value for name, value in os.environ.items() if not name.startswith("ENERGYAPP_")}
    environment = here | {"ENERGYAPP_VAR": str(tmp_path / "elsewhere"), "DJANGO_SETTINGS_MODULE": "energyapp.settings"}

    result = subprocess.run(
        [sys.executable, ROOT / "manage.py", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    if command == ["describe_features"]:
        assert result.returncode == 0
        assert not result.stderr
        return
    assert result.returncode == 1
    assert result.stderr == (
        f"There is no library in {tmp_path}/elsewhere/db.sqlite3. Set ENERGYAPP_VAR to the folder that has one, "
        "or make one: make run (in production: manage.py migrate).\n"
    )
