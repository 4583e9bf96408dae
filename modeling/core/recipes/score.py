"""What recipes share that give each track a score: cuts on the scores of held-out tracks, intervals, one file of arrays."""

import json
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.annotations import Annotations
from modeling.core.dataset import grouped_stratified_folds
from modeling.core.decisions import DECISIONS, MacroMaeThresholds
from modeling.core.intervals import ConformalIntervals
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats, Levels
from modeling.core.recipes.base import Recipe, load_arrays, save_arrays
from modeling.core.resampling import RESAMPLERS, Rows
from modeling.core.ridge import checked_matrix, checked_weight

BeforeFit = Callable[[], None]


class Scorer(Protocol):
    """A fitted model."""

    def predict(self, X: ArrayLike) -> Floats:
        """Unclipped scores, in levels, shape (n_rows,)."""


@dataclass(frozen=True, eq=False)
class Tracks(Rows):
    """Labelled tracks, checked; `held_together` (n_tracks,) says which are held out together."""

    held_together: NDArray[Any]

    def part(self, index: NDArray[Any]) -> "Tracks":
        """The tracks at these positions, or where a mask is true."""
        return Tracks(self.X[index], self.y[index], self.weight[index], self.held_together[index])

    def folds(self, n_folds: int, seed: int) -> NDArray[np.int64]:
        """The fold of each track: see `grouped_stratified_folds`."""
        # One artist cannot be held out from itself: tracks are, which is optimistic, but better than scores of known ones.
        one_group = len(np.unique(self.held_together)) == 1
        held_together = np.arange(len(self.y)) if one_group else self.held_together
        return grouped_stratified_folds(self.y, held_together, n_folds=n_folds, seed=seed)


@dataclass(frozen=True, eq=False)
class Learnt:
    """A scorer of all tracks, and each track's score by one that saw neither it nor its group, within [1, 10].

    Without folds the label stands for the score: nothing may be concluded from it.
    """

    scorer: Any
    held_out_score: Floats


