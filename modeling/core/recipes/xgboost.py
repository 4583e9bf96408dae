"""Boosted trees on squared error: the thesis's XGBoost."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.metrics import Floats
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.single_model import SingleModelRecipe
from modeling.core.resampling import Rows
from modeling.core.ridge import checked_matrix

# Handing work to threads costs more than it saves below that.
ROWS_WORTH_THREADS = 5_000
# A quarter of XGBoost's own: four times as fast, no less accurate where labels are as coarse as ten levels.
MAX_BINS = 64


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosted trees, as the bytes of XGBoost's own binary JSON (UBJ)."""

    ubj: NDArray[np.uint8]

    @cached_property
    def booster(self) -> Any:
        import xgboost  # a tenth of a second and 100 MB that other recipes do not need

        return xgboost.Booster(model_file=bytearray(self.ubj.tobytes()))

    def predict(self, X: ArrayLike) -> Floats:
        """What the trees say: shape (n_rows,), or (n_rows, n_classes) of a classifier."""
        features = checked_matrix(X, n_features=self.booster.num_features())
        return self.booster.inplace_predict(features.astype(np.float32, copy=False)).astype(float)


@dataclass(kw_only=True, eq=False)
class XGBoost(SingleModelRecipe):
    """Regression by boosted trees, squared error.

    Parameters
    ----------
    n_trees, depth, learning_rate
        Of the trees.
    row_share, column_share : float in (0, 1]
        What each tree sees.
    """

    name = "xgboost"
    scorer_class: ClassVar[type[Any]] = Trees

    n_trees: int = 300
    depth: int = 4
    learning_rate: float = 0.05
    row_share: float = 0.8
    column_share: float = 0.5

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> Trees:
        """Trees for the labels as numbers."""
        rows = self.resampled(tracks, rng)
        return self.fit_trees(rows, rows.y, rng, {"objective": "reg:squarederror"})

    def fit_trees(self, rows: Rows, target: NDArray[Any], rng: np.random.Generator, objective: dict[str, Any]) -> Trees:
        """Trees for any target of these rows."""
        import xgboost

        options = objective | {
            "max_depth": self.depth,
            "eta": self.learning_rate,
            "subsample": self.row_share,
            "colsample_bytree": self.column_share,
            "tree_method": "hist",
            "max_bin": MAX_BINS,
            "seed": int(rng.integers(2**31)),
            "nthread": 1 if len(target) < ROWS_WORTH_THREADS else 0,
        }
        training = xgboost.QuantileDMatrix(
            rows.X.astype(np.float32, copy=False), target, weight=rows.weight, max_bin=MAX_BINS
        )
        booster = xgboost.train(options, training, num_boost_round=self.n_trees)
        return Trees(np.frombuffer(booster.save_raw("ubj"), dtype=np.uint8))
