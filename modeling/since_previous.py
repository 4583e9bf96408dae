"""Did it help? What a run says, held against what the run before it said of the same tracks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modeling.core.comparison import paired_change
from modeling.core.evaluation import Evaluation
from modeling.models import Prediction, TrainingRun
from modeling.training_data import TrainingData


def since_previous(data: TrainingData, evaluation: Evaluation) -> dict[str, Any] | None:
    """The newest run that succeeded, how many tracks have another level since, and how the evaluation slice moved.

    Kept with the run, since for a page to compare the runs of a large library takes seconds. None for the first run.
    """
    before = TrainingRun.objects.succeeded().order_by("-pk").first()
    if before is None:
        return None
    held_out = list(before.predictions.held_out().values_list("track", "part", "true_level", "level"))
    level = dict(zip(data.track_ids, data.true_level.tolist(), strict=True))
    return {
        "run": before.pk,
        "n_levels_changed": sum(level.get(track, shown) != shown for track, _, shown, _ in held_out),
        "slice": _slice_change(
            data, evaluation, {track: said for track, part, _, said in held_out if part == Prediction.Part.SLICE}
        ),
    }


def _slice_change(data: TrainingData, evaluation: Evaluation, before: Mapping[int, int]) -> dict[str, float] | None:
    """On slice tracks that both runs predicted; None where there are none.

    Both against the levels of now, which are the better known ones: nothing but what models say differs.
    """
    rows = [row for row in np.flatnonzero(evaluation.in_slice) if data.track_ids[row] in before]
    if not rows:
        return None
    found = paired_change(
        data.true_level[rows],
        before=[before[data.track_ids[row]] for row in rows],
        after=evaluation.level[rows],
        artists=data.dataset.groups[rows],
    )
    return {"n": len(rows), **found}
