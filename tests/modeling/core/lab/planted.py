"""Small labelled data with planted truth."""

import numpy as np

from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset
from modeling.core.lab.data import LabData


def lab_data(n=200, *, n_features=6, noise=0.8, seed=0, level=None, annotations=None, genres=None, **known):
    """Tracks of 2..9 whose features are their level and noise; artists have three tracks each."""
    rng = np.random.default_rng(seed)
    level = rng.integers(2, 10, n) if level is None else np.asarray(level)
    X = level[:, None] + rng.normal(0, noise, (len(level), n_features))
    dataset = Dataset(
        X=X,
        y=level,
        groups=[f"artist {row // 3}" for row in range(len(level))],
        uris=[f"track:{row}" for row in range(len(level))],
    )
    return LabData(
        dataset,
        {"features": (0, n_features)},
        [()] * len(level) if genres is None else genres,
        Annotations.none() if annotations is None else annotations,
        **known,
    )


def labels_by(level, people, *, seed=0):
    """Annotations of each person's tracks: name -> (rows, bias, noise sd), in levels."""
    rng = np.random.default_rng(seed)
    track, annotator, given = [], [], []
    for name, (rows, bias, noise) in people.items():
        rows = np.asarray(rows)
        heard = np.asarray(level)[rows] + bias + rng.normal(0, noise, len(rows))
        track.append(rows)
        annotator.append(np.full(len(rows), name))
        given.append(np.clip(np.floor(heard + 0.5), 1, 10).astype(int))
    return Annotations(*map(np.concatenate, (track, annotator, given)))


def silent(share, message):
    """Progress nobody watches."""


def column(table, name):
    return [row[[each.name for each in table.columns].index(name)] for row in table.rows]
