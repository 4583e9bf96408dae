"""Labels, decisions and feature vectors of the database as aligned arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from annotations import consensus
from annotations.levels import levels_of
from annotations.models import Annotation, AnnotatorExclusion, Decision, Track
from energyapp.jobs.claims import JobRefused
from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset, evaluation_slice
from modeling.feature_matrix import FeatureMatrix, read_features, tracks_of_sets
from modeling.feature_queue import computable_sets
from modeling.models import FeatureVector

MIN_TRACKS = 20
"""With fewer, five folds of ten levels say nothing."""

MIN_SET_COVERAGE = 0.9
"""A feature set that fewer of the best-covered labelled tracks have is left out, rather than the tracks that lack it."""

CHUNK_ROWS = 2_000


class NotEnoughLabels(JobRefused):
    """There is too little to learn from; the message says what is missing."""


class FeaturesOutOfDate(JobRefused):
    """Features are being computed anew: a model of the few that are done would withdraw the flags of all the others."""


class Label(NamedTuple):
    """An annotation, as light as it gets: there are tens of thousands of them."""

    pk: int
    track_id: int
    annotator_id: int
    level: int
    source: str
    answered_s: float | None
    created_at: datetime


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
    labels
        All that count, of tracks without features too.
    annotations
        Those of the dataset's tracks.
    annotation_row : shape (n_annotations,), int
        The dataset row of each annotation.
    settled
        Ids of tracks whose level a lead has set.
    n_left_out
        Labelled tracks without features.
    features
        Of every track that has them, labelled or not; the dataset's rows are its first, and the same memory.
    notes
        What is odd about these data, in sentences.
    """

    dataset: Dataset
    true_level: NDArray[np.int64]
    track_ids: list[int]
    genres: list[tuple[str, ...]]
    labels: list[Label]
    annotations: list[Label]
    settled: frozenset[int]
    n_left_out: int
    features: FeatureMatrix
    notes: tuple[str, ...]

    @property
    def feature_set_keys(self) -> tuple[str, ...]:
        return tuple(self.features.columns_of_set)

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


def read_training_data(set_names: Collection[str] = ()) -> TrainingData:
    """A snapshot of the labels that count and the features they need.

    Parameters
    ----------
    set_names
        The feature sets to learn from; none: those that trainings use, as far as (nearly) all labelled tracks have them.

    Raises
    ------
    NotEnoughLabels
        Fewer than MIN_TRACKS labelled tracks have features, or all are by one artist, or of one level.
    FeaturesOutOfDate
        Too many labelled tracks have an older version of a feature set and not yet the current one.
    UnusableFeatures
        The stored vectors are damaged, or the same for all.
    """
    labels = read_labels()
    labelled = {label.track_id for label in labels}
    refuse_out_of_date(labelled)
    tracks = tracks_of_sets(set_names)
    keys = choose_feature_sets(tracks, labelled)
    covered = set.intersection(*(tracks[key] for key in keys)) if keys else set()
    _refuse_few(len(labelled), len(covered & labelled), set_names)
    features = read_features(keys, covered, labelled=labelled)
    _refuse_few(len(labelled), features.n_labelled, set_names)
    return _assemble(features, labels, n_left_out=len(labelled) - features.n_labelled)


def read_labels() -> list[Label]:
    """Those that count, of tracks that nobody has excluded."""
    # In the order of the ids, here and of the tracks: folds depend on it, and the same labels are to give the same numbers.
    rows = Annotation.objects.for_training().order_by("pk").values_list(*Label._fields)
    return [Label(*row) for row in rows.iterator(CHUNK_ROWS)]


def shown_levels(labels: Collection[Label], *, decided: Mapping[int, int] | None = None) -> dict[int, int]:
    """Track id -> the level that people see: labels of annotators who are left out of training count for it."""
    tracks = {label.track_id for label in labels}
    left_out = Annotation.objects.counted().filter(annotator__in=AnnotatorExclusion.objects.excluded())
    rows = map(Label._make, left_out.values_list(*Label._fields).iterator(CHUNK_ROWS))
    return levels_of([*labels, *(label for label in rows if label.track_id in tracks)], decided=decided)


def _refuse_few(n_labelled: int, n_usable: int, set_names: Collection[str]) -> None:
    if n_usable >= MIN_TRACKS:
        return
    of_set = f" {' and '.join(set_names)}" if set_names else ""
    to_do = f" Compute them: manage.py compute_features --set {' '.join(set_names)}" if set_names else ""
    raise NotEnoughLabels(
        f"{n_labelled} tracks are labelled and {n_usable} of them have features{of_set}; training needs {MIN_TRACKS}.{to_do}"
    )


