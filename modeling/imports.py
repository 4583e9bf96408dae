"""Ready feature columns from a CSV: Spotify's, or transfer features computed elsewhere."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from django.db import transaction

from annotations.intake.csv_rows import RefusedRows, Row, RowRefused, read_rows
from annotations.models import Track
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.models import FeatureVector

BATCH_SIZE = 500
MAX_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass
class FeatureImportCounts:
    rows: int = 0
    stored: int = 0
    refused: int = 0


def import_features(path: Path, *, feature_set: str, refused: RefusedRows) -> FeatureImportCounts:
    """Store one vector a row; a track that has one of this set already gets the new one, of two in the file the later.

    Raises
    ------
    FileRefused
        A column of the set, or `track_uri`, is missing.
    """
    wanted = FEATURE_SETS[feature_set]
    counts = FeatureImportCounts()
    rows = iter(read_rows(path, required=("track_uri", *wanted.columns)))
    while batch := list(islice(rows, BATCH_SIZE)):
        counts.rows += len(batch)
        counts.stored += _store(batch, wanted, refused)
    counts.refused = refused.count
    return counts


@transaction.atomic
def _store(batch: list[Row], wanted: FeatureSet, refused: RefusedRows) -> int:
    uris = {row.cells.get("track_uri", "") for row in batch}
    track_ids = dict(Track.objects.filter(uri__in=uris).values_list("uri", "pk"))
    values_of_rows = list(_vectors(batch, wanted, track_ids, refused))
    vectors = {
        track_id: FeatureVector(track_id=track_id, feature_set=wanted.key, values=values.tobytes())
        for track_id, values in values_of_rows
    }
    FeatureVector.objects.bulk_create(
        vectors.values(), update_conflicts=True, unique_fields=["feature_set", "track"], update_fields=["values"]
    )
    return len(values_of_rows)


def _vectors(
    batch: Iterable[Row], wanted: FeatureSet, track_ids: dict[str, int], refused: RefusedRows
) -> Iterator[tuple[int, np.ndarray]]:
    for row in batch:
        try:
            yield _track_id(row, track_ids), _values(row, wanted)
        except RowRefused as problem:
            refused.add(row, str(problem))


def _track_id(row: Row, track_ids: dict[str, int]) -> int:
    if row.problem:
        raise RowRefused(row.problem)
    uri = row.cells["track_uri"]
    if uri not in track_ids:
        raise RowRefused(f"there is no track {uri[:80]!r}; import the tracks first")
    return track_ids[uri]


def _values(row: Row, wanted: FeatureSet) -> np.ndarray:
    return np.array([_number(column, row.cells[column]) for column in wanted.columns], dtype="<f4")


def _number(column: str, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        raise RowRefused(f"{column} is {cell[:40]!r}; expected a number") from None
    if not abs(number) <= MAX_FLOAT32:  # NaN too
        raise RowRefused(f"{column} is {cell[:40]!r}; expected a finite number of single precision")
    return number
