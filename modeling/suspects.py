"""Which annotations a lead should hear again after a run, with the evidence that the review page shows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from annotations.models import MAX_LEVEL, MIN_LEVEL, Flag
from annotations.services import Accusation
from modeling.core.evaluation import Evaluation
from modeling.core.mislabels import suspicion_details
from modeling.core.neighbours import nearest
from modeling.training_data import TrainingData

# Two annotators of one track who are 3 levels apart: a large error in the thesis's words (section 3.4).
LARGE_DISTANCE = 3
# In units of the annotators' usual noise; about 1 is usual, see annotations.consensus.
LARGE_SPREAD = 1.5
N_NEIGHBOURS = 5
INTERVAL_COVERAGE = 0.9


def find_suspects(data: TrainingData, evaluation: Evaluation, *, share: float, seed: int) -> list[Accusation]:
    """The most suspicious annotations of the development tracks.

    The evaluation slice is never flagged: labels mended where the model doubts them would flatter the model. Tracks that
    a lead has settled are not flagged again.

    Parameters
    ----------
    share : float in (0, 1]
        Of the development annotations, how many to flag for their distance from the model.
    """
    open_rows = np.flatnonzero(~evaluation.in_slice & ~np.isin(data.track_ids, list(data.settled)))
    candidates = np.flatnonzero(np.isin(data.annotation_row, open_rows))
    if not len(candidates):
        return []
    evidence = _Evidence(data, evaluation)
    return _by_model(data, candidates, evidence, share=share, seed=seed) + _by_disagreement(data, candidates, evidence)


def _by_model(
    data: TrainingData, candidates: np.ndarray, evidence: _Evidence, *, share: float, seed: int
) -> list[Accusation]:
    row = data.annotation_row[candidates]
    annotators = data.annotator_index[candidates]
    details = suspicion_details(
        data.dataset.X[row],
        [data.annotations[index].level for index in candidates],
        annotators=annotators,
        groups=data.dataset.groups[row],
        seed=seed,
    )
    suspicion = np.abs(details.residual)
    most = np.argsort(-suspicion, kind="stable")[: int(np.ceil(share * len(candidates)))]
    return [
        Accusation(
            annotation_id=data.annotations[candidates[index]].pk,
            reason=Flag.Reason.MODEL_ERROR,
            expected_level=float(np.clip(details.expected[index], MIN_LEVEL, MAX_LEVEL)),
            suspicion=float(suspicion[index]),
            evidence=evidence.of(int(candidates[index]), bias=details.bias_by_annotator[int(annotators[index])]),
        )
        for index in most
    ]


def _by_disagreement(data: TrainingData, candidates: np.ndarray, evidence: _Evidence) -> list[Accusation]:
    """For each track whose annotators are far apart beyond their biases: the annotation farthest from what is expected."""
    by_row: dict[int, list[int]] = {}
    for index in candidates:
        by_row.setdefault(int(data.annotation_row[index]), []).append(int(index))
    accusations = []
    for row, indices in by_row.items():
        levels = [data.annotations[index].level for index in indices]
        if data.consensus.spread[row] < LARGE_SPREAD or max(levels) - min(levels) < LARGE_DISTANCE or len(levels) < 2:
            continue
        expected = {index: _expected_by_consensus(data, index) for index in indices}
        accused = max(indices, key=lambda index: abs(data.annotations[index].level - expected[index]))
        accusations.append(
            Accusation(
                annotation_id=data.annotations[accused].pk,
                reason=Flag.Reason.DISAGREEMENT,
                expected_level=expected[accused],
                suspicion=abs(data.annotations[accused].level - expected[accused]),
                evidence=evidence.of(accused, bias=float(data.consensus.bias[data.annotator_index[accused]])),
            )
        )
    return accusations


def _expected_by_consensus(data: TrainingData, index: int) -> float:
    """What this annotator would be expected to say, given what all say of the track."""
    said, bias = data.consensus.level[data.annotation_row[index]], data.consensus.bias[data.annotator_index[index]]
    return float(np.clip(said + bias, MIN_LEVEL, MAX_LEVEL))


class _Evidence:
    """What the review page shows beside a flag, as JSON: held-out prediction, its usual error, similar tracks, the annotator."""

    def __init__(self, data: TrainingData, evaluation: Evaluation) -> None:
        self.data, self.evaluation = data, evaluation
        held_out = ~evaluation.in_slice
        self.error = (data.true_level - evaluation.score)[held_out]
        self.low, self.high = np.quantile(self.error, [(1 - INTERVAL_COVERAGE) / 2, (1 + INTERVAL_COVERAGE) / 2])
        self.n_labels = Counter(data.annotator_index.tolist())

    def of(self, index: int, *, bias: float) -> dict[str, Any]:
        row = int(self.data.annotation_row[index])
        score = float(self.evaluation.score[row])
        neighbours = nearest(self.data.dataset.X, [row], n=N_NEIGHBOURS)
        return {
            "score": round(score, 2),
            "level": int(self.evaluation.level[row]),
            "interval": [
                round(float(np.clip(score + error, MIN_LEVEL, MAX_LEVEL)), 1) for error in (self.low, self.high)
            ],
            "belief": self._belief(score),
            "bias": round(bias, 2),
            "n_labels": self.n_labels[int(self.data.annotator_index[index])],
            "neighbours": [
                {"track": self.data.track_ids[neighbour], "similarity": round(similarity, 2)}
                for neighbour, similarity in zip(
                    neighbours.indices[0].tolist(), neighbours.similarity[0].tolist(), strict=True
                )
            ],
        }

    def _belief(self, score: float) -> list[float]:
        """How often a track with this score would have each level, by the errors of all held-out predictions."""
        levels = np.clip(np.floor(score + self.error + 0.5), MIN_LEVEL, MAX_LEVEL).astype(int)
        return (np.bincount(levels, minlength=MAX_LEVEL + 1)[MIN_LEVEL:] / len(levels)).round(3).tolist()
