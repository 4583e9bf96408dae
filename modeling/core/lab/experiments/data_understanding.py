"""What is there to learn from?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from annotations.agreement import ordinal_alpha
from modeling.core.annotations import Annotations
from modeling.core.decisions import round_to_level
from modeling.core.estimates import mean
from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import OnProgress
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import labels_a_track, mean_of_others, people_by_labels
from modeling.core.lab.report import Cell, Chart, Column, Findings, Series, Table
from modeling.core.lab.words import CLEAR_STANDARD_ERRORS
from modeling.core.metrics import LEVELS, Floats, Levels

# More rows nobody reads; the rest is counted.
MAX_GENRES, MAX_ANNOTATORS = 40, 20
# The thesis draws those with the most labels, figures 3.2a to 3.2d.
N_DRAWN = 4
# Two labels of a track that far apart are a large error in the thesis's words (its section 3.4).
LARGE_DISTANCE = 3


def answer(
    asked: catalogue.DataUnderstanding, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Counts of all labelled tracks, with or without features. Nothing is learnt, so nothing is held out."""
    if not len(data.dataset.y):
        raise TooLittleData("No track is labelled: label some, or import labels.")
    on_progress(0.0, "counting")
    level, annotations = round_to_level(data.dataset.y), data.annotations
    people = list(people_by_labels(annotations))
    findings = Findings(
        conclusions=(*_on_levels(level), *_on_people(annotations, people), *_on_audio(data)),
        tables=(
            _levels_table(level),
            _genres_table(data, level),
            *([_people_table(annotations, people), _others_table(annotations, people)] if people else []),
            *([_labels_table(annotations, len(level)), _spread_table(annotations)] if people else []),
            *([_audio_table(data)] if data.audio_states else []),
        ),
        charts=(_levels_chart(level), *(_person_chart(annotations, name) for name in people[:N_DRAWN])),
        notes=tuple(_notes(data, people)),
    )
    on_progress(1.0, "done")
    return findings


# ---- Levels and genres


def _on_levels(level: Levels) -> Iterator[str]:
    counts = _counts(level)
    most, fewest = int(np.argmax(counts)) + 1, int(np.argmin(counts)) + 1
    yield (
        f"{len(level):,} labelled tracks. Level {most} has most: {counts.max():,} ({counts.max() / len(level):.0%}); level"
        f" {fewest} fewest: {counts.min():,}. The thesis had 42,754, most of level 6 (26 %) and fewest of level 10 (156)."
    )
    if scarce := [f"{k} ({counts[k - 1]})" for k in LEVELS if counts[k - 1] < 10]:
        yield f"Fewer than 10 tracks of level {', '.join(scarce)}: what is said of these levels is uncertain."


def _levels_table(level: Levels) -> Table:
    ours, theirs = _counts(level), np.array(list(thesis.LEVEL_COUNTS.values()))
    rows = [
        (
            str(k),
            int(ours[k - 1]),
            float(ours[k - 1] / ours.sum()),
            int(theirs[k - 1]),
            float(theirs[k - 1] / theirs.sum()),
        )
        for k in LEVELS
    ]
    columns = (
        Column("Level", "text"),
        Column("tracks", "count"),
        Column("share", "share"),
        Column("thesis, tracks", "count", from_thesis=True),
        Column("thesis, share", "share", from_thesis=True),
    )
    return Table("Tracks by level", columns, (*rows, ("all", int(ours.sum()), 1.0, int(theirs.sum()), 1.0)))


def _levels_chart(level: Levels) -> Chart:
    theirs = np.array(list(thesis.LEVEL_COUNTS.values()))
    shares = {"here": _shares(level), "thesis": tuple((theirs / theirs.sum()).tolist())}
    return _bars("Share of the tracks by level", shares)


