"""Figures with their standard errors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.metrics import Floats


class Estimate(NamedTuple):
    """A figure, and how far chance alone moves it: NaN where one case says nothing of that."""

    value: float
    se: float


def mean_over_strata(error: ArrayLike, strata: ArrayLike) -> Estimate:
    """The mean over strata of each one's mean; a stratum of one track adds no standard error.

    With levels as strata and absolute errors this is macro-MAE, with one stratum MAE; with the differences of two models'
    errors of the same tracks it is the paired difference, which is known better than either error.

    Parameters
    ----------
    error : shape (n_tracks,), float
    strata : shape (n_tracks,)

    Examples
    --------
    >>> mean_over_strata([4.0, 0.0, 0.0, 0.0], [1, 10, 10, 10])
    Estimate(value=2.0, se=0.0)
    """
    errors, stratum = np.asarray(error, dtype=float), np.asarray(strata)
    if errors.shape != stratum.shape or errors.ndim != 1 or not errors.size:
        raise ValueError(f"found shapes {errors.shape} and {stratum.shape}; expected twice (n_tracks,), not empty")
    each = [errors[stratum == value] for value in np.unique(stratum)]
    variance = sum(own.var(ddof=1) / len(own) for own in each if len(own) > 1)
    return Estimate(float(np.mean([own.mean() for own in each])), float(np.sqrt(variance)) / len(each))


def mean(values: ArrayLike) -> Estimate:
    """The mean of independent values.

    >>> mean([1.0, 3.0])
    Estimate(value=2.0, se=1.0)
    """
    array: Floats = np.asarray(values, dtype=float)
    se = float(array.std(ddof=1) / np.sqrt(len(array))) if len(array) > 1 else float("nan")
    return Estimate(float(array.mean()), se)


def ratio(amount: ArrayLike, weight: ArrayLike) -> Estimate:
    """The sum of amounts for each unit of weight, both of the same independent cases; NaN where there is no weight.

    >>> ratio([2.0, 0.0, 3.0], [1.0, 0.0, 1.0]).value
    2.5
    """
    amounts, weights = np.asarray(amount, dtype=float), np.asarray(weight, dtype=float)
    total = weights.sum()
    if not total:
        return Estimate(float("nan"), float("nan"))
    value = float(amounts.sum() / total)
    n = len(amounts)
    se = np.sqrt(n / (n - 1) * np.sum((amounts - value * weights) ** 2)) / total if n > 1 else float("nan")
    return Estimate(value, float(se))
