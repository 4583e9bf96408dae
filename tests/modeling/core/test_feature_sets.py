"""The table of feature sets, and that looking at it costs a web process nothing."""

import subprocess
import sys

import numpy as np
import pytest

from modeling.core.feature_sets import FEATURE_SETS


def test_there_are_three_sets_under_their_own_names():
    assert {name: len(s.columns) for name, s in FEATURE_SETS.items()} == {"signal": 162, "transfer": 160, "spotify": 12}
    assert [s.name for s in FEATURE_SETS.values()] == list(FEATURE_SETS)
    assert FEATURE_SETS["signal"].key == "signal@1"
    assert FEATURE_SETS["transfer"].columns[0] == "transfer_000"
    assert FEATURE_SETS["transfer"].columns[-1] == "transfer_159"


def test_spotify_features_can_only_be_imported():
    assert FEATURE_SETS["spotify"].compute is None


def test_a_set_computes_as_many_values_as_it_has_columns():
    compute = FEATURE_SETS["signal"].compute
    assert compute is not None

    values = compute(np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32))

    assert values.shape == (len(FEATURE_SETS["signal"].columns),)


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
