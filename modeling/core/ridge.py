"""Ridge regression in closed form, its penalty chosen by leave-one-out: the model behind scores and suspicion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.chunks import Matrix, chunks, mean_and_scale, per_chunk
from modeling.core.metrics import Floats

# Penalties tried, in units of a standardised row: from "none to speak of" to "predict the mean" for 10 to 100,000 rows.
ALPHAS = np.logspace(-2, 6, 33)
# Leaving out every row of 50,000 takes longer than the fit itself. Judging by every fifth instead moves scores by about 1 %
# of the labels' spread (30,000 x 200, four noise levels: .1 to 1.6 %).
MAX_ROWS_LEFT_OUT = 10_000


@dataclass(frozen=True)
class Ridge:
    """A fitted linear model on standardised features.

    Minimises `sum of w (y - intercept - z coefficients)^2 + alpha |coefficients|^2` with z = (x - mean) / scale. A
    column that is constant in training has scale 1 and coefficient 0: it is harmless. `alpha` is the penalty of
    `ALPHAS` with the lowest weighted leave-one-out squared error (Hastie, Tibshirani and Friedman, "The Elements of
    Statistical Learning", 7.10).

    Attributes
    ----------
    mean, scale, coefficients : shape (n_features,)
    intercept : float, in levels
    alpha : float
    """

    mean: Floats
    scale: Floats
    coefficients: Floats
    intercept: float
    alpha: float

    @classmethod
    def fit(cls, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> "Ridge":
        """Fit in one eigendecomposition of the (n_features, n_features) Gram matrix, for all penalties.

        Parameters
        ----------
        X : shape (n_rows, n_features), float
            Finite; fewer rows than features is fine.
        y : shape (n_rows,), float
            In levels.
        sample_weight : shape (n_rows,), float >= 0, optional

        Raises
        ------
        ValueError
            If the shapes do not fit, there are no rows, or a value is not finite.
        """
        features, labels = checked_matrix(X), np.asarray(y, dtype=float)
        if labels.shape != (len(features),) or not np.isfinite(labels).all():
            raise ValueError(f"found labels of shape {labels.shape}; expected ({len(features)},), finite")
        weight = checked_weight(sample_weight, len(features))
        intercept = float(weight @ labels / weight.sum())
        mean, scale = mean_and_scale(features, weight)
        scale[np.isinf(scale)] = 1.0
        rooted = np.sqrt(weight)
        centred = rooted * (labels - intercept)

        def weighted_z(part: slice | NDArray[np.int64]) -> Floats:
            return (features[part] - mean) / scale * rooted[part, None]

        gram, target = np.zeros((len(mean), len(mean))), np.zeros(len(mean))
        for part in chunks(len(features)):
            z = weighted_z(part)
            gram += z.T @ z
            target += z.T @ centred[part]
        # `eigh` may return tiny negative eigenvalues where columns depend on each other.
        eigenvalues, directions = np.linalg.eigh(gram)
        eigenvalues, target = np.maximum(eigenvalues, 0.0), directions.T @ target

        shrunk = 1.0 / (eigenvalues[:, None] + ALPHAS)
        every = max(1, len(features) // MAX_ROWS_LEFT_OUT)
        error = np.zeros(len(ALPHAS))
        for part in chunks(-(-len(features) // every)):
            judged = np.arange(len(features))[::every][part]
            turned = weighted_z(judged) @ directions
            residual = centred[judged, None] - turned @ (shrunk * target[:, None])
            leverage = (weight[judged] / weight.sum())[:, None] + turned**2 @ shrunk
            # A row that alone decides its fit has leverage 1 and residual 0: without the floor it would be 0 / 0.
            error += np.sum((residual / np.maximum(1 - leverage, 1e-6)) ** 2, axis=0)
        # Of equal errors the larger penalty: with constant labels all are equal.
        best = len(ALPHAS) - 1 - int(np.argmin(error[::-1]))
        return cls(mean, scale, directions @ (shrunk[:, best] * target), intercept, float(ALPHAS[best]))

    def predict(self, X: ArrayLike) -> Floats:
        """Unclipped scores, in levels, shape (n_rows,)."""
        features = checked_matrix(X, n_features=len(self.mean))
        return per_chunk(features, lambda part: (part - self.mean) / self.scale @ self.coefficients) + self.intercept


def out_of_fold(X: ArrayLike, y: ArrayLike, fold: np.ndarray, *, sample_weight: ArrayLike | None = None) -> Floats:
    """Each row's unclipped score, shape (n_rows,), in levels, by a ridge that saw no row of its fold."""
    features, labels = np.asarray(X), np.asarray(y, dtype=float)
    weight = checked_weight(sample_weight, len(features))
    score = np.empty(len(labels))
    for held_out in np.unique(fold):
        test, train = fold == held_out, fold != held_out
        score[test] = Ridge.fit(features[train], labels[train], sample_weight=weight[train]).predict(features[test])
    return score


def checked_features(X: ArrayLike) -> Floats:
    """See `checked_matrix`; as float64."""
    return checked_matrix(X).astype(float, copy=False)


def checked_matrix(X: ArrayLike, *, n_features: int | None = None) -> Matrix:
    """X, float32 or float64, shape (n_rows, n_features); ValueError where it is no finite matrix of that width."""
    given = np.asarray(X)
    # 50,000 tracks with 500 features are 100 MB; as float64 they would be 200 more.
    features = given if given.dtype == np.float32 else given.astype(float, copy=False)
    if features.ndim != 2 or not features.shape[1] or not len(features):
        raise ValueError(f"found features of shape {features.shape}; expected (n_rows, n_features), not empty")
    if n_features is not None and features.shape[1] != n_features:
        raise ValueError(f"found {features.shape[1]} features; expected {n_features}, as in training")
    if not all(np.isfinite(features[part]).all() for part in chunks(len(features))):
        row, column = np.argwhere(~np.isfinite(features))[0]
        raise ValueError(f"feature {column} of row {row} is {features[row, column]}; expected finite numbers")
    return features


def checked_weight(sample_weight: ArrayLike | None, n_rows: int) -> Floats:
    """Weights with mean 1, so that a penalty means the same whatever their unit."""
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=float)
    if weight.shape != (n_rows,) or not np.isfinite(weight).all() or weight.min() < 0 or weight.sum() <= 0:
        raise ValueError(f"found weights of shape {weight.shape}; expected ({n_rows},), finite, >= 0 and not all 0")
    return weight / weight.mean()
