"""Labels, decisions and feature vectors of the database as aligned arrays."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from annotations import consensus
from annotations.levels import levels_of
from annotations.models import Annotation, Decision, Track
from energyapp.jobs.claims import JobRefused
from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset
from modeling.core.feature_sets import FEATURE_SETS
from modeling.feature_queue import computable_sets
from modeling.models import FeatureVector

MIN_TRACKS = 20
"""With fewer, five folds of ten levels say nothing."""

MIN_SET_COVERAGE = 0.9
"""A feature set that fewer of the best-covered labelled tracks have is left out, rather than the tracks that lack it."""


class NotEnoughLabels(JobRefused):
    """There is too little to learn from; the message says what is missing."""


class FeaturesOutOfDate(JobRefused):
    """Features are being computed anew: a model of the few that are done would withdraw the flags of all the others."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a run learns from, and what it predicts.

    Attributes
    ----------
    dataset
        Labelled tracks with features; `y` is the consensus without annotators' biases, or the level a lead has set.
    true_level : shape (n_tracks,), int
        What the product shows as each track's level: metrics are counted against this.
    track_ids, genres
        Aligned with the dataset's rows.
    annotations
        Those of the dataset's tracks.
    annotation_row : shape (n_annotations,), int
        The dataset row of each annotation.
    settled
        Ids of tracks whose level a lead has set.
    n_left_out
        Labelled tracks without features.
    all_track_ids, all_features
        Every track that has the features, labelled or not.
    """

    dataset: Dataset
    feature_set_keys: tuple[str, ...]
    true_level: NDArray[np.int64]
    track_ids: list[int]
    genres: list[tuple[str, ...]]
    annotations: list[Annotation]
    settled: frozenset[int]
    n_left_out: int
    all_track_ids: list[int]
    all_features: NDArray[np.float32]

    @cached_property
    def annotation_row(self) -> NDArray[np.int64]:
        row_of_track = {track_id: row for row, track_id in enumerate(self.track_ids)}
        return np.array([row_of_track[annotation.track_id] for annotation in self.annotations])

    @cached_property
    def labels_by_person(self) -> Annotations:
        """Who gave which row of the dataset which level, for recipes that learn people apart."""
        people = [str(row.annotator_id) for row in self.annotations]
        return Annotations(self.annotation_row, np.array(people), np.array([row.level for row in self.annotations]))

    @cached_property
    def consensus(self) -> consensus.Consensus:
        """Over the dataset's tracks; annotators numbered as in `annotator_index`."""
        return consensus.estimate(self.annotation_row, self.annotator_index, [row.level for row in self.annotations])

    @cached_property
    def annotator_index(self) -> NDArray[np.int64]:
        return np.unique([row.annotator_id for row in self.annotations], return_inverse=True)[1]


def read_training_data() -> TrainingData:
    """A snapshot of the labels that count and the features they need.

    Raises
    ------
    NotEnoughLabels
        Fewer than MIN_TRACKS labelled tracks have features, or all are by one artist.
    FeaturesOutOfDate
        Too many labelled tracks have an older version of a feature set and not yet the current one.
    """
    annotations = list(Annotation.objects.for_training())
    labelled = {annotation.track_id for annotation in annotations}
    _refuse_out_of_date(labelled)
    vectors = _vectors_by_set()
    keys = choose_feature_sets({key: set(of_track) for key, of_track in vectors.items()}, labelled)
    covered = sorted(set.intersection(*(set(vectors[key]) for key in keys))) if keys else []
    # In the order of the ids: folds depend on it, and the same labels are to give the same numbers.
    rows = [track_id for track_id in covered if track_id in labelled]
    if len(rows) < MIN_TRACKS:
        raise NotEnoughLabels(
            f"{len(labelled)} tracks are labelled and {len(rows)} of them have features; training needs {MIN_TRACKS}."
        )
    features = np.hstack([np.stack([vectors[key][track_id] for track_id in covered]) for key in keys])
    kept = set(rows)
    return _assemble(
        keys=keys,
        all_track_ids=covered,
        all_features=features,
        annotations=[annotation for annotation in annotations if annotation.track_id in kept],
        rows=rows,
        n_left_out=len(labelled) - len(rows),
    )