def _genres_table(data: LabData, level: Levels) -> Table:
    rows_of: dict[str, list[int]] = {}
    for row, names in enumerate(data.genres):
        for name in set(names):
            rows_of.setdefault(name, []).append(row)
    in_order = sorted(rows_of.items(), key=lambda genre: (-len(genre[1]), genre[0]))
    rows = [
        (name, len(own), len(own) / len(level), mean(level[own]), float(level[own].std()))
        for name, own in in_order[:MAX_GENRES]
    ]
    columns = (
        Column("Genre", "text"),
        Column("tracks", "count"),
        Column("share", "share"),
        Column("mean level", help="With its standard error."),
        Column("spread", help="Standard deviation of the levels of its tracks."),
    )
    rest = f" {len(in_order) - MAX_GENRES} smaller ones are not shown." if len(in_order) > MAX_GENRES else ""
    return Table("Tracks by genre", columns, tuple(rows), f"A track counts once in each of its genres.{rest}")


# ---- People


def _on_people(annotations: Annotations, people: list[str]) -> Iterator[str]:
    if not people:
        return
    n_labels = np.array(list(people_by_labels(annotations).values()))
    yield (
        f"{len(annotations.level):,} labels by {len(people)} people; the {min(N_DRAWN, len(people))} with the most gave"
        f" {n_labels[:N_DRAWN].sum() / n_labels.sum():.0%} of them."
    )
    yield from _on_differences(annotations, people)
    yield from _on_spread(annotations)


def _on_differences(annotations: Annotations, people: list[str]) -> Iterator[str]:
    others, said = mean_of_others(annotations), []
    for name in people:
        shared = (annotations.annotator == name) & ~np.isnan(others)
        if shared.sum() > 1:
            higher = mean((annotations.level - others)[shared])
            if abs(higher.value) > CLEAR_STANDARD_ERRORS * higher.se:
                said.append(f"{name} {higher.value:+.2f} ± {higher.se:.2f}")
    if said:
        yield f"On tracks that others labelled too, these label clearly higher (+) or lower (-) than they: {', '.join(said)}."


def _on_spread(annotations: Annotations) -> Iterator[str]:
    spans = _spans(annotations)
    if len(spans):
        yield (
            f"{len(spans):,} tracks have several labels; in {np.mean(spans >= LARGE_DISTANCE):.0%} of them two lie"
            f" {LARGE_DISTANCE} levels or more apart. Krippendorff's alpha (ordinal) is {_alpha(annotations):.2f}: 1 is perfect"
            " agreement, 0 what chance gives, and .67 the least for tentative conclusions."
        )


def _people_table(annotations: Annotations, people: list[str]) -> Table:
    rows = list[tuple[Cell, ...]]()
    for name in people[:MAX_ANNOTATORS]:
        own = annotations.level[annotations.annotator == name]
        rows.append((name, len(own), mean(own), float(own.std()), *_shares(own)))
    columns = (
        Column("Annotator", "text"),
        Column("labels", "count"),
        Column("mean level", help="With its standard error."),
        Column("spread", help="Standard deviation of this person's labels."),
        *(Column(f"at {k}", "share") for k in LEVELS),
    )
    rest = f" {len(people) - MAX_ANNOTATORS} with fewer labels are not shown." if len(people) > MAX_ANNOTATORS else ""
    return Table("How each annotator uses the scale", columns, tuple(rows), f"Share of the labels at each level.{rest}")


def _others_table(annotations: Annotations, people: list[str]) -> Table:
    others, rows = mean_of_others(annotations), list[tuple[Cell, ...]]()
    for name in people[:MAX_ANNOTATORS]:
        mine = annotations.annotator == name
        shared = mine & ~np.isnan(others)
        own, theirs = annotations.level[shared], others[shared]
        pairs = (own, theirs, own - theirs, np.abs(own - theirs))
        figures: list[Cell] = [mean(values) if len(own) else None for values in pairs]
        rows.append((name, int(shared.sum()), *figures))
    columns = (
        Column("Annotator", "text"),
        Column("shared tracks", "count", help="Those that somebody else labelled too."),
        Column("mean level", help="Of this person's labels of those tracks."),
        Column("others' mean", help="Of everybody else's labels of the same tracks."),
        Column("higher by", help="Paired difference; + labels higher than others."),
        Column("distance", help="Mean distance to the others' mean, in levels."),
    )
    caption = "Who labels other tracks labels otherwise; only on the same tracks are people comparable."
    return Table("The same tracks, labelled by others", columns, tuple(rows), caption)


