"""What an annotator would be expected to say of a track: by a model, by similar tracks, by the others who labelled it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from annotations.consensus import MIDDLE_LABELS
from modeling.core.metrics import Floats
from modeling.core.mislabels import neighbour_expectation, suspicion_details
from modeling.suspects.labels import NO_ROW, Labels
from modeling.training_data import TrainingData

N_NEIGHBOURS = 5


@dataclass(frozen=True, eq=False)
class Expectation:
    """By one witness: shape (n_labels,), in levels; NaN where it cannot tell.

    Attributes
    ----------
    level
        The annotator's bias included.
    bias
        How much higher this annotator labels, as this witness has it.
    """

    level: Floats
    bias: Floats

    @classmethod
    def nothing(cls, n_labels: int) -> Expectation:
        return cls(np.full(n_labels, np.nan), np.full(n_labels, np.nan))

    def put(self, index: NDArray[np.int64], level: Floats, bias: Floats) -> None:
        self.level[index], self.bias[index] = level, bias


@dataclass(frozen=True, eq=False)
class Expectations:
    """
    Attributes
    ----------
    model
        A smooth model that saw no track of the artist, whatever recipe the run has: those of trees, say, find fewer
        mistakes.
    neighbours
        The most similar tracks by other artists.
    others
        The other labels of the track.
    neighbour_rows, similarity : shape (n_labels, at most N_NEIGHBOURS)
        Dataset rows of the most similar tracks, NO_ROW where there are no more.
    """

    labels: Labels
    model: Expectation
    neighbours: Expectation
    others: Expectation
    neighbour_rows: NDArray[np.int64]
    similarity: Floats

    @classmethod
    def of(cls, labels: Labels, data: TrainingData, *, seed: int) -> Expectations:
        n = len(labels.rows)
        found = cls(
            labels,
            model=Expectation.nothing(n),
            neighbours=Expectation.nothing(n),
            others=_by_others(labels),
            neighbour_rows=np.full((n, N_NEIGHBOURS), NO_ROW),
            similarity=np.full((n, N_NEIGHBOURS), np.nan),
        )
        asked = np.flatnonzero(labels.is_open & (labels.dataset_row != NO_ROW))
        if len(np.unique(data.dataset.groups[labels.dataset_row[asked]])) > 1:  # or nothing can be held out
            found._ask_features(asked, data, seed)
        return found

    def _ask_features(self, asked: NDArray[np.int64], data: TrainingData, seed: int) -> None:
        rows, annotators = self.labels.dataset_row[asked], self.labels.annotator[asked]
        X, y, groups = data.dataset.X[rows], self.labels.level[asked], data.dataset.groups[rows]
        model = suspicion_details(X, y, annotators=annotators, groups=groups, seed=seed)
        self.model.put(asked, model.expected, _of_each(model.bias_by_annotator, annotators))
        near = neighbour_expectation(X, y, annotators=annotators, groups=groups, n=N_NEIGHBOURS)
        bias = _of_each(near.bias_by_annotator, annotators)
        self.neighbours.put(asked, near.expected + bias, bias)
        n_found = near.indices.shape[1]
        self.neighbour_rows[asked, :n_found] = np.where(near.indices < 0, NO_ROW, rows[near.indices])
        self.similarity[asked, :n_found] = near.similarity

    @cached_property
    def best(self) -> Expectation:
        """The model's where there is one, else that of the other annotators."""
        has_model = np.isfinite(self.model.level)
        return Expectation(
            np.where(has_model, self.model.level, self.others.level),
            np.where(has_model, self.model.bias, self.others.bias),
        )

    @cached_property
    def bias_of_annotator(self) -> Floats:
        """To show beside labels, shape (n_annotators,): the model's, of whom it has labels."""
        known = np.isfinite(self.model.bias)
        bias = self.labels.consensus.bias.copy()
        bias[self.labels.annotator[known]] = self.model.bias[known]
        return bias


def _of_each(bias_by_annotator: dict[object, float], annotators: NDArray[np.int64]) -> Floats:
    return np.array([bias_by_annotator[annotator] for annotator in annotators.tolist()])


def _by_others(labels: Labels) -> Expectation:
    """The model of annotations.consensus, asked without the label itself; its annotators are as all labels have them."""
    found, middle = labels.consensus, labels.level.mean()
    bias, scale = found.bias[labels.annotator], found.scale[labels.annotator]
    weight = (scale / found.noise[labels.annotator]) ** 2
    pull = weight * (labels.level - middle - bias) / scale
    total_weight, total_pull = (np.bincount(labels.track, values)[labels.track] for values in (weight, pull))
    of_others = (total_pull - pull) / (total_weight - weight + MIDDLE_LABELS)
    of_others[np.bincount(labels.track)[labels.track] < 2] = np.nan
    return Expectation(middle + bias + scale * of_others, bias)
