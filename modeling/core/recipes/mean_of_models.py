"""The mean of several models' scores: where they err differently, errors cancel."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats
from modeling.core.recipes.score import BeforeFit, Learnt, ScoreRecipe, Tracks, below
from modeling.core.recipes.single import SINGLE_RECIPES
from modeling.core.recipes.single_model import SingleModelRecipe


@dataclass(frozen=True, eq=False)
class MeanScorer:
    """Scorers, each less its `centre` in units of its `spread`, averaged; then a straight line back to levels."""

    scorers: tuple[Any, ...]
    centre: Floats
    spread: Floats
    slope: float
    intercept: float

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`."""
        scores = np.column_stack([scorer.predict(X) for scorer in self.scorers])
        return self.slope * ((scores - self.centre) / self.spread).mean(axis=1) + self.intercept


@dataclass(kw_only=True, eq=False)
class MeanOfModels(ScoreRecipe):
    """The members' standardised scores averaged, and cuts on that.

    A member's centre and spread are those of its held-out scores: those of known tracks are too wide where a member
    overfits, which would make it count for less.

    Parameters
    ----------
    members : names in SINGLE_RECIPES
        With the seed, decision, resampling and folds of this recipe, and else their defaults.

    Attributes
    ----------
    known : dict
        What members learnt from the same tracks before: they are not fitted again.
    """

    name = "mean_of_models"

    members: tuple[str, ...] = ("ridge_thresholds", "gp", "svr", "xgboost")
    known: dict[str, Learnt] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members = tuple(self.members)
        if not self.members or not set(self.members) <= set(SINGLE_RECIPES):
            raise ValueError(f"found members {list(self.members)}; expected some of {list(SINGLE_RECIPES)}")

    def learn(self, tracks: Tracks, *, before_fit: BeforeFit = lambda: None) -> Learnt:
        """See `ScoreRecipe.learn`. All members are held out by the same folds."""
        learnt = [self.known.get(name) or self._learn(name, tracks, before_fit) for name in self.members]
        scores = np.column_stack([member.held_out_score for member in learnt])
        centre, spread = scores.mean(axis=0), scores.std(axis=0)
        spread[spread == 0] = 1.0
        mean = ((scores - centre) / spread).mean(axis=1)
        slope, intercept = _line(mean, tracks)
        scorer = MeanScorer(tuple(member.scorer for member in learnt), centre, spread, slope, intercept)
        return Learnt(scorer, (slope * mean + intercept).clip(MIN_LEVEL, MAX_LEVEL))

    def _learn(self, name: str, tracks: Tracks, before_fit: BeforeFit) -> Learnt:
        member = self._member(name)
        learnt = member.learn(tracks, before_fit=before_fit)
        for note in member.notes:
            self.note(f"{name}: {note}")
        return learnt

    def _member(self, name: str) -> SingleModelRecipe:
        return SINGLE_RECIPES[name](
            seed=self.seed,
            decision=self.decision,
            resampling=self.resampling,
            k_neighbors=self.k_neighbors,
            n_folds=self.n_folds,
        )

    def scorer_to_arrays(self) -> dict[str, Any]:
        """See `ScoreRecipe.scorer_to_arrays`: those of the members, each below its name."""
        arrays = {name: getattr(self.scorer, name) for name in ("centre", "spread", "slope", "intercept")}
        for name, scorer in zip(self.members, self.scorer.scorers, strict=True):
            member = self._member(name)
            member.scorer = scorer
            arrays |= {f"{name}.{field}": value for field, value in member.scorer_to_arrays().items()}
        return arrays

    def scorer_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> MeanScorer:
        """See `ScoreRecipe.scorer_from_arrays`."""
        scorers = tuple(self._member(name).scorer_from_arrays(below(name, arrays)) for name in self.members)
        slope, intercept = arrays["slope"].item(), arrays["intercept"].item()
        return MeanScorer(scorers, arrays["centre"], arrays["spread"], slope, intercept)


def _line(mean: Floats, tracks: Tracks) -> tuple[float, float]:
    """Slope and intercept of the least squares line from the mean scores to the labels."""
    if np.ptp(mean) == 0:
        return 0.0, float(np.average(tracks.y, weights=tracks.weight))
    slope, intercept = np.polyfit(mean, tracks.y, 1, w=np.sqrt(tracks.weight))
    return float(slope), float(intercept)
