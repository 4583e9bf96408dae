"""One logistic regression for each level against the rest: the thesis's baseline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from modeling.core.metrics import Floats
from modeling.core.recipes.classifier import ClassifierRecipe
from modeling.core.recipes.scaling import Standardised
from modeling.core.recipes.score import Tracks

MAX_ITERATIONS = 1_000


@dataclass(frozen=True, eq=False)
class OneVersusRest:
    """Logistic regressions on standardised features: coefficients (n_levels, n_features), intercept (n_levels,)."""

    mean: Floats
    scale: Floats
    coefficients: Floats
    intercept: Floats
    levels: NDArray[np.int64]

    def probabilities(self, X: ArrayLike) -> Floats:
        """See `LevelClassifier.probabilities`: what each regression says, divided by the sum."""
        each = expit(Standardised(self.mean, self.scale)(X) @ self.coefficients.T + self.intercept)
        # Where every regression says no, none is likelier than another.
        each += np.finfo(float).tiny
        return each / each.sum(axis=1, keepdims=True)

    def predict(self, X: ArrayLike) -> Floats:
        """The expected level."""
        return self.probabilities(X) @ self.levels


@dataclass(kw_only=True, eq=False)
class Baseline(ClassifierRecipe):
    """One-versus-rest logistic regression, on whatever columns it gets.

    Parameters
    ----------
    inverse_penalty : float > 0
        scikit-learn's C. Its default, which is the thesis's as far as it says.
    """

    name = "baseline"
    scorer_class = OneVersusRest

    inverse_penalty: float = 1.0

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> OneVersusRest:
        """One regression a level that occurs."""
        rows = self.resampled(tracks, rng)
        from sklearn.linear_model import LogisticRegression

        scaled, levels = Standardised.fit(rows.X), np.unique(rows.level)
        z = scaled(rows.X)
        fitted = [
            LogisticRegression(C=self.inverse_penalty, max_iter=MAX_ITERATIONS).fit(z, rows.level == level, rows.weight)
            for level in levels
        ]
        coefficients = np.concatenate([model.coef_ for model in fitted])
        intercept = np.concatenate([model.intercept_ for model in fitted])
        return OneVersusRest(scaled.mean, scaled.scale, coefficients, intercept, levels)
