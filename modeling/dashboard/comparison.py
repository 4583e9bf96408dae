"""Two runs on the tracks that both had held out: read, joined and measured. What runs say never changes, so it is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from django.utils.functional import cached_property
from numpy.typing import NDArray

from annotations.models import Flag, Lease, Track, User
from modeling.core.comparison import Both, Change, carefully_paired
from modeling.models import Prediction, TrainingRun
from modeling.training_data import group_name

STORED_AS = {"out_of_fold": Prediction.Part.OUT_OF_FOLD, "slice": Prediction.Part.SLICE}
N_CANDIDATES, N_SHOWN = 400, 25
"""Of the tracks that moved most so many are looked at, as some are covered; and so many are shown."""


@dataclass(frozen=True, eq=False)
class Shared:
    """One held-out part: what both runs say of the tracks that are in it of both, all (n_tracks,), by track.

    Held against the levels that the newer run knew, which are the better known ones: nothing but what models say differs.
    """

    track: NDArray[np.int64]
    both: Both
    score_before: NDArray[np.float64]
    score_after: NDArray[np.float64]
    intervals: Mapping[str, Change]
    genres: list[list[str]]
    n_relabelled: int
    n_only_before: int
    n_only_after: int

    @property
    def n(self) -> int:
        return len(self.track)

    @property
    def n_artists(self) -> int:
        return len(set(self.both.artists.tolist()))

    @cached_property
    def most_moved(self) -> NDArray[np.intp]:
        """Rows, the largest change of the score first; of equal ones the older track."""
        moved = np.abs(self.score_after - self.score_before)
        return np.lexsort((self.track, -moved))[:N_CANDIDATES]


def shared_tracks(a: TrainingRun, b: TrainingRun, part: str) -> Shared | None:
    """None where the two have no track in common in this part."""
    return _shared(a.pk, a.created_at.timestamp(), b.pk, b.created_at.timestamp(), STORED_AS[part])


def forget() -> None:
    """What is kept of pairs that were looked at."""
    _shared.cache_clear()


# Two parts of a few pairs; the moments tell runs of another database apart, as tests have them.
@lru_cache(maxsize=6)
def _shared(a: int, _a_at: float, b: int, _b_at: float, part: str) -> Shared | None:
    before, after = _predictions(a, part), _predictions(b, part)
    track, rows_a, rows_b = np.intersect1d(
        before["track_id"], after["track_id"], assume_unique=True, return_indices=True
    )
    if not len(track):
        return None
    n_only = len(before["track_id"]) - len(track), len(after["track_id"]) - len(track)
    before, after = ({name: of[name][rows] for name in of} for of, rows in ((before, rows_a), (after, rows_b)))
    newer, older = (after, before) if b > a else (before, after)
    truth = newer["true_level"]
    return Shared(
        track=track,
        both=Both(truth, before["level"], after["level"], _artists(b, part)[rows_b]),
        score_before=before["score"],
        score_after=after["score"],
        intervals=_intervals(truth, before, after),
        genres=_genres(b, part, track),
        n_relabelled=int((truth != older["true_level"]).sum()),
        n_only_before=n_only[0],
        n_only_after=n_only[1],
    )


def _intervals(truth: NDArray[np.int64], *of_both: Mapping[str, NDArray[Any]]) -> dict[str, Change]:
    """How often the intervals hold the label, and how wide they are; nothing where one run has none."""
    if not all(np.isfinite(of["lower"]).all() for of in of_both):
        return {}
    inside = [((of["lower"] <= truth) & (truth <= of["upper"])).astype(float) for of in of_both]
    width = [of["upper"] - of["lower"] for of in of_both]
    one, each = np.zeros_like(truth), np.arange(len(truth))
    return {
        name: carefully_paired(*values, strata=one, clusters=each)
        for name, values in (("coverage", inside), ("interval_width", width))
    }


def _predictions(run: int, part: str) -> dict[str, NDArray[Any]]:
    """By name; the ends of intervals are NaN of runs of earlier versions, which had none."""
    names = {"track_id": int, "true_level": int, "level": int, "score": float, "lower": float, "upper": float}
    rows = list(_held_out(run, part).values_list(*names))
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {
        name: np.array(column, dtype=float).astype(names[name]) for name, column in zip(names, columns, strict=True)
    }


def _held_out(run: int, part: str):
    return Prediction.objects.filter(run=run, part=part).order_by("track_id")


def _artists(run: int, part: str) -> NDArray[np.str_]:
    rows = _held_out(run, part).values_list("track__artist", "track__sha256", "track__uri")
    return np.array([group_name(*row) for row in rows])


def _genres(run: int, part: str, tracks: NDArray[np.int64]) -> list[list[str]]:
    pairs = Track.genres.through.objects.filter(track__predictions__run=run, track__predictions__part=part)
    names: dict[int, list[str]] = defaultdict(list)
    for track, name in pairs.values_list("track_id", "genre__name"):
        names[track].append(name)
    return [names.get(track, []) for track in tracks.tolist()]


# ---- Tracks, for somebody


@dataclass(frozen=True)
class Moved:
    track: Track
    truth: int
    before: int
    after: int
    score_before: float
    score_after: float

    @property
    def change(self) -> float:
        return self.score_after - self.score_before

    @property
    def verdict(self) -> str:
        closer = abs(self.before - self.truth) - abs(self.after - self.truth)
        return "closer" if closer > 0 else "farther" if closer < 0 else "as far"


def moved_most(shared: Shared, user: User) -> tuple[list[Moved], int]:
    """What this reader may see of the tracks that moved most, and how many are covered until they have heard them."""
    rows = shared.most_moved
    ids = shared.track[rows].tolist()
    to_hear = set(Flag.objects.still_to_hear(user).filter(of_track__in=ids).values_list("of_track", flat=True))
    to_hear |= set(Lease.objects.filter(annotator=user, track__in=ids).values_list("track", flat=True))
    seen = [row for row, track in zip(rows.tolist(), ids, strict=True) if track not in to_hear][:N_SHOWN]
    tracks = Track.objects.only("uri", "title", "artist").in_bulk(shared.track[seen].tolist())
    both = shared.both
    moved = [
        Moved(
            tracks[int(shared.track[row])],
            int(both.truth[row]),
            int(both.before[row]),
            int(both.after[row]),
            float(shared.score_before[row]),
            float(shared.score_after[row]),
        )
        for row in seen
    ]
    return moved, len(to_hear)


# ---- What differs between the two


def differences(a: TrainingRun, b: TrainingRun) -> list[tuple[str, str, str]]:
    """(what, of the first, of the second), where these differ."""
    first, second = _made_of(a), _made_of(b)
    names = [*first, *(name for name in second if name not in first)]
    pairs = [(name, first.get(name, "–"), second.get(name, "–")) for name in names]
    return [(name, one, other) for name, one, other in pairs if one != other]


def _made_of(run: TrainingRun) -> dict[str, str]:
    return {
        "Recipe": run.recipe,
        **{f"Option {name}": str(value) for name, value in run.options.items()},
        "Seed": str(run.seed),
        "Feature sets": ", ".join(run.feature_sets) or "–",
        "Labels": f"{run.n_annotations or 0:,}",
        "Tracks learnt from": f"{run.n_tracks or 0:,}",
        "Labelled tracks left out": f"{run.results.get('n_left_out', 0):,}",
        "Data digest": run.dataset_digest[:12],
        "Code": run.code_version,
        **{f"Library {name}": str(version) for name, version in run.results.get("versions", {}).items()},
    }
