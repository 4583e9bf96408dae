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
    open_rows = np.flatnonzero(pool.is_open & np.isnan(pool.level))
    return open_rows[np.argsort(chance(pool.key[open_rows], seed), kind="stable")[:n]]


def chance(key: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """A random number of each key: keyed and not drawn in a row, so that the order of rows changes nothing.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), twice: of the seed, and of both.
    """
    mixed = _mixed(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    return _mixed(key ^ mixed)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


STRATEGIES: dict[str, Strategy] = {"random": random}
