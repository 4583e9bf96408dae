"""The result of a scoring: the file's own rows with what a run says of each, made while it is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from annotations.models import User
from energyapp import spreadsheets
from modeling.models import TrainingRun
from modeling.scoring.models import Scoring
from modeling.scoring.states import State, why
from modeling.scoring.taking_in import RESULT_COLUMNS

BATCH_SIZE = 500
DIGEST_CHARACTERS = 12
DECIMALS = 3
_FIELDS = (
    *("cells", "problem", "state", "track__audio_state", "track__audio_problem"),
    *("prediction__level", "prediction__score", "prediction__lower", "prediction__upper"),
)


def csv_lines(scoring: Scoring, run: TrainingRun | None, *, reader: User | None) -> Iterator[str]:
    """Every row of the file in its order; `reader` as in `with_state`."""
    rows = scoring.rows.with_state(run, reader=reader).order_by("position").values(*_FIELDS)
    model = model_cells(run)
    n_own = len(scoring.columns)
    made = ([*(row["cells"] or [""] * n_own), *_said(row, model, run)] for row in rows.iterator(chunk_size=BATCH_SIZE))
    return spreadsheets.csv_lines([*scoring.columns, *RESULT_COLUMNS], made)


def _said(row: dict[str, Any], model: list[Any], run: TrainingRun | None) -> list[Any]:
    """The cells of RESULT_COLUMNS."""
    state = row["state"]
    reason = why(state, row["problem"], row["track__audio_state"], row["track__audio_problem"], run)
    if state != State.SCORED:
        return [""] * (len(RESULT_COLUMNS) - 2) + [state, reason]
    numbers = (row[f"prediction__{name}"] for name in ("score", "lower", "upper"))
    return [row["prediction__level"], *map(rounded, numbers), *model, state, reason]


def rounded(number: float | None) -> float | str:
    return "" if number is None else round(number, DECIMALS)


def model_cells(run: TrainingRun | None) -> list[Any]:
    """Which model it was, so that a file alone can say it: run, recipe, date, the beginning of its digest."""
    if run is None:
        return ["", "", "", ""]
    return [run.pk, run.recipe, f"{run.created_at:%Y-%m-%d}", run.artifact_digest[:DIGEST_CHARACTERS]]