def _person_chart(annotations: Annotations, name: str) -> Chart:
    mine = annotations.annotator == name
    shared = np.isin(annotations.track, annotations.track[mine])
    shares = {"own labels": _shares(annotations.level[mine])}
    if (pool := shared & ~mine).any():
        on_shared = mine & np.isin(annotations.track, annotations.track[pool])
        shares["own, shared tracks"] = _shares(annotations.level[on_shared])
        shares["others, shared tracks"] = _shares(annotations.level[pool])
    return _bars(f"Labels of {name} ({mine.sum():,})", shares)


# ---- Labels a track


def _labels_table(annotations: Annotations, n_tracks: int) -> Table:
    n_labels, n_of = np.unique(labels_a_track(annotations, n_tracks), return_counts=True)
    rows = [(str(n), int(of), float(of / n_tracks)) for n, of in zip(n_labels, n_of, strict=True)]
    columns = (Column("Labels", "text"), Column("tracks", "count"), Column("share", "share"))
    caption = "A track without labels of its own has a level that came from elsewhere." if 0 in n_labels else ""
    return Table("Tracks by number of labels", columns, tuple(rows), caption)


def _spread_table(annotations: Annotations) -> Table:
    spans = _spans(annotations)
    distances, n_of = np.unique(spans, return_counts=True)
    rows = [(str(d), int(n), float(n / len(spans))) for d, n in zip(distances, n_of, strict=True)]
    columns = (Column("Levels apart", "text"), Column("tracks", "count"), Column("share", "share"))
    return Table(
        "How far labels of a track lie apart",
        columns,
        tuple(rows),
        "Highest less lowest, of tracks with several labels.",
    )


def _spans(annotations: Annotations) -> Levels:
    """Highest less lowest label of each track that has several."""
    _, track = np.unique(annotations.track, return_inverse=True)
    n_tracks = int(track.max(initial=-1)) + 1
    highest, lowest = np.zeros(n_tracks, np.int64), np.full(n_tracks, max(LEVELS))
    np.maximum.at(highest, track, annotations.level)
    np.minimum.at(lowest, track, annotations.level)
    return (highest - lowest)[np.bincount(track, minlength=n_tracks) > 1]


def _alpha(annotations: Annotations) -> float:
    people = np.unique(annotations.annotator, return_inverse=True)[1]
    return ordinal_alpha(annotations.track, people, annotations.level)


# ---- Audio, notes, shares


def _on_audio(data: LabData) -> Iterator[str]:
    n_tracks = sum(data.audio_states.values())
    if n_tracks:
        n_ready = data.audio_states.get("ready", 0)
        yield f"{n_tracks - n_ready:,} of the library's {n_tracks:,} tracks ({1 - n_ready / n_tracks:.0%}) have no audio ready."


def _audio_table(data: LabData) -> Table:
    n_tracks = sum(data.audio_states.values())
    rows = [
        (state, n, n / max(n_tracks, 1)) for state, n in sorted(data.audio_states.items(), key=lambda each: -each[1])
    ]
    columns = (Column("Audio", "text"), Column("tracks", "count"), Column("share", "share"))
    return Table("Audio of the whole library", columns, tuple(rows), "With and without labels.")


def _notes(data: LabData, people: list[str]) -> Iterator[str]:
    yield from data.notes
    if not people:
        yield "it is not known who labelled: nothing is said of people and their agreement"
    if n_without := sum(not names for names in data.genres):
        yield f"{n_without:,} of {len(data.genres):,} labelled tracks have no genre"
    if not data.audio_states:
        yield "nothing is known of the library's audio"
    yield "all labelled tracks are counted, those of the evaluation slice too: nothing is learnt or chosen here"


def _counts(level: Levels) -> Levels:
    return np.bincount(level, minlength=max(LEVELS) + 1)[1:]


def _shares(level: Levels) -> tuple[float, ...]:
    counts: Floats = _counts(level) / max(len(level), 1)
    return tuple(counts.tolist())


def _bars(title: str, shares: dict[str, tuple[float, ...]]) -> Chart:
    x = tuple(float(position) for position in range(len(LEVELS)))
    series = tuple(Series(name, x, y) for name, y in shares.items())
    return Chart(title, "Level", "Share", series, kind="bar", x_names=tuple(map(str, LEVELS)))
