"""What an experiment may look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset, evaluation_slice
from modeling.core.metrics import Floats

# Experiments learn from the sets that this share of the tracks of the best-covered one have.
USUAL_COVERAGE = 0.9
# A column that more of the tracks lack is left out, rather than the tracks.
MAX_MISSING_SHARE = 0.05


class TooLittleData(ValueError):
    """The labels and features there are do not allow this experiment. The message says what is missing and what to do."""


@dataclass(frozen=True, eq=False)
class LabData:
    """Labelled tracks with all there is to know of them.

    Attributes
    ----------
    dataset
        All feature sets side by side. NaN says that the track lacks the set, or the value.
    columns_of_set : first and last + 1 of its columns, by feature set key ("signal@2"), in column order
    genres
        Of each track, for analysis only.
    annotations
        Of the dataset's tracks.
    windows
        Features of each 30 s window of the tracks that have several: shape (n_windows, n_features), by row.
    audio_states
        How many tracks of the whole library are in each state ("ready", "missing"...), with and without labels.
    notes
        What was left out to get here, in sentences.
    """

    dataset: Dataset
    columns_of_set: Mapping[str, tuple[int, int]]
    genres: Sequence[tuple[str, ...]]
    annotations: Annotations = field(default_factory=Annotations.none)
    windows: Mapping[int, Floats] = field(default_factory=dict)
    audio_states: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_tracks, n_columns = self.dataset.X.shape
        ends = [0, *(end for _, end in self.columns_of_set.values())]
        starts = [start for start, _ in self.columns_of_set.values()]
        if len(self.genres) != n_tracks or starts != ends[:-1] or ends[-1] != n_columns:
            raise ValueError(
                f"found {len(self.genres)} genres and sets {dict(self.columns_of_set)} for {n_tracks} tracks of {n_columns}"
                " features; expected one each, and sets side by side"
            )

    def tracks(self, rows: NDArray[Any]) -> LabData:
        """Only the tracks at these positions, or where a mask is true."""
        index = [int(row) for row in (np.flatnonzero(rows) if rows.dtype == bool else rows)]
        return replace(
            self,
            dataset=self.dataset.rows(np.array(index, np.int64)),
            genres=[self.genres[row] for row in index],
            annotations=self.annotations.of_tracks(index),
            windows={new: self.windows[old] for new, old in enumerate(index) if old in self.windows},
        )

    def development(self, share: float = 0.2) -> LabData:
        """Without the evaluation slice, which experiments do not choose by."""
        in_slice = evaluation_slice(self.dataset.uris, share=share)
        return self.tracks(~in_slice)._noting(
            int(in_slice.sum()), "track", "of the evaluation slice, which the final comparison alone looks at"
        )

    def usual_sets(self) -> tuple[str, ...]:
        """The feature sets that (nearly) all tracks of the best-covered one have."""
        n_tracks = {key: int(self.has(key).sum()) for key in self.columns_of_set}
        most = max(n_tracks.values(), default=0)
        return tuple(key for key, n in n_tracks.items() if most and n >= USUAL_COVERAGE * most)

    def has(self, key: str) -> NDArray[np.bool_]:
        """Which tracks have this feature set, (n_tracks,); ValueError where none of that name is there."""
        if key not in self.columns_of_set:
            raise ValueError(f"found feature set {key!r}; expected some of {list(self.columns_of_set)}")
        start, end = self.columns_of_set[key]
        return np.asarray(~np.isnan(self.dataset.X[:, start:end]).all(axis=1))

    def using(self, keys: Iterable[str] = ()) -> LabData:
        """Only the tracks that have these sets (none named: the usual ones), only their columns that say something.

        A track that lacks one is left out and counted. So is, of columns with missing values, the column where many tracks
        lack it, and else the track; and every column that is the same in all tracks. The last note says what is left.

        Raises
        ------
        TooLittleData
            If no track has them all, or nothing varies.
        """
        chosen = tuple(keys) or self.usual_sets()
        have_all = np.logical_and.reduce([self.has(key) for key in chosen]) if chosen else np.zeros(0, bool)
        if not have_all.any():
            raise TooLittleData(
                f"No labelled track has features of all of: {', '.join(chosen) or 'no set'}. Compute or import them first."
            )
        kept = self.tracks(have_all)._noting(int((~have_all).sum()), "labelled track", f"without {' or '.join(chosen)}")
        columns = np.concatenate([np.arange(*self.columns_of_set[key]) for key in chosen])
        X = kept.dataset.X[:, columns]
        missing = np.isnan(X).mean(axis=0)
        said_by_all = missing <= MAX_MISSING_SHARE
        kept = kept._noting(int((~said_by_all).sum()), "column", "that many tracks lack a value of")
        complete = np.asarray(~np.isnan(X[:, said_by_all]).any(axis=1))
        kept = kept.tracks(complete)._noting(int((~complete).sum()), "track", "with single values missing")
        varies = said_by_all.copy()
        varies[said_by_all] = np.ptp(X[complete][:, said_by_all], axis=0) > 0 if complete.any() else False
        kept = kept._noting(int((said_by_all & ~varies).sum()), "column", "that is the same in all tracks")
        if not varies.any():
            raise TooLittleData("Every feature is the same in all labelled tracks: there is nothing to learn from.")
        left = kept._columns(columns[varies], chosen)
        n_tracks, n_columns = left.dataset.X.shape
        n_artists = len(np.unique(left.dataset.groups))
        said = f"{n_tracks} tracks of {n_artists} artists are left, with {n_columns} features of {', '.join(chosen)}"
        return replace(left, notes=(*left.notes, said))

    def only(self, keys: Iterable[str]) -> LabData:
        """The same tracks, with the columns of these sets alone."""
        chosen = tuple(keys)
        return self._columns(np.concatenate([np.arange(*self.columns_of_set[key]) for key in chosen]), chosen)

    def sets_named(self, name: str) -> tuple[str, ...]:
        """The usual sets of this name, in whatever version: none or one.

        >>> set_name("spotify@1")
        'spotify'
        """
        return tuple(key for key in self.usual_sets() if set_name(key) == name)

    def _columns(self, index: NDArray[np.int64], keys: Sequence[str]) -> LabData:
        bounds, end = {}, 0
        for key in keys:
            first, last = self.columns_of_set[key]
            start, end = end, end + int(((index >= first) & (index < last)).sum())
            bounds[key] = (start, end)
        names = tuple(self.dataset.columns[column] for column in index) if self.dataset.columns else ()
        return replace(
            self,
            dataset=replace(self.dataset, X=self.dataset.X[:, index], columns=names),
            columns_of_set=bounds,
            windows={row: of_track[:, index] for row, of_track in self.windows.items()},
        )

    def _noting(self, n: int, what: str, why: str) -> LabData:
        if not n:
            return self
        return replace(self, notes=(*self.notes, f"{n} {what}{'s' if n > 1 else ''} {why}: left out"))

    def digest(self) -> str:
        """sha256 of everything that decides a report, hex."""
        digest = hashlib.sha256(self.dataset.digest().encode())
        digest.update(repr((dict(self.columns_of_set), list(self.genres), sorted(self.audio_states.items()))).encode())
        digest.update(repr([array.tolist() for array in vars(self.annotations).values()]).encode())
        for row, of_track in sorted(self.windows.items()):
            digest.update(repr((row, of_track.shape)).encode() + np.ascontiguousarray(of_track, "<f4").tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write a compressed npz without pickled objects: the snapshot from which a report can be made again."""
        rows = sorted(self.windows)
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                **{name: getattr(self.dataset, name) for name in ("X", "y", "groups", "uris")},
                columns=np.array(self.dataset.columns, np.str_),
                set_keys=np.array(list(self.columns_of_set), np.str_),
                set_bounds=np.array(list(self.columns_of_set.values()), np.int64).reshape(-1, 2),
                genres=np.array(["\n".join(names) for names in self.genres], np.str_),
                **{f"annotation_{name}": array for name, array in vars(self.annotations).items()},
                window_rows=np.array(rows, np.int64),
                window_counts=np.array([len(self.windows[row]) for row in rows], np.int64),
                windows=np.concatenate([self.windows[row] for row in rows]) if rows else np.empty((0, 0)),
                state_names=np.array(list(self.audio_states), np.str_),
                state_counts=np.array(list(self.audio_states.values()), np.int64),
                notes=np.array(self.notes, np.str_),
            )

    @classmethod
    def load(cls, path: Path) -> LabData:
        """Read what `save` wrote (the digest is the same), or a plain snapshot of a training run."""
        dataset = Dataset.load(path)
        with np.load(path, allow_pickle=False) as stored:
            if "set_keys" not in stored:
                return cls.of_dataset(dataset)
            ends = np.cumsum(stored["window_counts"])
            windows = np.split(stored["windows"], ends[:-1]) if len(ends) else []
            return cls(
                dataset=dataset,
                columns_of_set=_by_name(stored["set_keys"], map(tuple, stored["set_bounds"].tolist())),
                genres=[tuple(names.split("\n")) if names else () for names in stored["genres"].tolist()],
                annotations=Annotations(*(stored[f"annotation_{name}"] for name in ("track", "annotator", "level"))),
                windows=dict(zip(stored["window_rows"].tolist(), windows, strict=True)),
                audio_states=_by_name(stored["state_names"], stored["state_counts"].tolist()),
                notes=tuple(stored["notes"].tolist()),
            )

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> LabData:
        """Tracks of which only features, labels and artists are known; columns `SET_NAME...` are of the set SET."""
        sets = [name.split("_")[0] for name in dataset.columns] or ["features"] * dataset.X.shape[1]
        keys = list(dict.fromkeys(sets))
        if sets != sorted(sets, key=keys.index):
            keys, sets = ["features"], ["features"] * len(sets)
        ends = np.cumsum([sets.count(key) for key in keys]).tolist()
        return cls(
            dataset, dict(zip(keys, zip([0, *ends[:-1]], ends, strict=True), strict=True)), [()] * len(dataset.y)
        )


def set_name(key: str) -> str:
    """The name of a feature set, without its version."""
    return key.partition("@")[0]


def _by_name(names: NDArray[np.str_], values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip(names.tolist(), values, strict=True))
