"""What classifiers add: a probability for each level, of which the most likely may be the decision."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.decisions import DECISIONS, HALVES, MacroMaeThresholds
from modeling.core.metrics import Floats, Levels
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.single_model import SingleModelRecipe

MOST_LIKELY = "most_likely"


class LevelClassifier(Protocol):
    """A Scorer whose score is the expected level."""

    levels: NDArray[np.int64]

    def probabilities(self, X: ArrayLike) -> Floats:
        """Shape (n_rows, n_levels); rows sum to 1."""


@dataclass(kw_only=True, eq=False)
class ClassifierRecipe(SingleModelRecipe):
    """The score is the expected level.

    Parameters
    ----------
    decision : `most_likely`, or name in DECISIONS
        `most_likely` is the thesis's: the level with the highest probability, however far off it may be.
    """

    decision: str = MOST_LIKELY

    def choices(self) -> dict[str, Any]:
        """See `ScoreRecipe.choices`."""
        return super().choices() | {"decision": [MOST_LIKELY, *DECISIONS]}

    def decide(self, tracks: Tracks, held_out_score: Floats) -> MacroMaeThresholds:
        """See `ScoreRecipe.decide`; the most likely level needs no cuts."""
        return MacroMaeThresholds(HALVES) if self.decision == MOST_LIKELY else super().decide(tracks, held_out_score)

    def predict(self, X: ArrayLike) -> Levels:
        """See `Recipe.predict`."""
        if self.decision != MOST_LIKELY:
            return super().predict(X)
        return self.scorer.levels[self.scorer.probabilities(X).argmax(axis=1)]
