"""Support vector regression: smooth, and deaf to errors below half a level."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.metrics import Floats
from modeling.core.recipes.kernels import part_of, rbf_sum
from modeling.core.recipes.scaling import Standardised
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.single_model import SingleModelRecipe

# Time grows with the square of the rows: 10,000 x 172 take ten seconds, 50,000 would take minutes, and that six times.
MAX_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class SupportVectors:
    """A sum of RBF bumps on standardised features, one at each support vector."""

    mean: Floats
    scale: Floats
    support: Floats
    weights: Floats
    intercept: float
    length: float

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`."""
        z = Standardised(self.mean, self.scale)(X)
        return rbf_sum(z, self.support, self.weights, self.length) + self.intercept


@dataclass(kw_only=True, eq=False)
class SupportVectorRegression(SingleModelRecipe):
    """Epsilon-insensitive regression with an RBF kernel.

    Parameters
    ----------
    tolerance : float, in levels
        Errors below it cost nothing. Half a level: what rounding to whole levels makes of a perfect label.
    penalty_spreads : float
        C, in spreads of the labels; 3 is the rule of Cherkassky and Ma ("Practical Selection of SVM Parameters", 2004).
    length : float
        Of the kernel, in units of the typical distance of two rows (1 if every feature counts).
    """

    name = "svr"
    scorer_class = SupportVectors

    tolerance: float = 0.5
    penalty_spreads: float = 3.0
    length: float = 2.0

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> SupportVectors:
        """On at most MAX_ROWS rows, drawn uniformly."""
        rows = self.resampled(tracks, rng)
        from sklearn.svm import SVR

        rows = part_of(rows, MAX_ROWS, rng, self.note)
        scaled, middle = Standardised.fit(rows.X), rows.y.mean()
        z = scaled(rows.X)
        gamma = 1 / (2 * self.length**2 * z.shape[1])
        penalty = self.penalty_spreads * rows.y.std()
        model = SVR(C=penalty, epsilon=self.tolerance, gamma=gamma).fit(z, rows.y - middle, rows.weight)
        intercept = float(model.intercept_[0] + middle)
        return SupportVectors(scaled.mean, scaled.scale, z[model.support_], model.dual_coef_[0], intercept, self.length)
