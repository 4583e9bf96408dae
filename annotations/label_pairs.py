"""Two annotators, one track: what agreement and likeness are made of. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelPairs:
    """Every two labels that two annotators gave the same track, once.

    Attributes
    ----------
    n_annotators : int
    track, first, second : shape (n_pairs,), int
        The track, and the two annotators by number; first < second.
    first_level, second_level : shape (n_pairs,), float
    """

    n_annotators: int
    track: Indices
    first: Indices
    second: Indices
    first_level: Floats
    second_level: Floats

    @property
    def pair(self) -> Indices:
        """Which two annotators, as a place in a flattened (n_annotators, n_annotators) matrix."""
        return self.first * self.n_annotators + self.second

    def sums(self, values: NDArray) -> Floats:
        """Over the tracks that every two annotators share, at the places of `pair`."""
        return np.bincount(self.pair, values, minlength=self.n_annotators**2).astype(np.float64)

    def matrix(self, of_pair: NDArray) -> NDArray:
        """Symmetric, (n_annotators, n_annotators), from values at the places of `pair`."""
        upper = of_pair.reshape(self.n_annotators, self.n_annotators)
        return np.where(np.tri(self.n_annotators, dtype=bool), upper.T, upper)


def label_pairs(tracks: Indices, annotators: Indices, level: Floats) -> LabelPairs:
    """All of them: a track with m labels has m (m - 1) / 2. Two labels by one annotator are no pair.

    >>> label_pairs(np.array([0, 1, 0]), np.array([1, 0, 0]), np.array([5.0, 6.0, 7.0])).first_level
    array([7.])
    """
    order = np.lexsort((annotators, tracks))
    track, annotator, sorted_level = tracks[order], annotators[order], level[order]
    found = [np.empty((2, 0), np.int64)]
    row, apart = np.arange(len(track)), 1
    # Neighbours, then those two places apart, and so on while a track has that many labels.
    while len(row := row[row + apart < len(track)]) and len(row := row[track[row] == track[row + apart]]):
        found.append(np.stack([row, row + apart]))
        apart += 1
    one, other = np.concatenate(found, axis=1)
    different = annotator[one] != annotator[other]
    one, other = one[different], other[different]
    n_annotators = int(annotators.max()) + 1 if len(annotators) else 0
    return LabelPairs(
        n_annotators, track[one], annotator[one], annotator[other], sorted_level[one], sorted_level[other]
    )
