"""Tracks and labels from a CSV in the thesis's layout: energy, track_uri, track_preview_url, annotator_id, genres."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from django.db import IntegrityError, transaction
from django.template.defaultfilters import pluralize

from annotations.intake.audio_store import store_audio
from annotations.intake.csv_rows import RefusedRows, Row, RowRefused, read_rows
from annotations.intake.models import PreviewFetch
from annotations.models import LEVELS, MAX_LEVEL, MIN_LEVEL, Annotation, Genre, Track, User

REQUIRED = ("track_uri",)
BATCH_SIZE = 500
MAX_AUDIO_BYTES = 50 * 2**20  # the decoder's limit too: modeling.core.decoding
MAX_STORE_TRIES = 3
_COMPLETED = [
    *("uri", "title", "artist", "preview_url", "audio", "sha256", "audio_state", "audio_problem"),
    *("features_attempts", "features_queued_at"),
]
# Audio never changes: a better file or link replaces only what could not be had or used.
WANTING_AUDIO = {
    *(Track.AudioState.NONE, Track.AudioState.NOT_FETCHED),
    *(Track.AudioState.UNREACHABLE, Track.AudioState.BAD),
}
# Name in the media storage and sha256, by the path it was copied from.
StoredAudio = dict[Path, tuple[str, str]]
# The file that a `track_preview_url` without a scheme names; raises RowRefused.
FindAudio = Callable[[str], Path | None]
# Not float(): that takes "1_0", "1e0" and other scripts' digits. Programs that mark missing levels as NaN write 7 as 7.0.
_WHOLE_NUMBER = re.compile(r"([0-9]{1,3})(?:\.0*)?")


@dataclass
class ImportCounts:
    """What an import did. `unchanged` counts rows that said nothing new of a track's label, audio, title or artist."""

    rows: int = 0
    new_tracks: int = 0
    completed_tracks: int = 0
    new_annotations: int = 0
    changed_annotations: int = 0
    unchanged: int = 0
    refused: int = 0

    def add(self, other: ImportCounts) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return (
            f"{counted(self.rows, 'row')}: {counted(self.new_tracks, 'new track')}, {self.completed_tracks} completed, "
            f"{counted(self.new_annotations, 'new label')}, {counted(self.changed_annotations, 'changed label')}, "
            f"{self.unchanged} unchanged, {self.refused} refused."
        )


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{pluralize(n)}"


@dataclass(frozen=True)
class TrackRow:
    """One row, checked."""

    row: Row
    uri: str
    preview: str
    audio: Path | None
    annotator_id: str = ""
    level: int | None = None  # None: the row only names a track
    title: str = ""
    artist: str = ""
    genres: tuple[str, ...] = field(default=())


def import_tracks(
    path: Path,
    *,
    audio_dir: Path | None,
    refused: RefusedRows,
    find_audio: FindAudio | None = None,
    on_stored: Callable[[ImportCounts], None] = lambda batch: None,
    is_synthetic: bool = False,
) -> ImportCounts:
    """Read a CSV once, of any size, and store what is new in it.

    Each batch is stored whole or not at all; an import that was interrupted is completed by running it again.

    Parameters
    ----------
    path
        Columns `track_uri` (required), `energy` with `annotator_id`, `track_preview_url`, `genres` (comma-separated),
        `title`, `artist`. Others are left alone.
    audio_dir
        Where `track_preview_url` is a file name, the folder it lies in.
    refused
        Gets each row that cannot be taken, with the reason.
    find_audio
        Where the files lie otherwise than in a folder under their own names: how to find one.
    on_stored
        Gets the counts of each batch, in the transaction that stores it; what it raises ends the import.

    Raises
    ------
    FileRefused
        Nothing of the file can be read; nothing is stored.
    """
    find_audio = find_audio or partial(find_in_folder, audio_dir and audio_dir.resolve())
    store = partial(_store_once, on_stored=on_stored, is_synthetic=is_synthetic)
    checked = _checked_rows(read_rows(path, required=REQUIRED), find_audio, refused)
    counts = ImportCounts()
    while batch := list(islice(checked, BATCH_SIZE)):
        counts.add(_store(batch, store))
    counts.rows += refused.count
    counts.refused = refused.count
    return counts


