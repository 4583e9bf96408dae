"""How labelling goes over time: labels of each person by week and by day, and how long they take. Numpy on arrays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from annotations.annotators.measures import Floats, Labels

RECENT_DAYS = 28
"""What "at this pace" means: long enough for holidays not to decide it, short enough to know of a change."""

PAUSE_S = 300.0
"""Between two labels of a person a longer gap is no labelling."""

QUARTER_S = 900
"""Everywhere on Earth days begin at a quarter of an hour of UTC."""


def pace(labels: Labels, ids: list[int], *, now: datetime) -> dict[str, Any]:
    """Ready for JSON.

    Returns
    -------
    dict
        `weeks` (of all time, by their Monday) and `days` (the last RECENT_DAYS): rows of [ISO date, id of the annotator,
        number of labels]. `recent`: of the last RECENT_DAYS the number of labels, the `hours` that people labelled (gaps
        between two labels of one person, as far as they are no pauses), `an_hour` labels, and the median seconds of an
        answer. `n_untimed`: imported labels, of which nobody knows when they were given.
    """
    timed = labels.of(np.isfinite(labels.said_at))
    day, person = _days(timed.said_at), np.asarray(ids)[timed.annotator]
    since = timezone.localtime(now).date() - timedelta(days=RECENT_DAYS - 1)
    is_recent = day >= since.toordinal()
    return {
        "weeks": _counted(day - (day - 1) % 7, person),  # day 1 of the calendar was a Monday
        "days": _counted(day[is_recent], person[is_recent]),
        "recent": {"n": int(is_recent.sum()), **_hours(timed.of(is_recent))},
        "since": since.isoformat(),
        "n_untimed": int(len(labels.level) - len(timed.level)),
    }


def _days(said_at: Floats) -> NDArray[np.int64]:
    """The number of the local day of each moment, as `date.toordinal` counts."""
    quarters, place = np.unique((said_at // QUARTER_S).astype(np.int64), return_inverse=True)
    days = [
        timezone.localtime(datetime.fromtimestamp(q * QUARTER_S, UTC)).date().toordinal() for q in quarters.tolist()
    ]
    return np.array(days, dtype=np.int64)[place]


def _counted(day: NDArray[np.int64], person: NDArray[np.int64]) -> list[list[Any]]:
    cells, n = np.unique(np.column_stack([day, person]), axis=0, return_counts=True)
    return [[date.fromordinal(a).isoformat(), b, m] for (a, b), m in zip(cells.tolist(), n.tolist(), strict=True)]


def _hours(labels: Labels) -> dict[str, Any]:
    order = np.lexsort((labels.said_at, labels.annotator))
    gap = np.diff(labels.said_at[order])
    # Two labels of one moment were sent together: nobody has heard a track in between.
    is_work = (np.diff(labels.annotator[order]) == 0) & (gap > 0) & (gap <= PAUSE_S)
    hours, seconds = float(gap[is_work].sum()) / 3600, labels.answered_s[np.isfinite(labels.answered_s)]
    return {
        "hours": round(hours, 2),
        "an_hour": round(float(is_work.sum()) / hours, 1) if hours else None,
        "seconds": round(float(np.median(seconds)), 2) if len(seconds) else None,
    }
