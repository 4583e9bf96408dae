"""What people said: labels in the thesis's layout, one level a track, every label ever given, decisions; and the tracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from statistics import pstdev
from typing import Any

from annotations.consensus import median_level
from annotations.models import Annotation, Decision, Track
from modeling.exports.people import names_of_people
from modeling.exports.tables import Column, Options, Row, Table, chunks, texts


def genres_of(track_ids: Collection[int]) -> dict[int, str]:
    """Comma-separated, as the import takes them."""
    names: dict[int, list[str]] = defaultdict(list)
    pairs = Track.genres.through.objects.filter(track_id__in=track_ids).order_by("genre__name")
    for track_id, name in pairs.values_list("track_id", "genre__name"):
        names[track_id].append(name)
    return {track_id: ",".join(of_track) for track_id, of_track in names.items()}


# ---- Labels in the thesis's layout


def _labels(options: Options) -> Iterator[list[Row]]:
    people = names_of_people(is_pseudonymous=options.is_pseudonymous)
    found = Annotation.objects.counted().values_list(
        "pk", "level", "track", "track__uri", "track__preview_url", "annotator", "track__title", "track__artist"
    )
    for chunk in chunks(found):
        genres = genres_of({row[2] for row in chunk})
        yield [
            (level, uri, preview, people[annotator], genres.get(track, ""), title, artist)
            for _, level, track, uri, preview, annotator, title, artist in chunk
        ]


LABELS = Table(
    name="labels",
    words="Labels",
    about="The newest label of each annotator and track that leads have not set aside, in the thesis's layout. "
    "The import reads it.",
    columns=lambda options: (
        Column("energy", "integer"),
        *texts("track_uri", "track_preview_url", "annotator_id", "genres", "title", "artist"),
    ),
    rows=_labels,
    count=lambda options: Annotation.objects.count(),
)

# ---- One level a track


def _levels(options: Options) -> Iterator[list[Row]]:
    decided = Decision.objects.levels_of_tracks()
    found = Track.objects.filter(n_annotators__gt=0).values_list("pk", "uri", "title", "artist")
    for chunk in chunks(found):
        by_track: dict[int, list[int]] = defaultdict(list)
        of_chunk = Annotation.objects.counted().filter(track__in=[row[0] for row in chunk])
        for track, level in of_chunk.values_list("track", "level"):
            by_track[track].append(level)
        genres = genres_of([row[0] for row in chunk])
        yield [
            (uri, title, artist, genres.get(track, ""), *_level_cells(by_track[track], decided.get(track)))
            for track, uri, title, artist in chunk
            if by_track[track]
        ]


def _level_cells(levels: list[int], decided: int | None) -> Row:
    return decided or median_level(levels), len(levels), min(levels), max(levels), pstdev(levels), decided is not None


LEVELS_OF_TRACKS = Table(
    name="consensus",
    words="One level a track",
    about="What a track's level is: what a lead has set, else the median of its labels, ties to the higher level.",
    columns=lambda options: (
        *texts("track_uri", "title", "artist", "genres"),
        Column("level", "integer"),
        Column("n_labels", "integer"),
        Column("lowest", "integer"),
        Column("highest", "integer"),
        Column("standard_deviation", "number"),
        Column("set_by_lead", "boolean"),
    ),
    rows=_levels,
    count=lambda options: Track.objects.filter(n_annotators__gt=0).count(),
)

# ---- Every label ever given

HISTORY_COLUMNS = (
    *texts("submission_id", "supersedes", "track_uri", "title", "artist", "genres", "track_preview_url"),
    Column("annotator_id"),
    Column("energy", "integer"),
    *texts("source", "stream"),
    Column("listened_s", "number"),
    Column("answered_s", "number"),
    Column("created_at", "time"),
)


def _history(options: Options) -> Iterator[list[Row]]:
    people = names_of_people(is_pseudonymous=options.is_pseudonymous)
    of_track = ("track", "track__uri", "track__title", "track__artist", "track__preview_url")
    of_label = ("annotator", "level", "source", "stream", "listened_s", "answered_s", "created_at")
    found = Annotation.objects.values_list("pk", "submission_id", "supersedes__submission_id", *of_track, *of_label)
    for chunk in chunks(found):
        genres = genres_of({row[3] for row in chunk})
        yield [
            (
                str(submission),
                str(supersedes) if supersedes else "",
                *(uri, title, artist, genres.get(track, ""), preview, people[annotator]),
                *said,
            )
            for _, submission, supersedes, track, uri, title, artist, preview, annotator, *said in chunk
        ]


HISTORY = Table(
    name="history",
    words="Every label ever given",
    about="Also those that were changed since, with when, where from and how long was listened. "
    "Imported anywhere, the labels are as they are here.",
    columns=lambda options: HISTORY_COLUMNS,
    rows=_history,
    count=lambda options: Annotation.objects.count(),
)

# ---- What leads decided


# Column -> where it comes from, in order.
DECISION_CELLS = {
    Column("decision", "integer"): "pk",
    Column("submission_id"): "flag__annotation__submission_id",
    Column("track_uri"): "flag__annotation__track__uri",
    Column("annotator_id"): "flag__annotation__annotator",
    Column("energy", "integer"): "flag__annotation__level",
    Column("reason"): "flag__reason",
    Column("raised_by"): "flag__source",
    Column("suspicion", "number"): "suspicion",
    Column("expected_level", "number"): "flag__expected_level",
    Column("decided_by"): "decided_by",
    Column("blind_level", "integer"): "blind_level",
    Column("verdict"): "verdict",
    Column("changed_to", "integer"): "level",
    Column("level_before", "integer"): "level_before",
    Column("level_after", "integer"): "level_after",
    Column("note"): "note",
    Column("undoes", "integer"): "undoes",
    Column("created_at", "time"): "created_at",
}


def _decisions(options: Options) -> Iterator[list[Row]]:
    people = names_of_people(is_pseudonymous=options.is_pseudonymous)
    names = [column.name for column in DECISION_CELLS]
    for chunk in chunks(Decision.objects.values_list(*DECISION_CELLS.values())):
        yield [_decision_cells(dict(zip(names, row, strict=True)), people, options) for row in chunk]


def _decision_cells(cells: dict[str, Any], people: dict[int, str], options: Options) -> Row:
    cells["submission_id"] = str(cells["submission_id"])
    cells["annotator_id"], cells["decided_by"] = people[cells["annotator_id"]], people[cells["decided_by"]]
    if options.is_pseudonymous:
        cells["note"] = ""  # it may name somebody
    return tuple(cells.values())


DECISIONS = Table(
    name="decisions",
    words="What leads decided",
    about="Each decision about a flagged label, undone ones too; with pseudonyms without its note.",
    columns=lambda options: tuple(DECISION_CELLS),
    rows=_decisions,
    count=lambda options: Decision.objects.count(),
)

# ---- Tracks


def _tracks(options: Options) -> Iterator[list[Row]]:
    of_audio = ("audio_state", "audio_problem", "sha256", "duration_s", "loudness_lufs")
    found = Track.objects.values_list(
        "pk", "uri", "title", "artist", "preview_url", *of_audio, "n_annotators", "created_at"
    )
    for chunk in chunks(found):
        genres = genres_of([row[0] for row in chunk])
        yield [
            (uri, title, artist, genres.get(track, ""), preview, *rest)
            for track, uri, title, artist, preview, *rest in chunk
        ]


TRACKS = Table(
    name="tracks",
    words="Tracks",
    about="All of them, labelled or not, with the state of their audio. The import reads it.",
    columns=lambda options: (
        *texts("track_uri", "title", "artist", "genres", "track_preview_url", "audio_state", "audio_problem", "sha256"),
        Column("duration_s", "number"),
        Column("loudness_lufs", "number"),
        Column("n_annotators", "integer"),
        Column("created_at", "time"),
    ),
    rows=_tracks,
    count=lambda options: Track.objects.count(),
)