# ---- Checking


def _checked_rows(rows: Iterable[Row], find_audio: FindAudio, refused: RefusedRows) -> Iterator[TrackRow]:
    labels = _LabelsOfFile()
    for row in rows:
        try:
            checked = _check(row, find_audio)
            labels.refuse_contradiction(checked)
        except RowRefused as problem:
            refused.add(row, str(problem))
        else:
            yield checked


class _LabelsOfFile:
    """The level that a file gives first to each (track, annotator), kept on disk: the file may be of any size.

    A file that contradicts itself names no level. Were the last row to count, importing the file again would look like
    two changes of mind.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file that SQLite removes
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE label (uri TEXT, annotator_id TEXT, level INT, line INT, PRIMARY KEY (uri, annotator_id)) "
            "WITHOUT ROWID"
        )

    def refuse_contradiction(self, row: TrackRow) -> None:
        if row.level is None:
            return
        label = (row.uri, row.annotator_id, row.level, row.row.line)
        if self._database.execute("INSERT OR IGNORE INTO label VALUES (?, ?, ?, ?)", label).rowcount:
            return
        first = "SELECT level, line FROM label WHERE uri = ? AND annotator_id = ?"
        level, line = self._database.execute(first, label[:2]).fetchone()
        if level != row.level:
            raise RowRefused(f"energy is {row.level}; line {line} says {level} for the same track and annotator")


def _check(row: Row, find_audio: FindAudio) -> TrackRow:
    track = check_track(row, find_audio)  # first: a row refused for its label has named its file all the same
    level = level_of(row.cells.get("energy", ""), row.cells.get("annotator_id", ""))
    return replace(track, annotator_id=_short(row, "annotator_id", 100), level=level)


def check_track(row: Row, find_audio: FindAudio) -> TrackRow:
    """What a row says of its track. A level is left alone.

    Raises
    ------
    RowRefused
    """
    if row.problem:
        raise RowRefused(row.problem)
    preview = _short(row, "track_preview_url", 2000)
    return TrackRow(
        row=row,
        audio=_audio_path(preview, find_audio),
        uri=_short(row, "track_uri", 255, required=True),
        preview=preview,
        title=_short(row, "title", 300),
        artist=_short(row, "artist", 300),
        genres=tuple(name.strip().lower()[:100] for name in row.cells.get("genres", "").split(",") if name.strip()),
    )


def _short(row: Row, name: str, limit: int, *, required: bool = False) -> str:
    value = row.cells.get(name, "")
    if required and not value:
        raise RowRefused(f"{name} is empty")
    if len(value) > limit:
        raise RowRefused(f"{name} has {len(value)} characters; at most {limit} are kept")
    return value


def level_of(energy: str, annotator_id: str) -> int | None:
    """None for a row that only names a track."""
    if not energy and not annotator_id:
        return None
    if not annotator_id:
        raise RowRefused("a label needs an annotator_id; it is empty")
    number = _WHOLE_NUMBER.fullmatch(energy)
    if not number or int(number[1]) not in LEVELS:
        raise RowRefused(f"energy is {energy[:40]!r}; expected a whole number from {MIN_LEVEL} to {MAX_LEVEL}")
    return int(number[1])


def _audio_path(preview: str, find_audio: FindAudio) -> Path | None:
    """The local file that a row names; None for a link or no audio."""
    if not preview or preview.lower().startswith("https://"):
        return None
    if "://" in preview:
        raise RowRefused(f"track_preview_url is {preview[:80]!r}; expected https:// or a file name")
    return find_audio(preview)


def find_in_folder(folder: Path | None, preview: str) -> Path:
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
        raise RowRefused(f"the file {preview[:80]!r} cannot be read: {error.strerror}") from None
    except RuntimeError:  # so says Path.resolve until Python 3.12
        raise RowRefused(f"the file {preview[:80]!r} is a link that leads to itself") from None
    return path


# ---- Storing


def store_tracks(batch: list[TrackRow], *, on_stored: Callable[[ImportCounts], None]) -> ImportCounts:
    """Store what is new in some rows, whole or not at all. `on_stored` as in `import_tracks`."""
    return _store(batch, partial(_store_once, on_stored=on_stored, is_synthetic=False))


def _store(batch: list[TrackRow], store: Callable[[list[TrackRow], StoredAudio], ImportCounts]) -> ImportCounts:
    # Before the transaction: copying takes its time, and on SQLite nobody could label meanwhile.
    stored = _store_new_audio(batch)
    for _ in range(MAX_STORE_TRIES - 1):
        try:
            return store(batch, stored)
        except IntegrityError:
            continue  # another import committed one of these tracks between our look and our insert: look again
    return store(batch, stored)


def _store_new_audio(batch: list[TrackRow]) -> StoredAudio:
    """Copy the files of tracks that have no audio yet."""
    of_batch = Track.objects.filter(uri__in={row.uri for row in batch})
    have_audio = set(of_batch.exclude(audio_state__in=WANTING_AUDIO).values_list("uri", flat=True))
    wanted = {row.audio for row in batch if row.audio and row.uri not in have_audio}
    return {path: store_audio(path) for path in sorted(wanted)}


@transaction.atomic
def _store_once(
    batch: list[TrackRow], stored: StoredAudio, *, on_stored: Callable[[ImportCounts], None], is_synthetic: bool
) -> ImportCounts:
    counts = ImportCounts(rows=len(batch))
    tracks, told = _store_tracks(batch, stored, counts, is_synthetic=is_synthetic)
    _store_genres(batch, tracks)
    told |= _store_annotations(batch, tracks, counts)
    counts.unchanged = sum(row.row.line not in told for row in batch)
    on_stored(counts)
    return counts


def _store_tracks(
    batch: list[TrackRow], stored: StoredAudio, counts: ImportCounts, *, is_synthetic: bool
) -> tuple[dict[str, Track], set[int]]:
    """The batch's tracks by uri, and the lines that told something new of them."""
    rows_of = defaultdict(list)
    for row in batch:
        rows_of[row.uri].append(row)
    unnamed = {f"file:{digest}" for _, digest in stored.values()} - rows_of.keys()
    # Locked: a worker that finishes a track meanwhile must not find its state written back.
    known = Track.objects.select_for_update().order_by("pk").in_bulk([*rows_of, *unnamed], field_name="uri")
    named = _name_tracks(known, batch, stored, unnamed)
    # Sorted, here and below: two imports at once that took the same rows in another order would wait for each other.
    new = {uri: Track(uri=uri, is_synthetic=is_synthetic) for uri in sorted(rows_of.keys() - known.keys())}
    told = {rows_of[uri][0].row.line for uri in new}
    completed = []
    for uri, track in (known | new).items():
        if lines := {row.row.line for row in rows_of[uri] if _complete(track, row, stored) or row.row.line in named}:
            told |= lines
            completed.append(track)
    Track.objects.bulk_create(new.values())
    completed = [track for track in completed if track.uri in known]
    Track.objects.bulk_update(completed, _COMPLETED)
    # Of the link that a track had before. One for the new link is made when its turn comes.
    PreviewFetch.objects.filter(track__in=completed).delete()
    counts.new_tracks, counts.completed_tracks = len(new), len(completed)
    return known | new, told


