"""Tracks and labels from a CSV in the thesis's layout: energy, track_uri, track_preview_url, annotator_id, genres."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction

from annotations.csv_rows import RefusedRows, Row, RowRefused, read_rows
from annotations.models import MAX_LEVEL, MIN_LEVEL, Annotation, Genre, Track, User

BATCH_SIZE = 500
MAX_AUDIO_BYTES = 50 * 2**20  # the decoder's limit too: modeling.core.audio


@dataclass
class ImportCounts:
    """What an import did. `unchanged` counts rows that were there already, word for word."""

    rows: int = 0
    new_tracks: int = 0
    new_annotations: int = 0
    changed_annotations: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(frozen=True)
class TrackRow:
    """One row, checked."""

    row: Row
    uri: str
    preview: str
    audio: Path | None
    annotator_id: str
    level: int | None  # None: the row only names a track
    title: str = ""
    artist: str = ""
    genres: tuple[str, ...] = field(default=())

    @property
    def submission_id(self) -> UUID:
        """The same for the same label of the same file, so that importing again changes nothing."""
        return uuid5(NAMESPACE_URL, json.dumps(["energyapp import", self.uri, self.annotator_id, self.level]))


def import_tracks(
    path: Path, *, audio_dir: Path | None, refused: RefusedRows, is_synthetic: bool = False
) -> ImportCounts:
    """Read a CSV once, of any size, and store what is new in it.

    Parameters
    ----------
    path
        Columns `track_uri` (required), `energy` with `annotator_id`, `track_preview_url`, `genres` (comma-separated),
        `title`, `artist`. Others are left alone.
    audio_dir
        Where `track_preview_url` is a file name, the folder it lies in.
    refused
        Gets each row that cannot be taken, with the reason.

    Raises
    ------
    FileRefused
        Nothing of the file can be read; nothing is stored.
    """
    counts = ImportCounts()
    checked = _checked_rows(read_rows(path, required=("track_uri",)), audio_dir, refused, counts)
    while batch := list(islice(checked, BATCH_SIZE)):
        _store(batch, counts, is_synthetic=is_synthetic)
    counts.refused = refused.count
    return counts


# ---- Checking


def _checked_rows(
    rows: Iterable[Row], audio_dir: Path | None, refused: RefusedRows, counts: ImportCounts
) -> Iterator[TrackRow]:
    folder = audio_dir and audio_dir.resolve()
    for row in rows:
        counts.rows += 1
        try:
            yield _check(row, folder)
        except RowRefused as problem:
            refused.add(row, str(problem))


def _check(row: Row, folder: Path | None) -> TrackRow:
    if row.problem:
        raise RowRefused(row.problem)
    cell = row.cells.get
    preview = cell("track_preview_url", "")
    return TrackRow(
        row=row,
        uri=_short(row, "track_uri", 255, required=True),
        preview=preview,
        audio=_audio_path(preview, folder),
        annotator_id=_short(row, "annotator_id", 100),
        level=_level(cell("energy", ""), cell("annotator_id", "")),
        title=_short(row, "title", 300),
        artist=_short(row, "artist", 300),
        genres=tuple(name.strip().lower()[:100] for name in cell("genres", "").split(",") if name.strip()),
    )


def _short(row: Row, name: str, limit: int, *, required: bool = False) -> str:
    value = row.cells.get(name, "")
    if required and not value:
        raise RowRefused(f"{name} is empty")
    if len(value) > limit:
        raise RowRefused(f"{name} has {len(value)} characters; at most {limit} are kept")
    return value


def _level(energy: str, annotator_id: str) -> int | None:
    """None for a row that only names a track."""
    if not energy and not annotator_id:
        return None
    if not annotator_id:
        raise RowRefused("a label needs an annotator_id; it is empty")
    try:
        level = float(energy)
    except ValueError:
        raise RowRefused(f"energy is {energy[:40]!r}; expected a whole number from 1 to 10") from None
    if not (level.is_integer() and MIN_LEVEL <= level <= MAX_LEVEL):
        raise RowRefused(f"energy is {energy[:40]!r}; expected a whole number from 1 to 10")
    return int(level)


def _audio_path(preview: str, folder: Path | None) -> Path | None:
    """The local file that a row names; None for a link or no audio."""
    if not preview or preview.startswith("https://"):
        return None
    if "://" in preview:
        raise RowRefused(f"track_preview_url is {preview[:80]!r}; expected https:// or a file name")
    if folder is None:
        raise RowRefused(f"track_preview_url names the file {preview[:80]!r}; say where it lies with --audio-dir")
    try:
        path = (folder / preview).resolve()
        if not path.is_relative_to(folder):
            raise RowRefused(f"track_preview_url {preview[:80]!r} leads out of {folder}")
        if not path.is_file():
            raise RowRefused(f"there is no file {preview[:80]!r} in {folder}")
        if path.stat().st_size > MAX_AUDIO_BYTES:
            raise RowRefused(f"{preview[:80]!r} is larger than {MAX_AUDIO_BYTES // 2**20} MB")
        with path.open("rb"):
            pass
    except OSError as error:  # a name that is too long for the file system, a folder we may not enter
        raise RowRefused(f"{preview[:80]!r} cannot be read: {error.strerror}") from None
    return path


# ---- Storing


@transaction.atomic
def _store(batch: list[TrackRow], counts: ImportCounts, *, is_synthetic: bool) -> None:
    tracks = _store_tracks(batch, counts, is_synthetic=is_synthetic)
    _store_genres(batch, tracks)
    _store_annotations(batch, tracks, counts)


def _store_tracks(batch: list[TrackRow], counts: ImportCounts, *, is_synthetic: bool) -> dict[str, Track]:
    first_rows = {row.uri: row for row in reversed(batch)}
    known = Track.objects.in_bulk(first_rows, field_name="uri")
    new = [Track(uri=uri, is_synthetic=is_synthetic) for uri in first_rows if uri not in known]
    for track in new:
        _complete(track, first_rows[track.uri])
    Track.objects.bulk_create(new)
    counts.new_tracks += len(new)
    completed = [track for track in known.values() if _complete(track, first_rows[track.uri])]
    fields = ["title", "artist", "preview_url", "audio", "sha256", "audio_state"]
    Track.objects.bulk_update(completed, fields)
    return known | {track.uri: track for track in new}


def _complete(track: Track, row: TrackRow) -> bool:
    """Fill in what is not known yet; what is known stays. Whether anything changed."""
    changed = False
    for name in ("title", "artist"):
        if not getattr(track, name) and (value := getattr(row, name)):
            setattr(track, name, value)
            changed = True
    if row.audio and not track.audio:
        track.audio, track.sha256 = store_audio(row.audio)
        track.preview_url, track.audio_state = row.preview, Track.AudioState.WAITING
        changed = True
    elif row.preview and track.audio_state == Track.AudioState.NONE:
        track.preview_url, track.audio_state = row.preview, Track.AudioState.NOT_FETCHED
        changed = True
    return changed


def store_audio(path: Path) -> tuple[str, str]:
    """Copy a file to the media storage under the name its bytes give it; (name, sha256)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"audio/{digest[:2]}/{digest}{path.suffix.lower()[:6]}"
        if not default_storage.exists(name):
            file.seek(0)
            default_storage.save(name, File(file))
    return name, digest


