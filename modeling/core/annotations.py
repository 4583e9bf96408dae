"""Who gave which track which level."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL


@dataclass(frozen=True, eq=False)
class Annotations:
    """One row an annotation, all (n_annotations,).

    Attributes
    ----------
    track : int
        The row of the track among those they come with.
    annotator : str
    level : int, 1..10
    """

    track: NDArray[np.int64]
    annotator: NDArray[np.str_]
    level: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, kind in (("track", np.int64), ("annotator", np.str_), ("level", np.int64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))
        if not self.track.shape == self.annotator.shape == self.level.shape or self.track.ndim != 1:
            found = [self.track.shape, self.annotator.shape, self.level.shape]
            raise ValueError(f"found shapes {found}; expected three times (n_annotations,)")
        if not np.all((self.level >= MIN_LEVEL) & (self.level <= MAX_LEVEL)):
            raise ValueError(f"found annotations outside {MIN_LEVEL}..{MAX_LEVEL}; expected levels")

    @classmethod
    def none(cls) -> "Annotations":
        return cls(np.empty(0, np.int64), np.empty(0, np.str_), np.empty(0, np.int64))

    def of_tracks(self, rows: ArrayLike) -> "Annotations":
        """Those of the tracks at these positions, numbered as they stand there.

        >>> of_two = Annotations([0, 1, 1], ["ann", "ann", "bob"], [3, 5, 6]).of_tracks([1])
        >>> of_two.track, of_two.level
        (array([0, 0]), array([5, 6]))
        """
        kept = np.asarray(rows, dtype=np.int64)
        position = np.full(max(self.track.max(initial=-1), kept.max(initial=-1)) + 1, -1)
        position[kept] = np.arange(len(kept))
        mine = position[self.track] >= 0
        return Annotations(position[self.track[mine]], self.annotator[mine], self.level[mine])
