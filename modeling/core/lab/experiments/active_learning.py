"""What would have saved labels? The tracks there are, played back as if each strategy had chosen what to label."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from modeling.core.dataset import Dataset
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import OnProgress, check_enough
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.report import Cell, Chart, Column, Findings, Series, Table
from modeling.core.lab.savings import (
    CURVE,
    RANDOM,
    RULE,
    Choice,
    Saving,
    Standing,
    savings_table,
    standings_table,
)
from modeling.core.lab.words import difference_in_words, verdict
from modeling.core.metrics import Floats
from modeling.core.recipes import RECIPES
from modeling.core.replay import Curves, replay

# Labels known before a strategy is asked for the first time.
START = 20
# With fewer batches there is no curve, with more it takes too long: larger batches reach further.
MIN_BATCHES, MAX_BATCHES = 3, 15
# Of the tracks that are not held out. Where nearly all are known in the end, all strategies have chosen the same.
MOST_SHARE, HELD_SHARE = 0.75, 0.3
# From how many tracks choices are made: a strategy looks at each of them before each batch.
MAX_TRACKS = 2_000
# The outer levels, which are rare in most music, and what is left of them.
THINNED = dict.fromkeys((1, 2, 9, 10), 0.25)
# The error of random at these places along its curve is what others are asked to reach. Conclusions speak of the second.
PLACES = (1 / 3, 2 / 3, 1.0)
SAID = 1
# Lines that a drawing tells apart.
MAX_LINES = 6
_SAVINGS_CAPTION = (
    "The error that random reaches with so many labels, and where each other curve reaches it; 95 % intervals are of repeats drawn"
    " anew. Curves are first made to fall."
)


def answer(
    asked: catalogue.ActiveLearning, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Replays of labelled tracks: by every strategy, and one more opinion against one more track."""
    used = data.development().using(asked.sets)
    _check_enough(used.dataset, asked)
    dataset, notes = _dataset(used, asked)
    on_progress(0.0, "Drawing what is held out")
    curves = _curves(dataset, asked, on_progress)
    return Findings(
        conclusions=tuple(_conclusions(curves)),
        tables=(_standings(curves), savings_table(_savings(curves), _SAVINGS_CAPTION), _curve_table(curves)),
        charts=(_chart(curves),),
        notes=(*used.notes, *notes, *_notes(asked)),
    )


def _check_enough(dataset: Dataset, asked: catalogue.ActiveLearning) -> None:
    check_enough(dataset, by_artist=asked.by_artist)
    needed = math.ceil((START + MIN_BATCHES * asked.batch) / MOST_SHARE / (1 - HELD_SHARE))
    if len(dataset.y) < needed:
        raise TooLittleData(
            f"{len(dataset.y)} labelled tracks outside the evaluation slice have features; played back in batches of"
            f" {asked.batch}, {needed} are needed: label more, or ask for smaller batches."
        )


def _dataset(used: LabData, asked: catalogue.ActiveLearning) -> tuple[Dataset, tuple[str, ...]]:
    dataset, notes = used.dataset, tuple[str, ...]()
    if len(dataset.y) > MAX_TRACKS:
        rows = np.random.default_rng(asked.seed).choice(len(dataset.y), MAX_TRACKS, replace=False)
        dataset = dataset.rows(np.sort(rows))
        notes = (f"{MAX_TRACKS:,} of {len(used.dataset.y):,} tracks, drawn at random, are played back",)
    return dataset if asked.by_artist else replace(dataset, groups=dataset.uris), notes


def _curves(dataset: Dataset, asked: catalogue.ActiveLearning, on_progress: OnProgress) -> Curves:
    thin = THINNED if asked.thin_rare else {}
    n_open = (1 - HELD_SHARE) * sum(thin.get(level, 1.0) for level in round_to_level(dataset.y).tolist())
    try:
        return replay(
            dataset,
            dict.fromkeys((RANDOM, *asked.strategies)),
            make_recipe=lambda: RECIPES[asked.recipe](seed=asked.seed),  # type: ignore[arg-type, return-value]  # all give scores
            batch=asked.batch,
            n_repeats=asked.n_repeats,
            start=START,
            most=min(round(MOST_SHARE * n_open), START + MAX_BATCHES * asked.batch),
            seed=asked.seed,
            held_share=HELD_SHARE,
            thin=thin,
            on_progress=on_progress,
        )
    except ValueError as problem:
        raise TooLittleData(f"{asked.recipe} cannot learn from these {len(dataset.y)} tracks: {problem}") from problem


