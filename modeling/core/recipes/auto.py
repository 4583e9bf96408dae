"""Race several recipes on the same held-out tracks, within a time, and keep the best."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.decisions import MacroMaeThresholds
from modeling.core.estimates import Estimate, mean_over_strata
from modeling.core.metrics import Floats
from modeling.core.recipes.mean_of_models import MeanOfModels
from modeling.core.recipes.score import BeforeFit, Learnt, ScoreRecipe, Tracks
from modeling.core.recipes.single import SINGLE_RECIPES

CANDIDATES: dict[str, type[ScoreRecipe]] = {**SINGLE_RECIPES, MeanOfModels.name: MeanOfModels}
# A model whose error is within this many standard errors (of the difference) of the best one's is not known to be worse.
LEADING_STANDARD_ERRORS = 2.0
LEADERS = "mean of leaders"


class OutOfTime(Exception):
    """The next fit would probably end too late."""


@dataclass(frozen=True)
class Lap:
    """How one candidate did; errors in levels, of held-out tracks, with standard errors that know what is held out together.

    Attributes
    ----------
    candidate, outcome : str
        The outcome is `raced`, or why it was not.
    seconds : float
        What its fits took; members of a mean that raced before it are not fitted again.
    error, error_se : float or None
        Macro-MAE, or MAE where that is what the decision lowers.
    behind, behind_se : float or None
        Its error less that of the best. The tracks are the same, so this is known better than either error.
    """

    candidate: str
    outcome: str
    seconds: float
    error: float | None = None
    error_se: float | None = None
    behind: float | None = None
    behind_se: float | None = None


@dataclass(kw_only=True, eq=False)
class Auto(ScoreRecipe):
    """Races the candidates in their order, then the mean of the leaders, and keeps the one with the lowest error.

    Each is judged on the same tracks by grouped cross-validation: its held-out scores, with cuts placed on those of the
    other folds. Leaders are the single models within two standard errors of the best of them: which of those is best is
    chance, and their mean has a good deal less of it.

    What the clock decides is not repeatable: the same seed and tracks give the same model where no candidate runs out of
    time, and the notes say where one did.

    The winner's error is the lowest of several, and so a little too good. What `evaluation.cross_validate` says of this
    recipe is not: there the whole race is run again without each fold.

    Parameters
    ----------
    candidates : names in CANDIDATES
        With the seed, decision, resampling and folds of this recipe, and else their defaults. Quick ones first.
    time_budget_s : float
        A candidate whose fits, by the last one, would not all end within it is out of the race at once. The first
        candidate has no limit.

    Attributes
    ----------
    details : dict
        `chosen` and `chosen_config`, the winner; `judged_by`, the metric; `race`, one `Lap` for each candidate.
    """

    name = "auto"

    candidates: tuple[str, ...] = ("ridge_thresholds", "ordinal_logit", "gp", "svr", "xgboost", "network")
    time_budget_s: float = 600.0
    chosen: ScoreRecipe = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.candidates = tuple(self.candidates)
        if not self.candidates or not set(self.candidates) <= set(CANDIDATES):
            raise ValueError(f"found candidates {list(self.candidates)}; expected some of {list(CANDIDATES)}")

    def learn(self, tracks: Tracks, *, before_fit: BeforeFit = lambda: None) -> Learnt:
        """See `ScoreRecipe.learn`, for each candidate until the time is up; what the winner learnt."""
        race = _Race(tracks, macro=self.decision == "lowest_macro_mae", n_folds=self.n_folds, seed=self.seed)
        deadline = time.monotonic() + self.time_budget_s
        for candidate in self.candidates:
            recipe = self._recipe(candidate)
            n_fits = 1 if isinstance(recipe, MeanOfModels) else race.fold.max() + 2
            race.run(candidate, recipe, _stop_at(deadline if race.learnt else np.inf, n_fits, before_fit))
        leaders = race.leaders()
        if len(leaders) > 1:
            race.run(LEADERS, self._recipe(MeanOfModels.name, members=leaders), before_fit)
        self.chosen = race.recipes[race.best()]
        self.notes += self.chosen.notes
        if late := [name for name in race.seconds if name not in race.errors]:
            self.note(
                f"{', '.join(late)} left the race for want of time ({self.time_budget_s:.0f} s): on another machine, or another"
                " day, the race may end otherwise"
            )
        self.details = {
            "chosen": self.chosen.name,
            "chosen_config": self.chosen.config,
            "judged_by": "macro_mae" if race.macro else "mae",
            "race": [asdict(lap) for lap in race.laps()],
        }
        return race.learnt[race.best()]

    def _recipe(self, name: str, **options: Any) -> ScoreRecipe:
        shared = ("seed", "decision", "resampling", "k_neighbors", "n_folds")
        return CANDIDATES[name](**{option: getattr(self, option) for option in shared}, **options)

    def decide(self, tracks: Tracks, held_out_score: Floats) -> MacroMaeThresholds:
        """See `ScoreRecipe.decide`: as the winner does."""
        return self.chosen.decide(tracks, held_out_score)

    def scorer_to_arrays(self) -> dict[str, Any]:
        """See `ScoreRecipe.scorer_to_arrays`: as the winner does."""
        self.chosen.scorer = self.scorer
        return self.chosen.scorer_to_arrays()

    def scorer_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> Any:
        """See `ScoreRecipe.scorer_from_arrays`."""
        self.chosen = CANDIDATES[self.details["chosen"]](**self.details["chosen_config"])
        return self.chosen.scorer_from_arrays(arrays)


class _Race:
    """What each candidate learnt, how long that took, and each track's error by each; candidates in their order."""

    def __init__(self, tracks: Tracks, *, macro: bool, n_folds: int, seed: int) -> None:
        self.tracks, self.macro = tracks, macro
        self.fold = tracks.folds(n_folds, seed)
        self.strata = tracks.level if macro else np.zeros_like(tracks.level)
        self.recipes: dict[str, ScoreRecipe] = {}
        self.learnt: dict[str, Learnt] = {}
        self.seconds: dict[str, float] = {}
        self.errors: dict[str, Floats] = {}

    def run(self, candidate: str, recipe: ScoreRecipe, before_fit: BeforeFit) -> None:
        if isinstance(recipe, MeanOfModels):
            recipe.known = self.learnt
        started = time.monotonic()
        try:
            learnt = recipe.learn(self.tracks, before_fit=before_fit)
        except OutOfTime:
            pass
        else:
            self.recipes[candidate], self.learnt[candidate] = recipe, learnt
            self.errors[candidate] = self._error(recipe, learnt.held_out_score)
        self.seconds[candidate] = time.monotonic() - started

    def _error(self, recipe: ScoreRecipe, score: Floats) -> Floats:
        """Levels between each track's label and its level by cuts from the other folds."""
        level = np.empty_like(self.tracks.level)
        for held_out in range(self.fold.max() + 1):
            held = self.fold == held_out
            level[held] = recipe.decide(self.tracks.part(~held), score[~held]).predict(score[held])
        return np.abs(level - self.tracks.level).astype(float)

    def best(self, *, singles: bool = False) -> str:
        among = [name for name in self.errors if not singles or name in SINGLE_RECIPES]
        return min(among, key=lambda name: self._mean(self.errors[name]).value)

    def leaders(self) -> tuple[str, ...]:
        return tuple(name for name in self.errors if name in SINGLE_RECIPES and self._leads(name))

    def _leads(self, name: str) -> bool:
        behind, standard_error = self._behind(name, self.best(singles=True))
        return behind <= LEADING_STANDARD_ERRORS * standard_error

    def _behind(self, name: str, other: str) -> Estimate:
        return self._mean(self.errors[name] - self.errors[other])

    def _mean(self, error: Floats) -> Estimate:
        """Macro-MAE, or MAE."""
        return mean_over_strata(error, self.strata, self.tracks.held_together)

    def laps(self) -> list[Lap]:
        best = self.best()
        return [
            Lap(name, "raced", seconds, *self._mean(self.errors[name]), *self._behind(name, best))
            if name in self.errors
            else Lap(name, "skipped for time", seconds)
            for name, seconds in self.seconds.items()
        ]


def _stop_at(deadline: float, n_fits: int, before_fit: BeforeFit) -> BeforeFit:
    """`before_fit`, which then raises OutOfTime where as many more fits as are left, like the last, would end too late."""
    last, n_left = time.monotonic(), n_fits

    def check() -> None:
        nonlocal last, n_left
        before_fit()
        now = time.monotonic()
        if now + n_left * (now - last) > deadline:
            raise OutOfTime
        last, n_left = now, max(1, n_left - 1)

    return check
