"""The table of feature sets, and that looking at it costs a web process nothing."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from modeling.core import analysis
from modeling.core.feature_sets import FEATURE_SETS
from tests.audio_signals import noise

COMPUTED = ("signal", "spotify_like", "logmel")


def test_there_are_five_sets_under_their_own_names():
    sizes = {name: len(feature_set.columns) for name, feature_set in FEATURE_SETS.items()}

    assert sizes == {"signal": 175, "transfer": 160, "spotify": 12, "spotify_like": 7, "logmel": 7488}
    assert [feature_set.name for feature_set in FEATURE_SETS.values()] == list(FEATURE_SETS)
    assert FEATURE_SETS["signal"].key == "signal@2"
    assert FEATURE_SETS["transfer"].columns[0] == "transfer_000"
    assert FEATURE_SETS["transfer"].columns[-1] == "transfer_159"


@pytest.mark.parametrize("name", list(FEATURE_SETS))
def test_every_column_has_a_name_of_its_own_a_meaning_a_unit_and_a_source(name):
    columns = FEATURE_SETS[name].documentation

    assert tuple(column.name for column in columns) == FEATURE_SETS[name].columns
    assert len({column.name for column in columns}) == len({column.description for column in columns}) == len(columns)
    assert all(column.name and column.description and column.unit and column.source for column in columns)
    assert FEATURE_SETS[name].about


def test_the_documentation_is_that_of_the_code():
    printed = StringIO()

    call_command("describe_features", stdout=printed)

    document = Path(__file__).parents[3] / "docs" / "features.md"
    assert document.read_text() == printed.getvalue(), "run: manage.py describe_features > docs/features.md"


def test_spotify_features_can_only_be_imported():
    assert FEATURE_SETS["spotify"].compute is None


@pytest.mark.parametrize("name", COMPUTED)
def test_a_set_computes_as_many_values_as_it_has_columns(name):
    compute = FEATURE_SETS[name].compute
    assert compute is not None

    values = compute(noise(0.1, seconds=2))

    assert values.dtype == np.float32
    assert values.shape == (len(FEATURE_SETS[name].columns),)


def test_sets_that_share_an_analysis_take_one_spectrum_and_say_the_same(monkeypatch):
    waveform, spectra, taken = noise(0.1, seconds=2), analysis.spectra, []
    alone = [FEATURE_SETS[name].compute(waveform).tolist() for name in COMPUTED]
    monkeypatch.setattr(analysis, "spectra", lambda padded: taken.append(1) or spectra(padded))

    shared = analysis.Analysis(waveform)

    assert [FEATURE_SETS[name].compute_shared(shared).tolist() for name in COMPUTED] == alone
    assert len(taken) == 1


def test_transfer_without_weights_says_so(tmp_path, monkeypatch):
    from modeling.core.convnet_weights import ConvnetUnavailable

    monkeypatch.setenv("ENERGYAPP_MODELS", str(tmp_path))

    with pytest.raises(ConvnetUnavailable):
        FEATURE_SETS["transfer"].compute(np.ones(100_000, np.float32))


def test_importing_the_table_loads_no_numeric_stack():
    program = (
        "import sys, modeling.core.feature_sets\n"
        "print({'numpy', 'scipy', 'soundfile', 'av', 'librosa', 'tensorflow', 'sklearn', 'pandas'} & set(sys.modules))"
    )

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "set()"
