"""What kernel methods share: the kernel, and how many rows they can bear."""

from collections.abc import Callable

import numpy as np

from modeling.core.chunks import Matrix, per_chunk
from modeling.core.metrics import Floats
from modeling.core.resampling import Rows


def rbf(a: Matrix, b: Matrix, length: float) -> Floats:
    """exp(-d^2 / (2 length^2)), shape (len(a), len(b)); d^2 is the mean over features of the squared difference."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.exp(-np.maximum(squared, 0) / (2 * length**2 * a.shape[1]))


def rbf_sum(X: Matrix, basis: Matrix, weights: Floats, length: float) -> Floats:
    """The kernel between each row and the basis, times the weights; shape (n_rows,). In chunks, to bound memory."""
    return per_chunk(X, lambda part: rbf(part, basis, length) @ weights)


def part_of(rows: Rows, n_max: int, rng: np.random.Generator, note: Callable[[str], None]) -> Rows:
    """At most that many rows, drawn uniformly; what is left out is noted."""
    if len(rows.y) <= n_max:
        return rows
    note(f"{n_max} rows, drawn at random, stand for all: more take too long")
    return rows.take(np.sort(rng.choice(len(rows.y), n_max, replace=False)))
