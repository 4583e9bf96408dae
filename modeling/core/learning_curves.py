"""How errors fall with the number of tracks that a model learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.metrics import Floats

# How fast errors fall with n: from hardly to as fast as 1 / n.
EXPONENTS = np.linspace(0.1, 1.0, 19)
COVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class PowerLaws:
    """Curves floor + height / n^exponent, one a row: (n_curves,) each; floor and height are never below 0."""

    floor: Floats
    height: Floats
    exponent: Floats

    @classmethod
    def fit(cls, n: Floats, error: Floats) -> PowerLaws:
        """Least squares, the exponent from a grid; error is (n_curves, n_points).

        >>> law = PowerLaws.fit(np.array([25.0, 100, 400]), np.array([[1.5, 1.0, 0.75]]))  # 0.5 + 5 / sqrt(n)
        >>> law.floor.round(2), law.height.round(2), law.exponent.round(2)
        (array([0.5]), array([5.]), array([0.5]))
        """
        laws = [cls._with_exponent(n, error, exponent) for exponent in EXPONENTS]
        loss = np.stack([((law(n) - error) ** 2).sum(axis=1) for law in laws])
        best, curve = loss.argmin(axis=0), np.arange(len(error))
        parts = ("floor", "height", "exponent")
        return cls(*(np.stack([getattr(law, part) for law in laws])[best, curve] for part in parts))

    @classmethod
    def _with_exponent(cls, n: Floats, error: Floats, exponent: float) -> PowerLaws:
        x = n**-exponent
        height = np.maximum(((x - x.mean()) * error).sum(axis=1) / ((x - x.mean()) ** 2).sum(), 0.0)
        floor = error.mean(axis=1) - height * x.mean()
        through_zero = np.maximum((x * error).sum(axis=1) / (x @ x), 0.0)
        height = np.where(floor < 0, through_zero, height)
        return cls(np.maximum(floor, 0.0), height, np.full(len(error), exponent))

    def __call__(self, n: Floats) -> Floats:
        """The error at each n, (n_curves, n_points)."""
        return self.floor[:, None] + self.height[:, None] * np.asarray(n) ** -self.exponent[:, None]


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """The law of measured errors, and the laws of how else these might have come out."""

    law: PowerLaws
    resampled: PowerLaws

    @classmethod
    def through(cls, n: ArrayLike, measured: ArrayLike, resampled: Floats) -> LearningCurve:
        """Through the errors of models of n tracks, (n_points,), which might have been `resampled`, (n_draws, n_points)."""
        sizes = np.asarray(n, dtype=float)
        return cls(PowerLaws.fit(sizes, np.atleast_2d(measured)), PowerLaws.fit(sizes, resampled))

    def at(self, n: float) -> tuple[float, float, float]:
        """The error at n, and its interval."""
        return self._with_interval(self.law(np.array([n]))[0, 0], self.resampled(np.array([n]))[:, 0])

    def change(self, n: float, more: float) -> tuple[float, float, float]:
        """The error at `more` less that at n, and its interval."""
        steps = [np.diff(law(np.array([n, more])), axis=1)[:, 0] for law in (self.law, self.resampled)]
        return self._with_interval(steps[0][0], steps[1])

    def _with_interval(self, value: float, resampled: Floats) -> tuple[float, float, float]:
        low, high = np.quantile(resampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        return float(value), float(low), float(high)
