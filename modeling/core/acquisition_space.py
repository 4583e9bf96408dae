"""What strategies look at: tracks in few coordinates, in which apart means sounding different; and one choice after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modeling.core.chunks import Matrix, chunks, mean_and_scale
from modeling.core.metrics import Floats
from modeling.core.pool import Pool

Coordinates = NDArray[np.float32]
Rows = NDArray[np.intp]

# 95 % of the variance of 160 transfer features; with all 160 of them k-center saved no more labels.
N_DIRECTIONS = 30
# Tracks closer than this sound alike, in units of the usual distance from the mean track. Of 552 real tracks no two are
# closer than .3, and the median track's nearest is at .53.
NEAR = 0.1


@dataclass(frozen=True, eq=False)
class Sight:
    """Tracks that may be chosen and labelled tracks, in an order that the seed and their keys decide.

    Attributes
    ----------
    open_rows : shape (n_open,), int
        Rows of the pool.
    known_rows : shape (n_known,), int
    open_at : shape (n_open, n_directions), float32
        See `coordinates`.
    known_at : shape (n_known, n_directions), float32
    open_score : shape (n_open,), float
        What a model says of them, in levels; NaN without one.
    known_score : shape (n_known,), float
        Of models that had not seen the label.
    level : shape (n_known,), float
    """

    open_rows: Rows
    known_rows: Rows
    open_at: Coordinates
    known_at: Coordinates
    open_score: Floats
    known_score: Floats
    level: Floats

    @classmethod
    def of(cls, pool: Pool, seed: int) -> Sight:
        # All sums are in this order: in that of the rows, rounding would decide between equals.
        order = np.argsort(chance(pool.key, seed), kind="stable")
        at = coordinates(pool.X[order])
        known = ~np.isnan(pool.level[order])
        is_open = pool.is_open[order] & ~known
        score = np.full(len(order), np.nan) if pool.score is None else pool.score[order]
        return cls(
            order[is_open], order[known], at[is_open], at[known], score[is_open], score[known], pool.level[order[known]]
        )

    def nearest_known(self) -> Matrix:
        """Distance of each open track to the nearest labelled one, shape (n_open,); infinite where none is labelled."""
        return self.smallest(lambda part: distances(self.open_at[part], self.known_at))

    def smallest(self, of_known: Callable[[slice], Matrix]) -> Matrix:
        """Of each open track the smallest of numbers that are one for each labelled track, some open tracks at a time."""
        if not len(self.level):
            return np.full(len(self.open_rows), np.inf)
        return np.concatenate([of_known(part).min(axis=1) for part in chunks(len(self.open_rows))])

    def choose(self, n: int, worth: Worth) -> Rows:
        """Greedily the `n` open tracks of highest worth, best first; fewer where there are fewer.

        Tracks that are near a labelled or chosen one come last, the farthest of them first. Of equals chance decides.

        Parameters
        ----------
        worth : function
            Of each open track, shape (n_open,), >= 0; asked before each choice.
        """
        now = Choosing(self.nearest_known(), [], None)
        for _ in range(min(n, len(self.open_rows))):
            wanted = np.where(now.nearest > NEAR, worth(now), now.nearest - NEAR - 1)
            wanted[now.chosen] = -np.inf
            now.take(int(np.argmax(wanted)), self.open_at)
        return self.open_rows[now.chosen]


@dataclass(eq=False)
class Choosing:
    """How far a choice has come.

    Attributes
    ----------
    nearest : shape (n_open,), float
        Distance to the nearest labelled or chosen track.
    chosen
        Positions among the open tracks, in the order of choice.
    to_newest : shape (n_open,), float
        Distance to the last chosen; None before there is one.
    """

    nearest: Matrix
    chosen: list[int]
    to_newest: Matrix | None

    def take(self, position: int, at: Coordinates) -> None:
        self.chosen.append(position)
        apart = distances(at, at[position : position + 1])[:, 0]
        self.nearest, self.to_newest = np.minimum(self.nearest, apart), apart


Worth = Callable[[Choosing], Matrix]


def coordinates(X: Matrix) -> Coordinates:
    """Principal components of standardised features, shape (n_tracks, at most 30); constant features count for nothing.

    The unit is the usual (root mean square) distance from the mean track.

    >>> coordinates(np.array([[1.0, 7], [3, 7]]))[:, -1]
    array([-1.,  1.], dtype=float32)
    """
    mean, scale = mean_and_scale(X)
    gram = np.zeros((X.shape[1], X.shape[1]))
    for part in chunks(len(X)):
        z = (X[part] - mean) / scale
        gram += z.T @ z
    variance, directions = np.linalg.eigh(gram / len(X))
    usual = np.sqrt(np.maximum(variance[-N_DIRECTIONS:], 0).sum()) or 1.0
    turned = directions[:, -N_DIRECTIONS:] / usual
    at = np.empty((len(X), turned.shape[1]), np.float32)
    for part in chunks(len(X)):
        at[part] = (X[part] - mean) / scale @ turned
    return at


def distances(some: Coordinates, others: Coordinates) -> Matrix:
    """Between all of both, shape (n_some, n_others), float32; those of copies are 0 but for rounding (about .001)."""
    squared = some @ (-2 * others.T)
    squared += np.einsum("ij,ij->i", some, some)[:, None]
    squared += np.einsum("ij,ij->i", others, others)
    return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def chance(key: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """A random number of each key: keyed and not drawn in a row, so that the order of rows changes nothing.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), twice: of the seed, and of both.
    """
    return _mixed(key ^ _mixed(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15)))


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
