"""How each annotator uses the scale: distribution, bias, scale, noise, and how far all agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotations import consensus
from annotations.agreement import ordinal_alpha
from annotations.models import MAX_LEVEL, MIN_LEVEL, Annotation

MIN_LABELS = 10
"""With fewer own labels a bias says more about chance than about the person."""

LARGE_BIAS = 1.0
"""In levels. The thesis calls an error of one level acceptable; a habit of more than that wants a talk."""


@dataclass(frozen=True)
class AnnotatorRow:
    """One annotator. Bias, scale and noise in levels, as `annotations.consensus` defines them."""

    annotator_id: int
    counts: list[int]
    bias: float
    scale: float
    noise: float
    median_answer_s: float | None

    @property
    def n_labels(self) -> int:
        return sum(self.counts)

    @property
    def has_enough(self) -> bool:
        return self.n_labels >= MIN_LABELS

    @property
    def is_biased(self) -> bool:
        return self.has_enough and abs(self.bias) >= LARGE_BIAS


@dataclass(frozen=True)
class Statistics:
    """`alpha` is None where no track has two labels, or all labels are one level: then agreement is undefined."""

    annotators: list[AnnotatorRow]
    pool: list[int]
    alpha: float | None
    n_shared_tracks: int
    median_answer_s: float | None

    @property
    def n_biased(self) -> int:
        return sum(row.is_biased for row in self.annotators)


def annotator_statistics() -> Statistics:
    """Over the current labels of all tracks; annotators with the most labels first."""
    columns = list(
        Annotation.objects.current().order_by("pk").values_list("track_id", "annotator_id", "level", "answered_s")
    )
    if not columns:
        return Statistics([], [0] * MAX_LEVEL, None, 0, None)
    tracks, annotators, levels, seconds = (np.array(column) for column in zip(*columns, strict=True))
    track_index = np.unique(tracks, return_inverse=True)[1]
    ids, annotator_index = np.unique(annotators, return_inverse=True)
    estimated = consensus.estimate(track_index, annotator_index, levels)
    rows = [
        AnnotatorRow(
            annotator_id=int(annotator_id),
            counts=_counts(levels[annotator_index == index]),
            bias=float(estimated.bias[index]),
            scale=float(estimated.scale[index]),
            noise=float(estimated.noise[index]),
            median_answer_s=_median(seconds[annotator_index == index]),
        )
        for index, annotator_id in enumerate(ids)
    ]
    alpha = float(ordinal_alpha(track_index, annotator_index, levels))
    return Statistics(
        annotators=sorted(rows, key=lambda row: -row.n_labels),
        pool=_counts(levels),
        alpha=alpha if np.isfinite(alpha) else None,
        n_shared_tracks=int((np.bincount(track_index) > 1).sum()),
        median_answer_s=_median(seconds),
    )


def _counts(levels: np.ndarray) -> list[int]:
    return np.bincount(levels, minlength=MAX_LEVEL + 1)[MIN_LEVEL:].tolist()


def _median(seconds: np.ndarray) -> float | None:
    """Of labels given on the label page; imported ones have no time."""
    known = [value for value in seconds if value is not None]
    return float(np.median(known)) if known else None
