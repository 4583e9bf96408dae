"""What a model's predictions of unknown tracks rest on: how much worse they get when a column says something else.

A column's values are dealt out anew among held-out tracks, and the model that has not seen these tracks is asked again
(permutation importance). Columns that say the same share their importance: a model that can read a value elsewhere
misses neither, so a low figure does not mean that a column says nothing. A feature set's columns are permuted together,
which does not have this flaw within the set.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.estimates import mean_over_strata
from modeling.core.metrics import Floats, Levels

# Rows that are predicted for all columns together, however many tracks there are. Of 335 columns a ridge takes three seconds
# for them, trees ten, and a Gaussian process four minutes, beside twenty for its fits.
MAX_PREDICTED_ROWS = 400_000
MAX_REPEATS = 5
# Of more columns (a spectrogram's) only the sets are asked about: one of thousands alone moves nothing.
MAX_COLUMNS_EACH = 1_000
# Asked at a time: with few tracks a question costs more than its rows.
CHUNK_ROWS = 4_000


class Model(Protocol):
    def predict(self, X: ArrayLike) -> Levels:
        """Levels, shape (n_tracks,)."""


@dataclass(frozen=True)
class Importance:
    """How much macro-MAE rises, in levels, when these columns are permuted; below 0 by chance.

    The standard error is over groups: would tracks of other artists show the same of these models?
    """

    name: str
    n_columns: int
    increase: float
    se: float


class PermutationImportance:
    """Collects, from one fold's model after the other, by how much its held-out tracks are predicted worse.

    Where there are many tracks and columns a part of the tracks is asked, as many of each level as there are, up to the same
    number: macro-MAE counts levels alike. Where there are few, each column is permuted several times.

    Parameters
    ----------
    X, true_level : shapes (n_tracks, n_columns) and (n_tracks,)
    groups : shape (n_tracks,)
        Artists.
    columns : n_columns names
    columns_of_set : first and last + 1 of its columns, by feature set
    rows : int
        The tracks that will be held out by some fold.
    """

    def __init__(
        self,
        X: NDArray[np.float32],
        true_level: Levels,
        *,
        groups: NDArray[Any],
        columns: tuple[str, ...],
        columns_of_set: Mapping[str, tuple[int, int]],
        rows: NDArray[np.intp],
        seed: int,
    ) -> None:
        self.X, self.true_level, self.groups = X, true_level, groups
        self.blocks: dict[Any, tuple[int, int]] = dict(columns_of_set)
        if len(columns) <= MAX_COLUMNS_EACH:
            self.blocks |= {(column, name): (column, column + 1) for column, name in enumerate(columns)}
        self.rng = np.random.default_rng(seed)
        self.asked = np.sort(_part(rows, true_level, MAX_PREDICTED_ROWS // len(self.blocks), self.rng))
        self.n_repeats = int(
            np.clip(MAX_PREDICTED_ROWS // (len(self.blocks) * max(1, len(self.asked))), 1, MAX_REPEATS)
        )
        self.rise: dict[Any, Floats] = {block: np.zeros(len(self.asked)) for block in self.blocks}

    def add(self, model: Model, rows: NDArray[np.intp]) -> None:
        """Ask the model of a fold about the tracks it has not seen."""
        mine = np.flatnonzero(np.isin(self.asked, rows))
        if not len(mine):
            return
        features, truth = self.X[self.asked[mine]], self.true_level[self.asked[mine]]
        usual = np.abs(model.predict(features) - truth)
        orders = [self.rng.permutation(len(mine)) for _ in range(self.n_repeats)]
        questions = [(block, order) for block in self.blocks for order in orders]
        n_at_once = max(1, CHUNK_ROWS // len(mine))
        for start in range(0, len(questions), n_at_once):
            batch = questions[start : start + n_at_once]
            permuted = np.repeat(features[None], len(batch), axis=0)
            for copy, (block, order) in zip(permuted, batch, strict=True):
                columns = slice(*self.blocks[block])
                copy[:, columns] = features[order, columns]
            level = model.predict(permuted.reshape(-1, features.shape[1])).reshape(len(batch), -1)
            for (block, _), error in zip(batch, np.abs(level - truth), strict=True):
                self.rise[block][mine] += (error - usual) / self.n_repeats

    def found(self, *, n_features: int = 20) -> dict[str, Any]:
        """The sets and the features with the highest increase, as JSON holds them."""
        each = {
            block: Importance(
                block if isinstance(block, str) else block[1],
                end - start,
                *mean_over_strata(self.rise[block], self.true_level[self.asked], self.groups[self.asked]),
            )
            for block, (start, end) in self.blocks.items()
        }
        by_set, by_feature = (
            sorted((each[block] for block in each if isinstance(block, str) == is_set), key=lambda row: -row.increase)
            for is_set in (True, False)
        )
        return {
            "n_tracks": len(self.asked),
            "n_repeats": self.n_repeats,
            "n_columns": len(by_feature),
            "by_set": [asdict(row) for row in by_set],
            "by_feature": [asdict(row) for row in by_feature[:n_features]],
        }


def _part(rows: NDArray[np.intp], level: Levels, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """About n of the rows, the same number of each level as far as there are so many."""
    if len(rows) <= n:
        return rows
    shuffled = rng.permutation(rows)
    # The place of each row among those of its level: the first of every level, then the second...
    place = np.empty(len(rows), np.int64)
    for value in np.unique(level[shuffled]):
        own = np.flatnonzero(level[shuffled] == value)
        place[own] = np.arange(len(own))
    return shuffled[np.argsort(place, kind="stable")[: max(1, n)]]
