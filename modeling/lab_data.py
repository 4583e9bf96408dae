"""Labels, decisions and features of the database as what an experiment may look at. Loaded by workers only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.db.models import Count
from numpy.typing import NDArray

from annotations.annotators.people import names_of
from annotations.models import Track, User
from energyapp.jobs.claims import JobRefused
from modeling import window_features
from modeling.core import audio
from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet
from modeling.core.lab.catalogue import WindowsMaximum
from modeling.core.lab.data import LabData
from modeling.core.lab.experiment import Experiment
from modeling.feature_matrix import filled, side_by_side
from modeling.models import FeatureVector
from modeling.training_data import Label, genres_of, read_labels, refuse_out_of_date, shown_levels, uris_and_groups

CHUNK_SIZE = 2_000
SET_OF_KEY = {feature_set.key: feature_set for feature_set in FEATURE_SETS.values()}

Rows = Mapping[int, int]
"""The row of each labelled track, by its id."""


def read_lab_data(asked: Experiment) -> LabData:
    """Every labelled track, with the level that people see, and the features there are of it.

    Labels are those a training learns from: no track that a lead has excluded. A track that lacks a feature set has NaN there.

    Sets are those that trainings use and those that the experiment names. Windows of long tracks, for 50,000 whole songs
    some GB, are read for the experiment about them alone.

    Raises
    ------
    JobRefused
        No track is labelled, no track has a set that is asked for, or features are being computed anew.
    """
    labels = read_labels()
    if not labels:
        raise JobRefused("No track is labelled yet: label some, or import labels.")
    levels = shown_levels(labels)
    refuse_out_of_date(set(levels))
    rows = {track_id: row for row, track_id in enumerate(sorted(levels))}
    chosen = _sets_to_read(asked.sets)
    bounds, columns = side_by_side([each.key for each in chosen])
    dataset = _dataset(rows, levels, bounds, columns)
    windows, notes = _windows(rows, chosen, bounds, dataset.X) if isinstance(asked, WindowsMaximum) else ({}, ())
    return LabData(
        dataset=dataset,
        columns_of_set=bounds,
        genres=genres_of(rows),
        annotations=_annotations(labels, rows),
        windows=windows,
        audio_states=dict(Track.objects.order_by("audio_state").values_list("audio_state").annotate(Count("pk"))),
        notes=notes,
    )


def _dataset(
    rows: Rows, levels: Mapping[int, int], bounds: dict[str, tuple[int, int]], columns: Sequence[str]
) -> Dataset:
    uris, groups = uris_and_groups(rows)
    X = filled(list(rows), bounds, n_columns=len(columns))
    X[~np.isfinite(X)] = np.nan  # a value that is no number is one that is missing
    y = np.array([levels[track_id] for track_id in rows], np.float64)
    return Dataset(X=X, y=y, groups=groups, uris=uris, columns=tuple(columns))


def _sets_to_read(asked: Sequence[str]) -> list[FeatureSet]:
    stored = [key for key in SET_OF_KEY if FeatureVector.objects.filter(feature_set=key).exclude(values=b"").exists()]
    if missing := [key for key in asked if key not in stored]:
        raise JobRefused(
            f"No track has features of {missing[0]}; there are: {', '.join(stored) or 'none'}. Compute or import them first."
        )
    return [SET_OF_KEY[key] for key in stored if SET_OF_KEY[key].used_in_training or key in asked]


def _annotations(labels: Sequence[Label], rows: Rows) -> Annotations:
    names = names_of(User.objects.in_bulk({label.annotator_id for label in labels}).values())
    return Annotations(
        track=np.array([rows[label.track_id] for label in labels]),
        annotator=np.array([names[label.annotator_id] for label in labels]),
        level=np.array([label.level for label in labels]),
    )


def _windows(
    rows: Rows, chosen: Sequence[FeatureSet], bounds: Mapping[str, tuple[int, int]], X: NDArray[np.float32]
) -> tuple[dict[int, Any], tuple[str, ...]]:
    """Of each labelled track that has several, and how many should have but do not. What only comes by import is the same in all."""
    windows, n_without = dict[int, Any](), 0
    for track in _long_tracks():
        if (row := rows.get(track.pk)) is None or np.isnan(X[row]).all():
            continue
        of_track = np.repeat(X[row : row + 1], window_features.n_windows(track), axis=0)
        try:
            for each in chosen:
                columns = of_track[:, slice(*bounds[each.key])]
                if each.compute is not None and not np.isnan(columns).all():
                    columns[:] = window_features.read(track, each)
        except window_features.WindowsMissing:
            n_without += 1
        else:
            windows[row] = of_track
    note = f"{n_without} long tracks have no features of their windows (manage.py compute_features): left out"
    return windows, (note,) if n_without else ()


def _long_tracks() -> Iterator[Track]:
    long = Track.objects.playable().filter(duration_s__gt=audio.FEATURE_WINDOW_S)
    return (
        track
        for track in long.only("uri", "title", "sha256", "duration_s").iterator(CHUNK_SIZE)
        if window_features.n_windows(track) > 1
    )
