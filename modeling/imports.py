"""Ready feature columns from a CSV: Spotify's, or transfer features computed elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from annotations.intake.csv_rows import FileRefused, RefusedRows, Row, RowRefused, read_rows
from annotations.models import Track
from modeling.core.columns import Column
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.models import FeatureVector
from modeling.spotify.ids import spotify_id, tracks_by_spotify_id

BATCH_SIZE = 500
# The first that a file has says which track a row is about: ours by its own uri, the others by Spotify's id in any spelling.
NAMING_COLUMNS = ("track_uri", "uri", "track_id", "id")
MAX_FLOAT32 = float(np.finfo(np.float32).max)

FindTracks = Callable[[set[str]], dict[str, list[int]]]
"""Track ids by cell, for those of the cells that name one: of Spotify's tracks some came in twice."""


@dataclass
class FeatureImportCounts:
    rows: int = 0
    stored: int = 0
    replaced: int = 0
    """Rows whose tracks a later row of the file names again: that one counts."""

    refused: int = 0


def import_features(path: Path, *, feature_set: str, refused: RefusedRows) -> FeatureImportCounts:
    """Store one vector a row; a track that has one of this set already gets the new one, of two in the file the later.

    Raises
    ------
    FileRefused
        A column of the set, or one that names the tracks, is missing.
    """
    wanted = FEATURE_SETS[feature_set]
    naming = _naming_column(path)
    find_tracks = _tracks_by_uri if naming == "track_uri" else _finder_by_spotify_id()
    counts, seen = FeatureImportCounts(), set[tuple[int, ...]]()
    rows = iter(read_rows(path, required=(naming, *wanted.columns)))
    while batch := list(islice(rows, BATCH_SIZE)):
        tracks = find_tracks({row.cells.get(naming, "") for row in batch})
        values_of_rows = list(_checked(batch, wanted, naming, tracks, refused))
        store_vectors(wanted, {track_id: values for track_ids, values in values_of_rows for track_id in track_ids})
        counts.rows += len(batch)
        seen.update(tuple(track_ids) for track_ids, _ in values_of_rows)
    counts.stored, counts.refused = len(seen), refused.count
    counts.replaced = counts.rows - counts.stored - counts.refused
    return counts


@transaction.atomic
def store_vectors(feature_set: FeatureSet, values_of_tracks: dict[int, NDArray[np.float32]]) -> None:
    """One vector for each track id, in the place of an older one."""
    FeatureVector.objects.bulk_create(
        [
            FeatureVector(track_id=track_id, feature_set=feature_set.key, values=values.tobytes())
            for track_id, values in values_of_tracks.items()
        ],
        update_conflicts=True,
        unique_fields=["feature_set", "track"],
        update_fields=["values"],
    )


def _naming_column(path: Path) -> str:
    for column in NAMING_COLUMNS:
        with suppress(FileRefused):
            next(read_rows(path, required=(column,)), None)
            return column
    return NAMING_COLUMNS[0]  # the import itself then says what is wrong


def _tracks_by_uri(uris: set[str]) -> dict[str, list[int]]:
    return {uri: [track_id] for uri, track_id in Track.objects.filter(uri__in=uris).values_list("uri", "pk")}


def _finder_by_spotify_id() -> FindTracks:
    known = tracks_by_spotify_id(Track.objects.all())
    return lambda cells: {cell: known[key] for cell in cells if (key := spotify_id(cell) or cell) in known}


def _checked(
    batch: Iterable[Row], wanted: FeatureSet, naming: str, tracks: dict[str, list[int]], refused: RefusedRows
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    for row in batch:
        try:
            yield _track_ids(row, naming, tracks), _values(row, wanted)
        except RowRefused as problem:
            refused.add(row, str(problem))


def _track_ids(row: Row, naming: str, tracks: dict[str, list[int]]) -> list[int]:
    if row.problem:
        raise RowRefused(row.problem)
    if (name := row.cells[naming]) not in tracks:
        raise RowRefused(f"there is no track {name[:80]!r}; import the tracks first")
    return tracks[name]


def _values(row: Row, wanted: FeatureSet) -> NDArray[np.float32]:
    return np.array([_number(column, row.cells[column.name]) for column in wanted.documentation], dtype="<f4")


def _number(column: Column, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        raise RowRefused(f"{column.name} is {cell[:40]!r}; expected a number") from None
    if not abs(number) <= MAX_FLOAT32:  # NaN too
        raise RowRefused(f"{column.name} is {cell[:40]!r}; expected a finite number of single precision")
    if column.limits and not column.limits.allow(number):
        raise RowRefused(f"{column.name} is {cell[:40]!r}; expected {column.limits}")
    return number
