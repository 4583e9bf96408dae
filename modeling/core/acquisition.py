"""Which tracks to label next: strategies by name, each from what is known to an order, the best first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from modeling.core.pool import Pool

# The n best of the tracks that may be chosen as rows, best first; fewer where there are fewer. The last is a seed.
Strategy = Callable[[Pool, int, int], NDArray[np.intp]]


def random(pool: Pool, n: int, seed: int) -> NDArray[np.intp]:
    """Every open track equally likely."""
    open_rows = np.flatnonzero(pool.is_open)
    # A keyed draw and not a shuffle: which track comes first must not depend on the order of rows.
    order = np.argsort(np.random.default_rng(seed).integers(2**63) ^ pool.key[open_rows], kind="stable")
    return open_rows[order[:n]]


STRATEGIES: dict[str, Strategy] = {"random": random}
