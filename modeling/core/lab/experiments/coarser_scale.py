"""How reliable are predictions on a scale of fewer levels?"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from modeling.core.estimates import Estimate
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, compare, contender, notes_of
from modeling.core.lab.data import LabData
from modeling.core.lab.report import Cell, Column, Findings, Matrix, Table, matrix
from modeling.core.lab.words import in_words, percent
from modeling.core.metrics import LEVELS, Levels, confusion_matrix


@dataclass(frozen=True)
class Scale:
    """Names of its levels, and which of them (1, 2...) a level of the ten belongs to."""

    labels: tuple[str, ...]
    read: Callable[[Levels], Levels]

    @property
    def name(self) -> str:
        return f"{len(self.labels)} levels"

    def of(self, fine: HeldOut) -> HeldOut:
        return replace(fine, truth=self.read(fine.truth), level=self.read(fine.level))


SCALES = (
    Scale(tuple(map(str, LEVELS)), lambda level: level),
    Scale(("1-2", "3-4", "5-6", "7-8", "9-10"), lambda level: (level + 1) // 2),
    Scale(("1-3", "4-7", "8-10"), lambda level: 1 + (level > 3).astype(np.int64) + (level > 7)),
)

COLUMNS = (
    Column("Scale", "text"),
    Column("macro-MAE", help="In levels of the scale itself."),
    Column("best constant", help="macro-MAE of always saying the same level: the one with which it is lowest."),
    Column(
        "of the constant's", "share", "macro-MAE divided by the constant's: comparable between scales; 0 is perfect."
    ),
    Column("right", "share"),
    Column("commonest", "share", "Share that always saying the commonest level gets right."),
    Column("by chance", "share", "Share right when levels are drawn as often as they occur, whatever the track."),
    Column("one off at most", "share"),
)
LEVEL_COLUMNS = (
    Column("Level", "text"),
    Column("tracks", "count"),
    Column("found", "share", "Of the tracks labelled so, the share predicted so."),
    Column("to be relied on", "share", "Of the tracks predicted so, the share labelled so."),
)


def answer(
    asked: catalogue.CoarserScale, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Levels are learnt and predicted as ever; labels and predictions are read more coarsely."""
    used = data.development().using(asked.sets)
    contenders = {asked.recipe: contender(asked.recipe, decision="lowest_macro_mae")}
    found = compare(contenders, used.dataset, Protocol.of(asked), annotations=used.annotations, on_progress=on_progress)
    read = {scale: scale.of(found[asked.recipe]) for scale in SCALES}
    return Findings(
        conclusions=(*(_conclusion(scale, held_out) for scale, held_out in read.items()), _left(read)),
        tables=(
            Table(f"{asked.recipe}, read on scales", COLUMNS, tuple(_row(*each) for each in read.items())),
            *(_by_level(scale, held_out) for scale, held_out in read.items()),
        ),
        matrices=tuple(_matrix(scale, held_out) for scale, held_out in read.items()),
        notes=(
            "cuts were placed for ten levels; placed for the coarser ones they might do a little better",
            *used.notes,
            *notes_of(found),
        ),
    )


def _row(scale: Scale, held_out: HeldOut) -> tuple[Cell, ...]:
    error, constant = held_out.macro_mae, best_constant(held_out.truth, len(scale.labels))
    share = np.unique(held_out.truth, return_counts=True)[1] / len(held_out.truth)
    return (
        scale.name,
        error,
        constant,
        Estimate(error.value / constant, error.se / constant) if constant else None,
        held_out.within(0),
        float(share.max()),
        float((share**2).sum()),
        held_out.within(1),
    )


def best_constant(truth: Levels, n_levels: int) -> float:
    """The lowest macro-MAE of always saying the same.

    >>> best_constant(np.array([1, 1, 1, 2, 5]), 5)
    1.3333333333333333
    """
    occurring = np.unique(truth)
    return min(float(np.abs(occurring - level).mean()) for level in range(1, n_levels + 1))


def _conclusion(scale: Scale, held_out: HeldOut) -> str:
    _, _, constant, _, _, commonest, chance, _ = _row(scale, held_out)
    return (
        f"Read as {scale.name}, {percent(held_out.within(0))} are right (always the commonest: {commonest:.0%}, by chance:"
        f" {chance:.0%}) and {percent(held_out.within(1))} at most one off; macro-MAE is {in_words(held_out.macro_mae)} of its"
        f" levels (best constant: {constant:.2f})."
    )


def _left(read: dict[Scale, HeldOut]) -> str:
    of_constant = {scale.name: _row(scale, held_out)[3] for scale, held_out in read.items()}
    left = ", ".join(
        f"{percent(share)} with {name}" for name, share in of_constant.items() if isinstance(share, Estimate)
    )
    return f"Of the best constant's error there is left: {left}. The lower, the more predictions say of what there is to say."


def _by_level(scale: Scale, held_out: HeldOut) -> Table:
    rows = []
    for number, label in enumerate(scale.labels, start=1):
        here, said = held_out.truth == number, held_out.level == number
        found = held_out.tracks(here).mean_of(said[:, here].mean(axis=0)) if here.any() else None
        truth = np.broadcast_to(here, said.shape)
        rows.append((label, int(here.sum()), found, float(truth[said].mean()) if said.any() else None))
    return Table(f"{scale.name}, one by one", LEVEL_COLUMNS, tuple(rows))


def _matrix(scale: Scale, held_out: HeldOut) -> Matrix:
    n = len(scale.labels)
    counts = sum(confusion_matrix(held_out.truth, level)[:n, :n] for level in held_out.level)
    return matrix(scale.name, counts, scale.labels)
