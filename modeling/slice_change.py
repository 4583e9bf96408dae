"""Did it help? What a run says of the evaluation slice, held against what the run before it said of the same tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from modeling.core.estimates import mean_over_strata
from modeling.core.evaluation import Evaluation
from modeling.models import Prediction, TrainingRun
from modeling.training_data import TrainingData


def slice_change(data: TrainingData, evaluation: Evaluation) -> dict[str, Any] | None:
    """Macro-MAE of the newest run that succeeded and of this one, on slice tracks that both predicted; None where there are none.

    Both against the levels of now, which are the better known ones: nothing but what models say differs. Kept with the run,
    since for a page to compare the runs of a large library takes seconds.
    """
    before = TrainingRun.objects.succeeded().order_by("-pk").first()
    if before is None:
        return None
    predicted = before.predictions.filter(part=Prediction.Part.SLICE).values_list("track", "level")
    level_before = dict(predicted)
    rows = [row for row in np.flatnonzero(evaluation.in_slice) if data.track_ids[row] in level_before]
    if not rows:
        return None
    found = paired_change(
        data.true_level[rows],
        before=[level_before[data.track_ids[row]] for row in rows],
        after=evaluation.level[rows],
        artists=data.dataset.groups[rows],
    )
    return {"run": before.pk, "n": len(rows), **found}


def paired_change(truth: ArrayLike, *, before: ArrayLike, after: ArrayLike, artists: ArrayLike) -> dict[str, float]:
    """Macro-MAE before and after, the difference (less than 0: better), and its standard error, in levels.

    The standard error is that of the paired differences, tracks of an artist erring together.

    Parameters
    ----------
    truth, before, after : shape (n_tracks,), int
        Levels.
    artists : shape (n_tracks,)

    Examples
    --------
    >>> paired_change([5, 5, 9, 9], before=[5, 7, 9, 7], after=[5, 6, 9, 7], artists=list("abcd"))
    {'before': 1.0, 'after': 0.75, 'change': -0.25, 'se': 0.25}
    """
    levels = np.asarray(truth)
    was, now = (np.abs(np.asarray(said) - levels) for said in (before, after))
    change = mean_over_strata(now - was, levels, artists)
    return {
        "before": mean_over_strata(was, levels).value,
        "after": mean_over_strata(now, levels).value,
        "change": change.value,
        "se": change.se,
    }
