import hashlib
import json

import numpy as np
import pytest

from modeling.core.artifacts import ArtifactError, Manifest, digest, read, write
from modeling.core.recipes.ridge_thresholds import RidgeThresholds

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.clip(np.round(5 + 2 * X[:, 0]), 1, 10)


def manifest(**changes):
    values = {
        "recipe": "ridge_thresholds",
        "feature_sets": {"transfer": "1"},
        "columns": ("a", "b", "c"),
        "seed": 3,
        "metrics": {"macro_mae": 0.91},
        "code_version": "abc123",
        "dataset_digest": "f" * 64,
    }
    return Manifest(**{**values, **changes})


@pytest.fixture
def recipe():
    return RidgeThresholds(seed=3).fit(X, Y)


@pytest.fixture
def folder(tmp_path, recipe):
    write(tmp_path / "models" / "run-1", recipe, manifest())
    return tmp_path / "models" / "run-1"


def test_a_written_model_reads_back_the_same(folder, recipe):
    loaded, found = read(folder)

    assert np.array_equal(loaded.predict(X), recipe.predict(X))
    assert found.columns == ("a", "b", "c")
    assert found.metrics == {"macro_mae": 0.91}
    assert found.files == {
        "ridge_thresholds.npz": hashlib.sha256((folder / "ridge_thresholds.npz").read_bytes()).hexdigest()
    }


def test_nothing_is_left_beside_a_written_model(folder):
    assert [path.name for path in folder.parent.iterdir()] == ["run-1"]


def test_the_digest_is_returned_and_is_that_of_the_manifest(tmp_path, recipe):
    returned = write(tmp_path / "run-2", recipe, manifest())

    assert returned == digest(tmp_path / "run-2")
    assert returned == hashlib.sha256((tmp_path / "run-2" / "manifest.json").read_bytes()).hexdigest()
    read(tmp_path / "run-2", expected_digest=returned)


def test_a_changed_file_is_refused(folder):
    path = folder / "ridge_thresholds.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    with pytest.raises(ArtifactError, match=r"ridge_thresholds\.npz has sha256"):
        read(folder)


def test_a_changed_manifest_is_refused_by_its_digest(folder):
    expected = digest(folder)
    stored = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**stored, "metrics": {"macro_mae": 0.1}}))

    with pytest.raises(ArtifactError, match=f"expected {expected}"):
        read(folder, expected_digest=expected)


def test_added_and_missing_files_are_refused(folder):
    (folder / "extra.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"extra\.bin"):
        read(folder)

    (folder / "extra.bin").unlink()
    (folder / "ridge_thresholds.npz").unlink()
    with pytest.raises(ArtifactError, match=r"expected \['ridge_thresholds\.npz'\]"):
        read(folder)


def test_a_manifest_cannot_lead_outside_its_folder(folder):
    (folder.parent / "elsewhere.npz").write_bytes(b"")
    stored = json.loads((folder / "manifest.json").read_text())
    stored["files"]["../elsewhere.npz"] = hashlib.sha256(b"").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(stored))

    with pytest.raises(ArtifactError, match="elsewhere"):
        read(folder)


def test_a_recipe_this_code_does_not_know_is_refused(folder):
    stored = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**stored, "recipe": "oracle"}))

    with pytest.raises(ArtifactError, match="recipe 'oracle'"):
        read(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"columns": []}', "\x00"])
def test_a_broken_manifest_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)

    with pytest.raises(ArtifactError, match="is no manifest"):
        read(folder)


def test_a_folder_without_manifest_is_no_model(tmp_path):
    with pytest.raises(ArtifactError, match=r"holds no manifest\.json"):
        read(tmp_path)


def test_models_are_never_overwritten(folder, recipe):
    before = digest(folder)

    with pytest.raises(ArtifactError, match="exists"):
        write(folder, recipe, manifest())

    assert digest(folder) == before


@pytest.mark.parametrize(
    ("changes", "message"), [({"metrics": {"macro_mae": float("nan")}}, "JSON"), ({"recipe": "network"}, "network")]
)
def test_a_failed_write_leaves_nothing(tmp_path, recipe, changes, message):
    with pytest.raises(ArtifactError, match=message):
        write(tmp_path / "run", recipe, manifest(**changes))

    assert list(tmp_path.iterdir()) == []
