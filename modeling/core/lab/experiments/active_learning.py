"""What would have saved labels? The tracks there are, played back as if each strategy had chosen what to label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset
from modeling.core.decisions import round_to_level
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import OnProgress, check_enough
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import labels_a_track
from modeling.core.lab.replay_tables import chart, choice, others, part_of, saving, tables
from modeling.core.lab.report import Findings
from modeling.core.lab.savings import HELD_SHARE, MOST_SHARE, RANDOM, REAL, SIMULATED, START, tracks_needed
from modeling.core.lab.words import difference_in_words, verdict
from modeling.core.recipes import RECIPES
from modeling.core.recipes.score import ScoreRecipe
from modeling.core.replay import Curves, replay
from modeling.core.replay_opinions import OpinionCurves, replay_opinions, simulated_opinions

# To tell people apart it takes more labels before a strategy is asked for the first time.
OPINIONS_START = 60
# With more it takes too long: larger batches reach further.
MAX_BATCHES = 15
# From how many tracks choices are made: a strategy looks at each of them before each batch.
MAX_TRACKS = 2_000
# The outer levels, which are rare in most music, and what is left of them.
THINNED = dict.fromkeys((1, 2, 9, 10), 0.25)
# Tracks with two labels or more that it takes to play back second opinions of real people.
MIN_SEVERAL = 100
OPINION = "relabel_or_new"

Opinions = Callable[[np.random.Generator], Annotations]


def answer(
    asked: catalogue.ActiveLearning, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Replays of labelled tracks: by every strategy, and one more opinion against one more track."""
    used = data.development().using(asked.sets)
    _check_enough(used.dataset, asked)
    used = _drawn(used, asked)
    on_progress(0.0, "Drawing what is held out")
    curves = _curves(used.dataset, asked, part_of(on_progress, 0.0, 0.7))
    opinions, why_not = _opinions(used, asked, part_of(on_progress, 0.7, 1.0))
    on_progress(1.0, "done")
    return Findings(
        conclusions=(*_conclusions(curves), *(_on_opinions(whose, found) for whose, found in opinions.items())),
        tables=(
            *tables(curves, chosen=choice(curves)),
            *(table for whose, found in opinions.items() for table in tables(found, whose)),
        ),
        charts=(chart(curves), *(chart(found, whose) for whose, found in opinions.items())),
        notes=(*used.notes, *why_not, *_notes(asked)),
    )


def _check_enough(dataset: Dataset, asked: catalogue.ActiveLearning) -> None:
    check_enough(dataset, by_artist=asked.by_artist)
    needed = tracks_needed(asked.batch)
    if len(dataset.y) < needed:
        raise TooLittleData(
            f"{len(dataset.y)} labelled tracks outside the evaluation slice have features; played back in batches of"
            f" {asked.batch}, {needed} are needed: label more, or ask for smaller batches."
        )


def _drawn(used: LabData, asked: catalogue.ActiveLearning) -> LabData:
    """At most so many tracks that it is over in minutes."""
    n_tracks = len(used.dataset.y)
    if n_tracks > MAX_TRACKS:
        rows = np.random.default_rng(asked.seed).choice(n_tracks, MAX_TRACKS, replace=False)
        note = f"{MAX_TRACKS:,} of {n_tracks:,} tracks, drawn at random, are played back"
        used = replace(used.tracks(np.sort(rows)), notes=(*used.notes, note))
    groups = used.dataset.groups if asked.by_artist else used.dataset.uris
    return replace(used, dataset=replace(used.dataset, groups=groups))


def _most(start: int, batch: int, n_open: float) -> int:
    return min(round(MOST_SHARE * n_open), start + MAX_BATCHES * batch)


def _recipe(asked: catalogue.ActiveLearning) -> Callable[[], ScoreRecipe]:
    return partial(RECIPES[asked.recipe], seed=asked.seed)  # type: ignore[return-value]  # all of them give scores


def _curves(dataset: Dataset, asked: catalogue.ActiveLearning, on_progress: OnProgress) -> Curves:
    thin = THINNED if asked.thin_rare else {}
    n_open = (1 - HELD_SHARE) * sum(thin.get(level, 1.0) for level in round_to_level(dataset.y).tolist())
    try:
        return replay(
            dataset,
            dict.fromkeys((RANDOM, *asked.strategies)),
            make_recipe=_recipe(asked),
            batch=asked.batch,
            n_repeats=asked.n_repeats,
            start=START,
            most=_most(START, asked.batch, n_open),
            seed=asked.seed,
            held_share=HELD_SHARE,
            thin=thin,
            on_progress=on_progress,
        )
    except ValueError as problem:
        raise TooLittleData(f"{asked.recipe} cannot learn from these {len(dataset.y)} tracks: {problem}") from problem


