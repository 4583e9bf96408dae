"""A Gaussian process: a smooth function of all features, its smoothness chosen by the labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from modeling.core.chunks import Matrix, chunks
from modeling.core.metrics import Floats
from modeling.core.recipes.kernels import part_of, rbf, rbf_sum
from modeling.core.recipes.scaling import NormalScores
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.single_model import SingleModelRecipe
from modeling.core.resampling import Rows

# Half the typical distance of two rows to eight times that: from "only twins are alike" to "nearly linear".
LENGTHS = 2.0 ** np.arange(-1, 3.5, 0.5)
# Variance of the function over that of the noise.
SIGNALS = np.logspace(-2, 3, 41)
# One length takes time with the cube of the rows: nine on 1,000 rows about two seconds.
MAX_ROWS_TO_CHOOSE = 1_000
MAX_BASIS_ROWS = 2_000


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """The mean of the process: a sum of RBF bumps on normal scores, one at each basis row."""

    quantiles: Floats
    basis: Matrix
    weights: Floats
    intercept: float
    length: float

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`."""
        return rbf_sum(NormalScores(self.quantiles)(X), self.basis, self.weights, self.length) + self.intercept


@dataclass(kw_only=True, eq=False)
class GaussianProcessRegression(SingleModelRecipe):
    """An RBF kernel of one length on normal scores, and noise; both by the highest marginal likelihood on a grid.

    Up to 2,000 rows this is the exact process. Beyond, the length and the noise are chosen on 1,000 rows, and 2,000 basis
    rows carry what all rows say (subset of regressors).

    References
    ----------
    Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, 5.4.1 (likelihood) and 8.3.1 (subset).
    """

    name = "gp"
    scorer_class = GaussianProcess

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> GaussianProcess:
        """See the class."""
        rows = self.resampled(tracks, rng)
        scores, intercept = NormalScores.fit(rows.X), float(np.average(rows.y, weights=rows.weight))
        scored = Rows(scores(rows.X), rows.y - intercept, rows.weight)
        length, signal = _most_likely(part_of(scored, MAX_ROWS_TO_CHOOSE, rng, lambda what: None))
        basis = part_of(scored, MAX_BASIS_ROWS, rng, self.note).X
        weights = _weights_of_basis(scored, basis, length, signal)
        return GaussianProcess(scores.quantiles, basis, weights, intercept, length)


def _most_likely(rows: Rows) -> tuple[float, float]:
    """The length and the signal under which these labels are likeliest, whatever their scale."""
    rooted, effective_n = np.sqrt(rows.weight), rows.weight.sum() ** 2 / (rows.weight**2).sum()
    found = []
    for length in LENGTHS:
        # A row of weight w has noise 1 / w: the same as the row and its label multiplied by sqrt(w).
        values, directions = linalg.eigh(rooted[:, None] * rbf(rows.X, rows.X, length) * rooted, driver="evd")
        variance = 1 + SIGNALS * np.maximum(values, 0)[:, None]
        turned = (directions.T @ (rooted * rows.y))[:, None]
        scale = np.maximum((turned**2 / variance).sum(axis=0) / effective_n, np.finfo(float).tiny)
        loss = effective_n * np.log(scale) + np.log(variance).sum(axis=0)
        found.append((loss.min(), float(length), float(SIGNALS[loss.argmin()])))
    return min(found)[1:]


def _weights_of_basis(rows: Rows, basis: Matrix, length: float, signal: float) -> Floats:
    """Solves (K_bn W K_nb + K_bb / signal) weights = K_bn W y, rows in chunks; exact where the basis is all rows."""
    between = rbf(basis, basis, length)
    left, right = between / signal, np.zeros(len(basis))
    for part in chunks(len(rows.y)):
        known = rbf(rows.X[part], basis, length)
        weighted = known * rows.weight[part, None]
        left += weighted.T @ known
        right += weighted.T @ rows.y[part]
    # Near twins among the rows make the matrix singular to rounding.
    left[np.diag_indices_from(left)] += 1e-9 * np.trace(left) / len(left)
    return linalg.solve(left, right, assume_a="pos")
