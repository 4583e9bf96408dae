"""Where the model is blind: levels and genres with few labels or large errors, and unlabelled tracks of them to be labelled."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import LEVELS, Assignment, Genre, Track, TrackQuerySet
from energyapp.charts import Column, Table
from modeling.models import Prediction, TrainingRun
from modeling.retraining.preview import FEW_LABELS

# Levels that predictions are off by on average. Whoever says the same of every track is off by 1.8 (emoMusic, levels as they
# are), so from here on a model knows little more than that.
LARGE_ERROR = 1.5
# By size: of a smaller genre there is little to be found.
N_GENRES = 20
N_DRAWN = 50


@dataclass(frozen=True)
class Row:
    """A level or a genre.

    Attributes
    ----------
    id
        The level, or the id of the genre.
    n_labelled
        Of levels as the run in use has seen them, of genres now.
    error
        Mean absolute error of the run in use, out-of-fold; None where there were none. That of the evaluation slice is left
        out: what models are judged by must not say what is labelled next.
    n_open
        Tracks that nobody has labelled; of a level those that the run in use predicts there.
    """

    id: int
    name: str
    n_labelled: int
    error: float | None
    n_open: int

    @property
    def why_blind(self) -> str:
        """Empty where it is not."""
        if self.n_labelled < FEW_LABELS:
            return "few labels"
        return "large error" if self.error is not None and self.error > LARGE_ERROR else ""


def levels(run: TrainingRun) -> list[Row]:
    """Blind ones first."""
    found = _held_out(run, "by_level", "level")
    open_ = Prediction.objects.filter(run=run, true_level=None, track__in=open_tracks()).order_by()
    n_open = dict(open_.values_list("level").annotate(Count("pk")))
    rows = []
    for level in LEVELS:
        n_labelled, error = found.get(level, (0, None))
        rows.append(Row(level, f"Level {level}", n_labelled, error, n_open.get(level, 0)))
    return _blind_first(rows)


def genres(run: TrainingRun | None) -> list[Row]:
    """The largest, blind ones first."""
    found = _held_out(run, "by_genre", "name") if run else {}
    is_open = Q(tracks__n_annotators=0, tracks__audio_state=Track.AudioState.READY, tracks__reference=None)
    counted = Genre.objects.annotate(
        n_tracks=Count("tracks"),
        n_labelled=Count("tracks", filter=Q(tracks__n_annotators__gt=0)),
        n_open=Count("tracks", filter=is_open),
    )
    largest = counted.filter(n_tracks__gt=0).order_by("-n_tracks", "name")[:N_GENRES]
    return _blind_first(
        Row(genre.pk, genre.name, genre.n_labelled, found.get(genre.name, (0, None))[1], genre.n_open)
        for genre in largest
    )


def table(rows: Iterable[Row], *, name: str) -> Table:
    columns = [Column(name), Column("Labelled tracks", "count"), Column("Mean error", "number")]
    columns += [Column("Unlabelled tracks", "count"), Column("Blind")]
    return Table(columns, [[row.name, row.n_labelled, row.error, row.n_open, row.why_blind] for row in rows])


def _held_out(run: TrainingRun, rows_name: str, key: str) -> dict[Any, tuple[int, float | None]]:
    """How many labelled tracks, in both held-out parts, and the out-of-fold error."""
    found: dict[Any, tuple[int, float | None]] = {}
    for part in ("out_of_fold", "slice"):
        for row in run.results.get(part, {}).get(rows_name, []):
            n, error = found.get(row[key], (0, None))
            found[row[key]] = n + row["n"], row["mae"] if part == "out_of_fold" else error
    return found


def _blind_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: not row.why_blind)  # stable: otherwise as they came


# ---- Tracks of a level or a genre


def open_tracks() -> TrackQuerySet:
    """Tracks that can be heard and that nobody has labelled."""
    return Track.objects.playable().filter(n_annotators=0, reference=None)


def of_level(run: TrainingRun, level: int) -> TrackQuerySet:
    return open_tracks().filter(predictions__run=run, predictions__true_level=None, predictions__level=level)


def of_genre(genre: Genre) -> TrackQuerySet:
    return open_tracks().filter(genres=genre)


@dataclass(frozen=True)
class Drawn:
    """Tracks to be assigned, and why there are not more of them.

    Attributes
    ----------
    n_open
        All that nobody has labelled.
    n_assigned, n_kept
        Of these, those that somebody is asked to label already, and others of the evaluation slice.
    """

    track_ids: list[int]
    n_open: int
    n_assigned: int
    n_kept: int

    @property
    def why_fewer(self) -> str:
        """Empty where as many were drawn as were wanted."""
        if len(self.track_ids) == N_DRAWN:
            return ""
        left_out = [(self.n_assigned, "assigned already"), (self.n_kept, "in the evaluation slice, left to chance")]
        said = ", ".join(f"{n:,} {why}" for n, why in left_out if n)
        return f"{self.n_open:,} without a label" + (f", of these {said}" if said else "")


def draw(tracks: TrackQuerySet, *, dice: random.Random | None = None) -> Drawn:
    """Up to 50 of these open tracks, each equally likely.

    Never one of the evaluation slice: labels that are asked for because of what a model predicts would make the tracks that
    models are judged by others than those that come by chance.
    """
    asked = Exists(Assignment.objects.open().filter(track=OuterRef("pk")))
    rows = list(tracks.order_by("pk").annotate(is_asked=asked).values_list("pk", "uri", "is_asked"))
    free = [(pk, uri) for pk, uri, is_asked in rows if not is_asked]
    may_be_drawn = [pk for pk, uri in free if not in_evaluation_slice(uri)]
    chosen = (dice or random.SystemRandom()).sample(may_be_drawn, min(N_DRAWN, len(may_be_drawn)))
    return Drawn(chosen, len(rows), len(rows) - len(free), len(free) - len(may_be_drawn))
