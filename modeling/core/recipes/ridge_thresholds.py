"""Ridge regression with macro-MAE thresholds: the best single recipe on the real labels we have, and fast."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.dataset import grouped_stratified_folds
from modeling.core.decisions import MacroMaeThresholds
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats, Levels
from modeling.core.recipes.base import Recipe, load_arrays, save_arrays
from modeling.core.ridge import Ridge, out_of_fold

MODEL_FILE = "ridge_thresholds.npz"


class RidgeThresholds(Recipe):
    """An unweighted ridge for the score, nine cuts for the level.

    The ridge is deliberately not balanced by level: the cuts are, and balancing twice overshoots the rare levels. The
    cuts are placed on grouped out-of-fold scores made inside `fit`, so they see the scores' spread on tracks the
    ridge does not know.
    """

    name = "ridge_thresholds"

    _ridge: Ridge
    _thresholds: MacroMaeThresholds

    def fit(
        self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """See `Recipe.fit`. Six ridges are fitted: five on folds for the cuts, one on all rows for the score."""
        labels = np.asarray(y, dtype=float)
        self._ridge = Ridge.fit(X, labels, sample_weight=sample_weight)
        held_out_score = self._held_out_score(np.asarray(X), labels, groups, sample_weight)
        self._thresholds = MacroMaeThresholds().fit(held_out_score, labels, sample_weight=sample_weight)
        return self

    def predict(self, X: ArrayLike) -> Levels:
        """See `Recipe.predict`: the cuts applied to `predict_score`."""
        return self._thresholds.predict(self.predict_score(X))

    def predict_score(self, X: ArrayLike) -> Floats:
        """See `Recipe.predict_score`."""
        return np.clip(self._ridge.predict(X), MIN_LEVEL, MAX_LEVEL)

    def save(self, folder: Path) -> None:
        """Write one npz."""
        ridge = self._ridge
        save_arrays(
            folder / MODEL_FILE,
            mean=ridge.mean,
            scale=ridge.scale,
            coefficients=ridge.coefficients,
            intercept=ridge.intercept,
            alpha=ridge.alpha,
            thresholds=self._thresholds.thresholds,
            seed=self.seed,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        stored = load_arrays(folder / MODEL_FILE)
        recipe = cls(seed=int(stored.pop("seed")))
        recipe._thresholds = MacroMaeThresholds(stored.pop("thresholds"))
        intercept, alpha = float(stored.pop("intercept")), float(stored.pop("alpha"))
        recipe._ridge = Ridge(intercept=intercept, alpha=alpha, **stored)
        return recipe

    def _held_out_score(
        self, X: np.ndarray, y: Floats, groups: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> Floats:
        held_together = np.arange(len(y)) if groups is None else np.asarray(groups)
        if len(np.unique(held_together)) < 2:
            # One artist cannot be held out from itself: rows are, which is optimistic, but better than scores of
            # known rows.
            held_together = np.arange(len(y))
        if len(y) < 2:
            return y.clip(MIN_LEVEL, MAX_LEVEL)
        fold = grouped_stratified_folds(y, held_together, seed=self.seed)
        return np.clip(out_of_fold(X, y, fold, sample_weight=sample_weight), MIN_LEVEL, MAX_LEVEL)
