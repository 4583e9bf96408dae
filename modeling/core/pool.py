"""What a strategy knows when it says which tracks to label next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.chunks import Matrix
from modeling.core.metrics import Floats
from modeling.core.ridge import checked_matrix


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

    def __post_init__(self) -> None:
        each = [self.X, self.key, self.level, self.is_open, self.score, self.may_be_asked]
        if found := [values.shape for values in each if values is not None and len(values) != len(self.key)]:
            raise ValueError(f"found shapes {found} for {len(self.key)} keys; expected one for each track")
        if len(self.X):
            checked_matrix(self.X)
        unclear = self.score is not None and not np.isfinite(self.score).all()
        if unclear:
            raise ValueError("found scores that are not finite; expected a number for each track")
