"""Stored feature vectors as one matrix: its memory is that of the numbers, however many tracks there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energyapp.jobs.claims import JobRefused
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector

CHUNK_ROWS = 2_000
# A column that more of the labelled tracks lack is left out, rather than the tracks.
MAX_MISSING_SHARE = 0.05

Float32s = NDArray[np.float32]


class UnusableFeatures(JobRefused):
    """The stored vectors are of the wrong length, or say nothing; the message says which and what to do."""


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """One row a track, labelled tracks first, each part by id; every value is finite.

    Attributes
    ----------
    values : shape (n_tracks, n_columns), float32
    columns_of_set : first and last + 1 of its columns, by feature set key, in column order
    notes
        What was left out, in sentences.
    """

    values: Float32s
    track_ids: list[int]
    n_labelled: int
    columns: tuple[str, ...]
    columns_of_set: dict[str, tuple[int, int]]
    notes: tuple[str, ...]


def tracks_of_sets(names: Collection[str] = ()) -> dict[str, set[int]]:
    """The tracks that have each of these feature sets (none named: those that trainings use), by its key."""
    keys = [
        feature_set.key
        for feature_set in FEATURE_SETS.values()
        if (feature_set.name in names if names else feature_set.used_in_training)
    ]
    return {key: set(_stored([key]).values_list("track_id", flat=True).iterator(CHUNK_ROWS)) for key in keys}


def read_features(keys: Collection[str], track_ids: Collection[int], *, labelled: Collection[int]) -> FeatureMatrix:
    """These sets of these tracks, side by side.

    A column that many labelled tracks lack a value of is left out, and then each track that lacks one.

    Raises
    ------
    UnusableFeatures
        If a vector has another length than its set, or no column differs between labelled tracks.
    """
    ids = sorted(set(track_ids) & set(labelled)) + sorted(set(track_ids) - set(labelled))
    n_labelled = len(set(track_ids) & set(labelled))
    columns_of_set, columns = side_by_side(keys)
    X = filled(ids, columns_of_set, n_columns=len(columns))
    kept_columns = _missing_share(X[:n_labelled]) <= MAX_MISSING_SHARE
    kept_rows = np.fromiter((np.isfinite(row[kept_columns]).all() for row in X), bool, count=len(X))
    values = _compacted(X, kept_rows, kept_columns)
    n_kept = int(kept_rows[:n_labelled].sum())
    n_same = _n_constant(values[:n_kept])
    if n_kept and n_same == values.shape[1]:
        raise UnusableFeatures("Every feature is the same in all labelled tracks: there is nothing to learn from.")
    lost = [name for name, kept in zip(columns, kept_columns, strict=True) if not kept]
    return FeatureMatrix(
        values=values,
        track_ids=[track_id for track_id, kept in zip(ids, kept_rows, strict=True) if kept],
        n_labelled=n_kept,
        columns=tuple(name for name, kept in zip(columns, kept_columns, strict=True) if kept),
        columns_of_set=_bounds_after(columns_of_set, kept_columns),
        notes=_notes(lost, n_labelled - n_kept, int((~kept_rows[n_labelled:]).sum()), n_same),
    )


def _stored(keys: Collection[str]):
    # Empty: the set could not be computed of this track.
    return FeatureVector.objects.filter(feature_set__in=keys).exclude(values=b"")


def side_by_side(keys: Collection[str]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """First and last + 1 column of each set, and the names of all columns."""
    bounds, columns = {}, list[str]()
    for key in keys:
        own = FEATURE_SETS[key.split("@")[0]].columns
        bounds[key] = (len(columns), len(columns) + len(own))
        columns += own
    return bounds, columns


def filled(ids: list[int], columns_of_set: dict[str, tuple[int, int]], *, n_columns: int) -> Float32s:
    """Row by row from the database: a list of vectors first would take the memory twice. NaN where there is none."""
    X = np.full((len(ids), n_columns), np.nan, np.float32)
    row_of_track = {track_id: row for row, track_id in enumerate(ids)}
    # Those between, as whoever asks for a chunk of the tracks asks for neighbours.
    between = _stored(columns_of_set).filter(track__gte=min(ids, default=0), track__lte=max(ids, default=0))
    stored = between.values_list("feature_set", "track_id", "values")
    for key, track_id, values in stored.iterator(CHUNK_ROWS):
        if (row := row_of_track.get(track_id)) is None:
            continue
        start, end = columns_of_set[key]
        if len(values) != 4 * (end - start):
            raise UnusableFeatures(
                f"The features {key} of track {track_id} are {len(values)} bytes; {4 * (end - start)} were expected. "
                "Compute or import them again."
            )
        X[row, start:end] = np.frombuffer(values, dtype="<f4")
    return X


def _parts(X: Float32s) -> Iterator[Float32s]:
    return (X[start : start + CHUNK_ROWS] for start in range(0, len(X), CHUNK_ROWS))


def _missing_share(X: Float32s) -> NDArray[np.float64]:
    """Of each column, the share of the rows without a finite value."""
    missing = sum((np.sum(~np.isfinite(part), axis=0) for part in _parts(X)), start=np.zeros(X.shape[1]))
    return missing / max(1, len(X))


def _n_constant(X: Float32s) -> int:
    return int(np.sum(X.min(axis=0) == X.max(axis=0))) if len(X) else 0


def _compacted(X: Float32s, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Float32s:
    """Only these rows and columns, moved together within the memory of X: a selection would be a second matrix."""
    if rows.all() and columns.all():
        return X
    flat, end = X.reshape(-1), 0
    for part, kept in zip(_parts(X), (rows[at : at + CHUNK_ROWS] for at in range(0, len(X), CHUNK_ROWS)), strict=True):
        moved = part[kept][:, columns].ravel()
        flat[end : end + moved.size] = moved
        end += moved.size
    return flat[:end].reshape(int(rows.sum()), int(columns.sum()))


def _bounds_after(columns_of_set: dict[str, tuple[int, int]], kept: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    return {key: (int(kept[:start].sum()), int(kept[:end].sum())) for key, (start, end) in columns_of_set.items()}


def _notes(lost: list[str], n_labelled_lost: int, n_others_lost: int, n_same: int) -> tuple[str, ...]:
    shown = ", ".join(lost[:5]) + (" …" if len(lost) > 5 else "")
    said = [
        (len(lost), "column", f"that many labelled tracks have no number in: left out ({shown})"),
        (n_labelled_lost, "labelled track", "with a feature that is no number: left out"),
        (n_others_lost, "unlabelled track", "with a feature that is no number: not predicted"),
        (n_same, "column", "with the same number in all labelled tracks"),
    ]
    return tuple(f"{n} {what}{'s' if n > 1 else ''} {why}" for n, what, why in said if n)
