"""Labels as an export of the history holds them: each that was ever given, with what it changed, when and where from."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotations.intake.csv_import import (
    BATCH_SIZE,
    MAX_STORE_TRIES,
    ImportCounts,
    TrackRow,
    annotators_by_alias,
    check_track,
    level_of,
    store_tracks,
)
from annotations.intake.csv_rows import FileRefused, RefusedRows, Row, RowRefused, read_rows
from annotations.models import Annotation, Stream, Track, User

REQUIRED = ("submission_id", "supersedes", "track_uri", "annotator_id", "energy", "source", "created_at")
# Clocks differ; a label from tomorrow is a mistake.
MAX_AHEAD = dt.timedelta(days=1)

Key = tuple[int, int]


@dataclass(frozen=True)
class LabelRow:
    """One label, checked as far as its row alone tells."""

    track: TrackRow
    annotator_id: str
    submission_id: UUID
    supersedes: UUID | None
    said: dict[str, object]
    """The other fields of the annotation, by name."""


def is_history(path: Path) -> bool:
    """Whether a CSV has the columns of an export of the history."""
    try:
        next(read_rows(path, required=REQUIRED), None)
    except FileRefused:
        return False
    return True


def import_history(
    path: Path, *, refused: RefusedRows, on_stored: Callable[[ImportCounts], None] = lambda batch: None
) -> ImportCounts:
    """Store what is not here yet, as it was. Audio is not read: it comes by import, and is found by the track's uri.

    Labels belong to imported annotators of these ids, never to accounts: nobody's login can be spoken for by a file.

    Parameters, errors and batches are those of `import_tracks`.
    """
    counts = ImportCounts()
    checked = _checked_rows(read_rows(path, required=REQUIRED), refused)
    while batch := list(islice(checked, BATCH_SIZE)):
        batch_counts, refusals = _store(batch, on_stored)
        counts.add(batch_counts)
        for row, reason in refusals:
            refused.add(row, reason)
    counts.rows += refused.count
    counts.refused = refused.count
    return counts


# ---- Checking


def _checked_rows(rows: Iterable[Row], refused: RefusedRows) -> Iterator[LabelRow]:
    for row in rows:
        try:
            yield _check(row)
        except RowRefused as problem:
            refused.add(row, str(problem))


def _check(row: Row) -> LabelRow:
    track = check_track(row, lambda preview: None)
    cell = row.cells
    if not (annotator := cell["annotator_id"]) or len(annotator) > 100:
        raise RowRefused(f"annotator_id has {len(annotator)} characters; expected 1 to 100")
    supersedes = cell["supersedes"]
    return LabelRow(
        track=track,
        annotator_id=annotator,
        submission_id=_uuid("submission_id", cell["submission_id"]),
        supersedes=_uuid("supersedes", supersedes) if supersedes else None,
        said={
            "level": level_of(cell["energy"], annotator),
            "source": _one_of("source", cell["source"], Annotation.Source.values),
            "stream": _one_of("stream", cell.get("stream", ""), ["", *Stream.values]),
            "listened_s": _seconds("listened_s", cell.get("listened_s", "")),
            "answered_s": _seconds("answered_s", cell.get("answered_s", "")),
            "created_at": _time(cell["created_at"]),
        },
    )


def _uuid(name: str, cell: str) -> UUID:
    try:
        return UUID(cell)
    except ValueError:
        raise RowRefused(f"{name} is {cell[:40]!r}; expected a UUID") from None


def _one_of(name: str, cell: str, values: list[str]) -> str:
    if cell not in values:
        raise RowRefused(f"{name} is {cell[:40]!r}; expected one of {', '.join(filter(None, values))}")
    return cell


def _seconds(name: str, cell: str) -> float | None:
    try:
        number = float(cell) if cell else None
    except ValueError:
        number = math.nan
    if number is not None and not 0 <= number < math.inf:
        raise RowRefused(f"{name} is {cell[:40]!r}; expected seconds, or nothing")
    return number


def _time(cell: str) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(cell)
    except ValueError:
        raise RowRefused(f"created_at is {cell[:40]!r}; expected a time like 2026-11-23T10:00:00+00:00") from None
    if time.tzinfo is None:
        raise RowRefused(f"created_at is {cell[:40]!r}, without its time zone; expected one like +00:00 at its end")
    if time > timezone.now() + MAX_AHEAD:
        raise RowRefused(f"created_at is {cell[:40]!r}, which is still to come")
    return time


# ---- Storing

Refusals = list[tuple[Row, str]]


def _store(batch: list[LabelRow], on_stored: Callable[[ImportCounts], None]) -> tuple[ImportCounts, Refusals]:
    for _ in range(MAX_STORE_TRIES - 1):
        try:
            return _store_once(batch, on_stored)
        except IntegrityError:
            continue  # another import, or a person, was first: look again
    return _store_once(batch, on_stored)


@transaction.atomic
def _store_once(batch: list[LabelRow], on_stored: Callable[[ImportCounts], None]) -> tuple[ImportCounts, Refusals]:
    stored = _Labels(batch)
    tracks = store_tracks([_without_file(row.track) for row in batch], on_stored=lambda batch: None)
    _note_files(batch)
    refusals: Refusals = []
    for row in batch:
        try:
            stored.take(row)
        except RowRefused as problem:
            refusals.append((row.track.row, str(problem)))
    new = stored.save()
    n_changed = sum(label.supersedes is not None for label in new)
    counts = ImportCounts(
        rows=len(batch) - len(refusals),
        new_tracks=tracks.new_tracks,
        completed_tracks=tracks.completed_tracks,
        new_annotations=len(new) - n_changed,
        changed_annotations=n_changed,
        unchanged=len(batch) - len(refusals) - len(new),
    )
    on_stored(counts)
    return counts, refusals


def _without_file(row: TrackRow) -> TrackRow:
    """A link is fetched; a file's name says nothing without the file."""
    return row if row.preview.lower().startswith("https://") else replace(row, preview="")


