"""Recipes of one model: folds, resampling inside them, and a scorer whose fields are all there is to store."""

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats
from modeling.core.recipes.score import BeforeFit, Learnt, ScoreRecipe, Tracks
from modeling.core.resampling import Rows, resample


@dataclass(kw_only=True, eq=False)
class SingleModelRecipe(ScoreRecipe):
    """A recipe that only has to say how a scorer is fitted.

    The scorer is a dataclass of arrays and numbers, and predicts from those in numpy: a loaded one does the same.
    """

    needs_folds = False

    scorer_class: ClassVar[type[Any]]

    @abstractmethod
    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> Any:
        """A `scorer_class`, fitted on what `resampled` makes of these tracks."""

    def learn(self, tracks: Tracks, *, before_fit: BeforeFit = lambda: None) -> Learnt:
        """See `ScoreRecipe.learn`."""
        held_out_score = tracks.y.copy()
        if len(tracks.y) > 1 and self.n_folds:
            fold = tracks.folds(self.n_folds, self.seed)
            for held_out in range(fold.max() + 1):
                before_fit()
                known, held = tracks.part(fold != held_out), fold == held_out
                held_out_score[held] = self._score_unknown(
                    known, tracks.X[held], np.random.default_rng([held_out, self.seed])
                )
        before_fit()
        scorer = self.fit_scorer(tracks, np.random.default_rng(self.seed))
        return Learnt(scorer, held_out_score.clip(MIN_LEVEL, MAX_LEVEL))

    def _score_unknown(self, known: Tracks, X: Floats, rng: np.random.Generator) -> Floats:
        if len(np.unique(known.level)) == 1:
            return np.full(len(X), known.y.mean())
        return self.fit_scorer(known, rng).predict(X)

    def resampled(self, tracks: Tracks, rng: np.random.Generator) -> Rows:
        """The rows to fit on: tracks that nothing fitted on them will be judged by."""
        found = resample(tracks, self.resampling, rng=rng, k_neighbors=self.k_neighbors)
        for note in found.notes:
            self.note(note)
        return found.rows

    def scorer_to_arrays(self) -> dict[str, Any]:
        """See `ScoreRecipe.scorer_to_arrays`: its fields."""
        return {field.name: getattr(self.scorer, field.name) for field in fields(self.scorer)}

    def scorer_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> Any:
        """See `ScoreRecipe.scorer_from_arrays`."""
        return self.scorer_class(**{name: value if value.ndim else value.item() for name, value in arrays.items()})
