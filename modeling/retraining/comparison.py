"""Champion against challenger, when the challenger has just been trained: the two on the same tracks, with the levels of now.

Loaded by workers; what pages read of it is `modeling.retraining.champion`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from modeling.core.comparison import paired, se_of_one_spread
from modeling.core.evaluation import Evaluation
from modeling.core.metrics import Floats, Levels
from modeling.models import Prediction, TrainingRun
from modeling.training_data import TrainingData

CONFIDENCE = 0.95

# By measure: what a prediction that is so many levels off counts, and whether every level counts alike.
MEASURES: dict[str, tuple[Callable[[Levels], Floats], bool]] = {
    "macro_mae": (lambda off: off.astype(float), True),
    "mae": (lambda off: off.astype(float), False),
    "within_1": (lambda off: (off <= 1).astype(float), False),
}


def compare(data: TrainingData, evaluation: Evaluation, champion: TrainingRun | None) -> dict[str, Any] | None:
    """What the run in use and the new one say of the evaluation slice; None where there is none in use.

    Both by models that had learnt from no slice track. A track that the champion had not held out then is left out: it was
    labelled since, or was none of the slice. So is one that only the champion knows.
    """
    if champion is None:
        return None
    held_out = champion.predictions.held_out().values_list("track", "part", "level")
    said = {track: level for track, part, level in held_out if part == Prediction.Part.SLICE}
    learnt = {track for track, part, _ in held_out if part == Prediction.Part.OUT_OF_FOLD}
    in_slice = [int(row) for row in np.flatnonzero(evaluation.in_slice)]
    rows = [row for row in in_slice if data.track_ids[row] in said]
    n_learnt = sum(data.track_ids[row] in learnt for row in in_slice)
    artists = data.dataset.groups[rows]
    return {
        "run": champion.pk,
        "n": len(rows),
        "n_artists": len(set(artists.tolist())),
        "left_out": {"new": len(in_slice) - len(rows) - n_learnt, "learnt": n_learnt, "gone": len(said) - len(rows)},
        "measures": measured(
            data.true_level[rows],
            before=np.array([said[data.track_ids[row]] for row in rows], dtype=int),
            after=evaluation.level[rows],
            artists=artists,
        )
        if rows
        else {},
    }


def measured(truth: Levels, *, before: Levels, after: Levels, artists: ArrayLike) -> dict[str, dict[str, float]]:
    """By measure: its value before and after, the change, its standard error, and the interval that holds 95 % of chance.

    Parameters
    ----------
    truth, before, after : shape (n_tracks,), int
        Levels, not empty.
    artists : shape (n_tracks,)

    Examples
    --------
    >>> found = measured(np.array([5, 5, 9, 9]), before=np.array([5, 7, 9, 7]), after=np.array([5, 6, 9, 7]), artists=list("abcd"))
    >>> found["macro_mae"]["change"], found["macro_mae"]["se"]
    (-0.25, 0.25)
    """
    off = [np.abs(levels - truth) for levels in (before, after)]
    n_artists = len(np.unique(np.asarray(artists)))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, max(1, n_artists - 1)))
    found = {}
    for name, (counted, by_level) in MEASURES.items():
        was, now = (counted(each) for each in off)
        strata = truth if by_level else np.zeros_like(truth)
        change = paired(was, now, strata=strata, clusters=artists)
        se = max(float(np.nan_to_num(change.se)), se_of_one_spread(now - was, strata))
        interval = {"low": change.change - reach * se, "high": change.change + reach * se}
        found[name] = {"before": change.before, "after": change.after, "change": change.change, "se": se, **interval}
    return found
