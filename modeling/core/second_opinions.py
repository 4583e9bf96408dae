"""One more opinion on a labelled track, or a first one on a new track: which teaches a model more?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annotations.consensus import estimate
from modeling.core.acquisition_space import NEAR, Rows, Sight, distances
from modeling.core.annotations import Annotations
from modeling.core.metrics import MAX_LEVEL, Floats
from modeling.core.mislabels import ROUNDING_SD
from modeling.core.pool import Pool

# Of single labels, those that say nothing of the track: a slip, the wrong track, somebody who answers at random. Chosen on
# simulated annotators with and without slips in one label of thirteen, where half as many did as well.
GROSS_SHARE = 0.1


def relabel_or_new(pool: Pool, n: int, seed: int) -> Rows:
    """Labelled tracks of which another opinion is worth more than a new track, the most first; then new tracks at random.

    Before there is a model all are new ones, spread over the features. Of near-duplicates only one gets another opinion.
    """
    if not len(pool.key):
        return np.empty(0, np.intp)
    sight = Sight.of(pool, seed)
    asked, has_model = _worth_asking(pool, sight, n), pool.score is not None
    # Of equal worth chance decides.
    new = sight.choose(n - len(asked), lambda now: np.zeros(len(now.nearest)) if has_model else now.nearest)
    return np.concatenate([asked, new])


def _worth_asking(pool: Pool, sight: Sight, n: int) -> Rows:
    if pool.score is None or pool.may_be_asked is None or not len(pool.annotations.track):
        return np.empty(0, np.intp)
    gain, of_new = expected_gains(pool.annotations, pool.score, pool.key)
    wanted, gain = (pool.may_be_asked & ~pool.is_open & (gain > of_new))[sight.known_rows], gain[sight.known_rows]
    kept = list[int]()
    for position in np.flatnonzero(wanted)[np.argsort(-gain[wanted], kind="stable")]:
        if len(kept) < n and (distances(sight.known_at[[position]], sight.known_at[kept]) > NEAR).all():
            kept.append(int(position))
    return sight.known_rows[kept]


def expected_gains(said: Annotations, score: Floats, key: NDArray[np.uint64]) -> tuple[Floats, float]:
    """What another opinion on each track is worth, shape (n_tracks,), 0 without a label; and a new track; in levels^2.

    What a model of n tracks gets wrong for want of better labels is about the mean squared error of what it learns from,
    its own misfit included, times (features in use) / n. One more track lowers that by as much as n times less error of one
    label: a new track is worth the mean squared residual, and another opinion as much of the label's expected squared error
    as it takes away.

    That error is how far the level that is learnt from is from what people and model together say (`consensus.estimate`
    with the held-out score as prior): far where whoever labelled is known to be noisy and the model disagrees. Or, where all
    n labels say nothing of the track, it is the whole residual. How likely that is tells Bayes' rule, from levels that are
    all as likely against a normal residual as wide as usual. Another opinion leaves n / (n + 1) of the error, squared.

    Examples
    --------
    A track whose only label is 6 levels above what a model expects, among others that agree:

    >>> said = Annotations(range(8), ["ann"] * 8, [9, 3, 4, 5, 6, 3, 4, 5])
    >>> gain, of_new = expected_gains(said, np.array([3.0, 3, 4, 5, 6, 3, 4, 5]), np.arange(8, dtype=np.uint64))
    >>> np.flatnonzero(gain > of_new)
    array([0])
    """
    # In an order that keys decide: in that of the rows, rounding would decide between equals.
    said_of, rows = np.unique(key[said.track], return_index=True)
    rows, track = said.track[rows], np.searchsorted(said_of, key[said.track])
    in_order = np.lexsort((said.annotator, track))
    track, level = track[in_order], said.level[in_order]
    annotator = np.unique(said.annotator[in_order], return_inverse=True)[1]
    learnt_from = estimate(track, annotator, level).level
    believed = estimate(track, annotator, level, prior=score[rows]).level
    n, residual = np.bincount(track), learnt_from - score[rows]
    says_nothing = _says_nothing(residual, n)
    error = says_nothing * residual**2 + (1 - says_nothing) * (learnt_from - believed) ** 2
    gain = np.zeros(len(score))
    gain[rows] = (1 - (n / (n + 1)) ** 2) * error
    return gain, float(np.mean(residual**2))


def _says_nothing(residual: Floats, n_labels: NDArray[np.int64]) -> Floats:
    """How likely it is that none of a track's labels says anything of it."""
    # The middle half's, which gross errors hardly widen.
    spread = max(1.4826 * float(np.median(np.abs(residual))), ROUNDING_SD)
    usual = np.exp(-((residual / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    gross = GROSS_SHARE**n_labels
    return gross / MAX_LEVEL / (gross / MAX_LEVEL + (1 - gross) * usual)
