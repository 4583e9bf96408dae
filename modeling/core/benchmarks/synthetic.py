"""Made-up tracks of the thesis's number and level counts: for time and memory. What a recipe is worth, real labels say."""

import numpy as np
from numpy.typing import NDArray

from modeling.core.chunks import chunks
from modeling.core.metrics import LEVELS, Floats

# Tracks of each level, the thesis's table 3.4.
THESIS_COUNTS = (310, 1056, 2521, 5359, 8671, 10983, 9393, 3329, 976, 156)
# Spotify's 12 and 160 of the convnet.
THESIS_FEATURES = 172
N_FACTORS = 12
# Of the labels, in units of the spread of true energy: with the thesis's counts about one level.
LABEL_NOISE = 0.8


def synthetic_tracks(n_rows: int, n_features: int, *, seed: int) -> tuple[NDArray[np.float32], Floats]:
    """(X, y), shapes (n_rows, n_features) and (n_rows,), in the thesis's shares of the levels, as near as rows allow.

    A few independent factors of falling importance make a track: its energy (a curved function of them, with a product of
    two), and all features, each a bent mixture of the factors with noise of its own and, in every fourth, a long tail.
    So columns are about as correlated with each other and with the label as transfer features are, and not linear in
    energy. The label is the rank of the noisy energy.
    The same seed makes the same world: more rows of it are other tracks with the same meaning of features.
    """
    world = np.random.default_rng(seed)
    bends = world.normal(0, 0.5, n_features)
    importance = 1 / (1.0 + np.arange(N_FACTORS))
    mixture = world.normal(size=(N_FACTORS, n_features)) * (importance / np.linalg.norm(importance))[:, None]
    own_noise = world.uniform(0.2, 1.0, n_features)
    rng = np.random.default_rng([seed, n_rows])
    factors = rng.normal(size=(n_rows, N_FACTORS))
    energy = 2 * np.tanh(factors) @ importance + (factors[:, 0] * factors[:, 1] + np.abs(factors[:, 2])) / 2
    X = np.empty((n_rows, n_features), np.float32)
    # In chunks, so that what making them takes is not mistaken for what a recipe takes.
    for part in chunks(n_rows):
        X[part] = np.tanh(factors[part] @ mixture + bends) + rng.normal(0, own_noise / 2, X[part].shape)
        X[part, ::4] = np.exp(X[part, ::4])
    noisy = energy / energy.std() + rng.normal(0, LABEL_NOISE, n_rows)
    return X, _levels_by_rank(noisy)


def _levels_by_rank(noisy_energy: Floats) -> Floats:
    """The lowest get level 1, and so on in the thesis's shares."""
    ends = np.cumsum(THESIS_COUNTS) / sum(THESIS_COUNTS) * len(noisy_energy)
    rank = noisy_energy.argsort().argsort()
    return np.array(LEVELS, dtype=float)[np.searchsorted(ends.round(), rank, side="right")]
