"""What kernel methods share: the kernel, and how many rows they can bear."""

from collections.abc import Callable

import numpy as np

from modeling.core.metrics import Floats
from modeling.core.resampling import Rows

CHUNK_ROWS = 4_000


def rbf(a: Floats, b: Floats, length: float) -> Floats:
    """exp(-d^2 / (2 length^2)), shape (len(a), len(b)); d^2 is the mean over features of the squared difference."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.exp(-np.maximum(squared, 0) / (2 * length**2 * a.shape[1]))


def rbf_sum(X: Floats, basis: Floats, weights: Floats, length: float) -> Floats:
    """The kernel between each row and the basis, times the weights; shape (n_rows,). In chunks, to bound memory."""
    starts = range(0, len(X), CHUNK_ROWS)
    return np.concatenate([rbf(X[start : start + CHUNK_ROWS], basis, length) @ weights for start in starts])


def part_of(rows: Rows, n_max: int, rng: np.random.Generator, note: Callable[[str], None]) -> Rows:
    """At most that many rows, drawn uniformly; what is left out is noted."""
    if len(rows.y) <= n_max:
        return rows
    note(f"{n_max} rows, drawn at random, stand for all: more take too long")
    return rows.take(np.sort(rng.choice(len(rows.y), n_max, replace=False)))