def _refuse_out_of_date(labelled: set[int]) -> None:
    """The vector of an older version goes when that of the current one comes, or cannot be computed."""
    older = Q(pk__in=[])
    for wanted in computable_sets():
        older |= Q(feature_set__startswith=f"{wanted.name}@") & ~Q(feature_set=wanted.key)
    vectors = FeatureVector.objects.filter(older, track__in=Track.objects.playable())
    n = len(labelled.intersection(vectors.values_list("track_id", flat=True)))
    if len(labelled) - n < MIN_SET_COVERAGE * len(labelled):
        raise FeaturesOutOfDate(
            f"{n} of {len(labelled)} labelled tracks wait for features of a new version. Workers compute them "
            "(at once: manage.py compute_features); train when that is done."
        )


def choose_feature_sets(tracks_of_set: dict[str, set[int]], labelled: set[int]) -> tuple[str, ...]:
    """The sets to learn from: each that (nearly) all labelled tracks of the best-covered set have.

    >>> choose_feature_sets({"signal@1": {1, 2, 3}, "spotify@1": {1}}, {1, 2, 3})
    ('signal@1',)
    """
    covered = {key: len(tracks & labelled) for key, tracks in tracks_of_set.items()}
    most = max(covered.values(), default=0)
    return tuple(key for key in sorted(covered) if most and covered[key] >= MIN_SET_COVERAGE * most)


def _vectors_by_set() -> dict[str, dict[int, NDArray[np.float32]]]:
    vectors: dict[str, dict[int, NDArray[np.float32]]] = defaultdict(dict)
    current_keys = [feature_set.key for feature_set in FEATURE_SETS.values() if feature_set.used_in_training]
    # Empty: the set could not be computed of this track.
    stored = FeatureVector.objects.filter(feature_set__in=current_keys).exclude(values=b"")
    rows = stored.values_list("feature_set", "track_id", "values")
    for key, track_id, values in rows.iterator(chunk_size=5_000):
        vectors[key][track_id] = np.frombuffer(values, dtype="<f4")
    return vectors


def _assemble(
    *,
    keys: tuple[str, ...],
    all_track_ids: list[int],
    all_features: NDArray[np.float32],
    annotations: list[Annotation],
    rows: list[int],
    n_left_out: int,
) -> TrainingData:
    tracks = Track.objects.prefetch_related("genres").defer("peaks").in_bulk(rows)
    settled = Decision.objects.levels_of_tracks()
    levels = levels_of(annotations, decided=settled)
    positions = np.searchsorted(all_track_ids, rows)
    if len({_group(track) for track in tracks.values()}) < 2:
        raise NotEnoughLabels("All labelled tracks are by one artist; training needs two, to hold one out.")
    data = TrainingData(
        dataset=Dataset(
            X=all_features[positions],
            y=np.array([levels[track_id] for track_id in rows]),
            groups=np.array([_group(tracks[track_id]) for track_id in rows]),
            uris=np.array([tracks[track_id].uri for track_id in rows]),
            columns=tuple(name for key in keys for name in FEATURE_SETS[key.split("@")[0]].columns),
        ),
        feature_set_keys=keys,
        true_level=np.array([levels[track_id] for track_id in rows]),
        track_ids=rows,
        genres=[tuple(genre.name for genre in tracks[track_id].genres.all()) for track_id in rows],
        annotations=annotations,
        settled=frozenset(settled),
        n_left_out=n_left_out,
        all_track_ids=all_track_ids,
        all_features=all_features,
    )
    # A lead's level is what it is; the others are freed of the biases of whoever labelled them.
    data.dataset.y[:] = np.where([track_id in settled for track_id in rows], data.true_level, data.consensus.level)
    return data


def _group(track: Track) -> str:
    """What is held out together: an artist's tracks; without an artist, tracks with the same bytes."""
    return track.artist.casefold().strip() or track.sha256 or track.uri
