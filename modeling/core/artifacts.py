"""A model on disk: a directory with the recipe's files and a manifest that says what they are.

The manifest holds the sha256 of every file, so the sha256 of the manifest, the artifact's digest, speaks for all of
it. A digest shows that nothing changed since it was noted; it does not make a stranger's files safe. Load only what
this product wrote.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from modeling.core.recipes import RECIPES, Recipe

MANIFEST_FILE = "manifest.json"


class ArtifactError(Exception):
    """A model directory cannot be written, is not complete, or is not what its manifest says."""


@dataclass(frozen=True)
class Manifest:
    """What a model is and where it comes from.

    Attributes
    ----------
    recipe : name in RECIPES
    feature_sets : version by feature set name, in column order
    columns : names of the features, in column order
    seed : int
    metrics : anything JSON can hold
    code_version : for instance a git commit
    dataset_digest : `Dataset.digest()` of the rows it learnt from
    files : sha256 (hex) by file name; `write` fills it in
    """

    recipe: str
    feature_sets: dict[str, str]
    columns: tuple[str, ...]
    seed: int
    metrics: dict[str, Any]
    code_version: str
    dataset_digest: str
    files: dict[str, str] = field(default_factory=dict)


def write(folder: Path, recipe: Recipe, manifest: Manifest) -> str:
    """Save a fitted recipe as a new model directory, and return its digest.

    Everything is written under a temporary name beside `folder` and renamed at the end: a directory of that name is
    complete.

    Raises
    ------
    ArtifactError
        If the folder exists, the manifest names another recipe, or holds what JSON cannot (NaN included).
    """
    if manifest.recipe != recipe.name:
        raise ArtifactError(f"the manifest says recipe {manifest.recipe!r}; expected {recipe.name!r}")
    if folder.exists():
        raise ArtifactError(f"{folder} exists; expected a new name, models are never overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        recipe.save(unfinished)
        complete = replace(manifest, files={path.name: _sha256(path) for path in sorted(unfinished.iterdir())})
        (unfinished / MANIFEST_FILE).write_text(_to_json(complete), encoding="utf-8")
        unfinished.chmod(0o755)  # mkdtemp makes it private, but the worker that writes need not be the one that reads
        try:
            unfinished.rename(folder)
        except OSError as error:
            raise ArtifactError(f"{unfinished} could not be renamed to {folder}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return digest(folder)


def read(folder: Path, *, expected_digest: str | None = None) -> tuple[Recipe, Manifest]:
    """Load a model directory after checking every file against the manifest.

    Parameters
    ----------
    expected_digest : str, optional
        The digest noted when it was written; then also the manifest is checked.

    Raises
    ------
    ArtifactError
        If files are missing, added or changed, the manifest is unreadable, or its recipe is unknown.
    """
    if expected_digest is not None and digest(folder) != expected_digest:
        raise ArtifactError(f"{folder} has digest {digest(folder)}; expected {expected_digest}")
    manifest = _read_manifest(folder)
    present = {path.name for path in folder.iterdir()} - {MANIFEST_FILE}
    if present != set(manifest.files):
        raise ArtifactError(f"{folder} holds {sorted(present)}; expected {sorted(manifest.files)}")
    for name, expected in manifest.files.items():
        if (found := _sha256(folder / name)) != expected:
            raise ArtifactError(f"{folder / name} has sha256 {found}; expected {expected}")
    if manifest.recipe not in RECIPES:
        raise ArtifactError(f"{folder} is of recipe {manifest.recipe!r}; expected one of {sorted(RECIPES)}")
    return RECIPES[manifest.recipe].load(folder), manifest


def digest(folder: Path) -> str:
    """sha256 of the manifest, hex; ArtifactError where there is none."""
    if not (folder / MANIFEST_FILE).is_file():
        raise ArtifactError(f"{folder} holds no {MANIFEST_FILE}; expected a model directory")
    return _sha256(folder / MANIFEST_FILE)


def _read_manifest(folder: Path) -> Manifest:
    digest(folder)
    try:
        stored = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return Manifest(**{**stored, "columns": tuple(stored["columns"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{folder / MANIFEST_FILE} is no manifest: {error}") from error


def _to_json(manifest: Manifest) -> str:
    try:
        return json.dumps(asdict(manifest), indent=2, allow_nan=False) + "\n"
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"the manifest cannot be written as JSON: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
