"""Single labels, where it matters who gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.annotations import Annotations
from modeling.core.estimates import Estimate
from modeling.core.metrics import Floats, Levels


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """How far predictions are from single labels, all (n_labels,). Labels of one track err together, and count so.

    Attributes
    ----------
    truth : int, the label
    error : float, in levels; a mean over repeats where there are several
    track : int
    """

    truth: Levels
    error: Floats
    track: NDArray[np.int64]

    @property
    def macro_mae(self) -> Estimate:
        return mean_over_strata_of_clusters(self.error, self.truth, self.track)

    @property
    def mae(self) -> Estimate:
        return mean_over_strata_of_clusters(self.error, np.zeros_like(self.truth), self.track)

    def less(self, other: LabelErrors) -> Estimate:
        """The paired difference in macro-MAE of the same labels, this less the other's: below 0 is better."""
        return mean_over_strata_of_clusters(self.error - other.error, self.truth, self.track)

    def labels(self, rows: NDArray[Any]) -> LabelErrors:
        """Only the labels at these positions, or where a mask is true."""
        return LabelErrors(self.truth[rows], self.error[rows], self.track[rows])


def said_of_single_labels(errors: Mapping[str, LabelErrors]) -> tuple[str, ...]:
    """A note where a level has one label alone, by whose errors these are: standard errors are too small there."""
    names = [name for name, of in errors.items() if (np.bincount(of.truth) == 1).any()]
    if not names:
        return ()
    return (
        f"{', '.join(names)}: some level has one label alone, which weighs as much as all of another level, and standard errors"
        " do not know by how much it moves the figures",
    )


def mean_over_strata_of_clusters(error: ArrayLike, strata: ArrayLike, clusters: ArrayLike) -> Estimate:
    """As `estimates.mean_over_strata`, where only cases of different clusters are independent: the same value, another se.

    >>> round(mean_over_strata_of_clusters([0.0, 0.0, 2.0, 2.0], [5, 5, 5, 5], [1, 2, 3, 4]).se, 2)
    0.58
    >>> round(mean_over_strata_of_clusters([0.0, 0.0, 2.0, 2.0], [5, 5, 5, 5], [1, 1, 2, 2]).se, 2)  # two tracks, not four
    0.82
    """
    errors, (_, stratum), (_, cluster) = (
        np.asarray(error, dtype=float),
        np.unique(np.asarray(strata), return_inverse=True),
        np.unique(np.asarray(clusters), return_inverse=True),
    )
    if not errors.size or not errors.shape == stratum.shape == cluster.shape:
        raise ValueError(
            f"found shapes {errors.shape}, {stratum.shape} and {cluster.shape}; expected three times (n,), not empty"
        )
    n = np.bincount(stratum)
    mean = np.bincount(stratum, errors) / n
    share = (errors - mean[stratum]) / np.sqrt(np.maximum(n * (n - 1.0), 1.0))[stratum] / len(n)
    return Estimate(float(mean.mean()), float(np.sqrt(np.sum(np.bincount(cluster, share) ** 2))))


def people_by_labels(annotations: Annotations) -> dict[str, int]:
    """How many labels each annotator gave, most first; ties by name."""
    names, n_labels = np.unique(annotations.annotator, return_counts=True)
    return {name: -n for n, name in sorted(zip((-n_labels).tolist(), names.tolist(), strict=True))}


def labels_a_track(annotations: Annotations, n_tracks: int) -> NDArray[np.int64]:
    """How many labels each track has, shape (n_tracks,)."""
    return np.bincount(annotations.track, minlength=n_tracks)


def mean_of_others(annotations: Annotations) -> Floats:
    """Of each label the mean of the track's other labels, shape (n_labels,); NaN where there are none."""
    n, total = np.bincount(annotations.track), np.bincount(annotations.track, annotations.level)
    n_others = n[annotations.track] - 1.0
    others = total[annotations.track] - annotations.level
    return np.where(n_others > 0, others / np.maximum(n_others, 1), np.nan)
