"""Balancing the levels of training rows: random over and under, SMOTE, SMOTE with Tomek links.

imbalanced-learn does these too, and tests hold ours against it. It knows neither weights nor labels between levels, refuses a
level of no more rows than neighbours, may take a row for its own nearest where it has a duplicate, and needs 100 MB more
where 26,000 rows of 172 features become 66,000.

For training rows only. A row that is copied or interpolated before rows are held out teaches the model what it is then
judged by.

References
----------
Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 2002. Batista, Prati and Monard, "A Study of the
Behavior of Several Methods for Balancing Machine Learning Training Data", SIGKDD Explorations 2004.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from modeling.core.chunks import Matrix, chunks, mean_and_scale, standardised
from modeling.core.decisions import round_to_level
from modeling.core.metrics import Floats, Levels


@dataclass(frozen=True, eq=False)
class Rows:
    """What a model is fitted on: X (n_rows, n_features), y in levels and weight > 0 (n_rows,), all float."""

    X: Matrix
    y: Floats
    weight: Floats

    @property
    def level(self) -> Levels:
        """Labels between levels count as the higher."""
        return round_to_level(self.y)

    def take(self, index: NDArray[np.generic]) -> "Rows":
        """The rows at these positions, or where a mask is true."""
        return Rows(self.X[index], self.y[index], self.weight[index])


@dataclass(frozen=True, eq=False)
class Resampled:
    """Balanced rows, and what could not be done as asked."""

    rows: Rows
    notes: tuple[str, ...] = ()


def resample(rows: Rows, method: str, *, rng: np.random.Generator, k_neighbors: int = 5) -> Resampled:
    """Balance the levels that occur.

    Parameters
    ----------
    method : name in RESAMPLERS
        `none`: as they are. `random_over`: levels are filled up to the largest with copies. `random_under`: levels are
        thinned, without replacement, to the smallest. `smote`: filled up with points between a row and one of its nearest
        neighbours of the same level. `smote_tomek`: the same, and then both rows of every Tomek link (two rows of
        different levels that are each other's nearest) are removed.
    k_neighbors : int >= 1
        Of SMOTE. A level of n rows has n - 1 neighbours to offer: fewer than asked are used and noted; a single row is
        copied and noted.

    Neighbours are near in standardised features: otherwise the feature with the largest unit would choose them alone.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    if method not in RESAMPLERS:
        raise ValueError(f"found resampling {method!r}; expected one of {list(RESAMPLERS)}")
    return RESAMPLERS[method](rows, k_neighbors, rng)


def _none(rows: Rows, k_neighbors: int, rng: np.random.Generator) -> Resampled:
    return Resampled(rows)


def _random_over(rows: Rows, k_neighbors: int, rng: np.random.Generator) -> Resampled:
    copies = [rng.choice(own, n_missing) for own, n_missing in _missing(rows.level)]
    return Resampled(rows.take(np.concatenate([np.arange(len(rows.y)), *copies])))


def _random_under(rows: Rows, k_neighbors: int, rng: np.random.Generator) -> Resampled:
    own_rows = _rows_of_levels(rows.level)
    n_kept = min(map(len, own_rows))
    kept = np.sort(np.concatenate([rng.choice(own, n_kept, replace=False) for own in own_rows]))
    return Resampled(rows.take(kept), (f"{len(kept)} of {len(rows.y)} rows are left: {n_kept} of each level",))


def _smote(rows: Rows, k_neighbors: int, rng: np.random.Generator) -> Resampled:
    (mean, scale), notes = mean_and_scale(rows.X), []
    base, other, share = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for own, n_missing in _missing(rows.level):
        if not n_missing:
            continue
        chosen = rng.choice(len(own), n_missing)
        base.append(own[chosen])
        n_neighbors = min(k_neighbors, len(own) - 1)
        if n_neighbors < k_neighbors:
            instead = f"{n_neighbors} neighbours" if n_neighbors else "copies"
            notes.append(
                f"level {rows.level[own[0]]} has {len(own)} rows: {instead} in place of {k_neighbors} neighbours"
            )
        if not n_neighbors:
            other.append(own[chosen])
            share.append(np.zeros(n_missing))
            continue
        neighbors = _nearest(standardised(rows.X[own], mean, scale), n_neighbors)
        other.append(own[neighbors[chosen, rng.integers(n_neighbors, size=n_missing)]])
        share.append(rng.random(n_missing))
    return Resampled(
        _with_points_between(rows, np.concatenate(base), np.concatenate(other), np.concatenate(share)), tuple(notes)
    )


def _smote_tomek(rows: Rows, k_neighbors: int, rng: np.random.Generator) -> Resampled:
    balanced = _smote(rows, k_neighbors, rng)
    linked = tomek_links(balanced.rows)
    # Where levels alternate like two rows only, every row is linked: cleaning must not erase a level.
    remaining = balanced.rows.level[~linked]
    linked &= np.isin(balanced.rows.level, remaining)
    return replace(balanced, rows=balanced.rows.take(~linked))


def tomek_links(rows: Rows) -> NDArray[np.bool_]:
    """Which rows have another level than their nearest row, and are in turn the nearest to that one."""
    nearest = (
        _nearest(standardised(rows.X, *mean_and_scale(rows.X)), 1)[:, 0] if len(rows.y) > 1 else np.zeros(1, np.int64)
    )
    mutual = nearest[nearest] == np.arange(len(nearest))
    return mutual & (rows.level[nearest] != rows.level)


def balanced(rows: Rows) -> Floats:
    """Weights with mean 1 by which every level that occurs weighs the same: what random over-sampling is on average."""
    weight = rows.weight / np.bincount(rows.level, weights=rows.weight)[rows.level]
    return weight / weight.mean()


def _rows_of_levels(level: Levels) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(level == occurring) for occurring in np.unique(level)]


def _missing(level: Levels) -> list[tuple[NDArray[np.int64], int]]:
    """The rows of each level that occurs, and how many it lacks to the largest."""
    own_rows = _rows_of_levels(level)
    largest = max(map(len, own_rows))
    return [(own, largest - len(own)) for own in own_rows]


def _nearest(scaled: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k nearest other rows, shape (n_rows, k)."""
    # Without an argument each row is left out of its own neighbours, also where it has duplicates.
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(scaled).kneighbors(return_distance=False)


def _with_points_between(rows: Rows, base: NDArray[np.int64], other: NDArray[np.int64], share: Floats) -> Rows:
    """The rows, and points at this share (0..1) of the way from base to other: features, labels and weights alike."""
    n = len(rows.y)
    # At the thesis's size there are twice as many new points as rows: they are written where they stay.
    X = np.empty((n + len(base), rows.X.shape[1]), rows.X.dtype)
    X[:n] = rows.X
    for part in chunks(len(base)):
        start = rows.X[base[part]]
        X[n:][part] = start + share[part, None] * (rows.X[other[part]] - start)
    y, weight = (
        np.concatenate([column, column[base] + share * (column[other] - column[base])])
        for column in (rows.y, rows.weight)
    )
    return Rows(X, y, weight)


RESAMPLERS: dict[str, Callable[[Rows, int, np.random.Generator], Resampled]] = {
    "none": _none,
    "random_over": _random_over,
    "random_under": _random_under,
    "smote": _smote,
    "smote_tomek": _smote_tomek,
}
