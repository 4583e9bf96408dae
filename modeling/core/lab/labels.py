"""Single labels, where it matters who gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.estimates import Estimate, mean_over_strata
from modeling.core.metrics import Floats, Levels


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """How far predictions are from single labels, all (n_labels,). Labels of an artist's tracks err together, and count so.

    Attributes
    ----------
    truth : int, the label
    error : float, in levels; a mean over repeats where there are several
    artist : of the label's track
    """

    truth: Levels
    error: Floats
    artist: NDArray[Any]

    @property
    def macro_mae(self) -> Estimate:
        return mean_over_strata(self.error, self.truth, self.artist)

    @property
    def mae(self) -> Estimate:
        return mean_over_strata(self.error, np.zeros_like(self.truth), self.artist)

    def less(self, other: LabelErrors) -> Estimate:
        """The paired difference in macro-MAE of the same labels, this less the other's: below 0 is better."""
        return mean_over_strata(self.error - other.error, self.truth, self.artist)

    def labels(self, rows: NDArray[Any]) -> LabelErrors:
        """Only the labels at these positions, or where a mask is true."""
        return LabelErrors(self.truth[rows], self.error[rows], self.artist[rows])


def said_of_single_labels(errors: Mapping[str, LabelErrors]) -> tuple[str, ...]:
    """A note where a level has one label alone, by whose errors these are: standard errors are too small there."""
    names = [name for name, of in errors.items() if (np.bincount(of.truth) == 1).any()]
    if not names:
        return ()
    return (
        f"{', '.join(names)}: some level has one label alone, which weighs as much as all of another level, and standard errors"
        " do not know by how much it moves the figures",
    )


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
