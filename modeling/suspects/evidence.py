"""What the review page shows beside a flag, as JSON: it needs nothing from the model that made it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotations.models import MAX_LEVEL, MIN_LEVEL
from modeling.core.evaluation import Evaluation
from modeling.core.metrics import Floats
from modeling.suspects.expectations import Expectations
from modeling.suspects.labels import NO_ROW, Labels
from modeling.suspects.reasons import Suspect
from modeling.training_data import TrainingData


@dataclass(frozen=True, eq=False)
class Evidence:
    labels: Labels
    expectations: Expectations
    data: TrainingData
    evaluation: Evaluation

    def of(self, suspect: Suspect) -> dict[str, Any]:
        """Held-out prediction with its interval, similar tracks, who labels how; and the numbers of the reason itself."""
        annotator = self.labels.annotator[suspect.index]
        return {
            "bias": round(suspect.bias, 2),
            "n_labels": int(self._n_labels[annotator]),
            "biases": self._biases(suspect.index),
            **self._by_features(suspect.index),
            **suspect.numbers,
        }

    def _biases(self, index: int) -> dict[str, float]:
        annotators = self.labels.annotator[self.labels.of_track[self.labels.track[index]]]
        bias = self.expectations.bias_of_annotator
        return {str(self.labels.annotator_ids[who]): round(float(bias[who]), 2) for who in annotators.tolist()}

    def _by_features(self, index: int) -> dict[str, Any]:
        row, found = self.labels.dataset_row[index], self.evaluation
        if row == NO_ROW:
            return {}
        return {
            "score": round(float(found.score[row]), 2),
            "level": int(found.level[row]),
            "interval": [round(float(found.lower[row]), 1), round(float(found.upper[row]), 1)],
            "belief": _belief(float(found.score[row]), self._errors),
            "neighbours": [
                {"track": self.data.track_ids[neighbour], "similarity": round(similarity, 2)}
                for neighbour, similarity in zip(
                    self.expectations.neighbour_rows[index].tolist(),
                    self.expectations.similarity[index].tolist(),
                    strict=True,
                )
                if neighbour != NO_ROW
            ],
        }

    @cached_property
    def _errors(self) -> Floats:
        return np.sort((self.data.true_level - self.evaluation.score)[~self.evaluation.in_slice])

    @cached_property
    def _n_labels(self) -> NDArray[np.int64]:
        return np.bincount(self.labels.annotator)


def _belief(score: float, errors: Floats) -> list[float]:
    """How often a track with this score would have each level, by the errors of all held-out predictions, smallest first.

    >>> _belief(4.0, np.array([-9.0, -0.6, 0.0, 0.5]))
    [0.25, 0.0, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    n_below = np.searchsorted(errors, np.arange(MIN_LEVEL, MAX_LEVEL) + 0.5 - score)
    return (np.diff(n_below, prepend=0, append=len(errors)) / len(errors)).round(3).tolist()
