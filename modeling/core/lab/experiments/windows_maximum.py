"""Is a song as energetic as its most energetic part?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.decisions import DECISIONS, round_to_level
from modeling.core.estimates import Estimate
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import (
    HeldOut,
    OnProgress,
    Protocol,
    check_enough,
    comparison_table,
    contender,
    fit,
    notes_of,
)
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.report import Column, Findings, Table
from modeling.core.lab.words import better_or_not
from modeling.core.metrics import Floats

MIN_LONG_TRACKS = 10
# Ten of each level, if they were spread evenly: with fewer, cuts and standard errors are shaky.
FEW_LONG_TRACKS = 100
LOUDEST = "loudest 30 s"
# From the scores of a track's windows to one score; the loudest part has its own vector.
OF_WINDOWS: dict[str, Callable[[Floats], float]] = {
    "maximum": lambda scores: float(scores.max()),
    "90 % quantile": lambda scores: float(np.quantile(scores, 0.9)),
    "mean": lambda scores: float(scores.mean()),
}


def answer(
    asked: catalogue.WindowsMaximum, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """One model of loudest parts scores the windows of tracks it does not know; cuts are placed for each way to sum up."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist)
    long, notes = _long_tracks(used)
    found = _compare(used, long, asked, on_progress)
    on_long = {name: held_out.tracks(long) for name, held_out in found.items()}
    return Findings(
        conclusions=(*_on_long(on_long, len(long)), *_on_shift(on_long)),
        tables=(
            comparison_table("Tracks of several windows", on_long, reference=LOUDEST, first_column="Score of a track"),
            comparison_table("All tracks", found, reference=LOUDEST, first_column="Score of a track"),
            _shift_table(on_long),
        ),
        matrices=tuple(held_out.matrix(name) for name, held_out in on_long.items()),
        notes=(*used.notes, *notes, *_notes(used, long), *notes_of(on_long)),
    )


def _long_tracks(used: LabData) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The rows of the tracks with several windows, all of them finite, and how many had others."""
    several = [row for row, windows in sorted(used.windows.items()) if len(windows) > 1]
    long = np.array([row for row in several if np.isfinite(used.windows[row]).all()], np.int64)
    if len(long) < MIN_LONG_TRACKS:
        raise TooLittleData(
            f"{len(long)} labelled tracks have features of several 30 s windows; this experiment needs {MIN_LONG_TRACKS}: label"
            " tracks of which the whole song is here, and compute the features of their windows."
        )
    if len(np.unique(round_to_level(used.dataset.y[long]))) < 2:
        raise TooLittleData("All tracks with several windows have the same level: label such tracks of other levels.")
    damaged = len(several) - len(long)
    return long, (
        f"{damaged} tracks have windows with missing values: judged by their loudest part",
    ) if damaged else ()


def _compare(
    used: LabData, long: NDArray[np.int64], asked: catalogue.WindowsMaximum, on_progress: OnProgress
) -> dict[str, HeldOut]:
    dataset, protocol, make = used.dataset, Protocol.of(asked), contender(asked.recipe)
    n_tracks = len(dataset.y)
    scores = {name: np.empty((asked.n_repeats, n_tracks)) for name in (LOUDEST, *OF_WINDOWS)}
    levels = {name: np.zeros((asked.n_repeats, n_tracks), np.int64) for name in scores}
    said, is_long = dict[str, None](), np.isin(np.arange(n_tracks), long)
    seconds = seconds_of_windows = 0.0
    for repeat in range(asked.n_repeats):
        fold = protocol.folds(dataset, repeat)
        n_folds = int(fold.max()) + 1
        for held_out in range(n_folds):
            held = fold == held_out
            on_progress((repeat + held_out / n_folds) / asked.n_repeats, f"fold {held_out + 1}, repeat {repeat + 1}")
            began = time.perf_counter()
            model = fit(make(asked.seed + repeat), dataset, ~held, used.annotations, asked.by_artist)
            said |= dict.fromkeys(model.notes)
            loudest = model.predict_score(dataset.X[held])
            for of_way in scores.values():
                of_way[repeat, held] = loudest  # of tracks with one window every way says the same
            seconds, began = seconds + time.perf_counter() - began, time.perf_counter()
            for row in long[held[long]]:
                of_windows = model.predict_score(used.windows[int(row)])
                for name, sum_up in OF_WINDOWS.items():
                    scores[name][repeat, row] = sum_up(of_windows)
            seconds_of_windows += time.perf_counter() - began
        for name, of_way in scores.items():
            levels[name][repeat] = _decided(of_way[repeat], dataset.y, fold, is_long)
    on_progress(1.0, "done")
    truth = round_to_level(dataset.y)
    return {
        name: HeldOut(
            truth,
            dataset.groups,
            scores[name],
            levels[name],
            seconds + (name != LOUDEST) * seconds_of_windows,
            tuple(said),
        )
        for name in scores
    }


def _decided(score: Floats, y: Floats, fold: NDArray[np.int64], is_long: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Levels by cuts on held-out scores of the other folds, made in the same way: a maximum lies higher than a mean.

    Tracks of one window have cuts of their own, or theirs and a maximum's would be a compromise that fits neither.
    """
    level = np.empty(len(score), np.int64)
    for held_out in range(int(fold.max()) + 1):
        for kind in (is_long, ~is_long):
            held = kind & (fold == held_out)
            # Where no other track is of this kind, the others' cuts have to do.
            others = kind & (fold != held_out)
            known = others if others.any() else fold != held_out
            if held.any():
                cuts = DECISIONS["lowest_macro_mae"](score[known], y[known], np.ones(int(known.sum())))
                level[held] = cuts.predict(score[held])
    return level