def _note_files(batch: list[LabelRow]) -> None:
    files = {row.track.uri: row.track.preview for row in batch if _without_file(row.track).preview != row.track.preview}
    tracks = list(Track.objects.filter(uri__in=files, preview_url="", audio_state=Track.AudioState.NONE))
    for track in tracks:
        track.preview_url = files[track.uri]
    Track.objects.bulk_update(tracks, ["preview_url"])


class _Labels:
    """The labels that the rows of a batch are about: those that are here, and those that are to be made."""

    def __init__(self, batch: list[LabelRow]) -> None:
        named = {row.submission_id for row in batch} | {row.supersedes for row in batch if row.supersedes}
        found = Annotation.objects.filter(submission_id__in=named).select_related("track")
        self._known = {label.submission_id: label for label in found}
        self._batch = batch
        self._new: dict[UUID, Annotation] = {}
        self._superseded: set[UUID] = set()
        self._tracks: dict[str, Track] = {}

    def take(self, row: LabelRow) -> None:
        """Raises RowRefused where it contradicts what is here."""
        if label := self._label(row.submission_id):
            if (label.track.uri, label.level) != (row.track.uri, row.said["level"]):
                raise RowRefused(f"submission_id {row.submission_id} is that of another label: {label}")
            return
        self._look_around()
        track, annotator = self._tracks[row.track.uri], self._annotators[row.annotator_id]
        label = Annotation(track=track, annotator=annotator, submission_id=row.submission_id, **row.said)
        label.supersedes = self._before(row, label) if row.supersedes else None
        if label.supersedes is None and (annotator.pk, track.pk) in self._begun:
            raise RowRefused(f"{row.annotator_id} has a label of this track already, which this one does not supersede")
        self._begun.add((annotator.pk, track.pk))
        self._new[row.submission_id] = label

    def _label(self, submission_id: UUID) -> Annotation | None:
        return self._new.get(submission_id) or self._known.get(submission_id)

    def _before(self, row: LabelRow, label: Annotation) -> Annotation:
        assert row.supersedes
        if (before := self._label(row.supersedes)) is None:
            raise RowRefused(f"supersedes {row.supersedes}, which is neither here nor in a row above")
        if (before.annotator_id, before.track_id) != (label.annotator_id, label.track_id):
            raise RowRefused(f"supersedes {row.supersedes}, which is another annotator's or of another track: {before}")
        if row.supersedes in self._superseded:
            raise RowRefused(f"supersedes {row.supersedes}, which another label has superseded already")
        self._superseded.add(row.supersedes)
        return before

    def _look_around(self) -> None:
        """Once, and only where there is something new: who is imported again has no row read for nothing."""
        if self._tracks:
            return
        new = [row for row in self._batch if row.submission_id not in self._known]
        self._tracks = Track.objects.in_bulk({row.track.uri for row in new}, field_name="uri")
        self._annotators: dict[str, User] = annotators_by_alias({row.annotator_id for row in new})
        of_pairs = Annotation.objects.filter(
            track__in=self._tracks.values(), annotator__in=self._annotators.values(), supersedes=None
        )
        self._begun: set[Key] = set(of_pairs.values_list("annotator", "track"))
        superseded = Annotation.objects.filter(supersedes__in=self._known.values())
        self._superseded = set(superseded.values_list("supersedes__submission_id", flat=True))

    def save(self) -> list[Annotation]:
        """In the order of the rows, as it is the order of the ids; one that supersedes another of them has to wait for its id."""
        ready: list[Annotation] = []
        for label in self._new.values():
            if label.supersedes is not None and label.supersedes.pk is None:
                Annotation.objects.bulk_create(ready)
                ready = []
                label.supersedes = label.supersedes  # its id is known only now
            ready.append(label)
        Annotation.objects.bulk_create(ready)
        return list(self._new.values())