# ---- What the curves say


def _choice(curves: Curves) -> Choice:
    return Choice.of({name: _area_less(curves, name) for name in _others(curves)})


def _others(curves: Curves) -> list[str]:
    return [name for name in curves.error if name != RANDOM]


def _area_less(curves: Curves, name: str) -> Floats:
    """Of each repeat, (n_repeats,)."""
    return (curves.error[name] - curves.error[RANDOM]).mean(axis=1)


def _standings(curves: Curves) -> Table:
    choice = _choice(curves)
    best_first = sorted(curves.error, key=lambda name: float(_area_less(curves, name).mean()))
    rows = [_standing(curves, name, choice) for name in best_first]
    return standings_table(rows, choice.recommended, f"The rule: {RULE}.")


def _standing(curves: Curves, name: str, choice: Choice) -> Standing:
    end = mean(curves.error[name][:, -1])
    if name == RANDOM:
        return Standing(name, None, end, None, None)
    end_less = mean((curves.error[name] - curves.error[RANDOM])[:, -1])
    return Standing(name, curves.area_less(name), end, end_less, choice.judged if name == choice.candidate else None)


def _savings(curves: Curves) -> list[Saving]:
    return [_saving(curves, name, n) for name in _others(curves) for n in _sizes(curves)]


def _sizes(curves: Curves) -> list[int]:
    """Labels of random that others are held to."""
    return [int(curves.sizes[round(place * (len(curves.sizes) - 1))]) for place in PLACES]


def _saving(curves: Curves, name: str, n: int) -> Saving:
    found = curves.labels_to_equal(name, n), *curves.labels_to_equal_interval(name, n)
    needed, low, high = (round(labels) if np.isfinite(labels) else None for labels in found)
    return Saving(name, n, needed, low, high)


def _curve_table(curves: Curves) -> Table:
    columns = [Column("labels", "count"), *(Column(name) for name in curves.error)]
    height = {
        name: [Estimate(*each) for each in zip(curves.mean(name), curves.se(name), strict=True)]
        for name in curves.error
    }
    rows: list[tuple[Cell, ...]] = [
        (int(n), *(height[name][at] for name in curves.error)) for at, n in enumerate(curves.sizes)
    ]
    return Table(CURVE, tuple(columns), tuple(rows), "macro-MAE on tracks of artists that nothing was learnt from.")


def _chart(curves: Curves) -> Chart:
    best_first = sorted(_others(curves), key=lambda name: float(_area_less(curves, name).mean()))
    series = [
        Series(name, *(tuple(map(float, each)) for each in (curves.sizes, curves.mean(name), curves.se(name))))
        for name in (RANDOM, *best_first[: MAX_LINES - 1])
    ]
    return Chart(CURVE, "Labels", "macro-MAE", tuple(series))


def _conclusions(curves: Curves) -> Iterator[str]:
    choice = _choice(curves)
    judged = f"macro-MAE less random's, as a mean over the curve, is {difference_in_words(choice.judged)}"
    if choice.recommended != RANDOM:
        yield f"{choice.candidate} would have needed {_saving(curves, choice.candidate, _sizes(curves)[SAID]).in_words}."
        yield f"It was chosen by half of the repeats; in the others {judged}."
    else:
        yield f"No saving on your data: {choice.candidate} did best in half of the repeats; in the others {judged}."
    if worse := [name for name in _others(curves) if verdict(curves.area_less(name)) == "worse"]:
        yield f"These would have cost labels: {', '.join(worse)}."


def _notes(asked: catalogue.ActiveLearning) -> Iterator[str]:
    yield (
        "repeats hold out other artists of the same tracks: standard errors and intervals say how far that moves figures, and not"
        " how other music would do"
    )
    if asked.thin_rare:
        kept, levels = next(iter(THINNED.values())), ", ".join(map(str, THINNED))
        yield f"of levels {levels} {kept:.0%} of the tracks were left to choose from: as if they were rarer than they are"
