"""Features in units that a model can compare."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from modeling.core.metrics import Floats
from modeling.core.ridge import checked_features

# A column is described by this many quantiles: finer than any row count lets one see.
MAX_QUANTILES = 500


@dataclass(frozen=True, eq=False)
class Standardised:
    """Each column less its mean, in units of its spread; a column that is constant in training is 0."""

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, X: Floats) -> Self:
        mean, spread = X.mean(axis=0), X.std(axis=0)
        # A constant column keeps rounding noise; dividing by that would blow it up.
        return cls(mean, np.where(spread > 1e-7 * np.abs(mean), spread, np.inf))

    def __call__(self, X: ArrayLike) -> Floats:
        return (checked_features(X, n_features=len(self.mean)) - self.mean) / self.scale


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Each column's values as the normal quantiles of their ranks in training: no outlier is far away.

    For distances, which a single wild value of one feature would otherwise decide.

    Attributes
    ----------
    quantiles : shape (n_quantiles, n_features), ascending
    """

    quantiles: Floats

    @classmethod
    def fit(cls, X: Floats) -> Self:
        return cls(np.quantile(X, np.linspace(0, 1, min(len(X), MAX_QUANTILES)), axis=0))

    def __call__(self, X: ArrayLike) -> Floats:
        features = checked_features(X, n_features=self.quantiles.shape[1])
        n = len(self.quantiles)
        # The outermost ranks lie half a step inside 0 and 1, where the normal quantile is finite.
        rank = np.linspace(0.5 / n, 1 - 0.5 / n, n)
        columns = [
            self._rank(values, quantiles, rank) for values, quantiles in zip(features.T, self.quantiles.T, strict=True)
        ]
        return ndtri(np.column_stack(columns))

    @staticmethod
    def _rank(values: Floats, quantiles: Floats, rank: Floats) -> Floats:
        """The mean of a tied value's lowest and highest rank; one half in a constant column."""
        if quantiles[0] == quantiles[-1]:
            return np.full(len(values), 0.5)
        from_below = np.interp(values, quantiles, rank)
        from_above = -np.interp(-values, -quantiles[::-1], -rank[::-1])
        return (from_below + from_above) / 2
