"""Small labelled data with everything that real data are: sets that some tracks lack, gaps, constant columns, genres."""

import numpy as np

from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset
from modeling.core.lab.data import LabData

SETS = {"signal@2": (0, 4), "spotify@1": (4, 6), "transfer@1": (6, 9), "rare@1": (9, 10)}


def odd_data(n=120, *, seed=0):
    """Levels 2..7, two tracks an artist; `signal` has a constant column, one that a third lacks and a single gap."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, 8, n).astype(float)
    X = y[:, None] + rng.normal(0, 2.5, (n, 10))
    X[:, 1] = 7
    X[rng.choice(n, n // 3, replace=False), 2] = np.nan
    X[5, 0] = np.nan
    X[[3, 8, 20], 4:6] = np.nan
    X[n // 2 :, 9] = np.nan
    dataset = Dataset(
        X=X,
        y=y,
        groups=[f"artist {row // 2}" for row in range(n)],
        uris=[f"track:{row}" for row in range(n)],
        columns=tuple(f"column_{number}" for number in range(10)),
    )
    genres = [("rock", "pop") if row % 3 == 0 else ("Jazz",) if row % 3 == 1 else () for row in range(n)]
    return LabData(dataset, SETS, genres)


def odd_labels(data, *, seed=0):
    """Six people of two tastes and a nameless one who labelled three tracks; the last five tracks are labelled by nobody."""
    rng = np.random.default_rng(seed)
    level = data.dataset.y[:-5]
    taste = rng.normal(0, 2, len(level))
    track, annotator, given = [np.arange(3)], [np.full(3, "")], [np.array([4, 5, 6])]
    for number, name in enumerate(("ann", "bob", "cleo", "dora", "emil", "fay")):
        rows = np.sort(rng.choice(len(level), 70, replace=False))
        heard = level + (taste if number % 2 else -taste) + number / 5 + rng.normal(0, 0.5, len(level))
        track.append(rows)
        annotator.append(np.full(len(rows), name))
        given.append(np.clip(np.round(heard[rows]), 1, 10))
    return Annotations(*map(np.concatenate, (track, annotator, given)))
