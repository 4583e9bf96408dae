"""How good are the models, on tracks that nothing was chosen by?"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.dataset import Dataset, evaluation_slice
from modeling.core.decisions import round_to_level
from modeling.core.lab import catalogue, leaks, thesis
from modeling.core.lab.comparison import (
    MIN_TRACKS,
    HeldOut,
    OnProgress,
    Protocol,
    check_enough,
    comparison_table,
    fit,
    notes_of,
)
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.experiments.final_tables import (
    by_genre,
    by_level,
    coverage_by_level,
    coverage_overall,
    level_chart,
    pairs,
)
from modeling.core.lab.report import Column, Findings, Table, with_column
from modeling.core.lab.words import better_or_not, in_words, percent
from modeling.core.metrics import Floats
from modeling.core.recipes import RECIPES, Recipe

COVERAGE = 0.9
# As the thesis compares it; the other recipes of it have such defaults, and ours are as they are used.
OPTIONS_OF_THESIS = {"xgboost": {"decision": "lowest_mae", "resampling": "random_over"}}


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model says of the slice; `holds` and `width` (n_repeats, n_tracks): of its intervals, in levels."""

    held_out: HeldOut
    holds: NDArray[np.bool_]
    width: Floats


def answer(asked: catalogue.Final, data: LabData, *, on_progress: OnProgress, folder: Path | None = None) -> Findings:
    """Each recipe is fitted on the development tracks, and judged on the evaluation slice."""
    used = data.using(asked.sets)
    in_slice = evaluation_slice(used.dataset.uris)
    _check(used.dataset, in_slice, by_artist=asked.by_artist)
    judged = _judge(asked, used, in_slice, on_progress)
    found = {name: each.held_out for name, each in judged.items()}
    unknown = ~np.isin(used.dataset.groups[in_slice], used.dataset.groups[~in_slice])
    last = asked.recipes[-1]
    return Findings(
        conclusions=(
            *better_or_not(found, last),
            *_about(last, judged[last]),
            *_unknown_artists(last, found[last], unknown),
            "The thesis's figures are of its own 8,551 test tracks: other music, other labels.",
        ),
        tables=tuple(_tables(judged, used.tracks(in_slice), unknown)),
        matrices=tuple(held_out.matrix(name) for name, held_out in found.items()),
        charts=(level_chart(found),),
        notes=(*_notes(asked, used, in_slice), *used.notes, *notes_of(found)),
    )


def _check(dataset: Dataset, in_slice: NDArray[np.bool_], *, by_artist: bool) -> None:
    check_enough(dataset.rows(~in_slice), by_artist=by_artist)
    if in_slice.sum() < MIN_TRACKS:
        raise TooLittleData(
            f"{in_slice.sum()} labelled tracks with features are in the evaluation slice, which is a fifth of all; this"
            f" experiment needs {MIN_TRACKS} there: label more."
        )


def _judge(
    asked: catalogue.Final, used: LabData, in_slice: NDArray[np.bool_], on_progress: OnProgress
) -> dict[str, Judged]:
    protocol, judged, n_fits = Protocol.of(asked), {}, asked.n_repeats * len(asked.recipes)
    for number, name in enumerate(dict.fromkeys(asked.recipes)):
        learning = _features_of(name, used)
        found, began = _Said(learning.dataset.rows(in_slice), protocol.n_repeats), time.perf_counter()
        for repeat in range(protocol.n_repeats):
            on_progress((number * protocol.n_repeats + repeat) / n_fits, f"{name}: fit {repeat + 1}")
            recipe = RECIPES[name](seed=asked.seed + repeat, **OPTIONS_OF_THESIS.get(name, {}))
            model = fit(recipe, learning.dataset, ~in_slice, used.annotations, asked.by_artist)
            found.hear(repeat, model, learning.dataset.X[in_slice])
        judged[name] = found.judged(time.perf_counter() - began)
    on_progress(1.0, "done")
    return judged