def _store_genres(batch: list[TrackRow], tracks: dict[str, Track]) -> None:
    names = {name for row in batch for name in row.genres}
    Genre.objects.bulk_create([Genre(name=name) for name in sorted(names)], ignore_conflicts=True)
    genres = Genre.objects.in_bulk(names, field_name="name")
    links = {(tracks[row.uri].pk, genres[name].pk) for row in batch for name in row.genres}
    through = Track.genres.through
    through.objects.bulk_create(
        [through(track_id=track, genre_id=genre) for track, genre in sorted(links)], ignore_conflicts=True
    )


def _store_annotations(rows: list[TrackRow], tracks: dict[str, Track], counts: ImportCounts) -> None:
    annotators = _annotators({row.annotator_id for row in rows if row.level is not None})
    seen = set(
        Annotation.objects.filter(submission_id__in=[row.submission_id for row in rows]).values_list(
            "submission_id", flat=True
        )
    )
    current = {
        (annotation.track_id, annotation.annotator_id): annotation
        for annotation in Annotation.objects.current().filter(
            track__in=tracks.values(), annotator__in=annotators.values()
        )
    }
    for row in rows:
        if row.level is None:
            counts.unchanged += 1
            continue
        key = tracks[row.uri].pk, annotators[row.annotator_id].pk
        before = current.get(key)
        if row.submission_id in seen or (before and before.level == row.level):
            counts.unchanged += 1
            continue
        seen.add(row.submission_id)
        current[key] = Annotation.objects.create(
            track_id=key[0],
            annotator_id=key[1],
            level=row.level,
            supersedes=before,
            submission_id=row.submission_id,
            source=Annotation.Source.IMPORT,
        )
        if before:
            counts.changed_annotations += 1
        else:
            counts.new_annotations += 1


def _annotators(aliases: set[str]) -> dict[str, User]:
    """A user for each annotator_id. They cannot log in: their username is no valid one and they have no password."""
    new = [User(username=f"imported:{alias}", alias=alias, password="!imported") for alias in sorted(aliases)]
    User.objects.bulk_create(new, ignore_conflicts=True)
    return User.objects.in_bulk(aliases, field_name="alias")
