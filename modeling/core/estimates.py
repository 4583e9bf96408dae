"""Figures with their standard errors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.metrics import Floats


class Estimate(NamedTuple):
    """A figure, and how far chance alone moves it: NaN where one case says nothing of that."""

    value: float
    se: float


def mean_over_strata(error: ArrayLike, strata: ArrayLike, clusters: ArrayLike | None = None) -> Estimate:
    """The mean over strata of each one's mean; a stratum of one case adds no standard error.

    With levels as strata and absolute errors this is macro-MAE, with one stratum MAE; with the differences of two models'
    errors of the same tracks it is the paired difference, which is known better than either error.

    Parameters
    ----------
    error : shape (n_cases,), float
    strata : shape (n_cases,)
    clusters : shape (n_cases,), optional
        Only cases of different clusters are independent; without them all are. Tracks of an artist err together: of real
        labels standard errors that do not know it are a third too small. Where a stratum has one cluster alone, nothing is
        known of how clusters differ, and its cases count as independent.

    Examples
    --------
    >>> mean_over_strata([4.0, 0.0, 0.0, 0.0], [1, 10, 10, 10])
    Estimate(value=2.0, se=0.0)
    >>> round(mean_over_strata([0.0, 0.0, 2.0, 2.0], [5, 5, 5, 5]).se, 2)
    0.58
    >>> round(mean_over_strata([0.0, 0.0, 2.0, 2.0], [5, 5, 5, 5], ["a", "a", "b", "b"]).se, 2)  # two artists, not four tracks
    1.0
    """
    errors, stratum, cluster = _numbered(error, strata, clusters)
    n = np.bincount(stratum)
    mean = np.bincount(stratum, errors) / n
    n_clusters = np.bincount(np.unique(stratum * len(errors) + cluster) // len(errors))
    alone = n_clusters[stratum] == 1
    cluster[alone] = len(errors) + np.flatnonzero(alone)
    n_clusters = np.where(n_clusters == 1, n, n_clusters)
    widened = np.sqrt(n_clusters / np.maximum(n_clusters - 1, 1))
    share = (errors - mean[stratum]) * (widened / n)[stratum] / len(n)
    return Estimate(float(mean.mean()), float(np.sqrt(np.sum(np.bincount(cluster, share) ** 2))))


def resampled_means(
    error: ArrayLike, strata: ArrayLike, clusters: ArrayLike | None = None, *, rng: np.random.Generator, n: int = 1000
) -> Floats:
    """How else `mean_over_strata` might have come out: of other clusters, shape (n,) or (n, n_rows).

    Each cluster counts as much as an exponential draw says (the Bayesian bootstrap): drawing whole clusters would now and
    then leave a rare level without a track.

    Parameters
    ----------
    error : shape (n_cases,) or (n_rows, n_cases), float
        Rows are of the same cases, and drawn together.
    """
    rows = np.atleast_2d(np.asarray(error, dtype=float))
    _, stratum, cluster = _numbered(rows[0], strata, clusters)
    found = np.empty((n, len(rows)))
    for draw in range(n):
        weight = rng.exponential(size=cluster.max() + 1)[cluster]
        share = weight / np.bincount(stratum, weight)[stratum]
        found[draw] = rows @ share / (stratum.max() + 1)
    return found if np.ndim(error) == 2 else found[:, 0]


def _numbered(
    error: ArrayLike, strata: ArrayLike, clusters: ArrayLike | None
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Errors, and the number of each case's stratum and cluster; ValueError where they do not fit together."""
    errors, stratum = np.asarray(error, dtype=float), np.asarray(strata)
    cluster = np.arange(errors.size) if clusters is None else np.asarray(clusters)
    if not errors.shape == stratum.shape == cluster.shape or errors.ndim != 1 or not errors.size:
        raise ValueError(
            f"found shapes {errors.shape}, {stratum.shape} and {cluster.shape}; expected three times (n_cases,), not empty"
        )
    number_of_stratum, number_of_cluster = (np.unique(each, return_inverse=True)[1] for each in (stratum, cluster))
    return errors, number_of_stratum, number_of_cluster


def mean(values: ArrayLike, clusters: ArrayLike | None = None) -> Estimate:
    """The mean of values of which those of different clusters (without: all) are independent.

    >>> mean([1.0, 3.0])
    Estimate(value=2.0, se=1.0)
    """
    array: Floats = np.asarray(values, dtype=float)
    found = mean_over_strata(array, np.zeros(array.shape), clusters)
    return found if len(array) > 1 else Estimate(found.value, float("nan"))


def ratio(amount: ArrayLike, weight: ArrayLike, clusters: ArrayLike | None = None) -> Estimate:
    """The sum of amounts for each unit of weight, both of the same cases; NaN where there is no weight.

    >>> ratio([2.0, 0.0, 3.0], [1.0, 0.0, 1.0]).value
    2.5
    """
    amounts, weights = np.asarray(amount, dtype=float), np.asarray(weight, dtype=float)
    total = weights.sum()
    if not total:
        return Estimate(float("nan"), float("nan"))
    value = float(amounts.sum() / total)
    left = mean((amounts - value * weights) * len(amounts) / total, clusters)
    return Estimate(value, left.se)
