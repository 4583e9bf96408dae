"""Which tracks to label next: strategies by name, each from what is known to an order, the best first.

All but `random` choose one track after another, and each choice knows of those before it: tracks that are near a labelled or
chosen one come last. Without a model, or with too few labels for one to mean anything, they spread over the features.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modeling.core.acquisition_space import Choosing, Rows, Sight, Worth, chance, distances
from modeling.core.chunks import Matrix, per_chunk
from modeling.core.decisions import round_to_level
from modeling.core.metrics import LEVELS, MAX_LEVEL, MIN_LEVEL, Floats
from modeling.core.pool import Pool
from modeling.core.ridge import Ridge
from modeling.core.second_opinions import relabel_or_new

# The n best of the tracks that may be chosen as rows, best first; fewer where there are fewer. The last is a seed.
Strategy = Callable[[Pool, int, int], Rows]
# From what is seen and a seed to what each open track is worth while others are chosen.
Weighing = Callable[[Sight, int], Worth]

# With fewer labels, scores of held-out tracks are noise.
LEAST_LABELS = 10
# The least spread of levels around what a score says, in levels: that of the labels themselves.
LEAST_SPREAD = 0.7
N_MEMBERS = 8
N_SAMPLED = 1_000


def random(pool: Pool, n: int, seed: int) -> Rows:
    """Every open track equally likely."""
    open_rows = np.flatnonzero(pool.is_open & np.isnan(pool.level))
    return open_rows[np.argsort(chance(pool.key[open_rows], seed), kind="stable")[:n]]


def k_center(sight: Sight, seed: int) -> Worth:
    """The track farthest from all that are labelled or chosen, so that none is far from one that is.

    Of 552 real tracks, in 100 repeats, the one that saved a quarter of 200 labels both with levels as they are and with rare
    ones thinned to a quarter (`modeling.core.benchmarks.acquisition`).

    References
    ----------
    Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018 (greedy).
    """
    return lambda now: now.nearest


def greedy_inputs_outputs(sight: Sight, seed: int) -> Worth:
    """Far from all labelled tracks in features times level (iGS); a chosen track's level is what the model says of it.

    References
    ----------
    Wu, Lin and Huang, "Active Learning for Regression Using Greedy Sampling", Information Sciences 2019.
    """

    score, level = sight.open_score.astype(np.float32), sight.level.astype(np.float32)
    apart = sight.smallest(
        lambda part: distances(sight.open_at[part], sight.known_at) * np.abs(score[part, None] - level)
    )

    def worth(now: Choosing) -> Matrix:
        if now.to_newest is not None:
            np.minimum(apart, now.to_newest * np.abs(score - score[now.chosen[-1]]), out=apart)
        return apart

    return worth


def rare_levels(sight: Sight, seed: int) -> Worth:
    """Drawn in proportion to what a label is expected to take off macro-MAE, times the distance to what is known.

    With the error of a level falling as 1 / (labels + 1), one more takes off 1 / (labels + 1)^2, and each level counts once.
    Drawn, because the highest alone would all be of the ends of the scale, and the cuts between levels would be placed by
    tracks that are not like those to come. A chosen track counts as labelled with the levels that it is expected to have.
    """
    odds = odds_of_levels(sight)
    known = np.bincount(round_to_level(sight.level), minlength=MAX_LEVEL + 1)[MIN_LEVEL:]
    # The largest of weight / exponential is a draw in proportion to weights (Efraimidis and Spirakis 2006).
    luck = 1 / np.random.default_rng(seed).exponential(size=len(odds))

    def worth(now: Choosing) -> Floats:
        labels = known + odds[now.chosen].sum(axis=0)
        return odds @ (1 / (labels + 1) ** 2) * now.nearest * luck

    return worth


def odds_of_levels(sight: Sight) -> Floats:
    """How likely each open track has each level, shape (n_open, 10): its score, and how far labels lie from held-out scores.

    A straight line from score to label, the residuals logistic around it.
    """
    score, level = sight.known_score, sight.level
    off = score - score.mean()
    slope = max(0.0, float(off @ level) / max(float(off @ off), 1e-9))
    residual = level - level.mean() - slope * off
    # Standard deviation to scale.
    spread = max(LEAST_SPREAD, float(np.sqrt(np.mean(residual**2)))) * np.sqrt(3) / np.pi
    expected = level.mean() + slope * (sight.open_score - score.mean())
    above = [(1 + np.tanh((expected - k - 0.5) / spread / 2)) / 2 for k in LEVELS[:-1]]
    return -np.diff([np.ones_like(expected), *above, np.zeros_like(expected)], axis=0).T


def committee_spread(sight: Sight, seed: int) -> Worth:
    """Where ridges that each weigh the labels otherwise disagree (Bayesian bootstrap), times the distance to what is known.

    References
    ----------
    Burbidge, Rowland and King, "Active Learning for Regression Based on Query by Committee", IDEAL 2007.
    """
    rng = np.random.default_rng(seed)
    members = [
        Ridge.fit(sight.known_at, sight.level, sample_weight=rng.exponential(size=len(sight.level)))
        for _ in range(N_MEMBERS)
    ]
    spread = np.std([member.predict(sight.open_at) for member in members], axis=0)
    return lambda now: spread * now.nearest


def density_weighted(sight: Sight, seed: int) -> Worth:
    """Far from what is known, but where many tracks are: distance over the mean distance from a sample of open tracks.

    References
    ----------
    Settles and Craven, "An Analysis of Active Learning Strategies for Sequence Labeling Tasks", EMNLP 2008.
    """
    sampled = sight.open_at[:N_SAMPLED]
    usual = per_chunk(sight.open_at, lambda part: distances(part, sampled).mean(axis=1))
    return lambda now: now.nearest / np.maximum(usual, 1e-6)


def in_turn(*weighings: Weighing) -> Weighing:
    """One choice by each, over and over."""

    def weighing(sight: Sight, seed: int) -> Worth:
        worths = [each(sight, seed) for each in weighings]
        return lambda now: worths[len(now.chosen) % len(worths)](now)

    return weighing


def one_by_one(weighing: Weighing, *, needs_model: bool = True) -> Strategy:
    """The strategy that chooses greedily by worth."""

    def strategy(pool: Pool, n: int, seed: int) -> Rows:
        if not (pool.is_open & np.isnan(pool.level)).any():
            return np.empty(0, np.intp)
        sight = Sight.of(pool, seed)
        knows_enough = pool.score is not None and len(sight.level) >= LEAST_LABELS
        by = weighing if knows_enough or not needs_model else k_center
        return sight.choose(n, by(sight, seed))

    return strategy


STRATEGIES: dict[str, Strategy] = {
    "random": random,
    "k_center": one_by_one(k_center, needs_model=False),
    "greedy_inputs_outputs": one_by_one(greedy_inputs_outputs),
    "rare_levels": one_by_one(rare_levels),
    "committee_spread": one_by_one(committee_spread),
    "density_weighted": one_by_one(density_weighted, needs_model=False),
    "k_center_and_rare_levels": one_by_one(in_turn(k_center, k_center, rare_levels)),
    "relabel_or_new": relabel_or_new,
}
