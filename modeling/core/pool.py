"""What a strategy knows when it says which tracks to label next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.chunks import Matrix
from modeling.core.metrics import Floats


@dataclass(frozen=True, eq=False)
class Pool:
    """Tracks with and without labels.

    Attributes
    ----------
    X : shape (n_tracks, n_features), float32
        Finite.
    key : shape (n_tracks,), uint64
        Each track's own number: all chance, and what decides between equals, comes from it, so that the order of rows
        changes nothing.
    level : shape (n_tracks,), float
        In levels; NaN of tracks without a label.
    is_open : shape (n_tracks,), bool
        New tracks that may be chosen. Others (of the evaluation slice, excluded by a lead) may at most be learnt from.
    score : shape (n_tracks,), float, optional
        What a model says of each track; of labelled ones a model that had not seen the label. None before there is one.
    may_be_asked : shape (n_tracks,), bool, optional
        Labelled tracks that may get another opinion.
    annotations
        Who gave which row which level: for strategies that weigh second opinions.
    """

    X: Matrix
    key: NDArray[np.uint64]
    level: Floats
    is_open: NDArray[np.bool_]
    score: Floats | None = None
    may_be_asked: NDArray[np.bool_] | None = None
    annotations: Annotations = field(default_factory=Annotations.none)
