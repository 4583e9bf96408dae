"""A model of each annotator's own labels, and the mean of their votes: the thesis's table 3.7."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.annotations import Annotations
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats
from modeling.core.recipes.score import BeforeFit, Learnt, ScoreRecipe, Tracks, below
from modeling.core.recipes.single import SINGLE_RECIPES
from modeling.core.recipes.single_model import SingleModelRecipe


@dataclass(frozen=True, eq=False)
class MeanVote:
    """What several scorers say, each within the scale, averaged."""

    scorers: tuple[Any, ...]

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`."""
        return np.mean([np.clip(scorer.predict(X), MIN_LEVEL, MAX_LEVEL) for scorer in self.scorers], axis=0)


@dataclass(kw_only=True, eq=False)
class AnnotatorEnsemble(ScoreRecipe):
    """One member for each of the annotators with the most labels, taught by that person's labels alone; cuts on their mean.

    The cuts know the tracks' labels, so what those who vote have in common (all too high, say) is taken out again.

    Parameters
    ----------
    member : name in SINGLE_RECIPES
        With the seed, decision, resampling and folds of this recipe, and else its defaults.
    n_annotators, min_labels : int
        Those with the most labels vote, and of these those with that many; the others' labels only count in the tracks'.
    """

    name = "annotator_ensemble"

    member: str = "ridge_thresholds"
    n_annotators: int = 4
    min_labels: int = 30
    annotations: Annotations | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_annotators < 1 or self.min_labels < self.min_tracks:
            raise ValueError(
                f"found {self.n_annotators} annotators with {self.min_labels} labels; expected at least 1 with {self.min_tracks}"
            )

    def choices(self) -> dict[str, Any]:
        """See `ScoreRecipe.choices`."""
        return super().choices() | {"member": SINGLE_RECIPES}

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        annotations: Annotations | None = None,
    ) -> Self:
        """See `Recipe.fit`; ValueError without annotations, or where nobody gave enough labels."""
        if annotations is None:
            raise ValueError(f"{self.name} learns each person's labels: it needs annotations, and was given none")
        counted = np.ones(len(np.asarray(y)), bool) if sample_weight is None else np.asarray(sample_weight) > 0
        self.annotations = annotations.of_tracks(np.flatnonzero(counted))
        try:
            return super().fit(X, y, groups=groups, sample_weight=sample_weight)
        finally:
            self.annotations = None  # a fitted model is what it learnt, not what it learnt from

    def learn(self, tracks: Tracks, *, before_fit: BeforeFit = lambda: None) -> Learnt:
        """See `ScoreRecipe.learn`. Nobody's member is asked of a track whose group it knows by another of that person's."""
        people = self._people()
        fold, held_out_score = tracks.folds(self.n_folds, self.seed), np.empty(len(tracks.y))
        for held_out in range(fold.max() + 1):
            scorer = MeanVote(tuple(self._members(tracks, people, fold != held_out, before_fit)))
            held = fold == held_out
            # Whoever labelled nothing else leaves nobody to ask.
            held_out_score[held] = scorer.predict(tracks.X[held]) if scorer.scorers else tracks.y[~held].mean()
        scorer = MeanVote(tuple(self._members(tracks, people, np.ones(len(tracks.y), bool), before_fit)))
        self.details = {"n_labels": {name: int(np.sum(self._annotations.annotator == name)) for name in people}}
        return Learnt(scorer, held_out_score.clip(MIN_LEVEL, MAX_LEVEL))

    @property
    def _annotations(self) -> Annotations:
        return self.annotations if self.annotations is not None else Annotations.none()

    def _people(self) -> list[str]:
        """Who votes; ties by name."""
        names, n_labels = np.unique(self._annotations.annotator, return_counts=True)
        most = sorted(zip(-n_labels, names.tolist(), strict=True))[: self.n_annotators]
        people = [name for n, name in most if -n >= self.min_labels and self._n_levels(name) > 1]
        if not people:
            raise ValueError(
                f"found {-most[0][0] if most else 0} labels by the person with the most; {self.name} expects at least"
                f" {self.min_labels}, of two levels: label more, or use another recipe"
            )
        if len(people) < self.n_annotators:
            self.note(
                f"{len(people)} people vote in place of {self.n_annotators}: no more have {self.min_labels} labels"
            )
        return people

    def _n_levels(self, name: str) -> int:
        return len(np.unique(self._annotations.level[self._annotations.annotator == name]))

    def _members(
        self, tracks: Tracks, people: list[str], known: NDArray[np.bool_], before_fit: BeforeFit
    ) -> Iterator[Any]:
        """A scorer of each person's labels of these tracks; nobody who there has only one level."""
        member = self._member()
        for number, name in enumerate(people):
            own = self._labels_of(name, tracks, known)
            if len(np.unique(own.level)) > 1:
                before_fit()
                yield member.fit_scorer(own, np.random.default_rng([number, int(known.sum()), self.seed]))
        for note in member.notes:
            self.note(f"{self.member}: {note}")

    def _labels_of(self, name: str, tracks: Tracks, known: NDArray[np.bool_]) -> Tracks:
        mine = (self._annotations.annotator == name) & known[self._annotations.track]
        row = self._annotations.track[mine]
        return Tracks(
            tracks.X[row], self._annotations.level[mine].astype(float), tracks.weight[row], tracks.held_together[row]
        )

    def _member(self) -> SingleModelRecipe:
        return SINGLE_RECIPES[self.member](
            seed=self.seed,
            decision=self.decision,
            resampling=self.resampling,
            k_neighbors=self.k_neighbors,
            n_folds=self.n_folds,
        )

    def scorer_to_arrays(self) -> dict[str, Any]:
        """See `ScoreRecipe.scorer_to_arrays`: those of the members, each below its number."""
        arrays: dict[str, Any] = {"n_members": len(self.scorer.scorers)}
        for number, scorer in enumerate(self.scorer.scorers):
            member = self._member()
            member.scorer = scorer
            arrays |= {f"{number}.{name}": value for name, value in member.scorer_to_arrays().items()}
        return arrays

    def scorer_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> MeanVote:
        """See `ScoreRecipe.scorer_from_arrays`."""
        numbers = range(int(arrays["n_members"]))
        return MeanVote(tuple(self._member().scorer_from_arrays(below(str(number), arrays)) for number in numbers))