def _on_long(on_long: Mapping[str, HeldOut], n: int) -> Iterator[str]:
    yield f"{n} tracks have several windows; all figures here are of these."
    yield from better_or_not(on_long, LOUDEST)
    if n < FEW_LONG_TRACKS:
        yield f"{n} tracks are few: standard errors of so few are uncertain themselves, so take no verdict from them."


def _on_shift(on_long: Mapping[str, HeldOut]) -> Iterator[str]:
    higher = _higher(on_long, "maximum")
    yield (
        f"The maximum lies {higher.value:+.2f} ± {higher.se:.2f} levels from the score of the loudest 30 s: cuts made for the one"
        " do not fit the other."
    )


def _higher(on_long: Mapping[str, HeldOut], name: str) -> Estimate:
    return on_long[name].mean_of((on_long[name].score - on_long[LOUDEST].score).mean(axis=0))


def _shift_table(on_long: Mapping[str, HeldOut]) -> Table:
    rows = []
    for name, held_out in on_long.items():
        score, truth = held_out.score.mean(axis=0), held_out.truth
        correlated = float(np.corrcoef(score, truth)[0, 1]) if np.ptp(score) and np.ptp(truth) else None
        rows.append((name, float(score.mean()), None if name == LOUDEST else _higher(on_long, name), correlated))
    columns = (
        Column("Score of a track", "text"),
        Column("mean score"),
        Column(f"above {LOUDEST}", help="Mean difference of the same tracks' scores."),
        Column(
            "correlation", "number", help="Of the score with the labelled level; 1 is perfect. Knows nothing of cuts."
        ),
    )
    return Table("Scores of tracks of several windows, before cuts", columns, tuple(rows))


def _notes(used: LabData, long: NDArray[np.int64]) -> Iterator[str]:
    n_windows = sum(len(used.windows[int(row)]) for row in long)
    yield f"{len(long)} of {len(used.dataset.y)} tracks have several windows, {n_windows / len(long):.1f} on average"
    yield "tracks with one window have the same score and the same cuts each way: their differences are 0"
    yield (
        "for each way to sum up, cuts are placed for the lowest macro-MAE on scores made in that way, of tracks with several"
        " windows of the other folds, each by a model that did not know the track: cuts of the loudest part would call a maximum"
        " too energetic"
    )
    yield "models learn from the loudest 30 s of each track, whatever is then scored"
