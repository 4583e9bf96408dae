"""How each annotator labels: pure numpy on arrays, everybody at once.

What is compared is always said of the same tracks: who is given calmer music is not biased low for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotations import consensus
from annotations.consensus import MAX_LEVEL, MIN_LEVEL, Consensus
from annotations.drift import Change, find_changes

MIN_LABELS = 10
"""With fewer a figure says more about chance than about the person."""

BLOCK_LABELS = 20
"""In a block of the drift chart there are at least so many: their mean is then known to about a quarter of a level."""

MAX_BLOCKS = 12

RANGE_TAILS = 0.05
"""The range used is that of the labels without so many at either end: one slip does not make it wide."""

N_LEVELS = MAX_LEVEL - MIN_LEVEL + 1

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Labels:
    """Annotations, those of each annotator oldest first; every field has shape (n_annotations,).

    Attributes
    ----------
    track, annotator : int, 0 to n - 1
    level : int, 1 to 10
    is_current
        No later one of the same annotator and track replaces it.
    before : float
        Of a track given once more: the level that this annotator had said until then. NaN for all others.
    agreed : float
        Of gold tracks given as such: what leads agreed on. NaN for all others.
    answered_s : float
        NaN where nobody has measured it.
    said_at : float
        Seconds since 1970; NaN where only the time of an import is known.
    """

    track: Indices
    annotator: Indices
    level: Indices
    is_current: Mask
    before: Floats
    agreed: Floats
    answered_s: Floats
    said_at: Floats

    @property
    def n_annotators(self) -> int:
        return int(self.annotator.max()) + 1

    def of(self, chosen: Mask) -> Labels:
        return Labels(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @cached_property
    def current(self) -> Labels:
        return self.of(self.is_current)


def measure(labels: Labels, *, too_fast_s: float) -> list[dict[str, Any]]:
    """What is to be said of each annotator, in the order of their indices, ready for JSON.

    A figure is `{"n", "value", "se"}`: of how many labels, and None where these are fewer than MIN_LABELS. All in levels
    but shares and seconds.
    """
    current, n = labels.current, labels.n_annotators
    estimated = consensus.estimate(current.track, current.annotator, current.level)
    shape, others = _shapes(current, n), _against_others(current)
    repeats, gold = labels.level - labels.before, labels.level - labels.agreed
    columns: dict[str, list[Any]] = {
        **shape,
        "error": _figures(np.abs(others), labels=current, n=n),
        **_estimates(estimated, np.bincount(current.annotator, minlength=n)),
        "repeats": _figures(np.abs(repeats), labels=labels, n=n),
        "gold": _figures(np.abs(gold), labels=labels, n=n),
        "gold_bias": _figures(gold, labels=labels, n=n),
        "seconds": _medians(labels.answered_s, labels.annotator, n),
        "too_fast": _figures(_or_nan(labels.answered_s < too_fast_s, labels.answered_s), labels=labels, n=n),
        "drift": _drift(current, unexpected(current, estimated), n),
    }
    return [{name: column[annotator] for name, column in columns.items()} for annotator in range(n)]


# ---- The shape of the scale


def level_counts(group: Indices, level: Indices, n_groups: int) -> Floats:
    """How often each level occurs in each group: shape (n_groups, 10)."""
    cell = group * N_LEVELS + level - MIN_LEVEL
    return np.bincount(cell, minlength=n_groups * N_LEVELS).reshape(n_groups, N_LEVELS).astype(float)


def _shapes(labels: Labels, n: int) -> dict[str, list[Any]]:
    """Own levels; those of shared tracks; and the others' on these, each track counting once however many labelled it."""
    own = level_counts(labels.annotator, labels.level, n)
    on_track = level_counts(labels.track, labels.level, int(labels.track.max()) + 1)
    n_others = on_track.sum(axis=1)[labels.track] - 1
    shared = labels.of(n_others > 0)
    own_shared = level_counts(shared.annotator, shared.level, n)
    weight = 1 / n_others[n_others > 0]
    pool = np.empty((n, N_LEVELS))
    for column in range(N_LEVELS):
        is_own = shared.level == column + MIN_LEVEL
        said = (on_track[shared.track, column] - is_own) * weight
        pool[:, column] = np.bincount(shared.annotator, said, minlength=n)
    return {
        "n_labels": own.sum(axis=1).astype(int).tolist(),
        "n_shared": own_shared.sum(axis=1).astype(int).tolist(),
        "counts": own.astype(int).tolist(),
        "shared_counts": own_shared.astype(int).tolist(),
        "pool": pool.round(2).tolist(),
        "mean": _rounded((own @ np.arange(MIN_LEVEL, MAX_LEVEL + 1)) / np.maximum(own.sum(axis=1), 1)),
        "range": _ranges(own),
    }


def _ranges(counts: Floats) -> list[list[int] | None]:
    """The lowest and highest level of the labels less both tails; None for who has no current label.

    >>> _ranges(np.array([[1, 50, 0, 48, 1, 0, 0, 0, 0, 0], [0] * 10]))
    [[2, 4], None]
    """
    total = counts.sum(axis=1, keepdims=True)
    reached = np.cumsum(counts, axis=1) / np.maximum(total, 1)
    low = (reached > RANGE_TAILS).argmax(axis=1) + MIN_LEVEL
    high = (reached >= 1 - RANGE_TAILS).argmax(axis=1) + MIN_LEVEL
    return [[int(a), int(b)] if n else None for a, b, n in zip(low, high, total[:, 0], strict=True)]


# ---- Against the others


