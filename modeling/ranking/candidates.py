"""The tracks that people might label next, with all that strategies know of them, as arrays. Loaded by workers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import Assignment, Decision, LabellingRules, Track
from energyapp.jobs.claims import JobRefused
from modeling.core.annotations import Annotations
from modeling.core.chunks import Matrix
from modeling.core.metrics import Floats
from modeling.core.pool import Pool
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.feature_matrix import FeatureMatrix, read_features, tracks_of_sets
from modeling.training_data import (
    Label,
    NotEnoughLabels,
    TrainingData,
    choose_feature_sets,
    read_labels,
    read_training_data,
    shown_levels,
)

READ_ROWS = 10_000


class NothingKnown(JobRefused):
    """Of none of the tracks that could be chosen anything is known; the message says what to do."""


def open_tracks() -> Any:
    """New ones that a strategy may choose."""
    return _choosable().filter(n_annotators=0)


def askable_tracks() -> Any:
    """Labelled ones that may get one more opinion: not those whose level a lead has set."""
    settled = Decision.objects.standing().filter(verdict=Decision.Verdict.CHANGE).values("flag__of_track")
    wanted = LabellingRules.objects.current().labels_per_track
    return _choosable().filter(n_annotators__gt=0, n_annotators__lt=wanted).exclude(pk__in=settled)


def _choosable() -> Any:
    """Neither examples nor gold, nor what a lead has given to somebody."""
    assigned = Assignment.objects.open().order_by().values("track")
    return Track.objects.playable().in_training().filter(reference=None).exclude(pk__in=assigned)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Tracks that may be chosen, and those that may be learnt from. Of the evaluation slice there is nothing in the pool: a
    strategy can neither choose from it nor learn of its labels.

    Attributes
    ----------
    track_ids : shape (n_tracks,), int
        Of the pool's rows, which are in the order of their keys: that of ids tells when a track came in.
    n_without
        Open tracks that are left out, as features of them are lacking.
    data
        What a training would learn from, slice tracks included; None where there are too few labels for one.
    """

    pool: Pool
    track_ids: NDArray[np.int64]
    n_without: int
    data: TrainingData | None


def read_candidates() -> Candidates:
    """A snapshot; with too few labels for a training there are no scores.

    Raises
    ------
    NothingKnown
        There are open tracks, but all are left out.
    FeaturesOutOfDate, UnusableFeatures
        As for a training.
    """
    data = _training_data()
    labels = data.labels if data else read_labels()
    levels = shown_levels(labels, decided=Decision.objects.levels_of_tracks())
    # After the labels: what is labelled in between is neither open nor learnt from.
    new, labelled = _uris(open_tracks()), _uris(Track.objects.filter(n_annotators__gt=0))
    uris = new | {track_id: uri for track_id, uri in labelled.items() if track_id in levels}
    features = data.features if data else _features(set(uris))
    row_of_track = {track_id: row for row, track_id in enumerate(features.track_ids) if track_id in uris}
    keys = {track_id: _key(uris[track_id]) for track_id in row_of_track}
    track_ids = sorted(keys, key=keys.__getitem__)
    X = features.values[[row_of_track[track_id] for track_id in track_ids]]
    level = np.array([levels.get(track_id, np.nan) for track_id in track_ids], float)
    askable = set(askable_tracks().values_list("pk", flat=True))
    pool = Pool(
        X=X,
        key=np.array([keys[track_id] for track_id in track_ids], np.uint64),
        level=level,
        is_open=np.array([track_id in new for track_id in track_ids], bool),
        score=_scores(X, level, _artists(data, track_ids)) if data else None,
        may_be_asked=np.array([track_id in askable and track_id in levels for track_id in track_ids], bool),
        annotations=_annotations(labels, track_ids),
    )
    n_without = len(new) - int(pool.is_open.sum())
    if new and n_without == len(new):
        raise NothingKnown(_nothing_known(len(new)))
    return Candidates(pool, np.array(track_ids, np.int64), n_without, data)


def _nothing_known(n_open: int) -> str:
    return (
        f"Of none of the {n_open:,} tracks that could be chosen there are features. Workers compute them "
        "(at once: manage.py compute_features); ask again when that is done."
    )


def _training_data() -> TrainingData | None:
    try:
        return read_training_data()
    except NotEnoughLabels:
        return None


def _uris(tracks: Any) -> dict[int, str]:
    """By id, of those outside the evaluation slice."""
    rows = tracks.order_by().values_list("pk", "uri").iterator(READ_ROWS)
    return {pk: uri for pk, uri in rows if not in_evaluation_slice(uri)}


def _key(uri: str) -> int:
    return int.from_bytes(hashlib.sha256(uri.encode()).digest()[:8], "big")


def _features(track_ids: set[int]) -> FeatureMatrix:
    """Before there are labels to choose sets and columns by: by all tracks."""
    tracks = tracks_of_sets()
    keys = choose_feature_sets(tracks, track_ids)
    covered = track_ids.intersection(*(tracks[key] for key in keys)) if keys else set()
    return read_features(keys, covered, labelled=covered)


def _artists(data: TrainingData, track_ids: list[int]) -> NDArray[np.str_]:
    """Of labelled tracks; of others, which nothing is learnt from, none."""
    artist_of = dict(zip(data.track_ids, data.dataset.groups.tolist(), strict=True))
    return np.array([artist_of.get(track_id, "") for track_id in track_ids], np.str_)


def _scores(X: Matrix, level: Floats, artist: NDArray[np.str_]) -> Floats:
    """What a model says of each track, of labelled ones a model that had not seen the label.

    Not the run in use: its model has learnt from the evaluation slice, whose labels would decide by it what comes next. It is
    the recipe by which strategies are proved, too.
    """
    known = ~np.isnan(level)
    model = RidgeThresholds().fit(X[known], level[known], groups=artist[known])
    score = model.predict_score(X)
    if model.intervals is not None:
        score[known] = model.intervals.score
    return score


def _annotations(labels: list[Label], track_ids: list[int]) -> Annotations:
    row_of_track = {track_id: row for row, track_id in enumerate(track_ids)}
    known = [label for label in labels if label.track_id in row_of_track]
    return Annotations(
        np.array([row_of_track[label.track_id] for label in known], np.int64),
        np.array([str(label.annotator_id) for label in known], np.str_),
        np.array([label.level for label in known], np.int64),
    )