@dataclass(kw_only=True, eq=False)
class ScoreRecipe(Recipe):
    """A scorer, cuts placed on its scores of held-out tracks, and intervals from the same scores.

    Parameters
    ----------
    decision : name in DECISIONS
        `lowest_macro_mae`: cuts are placed on the held-out scores, balanced by level. `lowest_mae`: scores are rounded.
    resampling : name in RESAMPLERS
        Done to what a scorer is fitted on, and to that alone: held-out tracks are left as they are.
    k_neighbors : int
        Of SMOTE.
    n_folds : int
        How many scorers beside the last one are fitted, each without its fold, for cuts and intervals. 0 where scores are
        rounded, nobody asks for intervals, and the model is a single one.

    Attributes
    ----------
    details : dict
        What `fit` found and chose, as JSON holds it.
    """

    decision: str = "lowest_macro_mae"
    resampling: str = "none"
    k_neighbors: int = 5
    n_folds: int = 5
    details: dict[str, Any] = field(init=False, default_factory=dict)
    scorer: Any = field(init=False, repr=False)
    thresholds: MacroMaeThresholds = field(init=False, repr=False)
    intervals: ConformalIntervals | None = field(init=False, repr=False)

    # Fewer tracks than that, or a single level, are refused with what to do instead.
    min_tracks: ClassVar[int] = 10
    # Whether what is learnt follows from held-out scores, also where the decision does not.
    needs_folds: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for option, choices in self.choices().items():
            if getattr(self, option) not in choices:
                raise ValueError(f"found {option} {getattr(self, option)!r}; expected one of {list(choices)}")
        may_do_without = not self.needs_folds and self.decision != "lowest_macro_mae"
        least_folds = 0 if may_do_without and not self.n_folds else 2
        if self.k_neighbors < 1 or self.n_folds < least_folds:
            raise ValueError(
                f"found {self.k_neighbors} neighbours and {self.n_folds} folds; expected at least 1 and at least 2"
                " (or no folds, where one model's scores are rounded)"
            )

    def choices(self) -> dict[str, Any]:
        """The options that are names, and the names each may be."""
        return {"decision": DECISIONS, "resampling": RESAMPLERS}

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        annotations: Annotations | None = None,
    ) -> Self:
        """See `Recipe.fit`."""
        self.notes, self.details = [], {}
        tracks = self.checked(X, y, groups, sample_weight)
        return self.adopt(tracks, self.learn(tracks))

    def checked(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None, sample_weight: ArrayLike | None) -> Tracks:
        """The tracks to learn from; ValueError where they do not fit together, or are too few for this recipe."""
        features, labels = checked_matrix(X), np.asarray(y, dtype=float)
        if labels.shape != (len(features),) or not np.all((labels >= MIN_LEVEL) & (labels <= MAX_LEVEL)):
            raise ValueError(
                f"found labels of shape {labels.shape}; expected ({len(features)},), each {MIN_LEVEL}..{MAX_LEVEL}"
            )
        weight = checked_weight(sample_weight, len(labels))
        weight /= weight[weight > 0].mean()
        tracks = Tracks(features, labels, weight, self._held_together(groups, len(labels)))
        if not weight.all():
            tracks = tracks.part(weight > 0)
        n_levels = len(np.unique(tracks.level))
        if len(tracks.y) < self.min_tracks or (self.min_tracks > 1 and n_levels < 2):
            raise ValueError(
                f"found {len(tracks.y)} tracks of {n_levels} levels; {self.name} expects at least {self.min_tracks} of at"
                " least 2: label more tracks, or use ridge_thresholds"
            )
        return tracks

    def _held_together(self, groups: ArrayLike | None, n_tracks: int) -> NDArray[Any]:
        if groups is None:
            return np.arange(n_tracks)
        held_together = np.asarray(groups)
        if held_together.shape != (n_tracks,):
            raise ValueError(f"found groups of shape {held_together.shape}; expected ({n_tracks},)")
        if len(np.unique(held_together)) == 1 < n_tracks:
            self.note("all tracks are of one group, so cuts and intervals come from single held-out tracks: optimistic")
        return held_together

    def note(self, what: str) -> None:
        """Remember, once, what was done otherwise than asked."""
        if what not in self.notes:
            self.notes.append(what)

    @abstractmethod
    def learn(self, tracks: Tracks, *, before_fit: BeforeFit = lambda: None) -> Learnt:
        """Score each track by a scorer that does not know its group, and fit one on all tracks.

        Parameters
        ----------
        before_fit : function
            Called before each fit; may raise to stop.
        """

    def adopt(self, tracks: Tracks, learnt: Learnt) -> Self:
        """Take what was learnt as this recipe's model; cuts and intervals follow from it."""
        self.scorer = learnt.scorer
        self.thresholds = self.decide(tracks, learnt.held_out_score)
        self.intervals = ConformalIntervals(learnt.held_out_score, tracks.y) if self.n_folds else None
        return self

    def decide(self, tracks: Tracks, held_out_score: Floats) -> MacroMaeThresholds:
        """The cuts on the score."""
        return DECISIONS[self.decision](held_out_score, tracks.y, tracks.weight)

    def predict(self, X: ArrayLike) -> Levels:
        """See `Recipe.predict`: the cuts applied to `predict_score`."""
        return self.thresholds.predict(self.predict_score(X))

    def predict_score(self, X: ArrayLike) -> Floats:
        """See `Recipe.predict_score`."""
        return np.clip(self.scorer.predict(X), MIN_LEVEL, MAX_LEVEL)

    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> tuple[Floats, Floats]:
        """See `Recipe.predict_interval`."""
        if self.intervals is None:
            raise ValueError(f"found a {self.name} of 0 folds; intervals come from held-out tracks: expected 2 or more")
        return self.intervals.around(self.predict_score(X), coverage=coverage)

    def save(self, folder: Path) -> None:
        """Write one npz."""
        about = {"config": self.config, "notes": self.notes, "details": self.details}
        save_arrays(
            folder / f"{self.name}.npz",
            about=json.dumps(about),
            thresholds=self.thresholds.thresholds,
            held_out_score=self.intervals.score if self.intervals else (),
            held_out_label=self.intervals.label if self.intervals else (),
            **{f"scorer.{name}": value for name, value in self.scorer_to_arrays().items()},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; ValueError where an earlier version wrote it."""
        arrays = load_arrays(folder / f"{cls.name}.npz")
        if "about" not in arrays:
            raise ValueError(f"found a {cls.name} of an earlier version in {folder}; expected this one: train it again")
        about = json.loads(str(arrays["about"]))
        recipe = cls(**about["config"])
        recipe.notes, recipe.details = about["notes"], about["details"]
        recipe.thresholds = MacroMaeThresholds(arrays["thresholds"])
        held_out = arrays["held_out_score"], arrays["held_out_label"]
        recipe.intervals = ConformalIntervals(*held_out) if recipe.n_folds else None
        recipe.scorer = recipe.scorer_from_arrays(below("scorer", arrays))
        return recipe

    @abstractmethod
    def scorer_to_arrays(self) -> dict[str, Any]:
        """The scorer as plain arrays and numbers."""

    @abstractmethod
    def scorer_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> Any:
        """The scorer that `scorer_to_arrays` described."""


def below(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays named `prefix.NAME`, by NAME."""
    return {name.removeprefix(f"{prefix}."): value for name, value in arrays.items() if name.startswith(f"{prefix}.")}
