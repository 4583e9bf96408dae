"""Features in units that a model can compare."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from modeling.core.chunks import Matrix, mean_and_scale
from modeling.core.metrics import Floats
from modeling.core.ridge import checked_matrix

# A column is described by this many quantiles: finer than any row count lets one see.
MAX_QUANTILES = 500


@dataclass(frozen=True, eq=False)
class Standardised:
    """Each column less its mean, in units of its spread; a column that is constant in training is 0."""

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, X: Matrix) -> Self:
        return cls(*mean_and_scale(X))

    def __call__(self, X: ArrayLike) -> Floats:
        z = checked_matrix(X, n_features=len(self.mean)) - self.mean
        z /= self.scale
        return z


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
    def fit(cls, X: Matrix) -> Self:
        shares = np.linspace(0, 1, min(len(X), MAX_QUANTILES))
        return cls(np.column_stack([np.quantile(column.astype(float), shares) for column in X.T]))

    def __call__(self, X: ArrayLike) -> Floats:
        features = checked_matrix(X, n_features=self.quantiles.shape[1])
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
