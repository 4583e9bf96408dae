"""How far predictions are from the labelled levels.

Every function knows the scale (1..10) beforehand. Metrics that take their levels from the data turn levels into
ranks: with truth `[1, 10]` and prediction `[10, 10]` scikit-learn's confusion matrix is 2 x 2, and a macro-MAE
computed from it says 0.5 where the truth is 4.5.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_LEVEL = 1
MAX_LEVEL = 10
N_LEVELS = MAX_LEVEL - MIN_LEVEL + 1
LEVELS = range(MIN_LEVEL, MAX_LEVEL + 1)

Levels = NDArray[np.int64]
Floats = NDArray[np.float64]


def macro_mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean absolute error averaged over the levels that occur, each level counting once.

    Parameters
    ----------
    y_true : shape (n_tracks,), int
        Labels, in levels (1-10).
    y_pred : shape (n_tracks,), float
        Predictions, in levels.

    Returns
    -------
    float
        In levels, >= 0; 0 is perfect.

    Raises
    ------
    ValueError
        If the shapes differ, there are no tracks, a value is not finite, or a label is not a whole level.

    References
    ----------
    Baccianella, Esuli and Sebastiani, "Evaluation Measures for Ordinal Regression", ISDA 2009.

    Examples
    --------
    >>> macro_mae([1, 10, 10, 10], [5, 10, 10, 10])  # plain MAE would be 1.0
    2.0
    >>> macro_mae([1, 10], [10, 10])  # by rank it would be 0.5
    4.5
    """
    truth, prediction = _checked(y_true, y_pred)
    n_by_level = np.bincount(truth, minlength=MAX_LEVEL + 1)
    error_by_level = np.bincount(truth, weights=np.abs(truth - prediction), minlength=MAX_LEVEL + 1)
    occurs = n_by_level > 0
    return float(np.mean(error_by_level[occurs] / n_by_level[occurs]))


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean absolute error over tracks, in levels. Parameters and errors as in `macro_mae`.

    >>> mae([1, 10, 10, 10], [5, 10, 10, 10])
    1.0
    """
    truth, prediction = _checked(y_true, y_pred)
    return float(np.mean(np.abs(truth - prediction)))


def accuracy_within(y_true: ArrayLike, y_pred: ArrayLike, distance: float) -> float:
    """Share of the tracks predicted at most `distance` levels from their label, 0..1; distance 0 is plain accuracy.

    >>> accuracy_within([3, 3, 3, 3], [3, 4, 5, 9], 1)
    0.5
    """
    if not distance >= 0:
        raise ValueError(f"distance is {distance}; expected a number of levels >= 0")
    truth, prediction = _checked(y_true, y_pred)
    return float(np.mean(np.abs(truth - prediction) <= distance))


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike) -> Levels:
    """How often each level was predicted as each level.

    Returns
    -------
    shape (10, 10), int
        Counts; row `t - 1`, column `p - 1` counts the tracks labelled t and predicted p. Always 10 x 10, whichever
        levels occur.

    Raises
    ------
    ValueError
        As in `macro_mae`, and if a prediction is not a whole level 1..10.
    """
    truth, prediction = _checked(y_true, y_pred)
    cell = (truth - MIN_LEVEL) * N_LEVELS + (_whole_levels(prediction, "y_pred") - MIN_LEVEL)
    return np.bincount(cell, minlength=N_LEVELS**2).reshape(N_LEVELS, N_LEVELS)


@dataclass(frozen=True)
class LevelMetrics:
    """The tracks labelled with one level: how many, and how they were predicted (MAE in levels, accuracies 0..1)."""

    level: int
    n: int
    mae: float
    accuracy: float
    within_1: float
    within_2: float


def by_level(y_true: ArrayLike, y_pred: ArrayLike) -> list[LevelMetrics]:
    """One row per level that occurs among the labels, lowest first (the thesis's table 4.2)."""
    truth, prediction = _checked(y_true, y_pred)
    distance = np.abs(truth - prediction)
    rows = []
    for level in np.unique(truth):
        here = distance[truth == level]
        within = (float(np.mean(here <= limit)) for limit in (0, 1, 2))
        rows.append(LevelMetrics(int(level), here.size, float(here.mean()), *within))
    return rows


@dataclass(frozen=True)
class GroupMetrics:
    """The tracks of one genre: how many, MAE and macro-MAE in levels."""

    name: str
    n: int
    mae: float
    macro_mae: float


def by_group(y_true: ArrayLike, y_pred: ArrayLike, groups_of_each: Sequence[Iterable[str]]) -> list[GroupMetrics]:
    """One row per genre, most tracks first (the thesis's table 4.3).

    Parameters
    ----------
    groups_of_each : n_tracks collections of names
        The genres of each track: none, one or several; a track counts once in each of its genres.

    Examples
    --------
    >>> [(row.name, row.n, row.mae) for row in by_group([2, 4], [2, 6], [("rock", "pop"), ("rock",)])]
    [('rock', 2, 1.0), ('pop', 1, 0.0)]
    """
    truth, prediction = _checked(y_true, y_pred)
    if len(groups_of_each) != truth.size:
        raise ValueError(f"found groups for {len(groups_of_each)} tracks; expected {truth.size}")
    rows_by_name: dict[str, list[int]] = {}
    for row, names in enumerate(groups_of_each):
        if isinstance(names, str):
            raise ValueError(f"the groups of track {row} are the string {names!r}; expected a collection of names")
        for name in set(names):
            rows_by_name.setdefault(name, []).append(row)
    found = [
        GroupMetrics(name, len(rows), mae(truth[rows], prediction[rows]), macro_mae(truth[rows], prediction[rows]))
        for name, rows in rows_by_name.items()
    ]
    return sorted(found, key=lambda group: (-group.n, group.name))


def _checked(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Levels, Floats]:
    truth, prediction = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    if truth.ndim != 1 or truth.shape != prediction.shape:
        raise ValueError(f"found shapes {truth.shape} and {prediction.shape}; expected twice the same (n_tracks,)")
    if not truth.size:
        raise ValueError("found no tracks; expected at least one")
    if not np.isfinite(prediction).all():
        raise ValueError(f"found {np.sum(~np.isfinite(prediction))} predictions that are not finite; expected numbers")
    return _whole_levels(truth, "y_true"), prediction


def _whole_levels(values: Floats, name: str) -> Levels:
    wrong = ~((values >= MIN_LEVEL) & (values <= MAX_LEVEL) & (values == np.floor(values)))
    if wrong.any():
        raise ValueError(f"{name} holds {values[wrong][0]}; expected whole levels {MIN_LEVEL}..{MAX_LEVEL}")
    return values.astype(np.int64)
