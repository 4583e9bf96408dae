"""The features of every 30 s window of a track that has more than one: a file a track and feature set, beside the media.

A track's vector describes its loudest 30 s. The windows say where in a whole song its energy lies: a model scores each,
and the song is as energetic as its most energetic part, which is how annotators are told to judge it.

The files are a cache. They may be deleted: `manage.py compute_features` makes them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from annotations.models import Track
from modeling.core import audio
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet

if TYPE_CHECKING:
    from modeling.core.recipes import Recipe

_WHAT_TO_DO = "Run manage.py compute_features."


class WindowsMissing(Exception):
    """There are no features of the track's windows that could be used. The message says why, and what to do."""


@dataclass(frozen=True, eq=False)
class WindowScores:
    """What a model says of each window, in levels; window i starts at i * audio.FEATURE_WINDOW_S seconds."""

    of_windows: NDArray[np.float64]

    @property
    def maximum(self) -> float:
        return float(self.of_windows.max())


def score(
    model: Recipe, track: Track, feature_set_keys: Sequence[str], *, columns: NDArray[np.intp] | None = None
) -> WindowScores:
    """Let a fitted model hear a track window by window.

    Parameters
    ----------
    feature_set_keys : in the order of the model's columns
        As `TrainingRun.feature_sets` has them. A set that can only be imported is the same in every window.
    columns : optional
        Which of the sets' columns, side by side, the model learnt from; else all.

    Raises
    ------
    WindowsMissing
        Also when the model learnt from another version of a set than the one that is computed now.
    """
    rows = [read(track, _current_set(key)) for key in feature_set_keys]
    n = n_windows(track)
    features = np.hstack([np.broadcast_to(of_set, (n, of_set.shape[1])) for of_set in rows])
    if columns is not None:
        features = features[:, columns]
    return WindowScores(np.asarray(model.predict_score(features), dtype=np.float64))


def _current_set(key: str) -> FeatureSet:
    for feature_set in FEATURE_SETS.values():
        if feature_set.key == key:
            return feature_set
    raise WindowsMissing(f"The model learnt from {key}, which is not computed any more. Train a new one.")


def read(track: Track, feature_set: FeatureSet) -> NDArray[np.float32]:
    """One row a window, shape (n_windows, n_columns), finite; of a track with one window its vector.

    Raises
    ------
    WindowsMissing
        They were not computed, were deleted, or are damaged.
    """
    in_file = _is_in_file(track, feature_set)
    rows = _read_file(path_of(track, feature_set)) if in_file else _read_vector(track, feature_set)
    expected = (n_windows(track) if in_file else 1, len(feature_set.columns))
    if rows.dtype != np.float32 or rows.shape != expected or not np.isfinite(rows).all():
        raise WindowsMissing(
            f"{feature_set.key} of {track}: found {rows.dtype} of shape {rows.shape}; expected finite float32 of "
            f"{expected}. {_WHAT_TO_DO}"
        )
    return rows


def write(track: Track, feature_set: FeatureSet, rows: NDArray[np.float32]) -> None:
    """Store the windows of a track, all or nothing, in place of those of other versions of the set."""
    path = path_of(track, feature_set)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid4().hex}")
    try:
        with unfinished.open("wb") as file:
            np.save(file, rows.astype("<f4"), allow_pickle=False)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    for other in set(path.parent.glob(f"{feature_set.name}@*.npy")) - {path}:
        other.unlink(missing_ok=True)


def are_missing(track: Track, feature_set: FeatureSet) -> bool:
    """Whether the track has windows that cannot be read. Of a short track nothing is stored, so nothing is missing."""
    if not _is_in_file(track, feature_set):
        return False
    try:
        read(track, feature_set)
    except WindowsMissing:
        return True
    return False


def tracks_without(feature_sets: Iterable[FeatureSet]) -> Iterator[int]:
    """Ids of the playable tracks that have a set, and windows of it missing; reads the files of every long one."""
    wanted = list(feature_sets)
    long = Track.objects.playable().filter(duration_s__gt=audio.FEATURE_WINDOW_S)
    for track in long.only("sha256", "duration_s").iterator():
        had = track.feature_vectors.exclude(values=b"").values_list("feature_set", flat=True)
        if any(each.key in had and are_missing(track, each) for each in wanted):
            yield track.pk


def n_windows(track: Track) -> int:
    """How many windows `audio.windows` cuts the track into.

    >>> n_windows(Track(duration_s=30.0)), n_windows(Track(duration_s=65.2)), n_windows(Track())
    (1, 3, 1)
    """
    n_samples = round((track.duration_s or 0) * audio.SAMPLE_RATE_HZ)
    return len(audio.windows(np.broadcast_to(np.float32(0), n_samples)))  # one number seen n times: costs no memory


def path_of(track: Track, feature_set: FeatureSet) -> Path:
    # Audio never changes, so its bytes name what was computed of them.
    return settings.WINDOWS_DIR / track.sha256[:2] / track.sha256 / f"{feature_set.key}.npy"


def _is_in_file(track: Track, feature_set: FeatureSet) -> bool:
    return feature_set.compute is not None and n_windows(track) > 1


def _read_file(path: Path) -> NDArray[np.float32]:
    try:
        rows: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as problem:
        raise WindowsMissing(f"{path} cannot be read ({problem}). {_WHAT_TO_DO}") from problem
    return rows


def _read_vector(track: Track, feature_set: FeatureSet) -> NDArray[np.float32]:
    stored = track.feature_vectors.filter(feature_set=feature_set.key).values_list("values", flat=True).first()
    if not stored:
        raise WindowsMissing(f"{track} has no {feature_set.key} features. {_WHAT_TO_DO}")
    return np.frombuffer(stored, dtype="<f4")[None]