class _Said:
    """Predictions of the slice, filled in repeat by repeat."""

    def __init__(self, of_slice: Dataset, n_repeats: int) -> None:
        self.of_slice, shape = of_slice, (n_repeats, len(of_slice.y))
        self.score, self.lower, self.upper = (np.full(shape, np.nan) for _ in range(3))
        self.level, self.notes = np.zeros(shape, np.int64), dict[str, None]()

    def hear(self, repeat: int, model: Recipe, X: NDArray[np.float32]) -> None:
        self.score[repeat], self.level[repeat] = model.predict_score(X), model.predict(X)
        self.lower[repeat], self.upper[repeat] = model.predict_interval(X, coverage=COVERAGE)
        self.notes |= dict.fromkeys(model.notes)
        if chosen := getattr(model, "details", {}).get("chosen"):
            self.notes[f"chose {chosen}"] = None

    def judged(self, seconds: float) -> Judged:
        y = self.of_slice.y
        held_out = HeldOut(round_to_level(y), self.of_slice.groups, self.score, self.level, seconds)
        notes = (*leaks.in_error(held_out.macro_mae), *self.notes)
        holds = (self.lower <= y) & (y <= self.upper)
        return Judged(replace(held_out, notes=notes), holds, self.upper - self.lower)


def _features_of(name: str, used: LabData) -> LabData:
    """The thesis's baseline knows Spotify's features alone, where they are there."""
    spotify = used.sets_named("spotify")
    return used.only(spotify) if name == "baseline" and spotify else used


def _about(name: str, judged: Judged) -> Iterator[str]:
    held_out = judged.held_out
    yield (
        f"{name} is at most one level off in {percent(held_out.within(1))} of the tracks, three or more in"
        f" {percent(held_out.mean_of(held_out.large_errors))}."
    )
    yield (
        f"Its intervals that should hold {COVERAGE:.0%} of the labels hold {percent(held_out.mean_of(judged.holds.mean(axis=0)))}; they are"
        f" {judged.width.mean():.1f} levels wide."
    )


def _unknown_artists(name: str, held_out: HeldOut, unknown: NDArray[np.bool_]) -> Iterator[str]:
    if unknown.any() and not unknown.all():
        yield (
            f"Of {unknown.sum()} tracks by artists it had not learnt from, the macro-MAE of {name} is"
            f" {in_words(held_out.tracks(unknown).macro_mae)}, of the other {(~unknown).sum()}"
            f" {in_words(held_out.tracks(~unknown).macro_mae)}: averages over the levels that occur on each side."
        )


def _tables(judged: Mapping[str, Judged], slice_: LabData, unknown: NDArray[np.bool_]) -> Iterator[Table]:
    found = {name: each.held_out for name, each in judged.items()}
    yield _overall(f"Evaluation slice: {len(unknown)} tracks", found)
    yield pairs(found)
    if unknown.any() and not unknown.all():
        artists = {name: held_out.tracks(unknown) for name, held_out in found.items()}
        yield comparison_table(f"Of these, {unknown.sum()} tracks by unknown artists", artists, first_column="Recipe")
    yield from (by_level(name, held_out) for name, held_out in found.items())
    if any(slice_.genres):
        yield by_genre(found, slice_.genres)
    yield coverage_overall({name: (found[name], each.holds, each.width) for name, each in judged.items()}, COVERAGE)
    yield coverage_by_level({name: (found[name], each.holds) for name, each in judged.items()}, COVERAGE)


def _overall(title: str, found: Mapping[str, HeldOut]) -> Table:
    theirs = {name: figures.macro_mae for name, figures in thesis.FINAL.items()}
    table = comparison_table(title, found, reference=list(found)[-1], thesis=theirs, first_column="Recipe")
    mae = [thesis.FINAL[name].mae if name in thesis.FINAL else None for name in found]
    table = with_column(table, Column("thesis MAE", from_thesis=True), mae, after="MAE")
    return with_column(
        table, Column("right", "share"), [held_out.within(0) for held_out in found.values()], after="thesis MAE"
    )


def _notes(asked: catalogue.Final, used: LabData, in_slice: NDArray[np.bool_]) -> Iterator[str]:
    n_tracks, sets = int((~in_slice).sum()), ", ".join(used.columns_of_set)
    yield f"learnt from all {n_tracks} development tracks at once, so the number of folds plays no part; features: {sets}"
    if "baseline" in asked.recipes:
        spotify = used.sets_named("spotify")
        yield (
            f"baseline learns from {spotify[0]} alone, as in the thesis"
            if spotify
            else "baseline learns from the same features as the others: Spotify's, which the thesis gave it, are not there"
        )
    if "xgboost" in asked.recipes:
        yield "xgboost as in the thesis: random over-sampling, scores rounded"
    yield "a slice that is looked at often stops being one that nothing was chosen by: choose by the other experiments"
