"""All labels that count, with features or without, as arrays; and which of them may be doubted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from annotations import consensus
from annotations.models import Decision, Track
from annotations.models.flags import NEW_EVIDENCE
from modeling.core.dataset import in_evaluation_slice
from modeling.core.metrics import Floats
from modeling.training_data import CHUNK_ROWS, Label, TrainingData

NO_ROW = -1


@dataclass(frozen=True, eq=False)
class Labels:
    """Arrays are of shape (n_labels,).

    Attributes
    ----------
    track, annotator : int
        Numbered from 0; `annotator_ids` are theirs in the database.
    dataset_row : int
        Of the label's track; NO_ROW where it has no features.
    is_open
        Neither of the evaluation slice nor of a track whose level a lead has set.
    answered_with : float
        Up to which suspicion a decision about the label holds, in levels; -inf where there is none.
    """

    rows: list[Label]
    track: NDArray[np.int64]
    annotator: NDArray[np.int64]
    annotator_ids: list[int]
    level: Floats
    dataset_row: NDArray[np.int64]
    is_open: NDArray[np.bool_]
    answered_with: Floats

    @classmethod
    def of(cls, data: TrainingData) -> Labels:
        rows = data.labels
        row_of_track = {track_id: row for row, track_id in enumerate(data.track_ids)}
        closed = _slice_tracks({label.track_id for label in rows}) | data.settled
        answered = _answered_with()
        annotator_ids, annotator = np.unique([label.annotator_id for label in rows], return_inverse=True)
        return cls(
            rows=rows,
            track=np.unique([label.track_id for label in rows], return_inverse=True)[1],
            annotator=annotator,
            annotator_ids=annotator_ids.tolist(),
            level=np.array([label.level for label in rows], float),
            dataset_row=np.array([row_of_track.get(label.track_id, NO_ROW) for label in rows]),
            is_open=np.array([label.track_id not in closed for label in rows]),
            answered_with=np.array([answered.get(label.pk, -np.inf) for label in rows]),
        )

    @cached_property
    def consensus(self) -> consensus.Consensus:
        """Of all labels; tracks and annotators numbered as here."""
        return consensus.estimate(self.track, self.annotator, self.level)

    @cached_property
    def of_track(self) -> list[NDArray[np.int64]]:
        """The labels of each track, by index."""
        return np.split(np.argsort(self.track, kind="stable"), np.cumsum(np.bincount(self.track))[:-1])

    def doubtful(self, suspicion: Floats) -> NDArray[np.bool_]:
        """Which labels so much suspicion (NaN: none) speaks against that a lead should hear them, again or for the first time."""
        return self.is_open & (suspicion > self.answered_with)


def _slice_tracks(labelled: set[int]) -> set[int]:
    tracks = Track.objects.values_list("pk", "uri").iterator(CHUNK_ROWS)
    return {track_id for track_id, uri in tracks if track_id in labelled and in_evaluation_slice(uri)}


def _answered_with() -> dict[int, float]:
    """Annotation id -> how suspicious it must be to be heard again: as the states of flags have it."""
    standing = Decision.objects.standing().values_list("flag__annotation", "verdict", "suspicion")
    return {
        annotation_id: suspicion + NEW_EVIDENCE
        if verdict == Decision.Verdict.KEEP and suspicion is not None
        else np.inf
        for annotation_id, verdict, suspicion in standing
    }
