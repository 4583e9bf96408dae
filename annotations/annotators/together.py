"""How far annotators agree: over all, two by two, and in groups. Pure numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from annotations import agreement
from annotations.annotators.measures import Floats, Indices, Labels
from annotations.clusters import cluster_annotators
from annotations.label_pairs import LabelPairs, label_pairs

MIN_SHARED = 10
"""Tracks that two annotators must have in common before their agreement is spoken of."""

N_IN_MATRIX = 30
"""A larger matrix cannot be read; those with most labels are in it."""

N_IN_GROUPS = 100
"""Groups are looked for among so many, those with most labels: time grows with their cube."""

N_PARTNERS = 10
"""Of each annotator, those with whom they share most tracks."""

N_BOOTSTRAP = 100
COVERAGE = 0.95


def overall(labels: Labels, *, seed: int = 0) -> dict[str, Any]:
    """Over all: ordinal alpha, and the mean of all pairs' weighted kappas; each None where it is undefined."""
    current = labels.current
    alpha = agreement.alpha_interval(current.track, current.annotator, current.level, seed=seed)
    pairs = label_pairs(current.track, current.annotator, current.level.astype(float))
    return {
        "n_shared": int((np.bincount(current.track) > 1).sum()),
        "n_levels": len(np.unique(current.level)),
        "alpha": _interval(alpha.value, alpha.low, alpha.high),
        "kappa": mean_kappa(pairs, seed=seed),
        "n_pairs": int((np.triu(pairs.per_pair(np.ones(len(pairs.track)))) >= MIN_SHARED).sum()),
    }


def mean_kappa(pairs: LabelPairs, *, seed: int = 0) -> list[float] | None:
    """[value, low, high] of the mean weighted kappa over all who share MIN_SHARED tracks; by bootstrap over tracks.

    Light's kappa: each two annotators count once, however many tracks they share.
    """
    compared = np.triu(pairs.per_pair(np.ones(len(pairs.track)))) >= MIN_SHARED
    if not compared.any():
        return None
    kept = compared.ravel()[pairs.pair]
    pair = np.unique(pairs.pair[kept], return_inverse=True)[1]
    track = np.unique(pairs.track[kept], return_inverse=True)[1]
    first, second = pairs.first_level[kept], pairs.second_level[kept]
    rng = np.random.default_rng(seed)
    value = _mean_kappa(pair, first, second, np.ones(len(pair)))
    drawn = [
        _mean_kappa(pair, first, second, rng.poisson(1, track.max() + 1)[track].astype(float))
        for _ in range(N_BOOTSTRAP)
    ]
    tail = 100 * (1 - COVERAGE) / 2
    known = [each for each in drawn if np.isfinite(each)]
    return _interval(value, *np.percentile(known, [tail, 100 - tail])) if known else None


def _mean_kappa(pair: Indices, first: Floats, second: Floats, weight: Floats) -> float:
    """With quadratic weights kappa is a matter of moments: 1 - E(a - b)^2 / (var a + var b + (mean a - mean b)^2)."""
    n = np.bincount(pair, weight)
    total_first, total_second = np.bincount(pair, weight * first), np.bincount(pair, weight * second)
    squares = np.bincount(pair, weight * (first**2 + second**2))
    apart = np.bincount(pair, weight * (first - second) ** 2)
    by_chance = squares * n - 2 * total_first * total_second
    known = by_chance > 1e-9
    return float(np.mean(1 - (apart * n)[known] / by_chance[known])) if known.any() else float("nan")


def matrix_and_partners(labels: Labels, ids: list[int]) -> tuple[dict[str, Any], list[list[list[Any]]]]:
    """The kappas of those with most labels; and of everybody those they share most tracks with: [id, kappa, mae, n]."""
    current = labels.current
    found = agreement.agreement_matrix(current.track, current.annotator, current.level)
    shown = _most_labels(current, N_IN_MATRIX)
    kappa = np.where(found.n_shared >= MIN_SHARED, found.kappa, np.nan)
    n_shared = found.n_shared.copy()
    np.fill_diagonal(n_shared, 0)
    partners = [
        [
            [ids[other], _known(kappa[each, other]), _known(found.mae[each, other]), int(n_shared[each, other])]
            for other in np.argsort(-n_shared[each], kind="stable")[:N_PARTNERS]
            if n_shared[each, other]
        ]
        for each in range(len(ids))
    ]
    matrix = {
        "ids": [ids[each] for each in shown],
        "kappa": [[_known(kappa[a, b]) for b in shown] for a in shown],
        "n_shared": n_shared[np.ix_(shown, shown)].astype(int).tolist(),
    }
    return matrix, partners


def groups(labels: Labels, ids: list[int], *, seed: int = 0) -> dict[str, Any]:
    """Ids of annotators who label alike, the largest group first; and of those who share too few tracks to tell."""
    chosen = _most_labels(labels.current, N_IN_GROUPS)
    place = np.full(len(ids), -1)
    place[chosen] = np.arange(len(chosen))
    of_chosen = labels.current.of(place[labels.current.annotator] >= 0)
    found = cluster_annotators(of_chosen.track, place[of_chosen.annotator], of_chosen.level, seed=seed)
    members = [
        [ids[chosen[each]] for each in np.flatnonzero(found.label == group)] for group in range(-1, found.n_clusters)
    ]
    return {"unknown": members[0], "members": members[1:], "n_asked": len(chosen)}


def _most_labels(current: Labels, n: int) -> Indices:
    count = np.bincount(current.annotator)
    chosen = np.argsort(-count, kind="stable")[:n]
    return chosen[count[chosen] > 0]


def _interval(value: float, low: float, high: float) -> list[float] | None:
    return [round(float(each), 3) for each in (value, low, high)] if np.isfinite([value, low, high]).all() else None


def _known(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
