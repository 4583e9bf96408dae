"""Which annotations a lead should hear again after a run, with the evidence that the review page shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotations.models import MAX_LEVEL, MIN_LEVEL, Decision, Flag
from annotations.review.flags import Accusation
from modeling.core.decisions import round_to_level
from modeling.core.evaluation import Evaluation
from modeling.core.mislabels import suspicion_details
from modeling.core.neighbours import nearest
from modeling.training_data import TrainingData

# Two annotators of one track who are 3 levels apart: a large error in the thesis's words (section 3.4).
LARGE_DISTANCE = 3
# In units of the annotators' usual noise; about 1 is usual, see annotations.consensus.
LARGE_SPREAD = 1.5
N_NEIGHBOURS = 5


def find_suspects(data: TrainingData, evaluation: Evaluation, *, share: float, seed: int) -> list[Accusation]:
    """The most suspicious annotations of the development tracks.

    The evaluation slice is never flagged: labels mended where the model doubts them would flatter the model. Tracks
    whose level a lead has set and labels that a lead has kept are not flagged again.

    Parameters
    ----------
    share : float in (0, 1]
        Of the development annotations, how many to flag for their distance from the model.
    """
    decided = (
        Decision.objects.standing().filter(verdict=Decision.Verdict.KEEP).values_list("flag__annotation", flat=True)
    )
    settled = evaluation.in_slice | np.isin(data.track_ids, list(data.settled))
    kept = np.isin([annotation.pk for annotation in data.annotations], list(decided))
    candidates = np.flatnonzero(~settled[data.annotation_row] & ~kept)
    if len(np.unique(data.dataset.groups[data.annotation_row[candidates]])) < 2:
        return []  # nothing could be held out
    found = [*_by_model(data, candidates, share=share, seed=seed), *_by_disagreement(data, candidates)]
    evidence = _evidence(data, evaluation, [suspect.index for suspect in found])
    return [
        Accusation(
            annotation_id=data.annotations[suspect.index].pk,
            reason=suspect.reason,
            expected_level=suspect.expected,
            suspicion=suspect.suspicion,
            evidence={**shown, "bias": round(suspect.bias, 2)},
        )
        for suspect, shown in zip(found, evidence, strict=True)
    ]


@dataclass(frozen=True)
class Suspect:
    """An annotation by its index in the training data; expected, suspicion and bias in levels."""

    index: int
    reason: Flag.Reason
    expected: float
    suspicion: float
    bias: float


def _by_model(data: TrainingData, candidates: np.ndarray, *, share: float, seed: int) -> list[Suspect]:
    """By the residuals of a smooth model, whatever recipe the run has: those of trees, say, find fewer mistakes."""
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
        Suspect(
            index=int(candidates[i]),
            reason=Flag.Reason.MODEL_ERROR,
            expected=float(np.clip(details.expected[i], MIN_LEVEL, MAX_LEVEL)),
            suspicion=float(suspicion[i]),
            bias=details.bias_by_annotator[int(annotators[i])],
        )
        for i in most
    ]


def _by_disagreement(data: TrainingData, candidates: np.ndarray) -> list[Suspect]:
    """For each track whose annotators are far apart beyond their biases: the annotation farthest from what is expected."""
    by_row: dict[int, list[int]] = {}
    for index in candidates.tolist():
        by_row.setdefault(int(data.annotation_row[index]), []).append(index)
    levels = np.array([annotation.level for annotation in data.annotations])
    expected = _expected_by_consensus(data, levels)
    suspects = []
    for row, indices in by_row.items():
        if data.consensus.spread[row] < LARGE_SPREAD or np.ptp(levels[indices]) < LARGE_DISTANCE:
            continue
        accused = max(indices, key=lambda index: abs(levels[index] - expected[index]))
        suspects.append(
            Suspect(
                index=accused,
                reason=Flag.Reason.DISAGREEMENT,
                expected=float(expected[accused]),
                suspicion=float(abs(levels[accused] - expected[accused])),
                bias=float(data.consensus.bias[data.annotator_index[accused]]),
            )
        )
    return suspects


def _expected_by_consensus(data: TrainingData, levels: np.ndarray) -> np.ndarray:
    """What each annotator would be expected to say, given what all say of the track: the model of annotations.consensus."""
    middle, annotator = levels.mean(), data.annotator_index
    bias, scale = data.consensus.bias[annotator], data.consensus.scale[annotator]
    expected = middle + bias + scale * (data.consensus.level[data.annotation_row] - middle)
    return np.clip(expected, MIN_LEVEL, MAX_LEVEL)


def _evidence(data: TrainingData, evaluation: Evaluation, indices: list[int]) -> list[dict[str, Any]]:
    """What the review page shows beside each flag, as JSON: held-out prediction with its interval, similar tracks."""
    error = (data.true_level - evaluation.score)[~evaluation.in_slice]
    n_labels = Counter(data.annotator_index.tolist())
    rows = data.annotation_row[indices].astype(int)
    neighbours = nearest(data.dataset.X, rows, n=N_NEIGHBOURS)
    return [
        {
            "score": round(float(evaluation.score[row]), 2),
            "level": int(evaluation.level[row]),
            "interval": [round(float(evaluation.lower[row]), 1), round(float(evaluation.upper[row]), 1)],
            "belief": _belief(float(evaluation.score[row]), error),
            "n_labels": n_labels[int(data.annotator_index[index])],
            "neighbours": [
                {"track": data.track_ids[neighbour], "similarity": round(similarity, 2)}
                for neighbour, similarity in zip(similar.tolist(), similarities.tolist(), strict=True)
            ],
        }
        for index, row, similar, similarities in zip(
            indices, rows, neighbours.indices, neighbours.similarity, strict=True
        )
    ]


def _belief(score: float, error: np.ndarray) -> list[float]:
    """How often a track with this score would have each level, by the errors of all held-out predictions."""
    levels = round_to_level(score + error)
    return (np.bincount(levels, minlength=MAX_LEVEL + 1)[MIN_LEVEL:] / len(levels)).round(3).tolist()
