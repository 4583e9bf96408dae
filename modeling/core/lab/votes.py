"""Models of some people's labels, beside common ones of as many labels of anybody's, and how both err on single labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.estimates import Estimate
from modeling.core.lab.comparison import MakeRecipe, OnProgress, Protocol, fit
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import LabelErrors
from modeling.core.metrics import Floats

# With fewer labels a model of them and its error say nothing.
MIN_LABELS = 30


@dataclass(eq=False)
class Votes:
    """Levels that models say of every track, made fold by fold: none knows the track's artist.

    `own` are of the labels of each of `people`, the annotators there are or groups of them; `common` are of as many labels
    drawn from everybody's, on other tracks of the same folds. Shape (n_repeats, n_tracks) each.

    Attributes
    ----------
    together : str
        What all of `people` together are called, if they too are to have a common model.
    """

    data: LabData
    people: Sequence[str]
    make: MakeRecipe
    protocol: Protocol
    together: str = ""
    own: dict[str, Floats] = field(default_factory=dict)
    common: dict[str, Floats] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)

    def fill(self, on_progress: OnProgress) -> None:
        shape = (self.protocol.n_repeats, len(self.data.dataset.y))
        together = (self.together,) if self.together else ()
        self.own = {name: np.full(shape, np.nan) for name in self.people}
        self.common = {name: np.full(shape, np.nan) for name in (*self.people, *together)}
        for repeat in range(self.protocol.n_repeats):
            fold = self.protocol.folds(self.data.dataset, repeat)
            n_folds = int(fold.max()) + 1
            for held_out in range(n_folds):
                done = (repeat + held_out / n_folds) / self.protocol.n_repeats
                self._fill(repeat, fold == held_out, partial(on_progress, done))
        on_progress(1.0, "done")

    def _fill(self, repeat: int, held: NDArray[np.bool_], say: Callable[[str], None]) -> None:
        annotations, rng = self.data.annotations, np.random.default_rng([repeat, self.protocol.seed])
        known = ~held[annotations.track]
        labels = {name: np.flatnonzero(known & self.labels_of(name)) for name in self.people}
        for name, own in labels.items():
            say(f"{name}, repeat {repeat + 1}")
            self.own[name][repeat, held] = self._levels(own, held, repeat)
        if self.together:
            labels[self.together] = np.concatenate(list(labels.values()))
        for name, own in labels.items():
            say(f"as many labels as of {name}, repeat {repeat + 1}")
            drawn = rng.choice(np.flatnonzero(known), len(own), replace=False)
            self.common[name][repeat, held] = self._levels(drawn, held, repeat)

    def _levels(self, labels: NDArray[np.int64], held: NDArray[np.bool_], repeat: int) -> Floats:
        """What a model of these labels says of the tracks that are held out."""
        dataset, annotations = self.data.dataset, self.data.annotations
        row, level = annotations.track[labels], annotations.level[labels]
        if len(row) < MIN_LABELS // 2 or len(np.unique(level)) < 2:
            raise TooLittleData(
                f"While others are held out, {len(row)} labels of {len(np.unique(level))} levels are left to one of the models: let"
                " people label more tracks, of more artists."
            )
        # A track with several labels is there several times, and held out at once.
        artist = dataset.groups[row] if self.protocol.by_artist else row.astype(np.str_)
        known = replace(dataset.rows(row), y=level.astype(float), groups=artist)
        theirs = Annotations(np.arange(len(row)), annotations.annotator[labels], level)
        of = fit(self.make(self.protocol.seed + repeat), known, np.ones(len(row), bool), theirs)
        self.said |= dict.fromkeys(of.notes)
        return of.predict(dataset.X[held]).astype(float)

    @property
    def notes(self) -> tuple[str, ...]:
        first, *more = self.said or [""]
        return (f"fits said: {first}" + (f" (and {len(more)} more)" if more else ""),) if first else ()

    def labels_of(self, name: str) -> NDArray[np.bool_]:
        return self.data.annotations.annotator == name

    def errors(self, votes: Floats, labels: NDArray[np.bool_]) -> LabelErrors:
        """Of these votes, against these labels."""
        annotations = self.data.annotations
        track, level = annotations.track[labels], annotations.level[labels]
        return LabelErrors(level, np.abs(votes[:, track] - level).mean(axis=0), self.data.dataset.groups[track])


@dataclass(frozen=True, eq=False)
class Judged:
    """One model, and the common one of as many labels, on its own labels and on everybody else's, where there are any."""

    name: str
    n_labels: int
    own: LabelErrors | None
    common_on_own: LabelErrors | None
    rest: LabelErrors | None
    common_on_rest: LabelErrors | None

    @classmethod
    def of(cls, votes: Votes, name: str, n_labels: int, own: NDArray[np.bool_], rest: NDArray[np.bool_]) -> Judged:
        pairs = (
            votes.errors(levels[name], labels) if labels.any() else None
            for labels in (own, rest)
            for levels in (votes.own, votes.common)
        )
        return cls(name, n_labels, *pairs)

    @property
    def gain_on_own(self) -> Estimate | None:
        return self.own.less(self.common_on_own) if self.own and self.common_on_own else None

    @property
    def gain_on_rest(self) -> Estimate | None:
        return self.rest.less(self.common_on_rest) if self.rest and self.common_on_rest else None
