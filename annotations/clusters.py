"""Which annotators hear alike: groups of taste, as far as the tracks they share can tell. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from annotations.consensus import Floats, Indices, checked_annotations, estimate
from annotations.label_pairs import label_pairs

# Whoever shares fewer tracks with others is in no group.
MIN_SHARED_TRACKS = 10
# A similarity counts as if that many more tracks had been shared on which two annotators are no more alike than any two.
SHRINKAGE_TRACKS = 10
MAX_CLUSTERS = 8
# Below, there is no substantial structure (Kaufman and Rousseeuw, Finding Groups in Data, 1990).
MIN_SILHOUETTE = 0.25
# Of pools without groups, this share is split by mistake.
FALSE_SPLITS = 0.05
N_POOLS = 199
# The comparison takes seconds with hundreds of annotators; of so many, few pools already say what chance would give.
N_POOLS_OF_MANY, MANY_ANNOTATORS = 19, 100


@dataclass(frozen=True, eq=False)
class Clusters:
    """Annotators by group.

    Attributes
    ----------
    label : shape (n_annotators,), int
        0 .. n_clusters - 1, the largest group first; -1 for whoever shares too few tracks with others to tell.
    n_clusters : int
        1 where nothing speaks for more; 0 where nobody shares enough tracks.
    similarity : shape (n_annotators, n_annotators), float in [-1, 1]
        The correlation, over the tracks two annotators share, of how they deviate from everybody; shrunken to 0 where they
        share few; 1 with oneself, NaN where no track is shared.
    """

    label: Indices
    n_clusters: int
    similarity: Floats


def cluster_annotators(
    track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike, *, seed: int = 0
) -> Clusters:
    """Group annotators who deviate from everybody on the same tracks in the same way: average linkage on 1 - similarity.

    Bias and use of the scale are taken out first: everybody has their own, they differ by degrees and can be corrected
    (`consensus.estimate`). What is left and shared is taste: what somebody hears as energy.

    Similarity needs no consensus, from which the only two annotators of a track would always deviate in opposite ways. How
    far any two are apart on the tracks they share is split into what each brings (noise, and what sets them apart from all)
    and what is special to the two:

        mean squared difference of a and b = deviance_a + deviance_b - 2 similarity_ab sqrt(deviance_a deviance_b)

    Somebody who answers at random is far from everyone, and no more similar to one than to another. With three annotators
    or fewer the deviances explain everything, so there is one group.

    The number of groups is the one with the largest mean silhouette, if that is .25 or more and larger than in 95 % of pools
    without groups: similarities of the same strength (eigenvalues) that point anywhere.

    Parameters
    ----------
    track_index, annotator_index, level : shape (n_annotations,)
        As in `consensus.estimate`.
    seed
        Of those pools.

    References
    ----------
    Rousseeuw, "Silhouettes: a Graphical Aid", Journal of Computational and Applied Mathematics 1987.
    """
    tracks, annotators, annotation = checked_annotations(track_index, annotator_index, level)
    pairs = label_pairs(tracks, annotators, _as_the_usual_annotator(tracks, annotators, annotation))
    n = pairs.matrix(pairs.sums(np.ones(len(pairs.pair))))
    similarity = _similarity(n, pairs.matrix(pairs.sums((pairs.first_level - pairs.second_level) ** 2)))
    n_shared = np.bincount(annotators[np.bincount(tracks)[tracks] > 1], minlength=len(n))
    enough = np.flatnonzero(n_shared >= MIN_SHARED_TRACKS)
    label = np.full(pairs.n_annotators, -1)
    label[enough] = _groups(similarity[np.ix_(enough, enough)], np.random.default_rng(seed))
    similarity[(n == 0) & ~np.eye(len(n), dtype=bool)] = np.nan
    return Clusters(label, int(label.max(initial=-1)) + 1, similarity)


def _as_the_usual_annotator(tracks: Indices, annotators: Indices, annotation: Floats) -> Floats:
    """Each annotation less what its annotator's bias and scale make of it."""
    found = estimate(tracks, annotators, annotation)
    from_middle = found.level[tracks] - annotation.mean()
    return annotation - found.bias[annotators] - (found.scale[annotators] - 1) * from_middle


