"""How far annotators agree: over all, two by two, and in groups. Pure numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from annotations import agreement
from annotations.annotators.measures import Indices, Labels
from annotations.clusters import cluster_annotators

MIN_SHARED = 10
"""Tracks that two annotators must have in common before their agreement is spoken of."""

N_IN_MATRIX = 30
"""A larger matrix cannot be read; those with most labels are in it."""

N_IN_GROUPS = 100
"""Groups are looked for among so many, those with most labels: time grows with their cube."""

N_PARTNERS = 10
"""Of each annotator, those with whom they share most tracks."""


def overall(labels: Labels) -> dict[str, Any]:
    """Ordinal alpha and the mean weighted kappa of all pairs, [value, low, high]; and why one of these is undefined."""
    current = labels.current
    said = current.track, current.annotator, current.level
    return {
        "n_shared": int((np.bincount(current.track) > 1).sum()),
        "alpha": [_known(each) for each in agreement.alpha_interval(*said)],
        "kappa": [_known(each) for each in agreement.mean_kappa_interval(*said)],
        "why_undefined": agreement.why_undefined(*said),
    }


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


def _known(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