# ---- One more opinion against one more track


def _opinions(
    used: LabData, asked: catalogue.ActiveLearning, on_progress: OnProgress
) -> tuple[dict[str, OpinionCurves], tuple[str, ...]]:
    """By whose opinions they are, and why there are none."""
    sources, why_not = _sources(used, asked)
    found, notes = dict[str, OpinionCurves](), [*why_not]
    for at, (whose, opinions) in enumerate(sources.items()):
        progress = part_of(on_progress, at / len(sources), (at + 1) / len(sources))
        try:
            found[whose] = _played(opinions, used.dataset, asked, progress)
        except ValueError as problem:  # what strategies of new tracks have shown is worth telling without these
            notes.append(f"second opinions{whose}, cannot be played back: {problem}")
    return found, tuple(notes)


def _sources(used: LabData, asked: catalogue.ActiveLearning) -> tuple[dict[str, Opinions], tuple[str, ...]]:
    n_tracks, needed = len(used.dataset.y), tracks_needed(asked.batch, OPINIONS_START)
    if asked.thin_rare:
        return {}, ()
    if n_tracks < needed:
        return {}, (f"second opinions are played back from {needed} tracks on, and there are {n_tracks}",)
    simulated: Opinions = partial(simulated_opinions, round_to_level(used.dataset.y))
    n_several = int((labels_a_track(used.annotations, n_tracks) > 1).sum())
    if n_several >= MIN_SEVERAL:
        return {SIMULATED: simulated, REAL: lambda rng: used.annotations}, ()
    said = f"second opinions of real people are played back where {MIN_SEVERAL} tracks have several labels; here {n_several} have"
    return {SIMULATED: simulated}, (said,)


def _played(
    opinions: Opinions, dataset: Dataset, asked: catalogue.ActiveLearning, on_progress: OnProgress
) -> OpinionCurves:
    return replay_opinions(
        dataset,
        opinions,
        make_recipe=_recipe(asked),
        batch=asked.batch,
        n_repeats=asked.n_repeats,
        start=OPINIONS_START,
        most=_most(OPINIONS_START, asked.batch, (1 - HELD_SHARE) * len(dataset.y)),
        seed=asked.seed,
        held_share=HELD_SHARE,
        on_progress=on_progress,
    )


# ---- In words


def _conclusions(curves: Curves) -> Iterator[str]:
    chosen = choice(curves)
    judged = f"macro-MAE less random's, as a mean over the curve, is {difference_in_words(chosen.judged)}"
    if chosen.recommended != RANDOM:
        yield f"{chosen.candidate} would have needed {saving(curves, chosen.candidate).in_words}."
        yield f"It was chosen by half of the repeats; in the others {judged}."
    else:
        yield f"No saving on your data: {chosen.candidate} did best in half of the repeats; in the others {judged}."
    if worse := [name for name in others(curves) if verdict(curves.area_less(name)) == "worse"]:
        yield f"These would have cost labels: {', '.join(worse)}."


def _on_opinions(whose: str, curves: OpinionCurves) -> str:
    less, share = curves.area_less(OPINION), curves.second_share[OPINION].mean()
    would = f"{OPINION} (second opinions: {share:.0%} of what it asked for)"
    compared = f"macro-MAE less random's, as a mean over the curve, is {difference_in_words(less)}"
    if verdict(less) == "better":
        return f"One more opinion or one new track{whose}: {would} would have needed {saving(curves, OPINION).in_words}; {compared}."
    return f"One more opinion or one new track{whose}: no saving by {would}; {compared}."


def _notes(asked: catalogue.ActiveLearning) -> Iterator[str]:
    yield (
        "repeats hold out other artists of the same tracks: standard errors and intervals say how far that moves figures, and not"
        " how other music would do"
    )
    if asked.thin_rare:
        kept, levels = next(iter(THINNED.values())), ", ".join(map(str, THINNED))
        yield f"of levels {levels} {kept:.0%} of the tracks were left to choose from: as if they were rarer than they are"
