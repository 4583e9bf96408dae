"""Ordinal logistic regression: nine questions "is the level above k?", answered along one direction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from scipy.special import expit

from modeling.core.decisions import HALVES, MacroMaeThresholds
from modeling.core.metrics import Floats
from modeling.core.recipes.scaling import Standardised
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.single_model import SingleModelRecipe
from modeling.core.resampling import balanced
from modeling.core.ridge import Ridge

MAX_STEPS = 50
SMALLEST_STEP = 1e-8
# Of the loss of a row.
TOLERANCE = 1e-9
# Keeps Newton's equations solvable, moves no cut.
CUT_PENALTY = 1e-6


@dataclass(frozen=True, eq=False)
class Ordinal:
    """A direction on standardised features, and ascending cuts on it: the first between `lowest` and the level above.

    The score of a cut is the middle of its two levels, with straight lines between cuts, so rounding the score answers
    the nine questions.
    """

    mean: Floats
    scale: Floats
    coefficients: Floats
    cuts: Floats
    lowest: int

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`; never beyond the levels that were seen."""
        along = Standardised(self.mean, self.scale)(X) @ self.coefficients
        first, last = self.cuts[0], self.cuts[-1]
        middles = self.lowest + 0.5 + np.arange(len(self.cuts))
        rise = (len(self.cuts) - 1) / (last - first) if last > first else 1.0
        beyond = np.minimum(along - first, 0) + np.maximum(along - last, 0)
        score = np.interp(along, self.cuts, middles) + rise * beyond
        return score.clip(self.lowest, self.lowest + len(self.cuts))


@dataclass(kw_only=True, eq=False)
class OrdinalLogit(SingleModelRecipe):
    """The all-threshold model of Rennie and Srebro, with a ridge's penalty.

    A wrong answer to one of the nine questions is one level of error, so with every track counting the same the loss
    bounds MAE, and with every level counting the same macro-MAE. Which of the two the decision asks for is what is fitted:
    the answers are the decision, and cuts placed on top would balance a second time.

    The penalty is the one a ridge finds best on these rows by leaving each out: both shrink standardised coefficients, and
    one search is enough.

    References
    ----------
    Rennie and Srebro, "Loss Functions for Preference Levels: Regression with Discrete Ordered Labels", IJCAI workshop 2005.
    """

    name = "ordinal_logit"
    scorer_class = Ordinal

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> Ordinal:
        """Coefficients and cuts together."""
        rows = self.resampled(tracks, rng)
        scaled, questions = Standardised.fit(rows.X), np.arange(rows.level.min(), rows.level.max())
        penalty = Ridge.fit(rows.X, rows.y, sample_weight=rows.weight).alpha
        weight = balanced(rows) if self.decision == "lowest_macro_mae" else rows.weight
        coefficients, cuts = _fit(scaled(rows.X), rows.level[:, None] > questions, weight, penalty)
        return Ordinal(scaled.mean, scaled.scale, coefficients, cuts, int(questions[0]))

    def decide(self, tracks: Tracks, held_out_score: Floats) -> MacroMaeThresholds:
        """See `ScoreRecipe.decide`: the score is rounded, for its own cuts are at the halves."""
        return MacroMaeThresholds(HALVES)


def _fit(z: Floats, above: NDArray[np.bool_], weight: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Coefficients and cuts by Newton's method with step halving: the loss is convex, and ten steps do."""
    n_features, sign = z.shape[1], np.where(above, -1.0, 1.0)
    penalties = np.concatenate([np.full(n_features, penalty), np.full(above.shape[1], CUT_PENALTY)])

    def wrong(parameters: Floats) -> Floats:
        return sign * ((z @ parameters[:n_features])[:, None] - parameters[n_features:])

    def loss(parameters: Floats) -> float:
        return float(weight @ np.logaddexp(0, wrong(parameters)).sum(axis=1) + penalties @ parameters**2 / 2)

    parameters = np.zeros(len(penalties))
    current = loss(parameters)
    for _ in range(MAX_STEPS):
        probability = expit(wrong(parameters))
        slope, bend = weight[:, None] * sign * probability, weight[:, None] * probability * (1 - probability)
        gradient = np.concatenate([z.T @ slope.sum(axis=1), -slope.sum(axis=0)]) + penalties * parameters
        across = -z.T @ bend
        curvature = np.block([[(z * bend.sum(axis=1)[:, None]).T @ z, across], [across.T, np.diag(bend.sum(axis=0))]])
        step = linalg.solve(curvature + np.diag(penalties), gradient, assume_a="pos")
        while (proposed := loss(parameters - step)) > current and np.abs(step).max() > SMALLEST_STEP:
            step /= 2
        parameters, previous, current = parameters - step, current, proposed
        if previous - current <= TOLERANCE * weight.sum():
            break
    # At the optimum cuts ascend, but equal ones (a level between was not seen) may be crossed by rounding.
    return parameters[:n_features], np.sort(parameters[n_features:])
