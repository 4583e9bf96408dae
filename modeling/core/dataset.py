"""Aligned features, labels and groups; which rows are held out together; which tracks no strategy may touch."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotations.evaluation_slice import in_evaluation_slice
from modeling.core.decisions import round_to_level
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats


@dataclass(frozen=True, eq=False)
class Dataset:
    """What one run learns from, one row a track.

    Attributes
    ----------
    X : shape (n_tracks, n_features), float32
    y : shape (n_tracks,), float64
        In levels, 1..10; a consensus may lie between levels.
    groups : shape (n_tracks,), str
        The artist. Tracks of a group are held out together. A track without a known artist is its own group: give its
        uri.
    uris : shape (n_tracks,), str
    columns : n_features names, or none
    """

    X: NDArray[np.float32]
    y: Floats
    groups: NDArray[np.str_]
    uris: NDArray[np.str_]
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("X", np.float32), ("y", np.float64), ("groups", np.str_), ("uris", np.str_)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))
        n_tracks = len(self.y)
        if self.X.ndim != 2 or any(len(rows) != n_tracks for rows in (self.X, self.groups, self.uris)):
            found = [self.X.shape, self.y.shape, self.groups.shape, self.uris.shape]
            raise ValueError(f"found shapes {found}; expected (n_tracks, n_features) and three times (n_tracks,)")
        if self.columns and len(self.columns) != self.X.shape[1]:
            raise ValueError(f"found {len(self.columns)} column names; expected {self.X.shape[1]}")
        if not np.all((self.y >= MIN_LEVEL) & (self.y <= MAX_LEVEL)):
            raise ValueError(f"found labels outside {MIN_LEVEL}..{MAX_LEVEL}; expected levels")

    def rows(self, index: NDArray[Any]) -> "Dataset":
        """The tracks at these positions, or where a mask is true."""
        return replace(self, X=self.X[index], y=self.y[index], groups=self.groups[index], uris=self.uris[index])

    def digest(self) -> str:
        """sha256 of everything above, hex. The same rows in another order are another dataset (folds see order)."""
        digest = hashlib.sha256()
        for array, kind in ((self.X, "<f4"), (self.y, "<f8")):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array, kind).data)  # where it is so already, without a copy
        for names in (self.groups, self.uris, self.columns):
            digest.update(repr([str(name) for name in names]).encode())
        return digest.hexdigest()

    def save(self, path: Path, **beside: NDArray[Any]) -> None:
        """Write a compressed npz without pickled objects; `beside` are arrays that are no part of the dataset."""
        own: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in ("X", "y", "groups", "uris")}
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, columns=np.array(self.columns, np.str_), **own, **beside)

    @classmethod
    def load(cls, path: Path) -> "Dataset":
        """Read what `save` wrote; the digest is the same."""
        with np.load(path, allow_pickle=False) as stored:
            columns = tuple(str(name) for name in stored["columns"])
            return cls(stored["X"], stored["y"], stored["groups"], stored["uris"], columns)


def grouped_stratified_folds(y: ArrayLike, groups: ArrayLike, *, n_folds: int = 5, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row: a group is never split, levels are spread as evenly as that allows.

    Greedy: groups from large to small (equal ones in random order), each into the fold that keeps the sum over folds
    and levels of (rows / rows of that level)^2 lowest; all rows together count as one more level, so folds also get
    equal sizes. Dividing by the level's own count makes a rare level, which decides macro-MAE, as important to spread
    as a common one.

    Parameters
    ----------
    y : shape (n_rows,), float
        In levels; fractions go to the level they round to.
    groups : shape (n_rows,)
        Anything that can be sorted.
    n_folds : int
        At least 2; lowered to the number of groups where there are fewer.

    Returns
    -------
    shape (n_rows,), int
        0 .. folds - 1; no fold is empty.

    Raises
    ------
    ValueError
        If the shapes differ, `n_folds` is below 2, or there are fewer than 2 groups: then nothing honest can be held
        out.
    """
    level, group_names = round_to_level(y), np.asarray(groups)
    if level.shape != group_names.shape or level.ndim != 1:
        raise ValueError(f"found {level.shape} labels and {group_names.shape} groups; expected twice (n_rows,)")
    unique_groups, group = np.unique(group_names, return_inverse=True)
    n_groups = len(unique_groups)
    if n_folds < 2 or n_groups < 2:
        raise ValueError(f"found {n_groups} groups for {n_folds} folds; expected at least 2 of each")

    counts = np.zeros((n_groups, MAX_LEVEL + 1))
    np.add.at(counts, (group, level), 1)
    counts[:, 0] = counts.sum(axis=1)  # level 0 does not exist: its column holds all rows
    cost = counts / np.maximum(counts.sum(axis=0), 1) ** 2
    shuffled = np.random.default_rng(seed).permutation(n_groups)
    order = shuffled[np.argsort(-counts[shuffled, 0], kind="stable")]

    filled = np.zeros((min(n_folds, n_groups), MAX_LEVEL + 1))
    fold_of_group = np.empty(n_groups, dtype=np.int64)
    for index in order:
        fold_of_group[index] = fold = int(np.argmin(filled @ cost[index]))
        filled[fold] += counts[index]
    return fold_of_group[group]


def evaluation_slice(uris: Iterable[str], *, share: float = 0.2) -> NDArray[np.bool_]:
    """`in_evaluation_slice` for many tracks, shape (n_tracks,)."""
    return np.array([in_evaluation_slice(str(uri), share=share) for uri in uris], dtype=bool)
