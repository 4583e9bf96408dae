"""Boosted trees as a classifier, levels as unordered classes: what the thesis compared its regression with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.metrics import Floats
from modeling.core.recipes.classifier import ClassifierRecipe
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.xgboost import Trees, XGBoost


@dataclass(frozen=True, eq=False)
class TreeClassifier(Trees):
    """Boosted trees with one output for each of `levels`."""

    levels: NDArray[np.int64]

    def probabilities(self, X: ArrayLike) -> Floats:
        """See `LevelClassifier.probabilities`."""
        return super().predict(X)

    def predict(self, X: ArrayLike) -> Floats:
        """The expected level."""
        return self.probabilities(X) @ self.levels


@dataclass(kw_only=True, eq=False)
class XGBoostClassifier(ClassifierRecipe, XGBoost):
    """A softmax over the levels that occur. Options as in `XGBoost`."""

    name = "xgboost_classifier"
    scorer_class = TreeClassifier

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> TreeClassifier:
        """Trees for the levels as classes."""
        rows = self.resampled(tracks, rng)
        levels, target = np.unique(rows.level, return_inverse=True)
        trees = self.fit_trees(rows, target, rng, {"objective": "multi:softprob", "num_class": len(levels)})
        return TreeClassifier(trees.ubj, levels)
