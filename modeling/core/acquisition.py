"""Which tracks to label next: strategies by name, each a function of what is known to an order of the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modeling.core.chunks import Matrix
from modeling.core.metrics import Floats


@dataclass(frozen=True, eq=False)
class Pool:
    """What a strategy may look at.

    Attributes
    ----------
    X : shape (n_tracks, n_features), float32
        Finite. Of labelled and open tracks alike.
    key : shape (n_tracks,), uint64
        Each track's own number: all chance, and what decides between equals, comes from it, so that the order of rows
        changes nothing.
    level : shape (n_tracks,), float
        In levels; NaN of tracks without a label.
    score : shape (n_tracks,), float, optional
        What a model says of each track: of labelled ones a model that had not seen the label. None before there is one.
    is_open : shape (n_tracks,), bool
        Which may be chosen. Others (of the evaluation slice, excluded by a lead, held) may only be learnt from.
    """

    X: Matrix
    key: NDArray[np.uint64]
    level: Floats
    is_open: NDArray[np.bool_]
    score: Floats | None = None


# The n best of the pool's open tracks as rows, best first; fewer where fewer are open. With a seed.
Strategy = Callable[[Pool, int, int], NDArray[np.intp]]


def random(pool: Pool, n: int, seed: int) -> NDArray[np.intp]:
    """Every open track equally likely."""
    raise NotImplementedError


STRATEGIES: dict[str, Strategy] = {"random": random}
