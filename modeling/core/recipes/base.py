"""What every recipe promises."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.annotations import Annotations
from modeling.core.metrics import Floats, Levels


@dataclass(kw_only=True, eq=False)
class Recipe(ABC):
    """A way to learn levels from features, with everything it needs inside: scaling, resampling, decision.

    A recipe is a dataclass: its fields are its options, by keyword, with their defaults.

    Parameters
    ----------
    seed : int
        All randomness of `fit`: the same seed and rows give the same model.

    Attributes
    ----------
    notes : list of str
        What `fit` had to do otherwise than asked, in sentences: fewer neighbours for a rare level, a part of the rows...
    """

    name: ClassVar[str]
    # The only feature sets it can learn from; none: whatever trainings use.
    feature_sets: ClassVar[tuple[str, ...]] = ()

    seed: int = 0
    notes: list[str] = field(init=False, default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        """Every option and its value, as JSON holds it: `RECIPES[name](**config)` makes the same recipe."""
        return json.loads(
            json.dumps({option.name: getattr(self, option.name) for option in fields(self) if option.init})
        )

    @abstractmethod
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        annotations: Annotations | None = None,
    ) -> Self:
        """Learn from labelled tracks.

        Parameters
        ----------
        X : shape (n_tracks, n_features), float
            Finite.
        y : shape (n_tracks,), float
            In levels, 1..10; may lie between levels (a consensus).
        groups : shape (n_tracks,), optional
            Artists. What is held out inside `fit` is held out by whole groups; without them every row is its own.
        sample_weight : shape (n_tracks,), float >= 0, optional
            Tracks of weight 0 are as if they were not there.
        annotations : Annotations, optional
            Who gave which of these tracks which level. Only recipes that learn people apart look at it.

        Raises
        ------
        ValueError
            If the shapes do not fit, there are too few rows, or a value is not finite.
        """

    @abstractmethod
    def predict(self, X: ArrayLike) -> Levels:
        """Levels 1..10, shape (n_tracks,)."""

    @abstractmethod
    def predict_score(self, X: ArrayLike) -> Floats:
        """Continuous predictions in levels, within [1, 10], shape (n_tracks,): for ranking and residuals."""

    @abstractmethod
    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> tuple[Floats, Floats]:
        """(lower, upper) in levels, within [1, 10], each of shape (n_tracks,): holds the label of that share of tracks."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing, empty folder, as data (JSON, npz...), never as pickles."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. The loaded model predicts exactly the same."""


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an npz of plain arrays."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an npz of plain arrays; ValueError where it holds pickled objects."""
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)
