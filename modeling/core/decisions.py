"""From a continuous score, in levels, to a level.

Two decisions are offered, because no single one is best at both metrics: `round_to_level` has the lower MAE,
`MacroMaeThresholds` the lower macro-MAE (on real labels about .12 lower than rounding the same scores, for about .07
more MAE).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.metrics import LEVELS, MAX_LEVEL, MIN_LEVEL, Floats, Levels

N_THRESHOLDS = MAX_LEVEL - MIN_LEVEL
# Pseudo-rows of evidence against a slope, in units of the scores' spread: keeps separable questions finite, moves no
# other cut.
SLOPE_PRIOR_ROWS = 0.01


def round_to_level(score: ArrayLike) -> Levels:
    """The nearest level, clipped to 1..10; half goes up (as annotators are told: between two levels the higher).

    >>> round_to_level([0.2, 2.5, 6.49, 6.5, 12.0])
    array([ 1,  3,  6,  7, 10])
    """
    return np.floor(np.clip(_finite(score, "score"), MIN_LEVEL, MAX_LEVEL) + 0.5).astype(np.int64)


class MacroMaeThresholds:
    """Nine cuts on a score, placed for the lowest macro-MAE.

    The absolute error of a level is the number of wrong answers to nine questions "is the level above k?", k = 1..9, so

        macro-MAE = sum over k of (share of wrong answers, each track weighing 1 / (tracks of its level)).

    The nine questions can therefore be answered one by one: a logistic curve of the score, fitted with those weights
    (each level weighs the same), says the probability that the level is above k, and the cut lies where it is one
    half. A smooth curve, because searching the cut with the lowest error on the training rows overfits.

    A track's level is 1 + the number of cuts at or below its score. Cuts of separate fits may come out of order; they
    are sorted (the rearrangement of Chernozhukov et al. 2010), which changes no prediction, since a count does not
    depend on order. Isotonic pooling would move cuts, and cannot average the infinite ones below.

    A label between two levels belongs to the higher: 6.5 is above 6, as in `round_to_level`.

    Odd data: where all training labels are above k the cut is -inf, where none is it is +inf, so a level outside the
    range that was seen is never predicted, and with a single level seen that level is predicted. Where the scores do
    not rise with the answer (slope <= 0), the score says nothing and the question gets the same answer everywhere:
    that of the heavier side.

    Attributes
    ----------
    thresholds : shape (9,), float, ascending
        In levels; may hold -inf and inf.

    References
    ----------
    Frank and Hall, "A Simple Approach to Ordinal Classification", ECML 2001. Chernozhukov, Fernandez-Val and
    Galichon, "Quantile and Probability Curves Without Crossing", Econometrica 2010.

    Examples
    --------
    >>> decision = MacroMaeThresholds().fit([2.0, 2.2, 2.4, 2.6, 2.8, 3.0], [2, 2, 2, 2, 3, 3])
    >>> decision.predict([0.0, 2.2, 2.9, 9.0])
    array([2, 2, 3, 3])
    """

    thresholds: Floats

    def __init__(self, thresholds: ArrayLike | None = None) -> None:
        if thresholds is None:
            return
        self.thresholds = np.asarray(thresholds, dtype=float)
        if self.thresholds.shape != (N_THRESHOLDS,) or not np.all(self.thresholds[:-1] <= self.thresholds[1:]):
            raise ValueError(f"found thresholds {self.thresholds}; expected {N_THRESHOLDS} ascending")

    def fit(self, score: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> "MacroMaeThresholds":
        """Place the cuts.

        Parameters
        ----------
        score : shape (n_tracks,), float
            In levels. **Out-of-fold**: scores of tracks the model has learnt from are too good, and the cuts then too
            narrow.
        y : shape (n_tracks,), float
            Labels, in levels, whole or not.
        sample_weight : shape (n_tracks,), float, optional
            How much each track counts within its level. Not a place for class weights: the levels are balanced here
            already.

        Raises
        ------
        ValueError
            If the shapes differ, there are no tracks, or a value is not finite.
        """
        score, level = _finite(score, "score"), round_to_level(y)
        if score.ndim != 1 or score.shape != level.shape or not score.size:
            raise ValueError(
                f"found {score.shape} scores and {level.shape} labels; expected twice (n_tracks,), not empty"
            )
        weight = np.ones(score.size) if sample_weight is None else _finite(sample_weight, "sample_weight")
        weight_of_level = np.bincount(level, weights=weight, minlength=MAX_LEVEL + 1)
        if weight.min() < 0 or np.any(weight_of_level[np.unique(level)] <= 0):
            raise ValueError("found negative weights or a level without weight; expected weights > 0 in each level")
        weight = weight / weight_of_level[level]
        weight *= score.size / weight.sum()
        self.thresholds = np.sort([_cut(score, level > k, weight) for k in LEVELS[:-1]])
        return self

    def predict(self, score: ArrayLike) -> Levels:
        """The level of each score; a score on a cut gets the higher level."""
        return MIN_LEVEL + np.searchsorted(self.thresholds, _finite(score, "score"), side="right").astype(np.int64)


# The cuts of `round_to_level`.
HALVES = np.arange(MIN_LEVEL, MAX_LEVEL) + 0.5

# From out-of-fold scores, labels and sample weights to the cuts, by the metric that they lower.
DECISIONS: dict[str, Callable[[Floats, Floats, Floats], MacroMaeThresholds]] = {
    "lowest_macro_mae": lambda score, y, weight: MacroMaeThresholds().fit(score, y, sample_weight=weight),
    "lowest_mae": lambda score, y, weight: MacroMaeThresholds(HALVES),
}


def _cut(score: Floats, above: np.ndarray, weight: Floats) -> float:
    """Where the weighted logistic curve of `above` on the score crosses one half."""
    if above.all() or not above.any():
        return -np.inf if above.all() else np.inf
    share_above = float(weight @ above / weight.sum())
    middle = float(weight @ score / weight.sum())
    spread = float(np.sqrt(weight @ (score - middle) ** 2 / weight.sum()))
    slope, intercept = _logistic((score - middle) / spread, above, weight) if spread > 1e-9 else (0.0, 0.0)
    if slope <= 1e-6:
        return -np.inf if share_above >= 0.5 else np.inf
    return middle - spread * intercept / slope


def _logistic(x: Floats, above: np.ndarray, weight: Floats) -> tuple[float, float]:
    """Slope and intercept of a weighted logistic curve, by Newton's method with step halving."""
    design = np.column_stack([x, np.ones_like(x)])
    prior = np.array([SLOPE_PRIOR_ROWS, 1e-9])
    sign = np.where(above, -1.0, 1.0)

    def loss(beta: Floats) -> float:
        return float(weight @ np.logaddexp(0.0, sign * (design @ beta)) + prior @ beta**2 / 2)

    beta = np.zeros(2)
    current = loss(beta)
    for _ in range(50):
        probability = 0.5 * (1 + np.tanh(design @ beta / 2))  # the logistic function, without overflow
        gradient = design.T @ (weight * (probability - above)) + prior * beta
        curvature = (design * (weight * probability * (1 - probability))[:, None]).T @ design + np.diag(prior)
        step = np.linalg.solve(curvature, gradient)
        while loss(beta - step) > current and np.abs(step).max() > 1e-8:
            step /= 2
        beta, previous = beta - step, current
        current = loss(beta)
        if previous - current <= 1e-9 * weight.sum():
            break
    return float(beta[0]), float(beta[1])


def _finite(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=float)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {np.sum(~np.isfinite(array))} values that are not finite; expected numbers")
    return array