def refuse_out_of_date(labelled: set[int]) -> None:
    """The vector of an older version goes when that of the current one comes, or cannot be computed."""
    older = Q(pk__in=[])
    for wanted in computable_sets():
        older |= Q(feature_set__startswith=f"{wanted.name}@") & ~Q(feature_set=wanted.key)
    vectors = FeatureVector.objects.filter(older, track__in=Track.objects.playable())
    n = len(labelled.intersection(vectors.values_list("track_id", flat=True)))
    if len(labelled) - n < MIN_SET_COVERAGE * len(labelled):
        raise FeaturesOutOfDate(
            f"{n} of {len(labelled)} labelled tracks wait for features of a new version. Workers compute them "
            "(at once: manage.py compute_features); ask again when that is done."
        )


def choose_feature_sets(tracks_of_set: dict[str, set[int]], labelled: set[int]) -> tuple[str, ...]:
    """The sets to learn from: each that (nearly) all labelled tracks of the best-covered set have.

    >>> choose_feature_sets({"signal@1": {1, 2, 3}, "spotify@1": {1}}, {1, 2, 3})
    ('signal@1',)
    """
    covered = {key: len(tracks & labelled) for key, tracks in tracks_of_set.items()}
    most = max(covered.values(), default=0)
    return tuple(key for key in sorted(covered) if most and covered[key] >= MIN_SET_COVERAGE * most)


def _assemble(features: FeatureMatrix, labels: list[Label], *, n_left_out: int) -> TrainingData:
    track_ids = features.track_ids[: features.n_labelled]
    row_of_track = {track_id: row for row, track_id in enumerate(track_ids)}
    annotations = [label for label in labels if label.track_id in row_of_track]
    settled = Decision.objects.levels_of_tracks()
    levels = shown_levels(labels, decided=settled)
    true_level = np.array([levels[track_id] for track_id in track_ids])
    uris, groups = uris_and_groups(row_of_track)
    _refuse_one_sided(true_level, uris, groups)
    data = TrainingData(
        dataset=Dataset(
            X=features.values[: features.n_labelled], y=true_level, groups=groups, uris=uris, columns=features.columns
        ),
        true_level=true_level,
        track_ids=track_ids,
        genres=genres_of(row_of_track),
        labels=labels,
        annotations=annotations,
        settled=frozenset(settled),
        features=features,
        notes=features.notes + _notes(annotations, uris),
        n_left_out=n_left_out,
    )
    # A lead's level is what it is; the others are freed of the biases of whoever labelled them.
    data.dataset.y[:] = np.where([track_id in settled for track_id in track_ids], true_level, data.consensus.level)
    return data


def uris_and_groups(row_of_track: Mapping[int, int]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Of the tracks with these ids, each at its row."""
    uris, groups = np.empty(len(row_of_track), object), np.empty(len(row_of_track), object)
    for pk, uri, artist, sha256 in Track.objects.values_list("pk", "uri", "artist", "sha256").iterator(CHUNK_ROWS):
        if (row := row_of_track.get(pk)) is not None:
            uris[row], groups[row] = uri, group_name(artist, sha256, uri)
    return uris.astype(np.str_), groups.astype(np.str_)


def genres_of(row_of_track: Mapping[int, int]) -> list[tuple[str, ...]]:
    """Of each track, by name."""
    names: dict[int, list[str]] = defaultdict(list)
    pairs = Track.genres.through.objects.order_by("genre__name").values_list("track_id", "genre__name")
    for track_id, name in pairs.iterator(CHUNK_ROWS):
        if track_id in row_of_track:
            names[track_id].append(name)
    return [tuple(names.get(track_id, ())) for track_id in row_of_track]


def _refuse_one_sided(true_level: NDArray[np.int64], uris: NDArray[np.str_], groups: NDArray[np.str_]) -> None:
    """Nothing can be held out of one artist, and nothing told apart at one level: in all tracks, or in those to learn from."""
    development = ~evaluation_slice(uris)
    for which, rows in (("", np.ones_like(development)), (" outside the evaluation slice", development)):
        if len(np.unique(groups[rows])) < 2:
            raise NotEnoughLabels(f"All labelled tracks{which} are by one artist; training needs two, to hold one out.")
        if len(found := np.unique(true_level[rows])) < 2:
            raise NotEnoughLabels(f"All labelled tracks{which} are of level {found[0]}; training needs two levels.")


def _notes(annotations: list[Label], uris: NDArray[np.str_]) -> tuple[str, ...]:
    said = [
        (
            len({annotation.annotator_id for annotation in annotations}) == 1,
            "all labels are by one person, so a bias of theirs is learnt as if it were the music",
        ),
        (
            not evaluation_slice(uris).any(),
            "no labelled track belongs to the evaluation slice yet, so there is no figure for it",
        ),
    ]
    return tuple(sentence for holds, sentence in said if holds)


def group_name(artist: str, sha256: str, uri: str) -> str:
    """What is held out together: an artist's tracks; without an artist, tracks with the same bytes."""
    return artist.casefold().strip() or sha256 or uri
