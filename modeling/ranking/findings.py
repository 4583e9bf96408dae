"""What is found beside a ranking: what further labels would bring, and what the strategy's labels are worth. Loaded by workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from annotations.models import LEVELS, Annotation, LabellingRules, Stream
from modeling.core.acquisition import STRATEGIES
from modeling.core.gain_of_more import OnProgress, TooFewLabels, gain_of_more
from modeling.core.live_comparison import Against, Mask, error_when_asked, share_of, worth
from modeling.core.metrics import Floats, Levels
from modeling.models import Prediction, Promotion
from modeling.ranking.services import ASKS_FOR_OPINIONS, NO_STRATEGY
from modeling.training_data import TrainingData

# Of an equal share of the labels: the dashboard, too, calls a level with less rare.
RARE = 0.5
FIGURES = ("worth", "error", "rare")
NO_OPINIONS = "Second opinions cannot be held against new tracks on live labels; the replay does it."
READ_ROWS = 10_000


@dataclass(frozen=True)
class Reign:
    """A time in which a strategy was in force; to this day where it has no end."""

    strategy: str
    since: datetime
    until: datetime | None

    def has(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


class FirstLabel(NamedTuple):
    track_id: int
    stream: str
    created_at: datetime


def findings(
    data: TrainingData | None, *, on_progress: OnProgress = lambda share, message: None
) -> dict[str, dict[str, Any] | None]:
    """What `Ranking.found` holds, as JSON.

    `more`: `gain`, `low` and `high` of the next labels with a `sentence`, or that alone. `live`: strategy, time and the
    figures `worth`, `error` and `rare`, each of them `missing` where there are too few labels; None before any strategy.

    Parameters
    ----------
    data
        What a training would learn from; None where there are too few labels for one.
    on_progress : function of (share done 0..1, message)
        Called now and then; may raise to stop.
    """
    if data is None:
        return {
            "more": {"sentence": "Too few labels for a model: nothing can be said of what more would bring."},
            "live": None,
        }
    more = _more(data, lambda share, message: on_progress(0.4 * share, message))
    live = _live(data, lambda share, message: on_progress(0.4 + 0.6 * share, message))
    return {"more": more, "live": live}


def _more(data: TrainingData, on_progress: OnProgress) -> dict[str, Any]:
    try:
        found = gain_of_more(data.dataset, data.true_level, on_progress=on_progress)
    except TooFewLabels as problem:
        return {"sentence": str(problem)}
    return asdict(found) | {"sentence": found.sentence}


# ---- Strategy against random


def _live(data: TrainingData, on_progress: OnProgress) -> dict[str, Any] | None:
    reign = newest_reign()
    if reign is None:
        return None
    about = {
        "strategy": reign.strategy,
        "since": reign.since.isoformat(),
        "until": reign.until.isoformat() if reign.until else None,
    }
    if reign.strategy in ASKS_FOR_OPINIONS:
        # Its new tracks are drawn at random too: what it adds are opinions, which no first label tells of.
        return about | {figure: {"missing": NO_OPINIONS} for figure in FIGURES}
    first = _first_labels()
    of_row = [first[track_id] for track_id in data.track_ids]
    before = np.array([label.created_at < reign.since for label in of_row])
    ranked, random = (
        np.array([label.stream == stream and reign.has(label.created_at) for label in of_row])
        for stream in (Stream.RANKED, Stream.NEW)
    )
    level, artist = data.true_level, data.dataset.groups
    error = np.abs(_said_before(of_row, reign) - level)
    return about | {
        "worth": _figure(
            lambda: worth(data.dataset, level, before=before, ranked=ranked, random=random, on_progress=on_progress)
        ),
        "error": _figure(lambda: error_when_asked(error, level, artist, ranked=ranked, random=random)),
        "rare": _rare(level, before=before, ranked=ranked, random=random),
    }


def _rare(level: Levels, *, before: Mask, ranked: Mask, random: Mask) -> dict[str, Any]:
    """The share of levels that were rare: with less than half an equal share of the labels before the strategy."""
    counts = np.bincount(level[before], minlength=max(LEVELS) + 1)
    rare = [each for each in LEVELS if counts[each] < RARE * before.sum() / len(LEVELS)]
    if not rare:
        return {
            "missing": "No level was rare before the strategy." if before.any() else "There was no label before it."
        }
    return {"levels": rare} | _figure(lambda: share_of(np.isin(level, rare), ranked=ranked, random=random))


def _figure(compare: Callable[[], Against]) -> dict[str, Any]:
    try:
        return asdict(compare())
    except TooFewLabels as problem:
        return {"missing": str(problem)}


def newest_reign() -> Reign | None:
    """Of the strategy in force, or of the last that was; changes of other rules meanwhile do not end it."""
    strategy, since, until = "", None, None
    for order, created_at in LabellingRules.objects.order_by("-pk").values_list("order", "created_at"):
        if not strategy and (order == NO_STRATEGY or order not in STRATEGIES):
            until = created_at
        elif strategy in ("", order):
            strategy, since = order, created_at
        else:
            break
    return Reign(strategy, since, until) if since else None


def _first_labels() -> dict[int, FirstLabel]:
    """By track. A second opinion that a strategy asked for is no choice of a new track."""
    found: dict[int, FirstLabel] = {}
    rows = Annotation.objects.order_by("created_at", "pk").values_list("track", "stream", "created_at")
    for row in rows.iterator(READ_ROWS):
        found.setdefault(row[0], FirstLabel(*row))
    return found


def _said_before(labels: list[FirstLabel], reign: Reign) -> Floats:
    """Of each track the level that the run in use at its first label says, which has not seen that label; else NaN."""
    promotions = list(Promotion.objects.order_by("pk").values_list("created_at", "run"))
    given = Annotation.objects.filter(created_at__gte=reign.since, stream__in=[Stream.RANKED, Stream.NEW])
    rows = Prediction.objects.filter(
        part=Prediction.Part.FINAL, run__in={run for _, run in promotions}, track__in=given.values("track")
    ).values_list("track", "run", "level")
    said = {(track_id, run): level for track_id, run, level in rows.iterator(READ_ROWS)}
    found = np.full(len(labels), np.nan)
    for row, label in enumerate(labels):
        in_use = next((run for created_at, run in reversed(promotions) if created_at < label.created_at), None)
        found[row] = said.get((label.track_id, in_use), np.nan) if in_use else np.nan
    return found
