"""From the rows of a CSV to a list of tracks: those known already by their uri, new ones as the ordinary import makes them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from annotations.intake.csv_import import (
    BATCH_SIZE,
    REQUIRED,
    WANTING_AUDIO,
    FindAudio,
    ImportCounts,
    TrackRow,
    check_track,
    store_tracks,
)
from annotations.intake.csv_rows import Row, RowRefused, read_rows
from annotations.models import Track
from modeling.scoring.models import Scoring, ScoringRow

# What a result has beside the file's own columns. In a file that is scored again, these are replaced.
RESULT_COLUMNS = [
    *("predicted_level", "predicted_score", "predicted_lower", "predicted_upper"),
    *("model_run", "model_recipe", "model_date", "model_digest", "scoring_state", "scoring_reason"),
]
# Of the ordinary import; here they are columns like any other.
LABEL_COLUMNS = ("energy", "annotator_id")


def own_columns(path: Path) -> list[str]:
    """Names of the file's columns, as they are spelt there, without those that the result will have.

    Raises
    ------
    FileRefused
        Nothing of the file can be read.
    """
    next(read_rows(path, required=REQUIRED), None)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        names = [name.strip() for name in next(csv.reader(file))]
    return [name for name in names if name and name.lower() not in RESULT_COLUMNS]


def no_files(preview: str) -> Path:
    """On a page only links can be followed."""
    raise RowRefused(
        f"track_preview_url names the file {preview[:80]!r}; give a link (https), import the audio first, "
        "or use manage.py score_tracks with --audio-dir"
    )


def take_in(
    scoring: Scoring, table: Path, *, find_audio: FindAudio, on_taken: Callable[[int], None] = lambda n_rows: None
) -> int:
    """Store the rows of the file, the tracks that are new among them, and say how many rows there are.

    Each batch is stored whole or not at all; done again, it goes on after the last batch.

    Parameters
    ----------
    on_taken
        Gets the number of rows so far, in the transaction that stores the last of them; what it raises ends it all.
    """
    n_rows = scoring.rows.count()
    rows = islice(read_rows(table, required=REQUIRED), n_rows, None)
    while batch := list(islice(rows, BATCH_SIZE)):
        _store(scoring, batch, n_rows, find_audio, on_taken)
        n_rows += len(batch)
    return n_rows


def _store(
    scoring: Scoring, batch: list[Row], n_before: int, find_audio: FindAudio, on_taken: Callable[[int], None]
) -> None:
    uris = {_uri(row) for row in batch if not row.problem}
    known = dict(Track.objects.filter(uri__in=uris).values_list("uri", "audio_state"))
    checked = [_check(row, known, find_audio) for row in batch]

    def on_stored(counts: ImportCounts) -> None:
        _store_rows(scoring, batch, checked, n_before)
        on_taken(n_before + len(batch))

    store_tracks([row for row in checked if isinstance(row, TrackRow)], on_stored=on_stored)


def _check(row: Row, known: dict[str, str], find_audio: FindAudio) -> TrackRow | str:
    """The track that a row names, or why it names none."""
    if known.get(_uri(row), Track.AudioState.NONE) not in WANTING_AUDIO:
        # Its audio is here: what the row says of it is not needed, so it need not be right.
        row = replace(row, cells={**row.cells, "track_preview_url": ""})
    try:
        track = check_track(row, find_audio)
    except RowRefused as refusal:
        return f"Line {row.line}: {refusal}"[:400]
    if track.uri not in known and not track.preview:
        return f"Line {row.line}: no track has this uri, and without a track_preview_url it cannot be heard"
    return track


def _store_rows(scoring: Scoring, batch: list[Row], checked: Collection[TrackRow | str], n_before: int) -> None:
    """In the transaction that has stored the tracks."""
    uris = {each.uri for each in checked if isinstance(each, TrackRow)}
    tracks = dict(Track.objects.filter(uri__in=uris).values_list("uri", "pk"))
    make = partial(ScoringRow, scoring=scoring)
    ScoringRow.objects.bulk_create(
        make(position=position, cells=list(_own_cells(scoring, row)), problem=each)
        if isinstance(each, str)
        else make(position=position, cells=list(_own_cells(scoring, row)), track_id=tracks[each.uri])
        for position, (row, each) in enumerate(zip(batch, checked, strict=True), start=n_before + 1)
    )


def _own_cells(scoring: Scoring, row: Row) -> Iterator[str]:
    # A zero byte is what Postgres does not store; half a character is what no file in UTF-8 may hold.
    cells = (row.cells.get(name.lower(), "") for name in scoring.columns)
    return (cell.replace("\0", "").encode(errors="replace").decode() for cell in cells)


def _uri(row: Row) -> str:
    return row.cells.get("track_uri", "")