def _against_others(labels: Labels) -> Floats:
    """Each label less the mean of the others' of its track; NaN where there are none."""
    n_others = np.bincount(labels.track)[labels.track] - 1
    total = np.bincount(labels.track, labels.level)[labels.track] - labels.level
    return labels.level - _divided(total, n_others)


def unexpected(labels: Labels, estimated: Consensus) -> Floats:
    """Each label less what its annotator, with their bias and scale, would say by the others' labels of the track.

    NaN where there are none. The others count by how much their labels say, as in `consensus.estimate`; without the
    label itself, or it would confirm itself.
    """
    bias, scale = estimated.bias[labels.annotator], estimated.scale[labels.annotator]
    variance = estimated.noise[labels.annotator] ** 2
    middle = labels.level.mean()
    pull, precision = scale * (labels.level - middle - bias) / variance, scale**2 / variance
    levels = estimated.level[np.isfinite(estimated.level)]
    prior = 1 / max(float(levels.var()), 0.25)
    others_pull = np.bincount(labels.track, pull)[labels.track] - pull
    others_precision = np.bincount(labels.track, precision)[labels.track] - precision
    residual = labels.level - middle - bias - scale * others_pull / (others_precision + prior)
    return _or_nan(residual, _divided(residual, np.bincount(labels.track)[labels.track] - 1))


def _estimates(estimated: Consensus, n_labels: Indices) -> dict[str, list[Any]]:
    return {
        name: [
            _figure(int(n), float(value), float(se))
            for n, value, se in zip(n_labels, getattr(estimated, name), getattr(estimated, f"{name}_se"), strict=True)
        ]
        for name in ("bias", "scale", "noise")
    }


# ---- Drift


def _drift(labels: Labels, residual: Floats, n: int) -> list[dict[str, Any]]:
    """For each annotator the mean of what was unexpected in each block of their labels, as many a block, in time; and
    the change of their bias, where there is one."""
    known = np.flatnonzero(np.isfinite(residual) & np.isfinite(labels.said_at))
    order = known[np.lexsort((labels.said_at[known], labels.annotator[known]))]
    annotator, said_at, value = labels.annotator[order], labels.said_at[order], residual[order]
    changes = find_changes(annotator, value) if len(value) else {}
    n_labels = np.bincount(annotator, minlength=n)
    start = np.cumsum(n_labels) - n_labels
    n_blocks = np.minimum(n_labels // BLOCK_LABELS, MAX_BLOCKS)
    rank = np.arange(len(annotator)) - start[annotator]
    group = annotator * MAX_BLOCKS + rank * n_blocks[annotator] // np.maximum(n_labels[annotator], 1)
    count, mean, se = means_of(value, group, n * MAX_BLOCKS)
    first = np.searchsorted(group, np.arange(n * MAX_BLOCKS))
    return [
        {
            "blocks": [
                {
                    "from": int(said_at[first[block]]),
                    "to": int(said_at[first[block] + count[block] - 1]),
                    **_figure(int(count[block]), float(mean[block]), float(se[block])),
                }
                for block in range(each * MAX_BLOCKS, each * MAX_BLOCKS + n_blocks[each])
            ],
            "change": _change(changes[each], said_at[start[each] :][: n_labels[each]]) if each in changes else None,
        }
        for each in range(n)
    ]


def _change(found: Change, said_at: Floats) -> dict[str, Any]:
    return {
        "since": int(said_at[found.index]),
        "n_after": len(said_at) - found.index,
        "before": round(found.before, 2),
        "after": round(found.after, 2),
    }


# ---- Figures


def means_of(values: Floats, group: Indices, n_groups: int) -> tuple[Indices, Floats, Floats]:
    """Of each group: how many values are known (no NaN), their mean and its standard error; NaN where there is none."""
    known = np.isfinite(values)
    values, group = values[known], group[known]
    count = np.bincount(group, minlength=n_groups)
    mean = _divided(np.bincount(group, values, minlength=n_groups), count)
    squared = np.bincount(group, (values - mean[group]) ** 2, minlength=n_groups)
    return count, mean, np.sqrt(_divided(squared, (count - 1) * count))


def _figures(values: Floats, *, labels: Labels, n: int) -> list[dict[str, Any]]:
    return [
        _figure(int(count), float(mean), float(se))
        for count, mean, se in zip(*means_of(values, labels.annotator, n), strict=True)
    ]


def _figure(n: int, value: float, se: float) -> dict[str, Any]:
    has_enough = n >= MIN_LABELS
    return {"n": n, "value": _or_none(value) if has_enough else None, "se": _or_none(se) if has_enough else None}


def _medians(values: Floats, group: Indices, n_groups: int) -> list[dict[str, Any]]:
    known = np.isfinite(values)
    order = np.lexsort((values[known], group[known]))
    ordered, count = values[known][order], np.bincount(group[known], minlength=n_groups)
    start = np.cumsum(count) - count
    return [
        _figure(int(m), float((ordered[at + (m - 1) // 2] + ordered[at + m // 2]) / 2) if m else np.nan, np.nan)
        for at, m in zip(start, count, strict=True)
    ]


def _divided(total: NDArray[Any], n: NDArray[Any]) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(total, n, out=np.full(np.shape(total), np.nan), where=np.asarray(n) > 0)


def _or_nan(values: NDArray[Any], known: Floats) -> Floats:
    return np.where(np.isfinite(known), values, np.nan)


def _rounded(values: Floats) -> list[float]:
    return values.round(3).tolist()


def _or_none(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None