def _similarity(n: Floats, difference: Floats) -> Floats:
    """From the summed squared differences of annotators who share n tracks; both (n_annotators, n_annotators)."""
    deviance = _deviance(n, difference)
    together = (deviance[:, None] + deviance[None, :]) * n - difference
    usual = 2 * np.sqrt(deviance[:, None] * deviance[None, :])
    similarity = np.clip(together / usual / (n + SHRINKAGE_TRACKS), -1, 1)
    np.fill_diagonal(similarity, 1)
    return similarity


def _deviance(n: Floats, difference: Floats) -> Floats:
    """Of each annotator: least squares over pairs, each counting by its tracks, as if some more were seen of usual ones."""
    usual = max(difference.sum() / max(n.sum(), 1) / 2, 1e-6)
    normal = np.diag(n.sum(axis=1) + SHRINKAGE_TRACKS) + n
    found = np.linalg.solve(normal, difference.sum(axis=1) + SHRINKAGE_TRACKS * usual)
    return np.maximum(found, usual / 10)


def _groups(similarity: Floats, rng: np.random.Generator) -> Indices:
    one_group = np.zeros(len(similarity), np.int64)
    silhouette, label = _best_cut(similarity)
    if silhouette < MIN_SILHOUETTE:
        return one_group
    n_pools = N_POOLS if len(label) < MANY_ANNOTATORS else N_POOLS_OF_MANY
    as_clear = sum(_best_cut(_without_groups(similarity, rng))[0] >= silhouette for _ in range(n_pools))
    return one_group if (as_clear + 1) / (n_pools + 1) > FALSE_SPLITS else _largest_first(label)


def _without_groups(similarity: Floats, rng: np.random.Generator) -> Floats:
    """Similarities with the same eigenvalues and eigenvectors that point anywhere."""
    eigenvalues = np.linalg.eigvalsh(similarity - np.eye(len(similarity)))
    directions, _ = np.linalg.qr(rng.normal(size=similarity.shape))
    return np.clip((directions * eigenvalues) @ directions.T, -1, 1)


def _best_cut(similarity: Floats) -> tuple[float, Indices]:
    """The largest mean silhouette of any number of groups, and who is in which."""
    distance = 1 - similarity
    np.fill_diagonal(distance, 0)
    best: tuple[float, Indices] = (0.0, np.zeros(len(distance), np.int64))
    for label in _cuts(distance):
        best = max(best, (_mean_silhouette(distance, label), label), key=lambda found: found[0])
    return best


def _cuts(distance: Floats) -> list[Indices]:
    """The groups of average linkage, when 8, ... 3, 2 are left; each group by the number of one of its members."""
    n = len(distance)
    apart, size, label = distance.copy(), np.ones(n), np.arange(n)
    np.fill_diagonal(apart, np.inf)
    cuts = []
    for n_left in range(n - 1, 1, -1):
        kept, gone = sorted(divmod(int(apart.argmin()), n))
        merged = (size[kept] * apart[kept] + size[gone] * apart[gone]) / (size[kept] + size[gone])
        apart[kept] = apart[:, kept] = merged
        apart[gone] = apart[:, gone] = apart[kept, kept] = np.inf
        size[kept] += size[gone]
        label[label == gone] = kept
        if n_left <= MAX_CLUSTERS:
            cuts.append(label.copy())
    return cuts


def _mean_silhouette(distance: Floats, label: Indices) -> float:
    """How much nearer annotators are to their own group than to the next, -1 to 1; 0 for whoever is alone."""
    member = (label[:, None] == np.unique(label)[None, :]).astype(np.float64)
    size = member.sum(axis=0)
    total = distance @ member
    own_size = member @ size
    own = (total * member).sum(axis=1) / np.maximum(own_size - 1, 1)
    other = np.where(member > 0, np.inf, total / size).min(axis=1)
    silhouette = (other - own) / np.maximum(np.maximum(own, other), 1e-12)
    return float(np.where(own_size > 1, silhouette, 0.0).mean())


def _largest_first(label: NDArray) -> Indices:
    """Groups numbered by size, those of equal size by their first member."""
    _, first, number, size = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(size), np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(size))
    return rank[number]