def _name_tracks(known: dict[str, Track], batch: list[TrackRow], stored: StoredAudio, unnamed: set[str]) -> set[int]:
    """Tracks that came as audio alone get the uri by which a row knows them now; the lines of these rows."""
    tracks = {uri: known.pop(uri) for uri in unnamed & known.keys()}
    lines = set()
    for row in batch:
        if row.uri in known or row.audio not in stored:
            continue
        if track := tracks.pop(f"file:{stored[row.audio][1]}", None):
            track.uri, track.title, track.artist = row.uri, row.title or track.title, row.artist or track.artist
            known[row.uri] = track
            lines.add(row.row.line)
    return lines


def _complete(track: Track, row: TrackRow, stored: StoredAudio) -> bool:
    """Fill in what is not known yet; what is known stays. Whether anything changed."""
    changed = False
    for name in ("title", "artist"):
        if not getattr(track, name) and (value := getattr(row, name)):
            setattr(track, name, value)
            changed = True
    if track.audio_state not in WANTING_AUDIO:
        return changed
    # Not stored: the track has come to want audio only since the files of the batch were copied.
    file = row.audio and stored.get(row.audio)
    if file and file != (track.audio.name, track.sha256):
        _look_for_audio(track, row, Track.AudioState.WAITING, *file)
        changed = True
    elif row.preview and not row.audio and track.preview_url != row.preview:
        _look_for_audio(track, row, Track.AudioState.NOT_FETCHED)
        changed = True
    return changed


def _look_for_audio(track: Track, row: TrackRow, state: Track.AudioState, audio: str = "", sha256: str = "") -> None:
    track.preview_url, track.audio_state, track.audio_problem = row.preview, state, ""
    track.audio, track.sha256 = audio, sha256
    track.features_attempts, track.features_queued_at = 0, None


def _store_genres(batch: list[TrackRow], tracks: dict[str, Track]) -> None:
    names = {name for row in batch for name in row.genres}
    Genre.objects.bulk_create([Genre(name=name) for name in sorted(names)], ignore_conflicts=True)
    genres = Genre.objects.in_bulk(names, field_name="name")
    links = {(tracks[row.uri].pk, genres[name].pk) for row in batch for name in row.genres}
    through = Track.genres.through
    through.objects.bulk_create(
        [through(track_id=track, genre_id=genre) for track, genre in sorted(links)], ignore_conflicts=True
    )


def _store_annotations(batch: list[TrackRow], tracks: dict[str, Track], counts: ImportCounts) -> set[int]:
    """The lines that made an annotation."""
    labels = [(row, row.level) for row in batch if row.level is not None]
    annotators = annotators_by_alias({row.annotator_id for row, _ in labels})
    history = Annotation.objects.filter(track__in=tracks.values(), annotator__in=annotators.values()).order_by("pk")
    current = {(label.track_id, label.annotator_id): label for label in history.current()}
    # What was relabelled by hand since the last import stays: the file says nothing new.
    imported = {
        (label.track_id, label.annotator_id): label.level for label in history.filter(source=Annotation.Source.IMPORT)
    }
    new, lines = [], set()
    for row, level in sorted(labels, key=lambda label: (label[0].uri, label[0].annotator_id)):
        key = tracks[row.uri].pk, annotators[row.annotator_id].pk
        before = current.get(key)
        if (before and before.level == level) or imported.get(key) == level:
            continue
        current[key] = _annotation(row, level, key, before)
        new.append(current[key])
        lines.add(row.row.line)
    Annotation.objects.bulk_create(new)
    counts.changed_annotations = sum(label.supersedes is not None for label in new)
    counts.new_annotations = len(new) - counts.changed_annotations
    return lines


def _annotation(row: TrackRow, level: int, key: tuple[int, int], before: Annotation | None) -> Annotation:
    # Made of what it says and what it supersedes: of two imports at once only one can say it.
    said = ["energyapp import", row.uri, row.annotator_id, level, before and str(before.submission_id)]
    return Annotation(
        track_id=key[0],
        annotator_id=key[1],
        level=level,
        supersedes=before,
        submission_id=uuid5(NAMESPACE_URL, json.dumps(said)),
        source=Annotation.Source.IMPORT,
    )


def annotators_by_alias(aliases: set[str]) -> dict[str, User]:
    """A user for each annotator_id. They cannot log in: their username is no valid one and they have no password."""
    new = [User(username=f"imported:{alias}", alias=alias, password="!imported") for alias in sorted(aliases)]
    User.objects.bulk_create(new, ignore_conflicts=True)
    return User.objects.in_bulk(aliases, field_name="alias")
