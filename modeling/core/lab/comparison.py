"""The same held-out tracks for every contender, so that their differences are paired."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean, mean_over_strata, ratio
from modeling.core.lab import leaks
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiment import Experiment
from modeling.core.lab.report import Column, Matrix, Table, matrix
from modeling.core.metrics import Floats, Levels, confusion_matrix
from modeling.core.recipes import RECIPES, Recipe
from modeling.core.recipes.single import SINGLE_RECIPES

# Of a seed; a contender is made anew for every fit.
MakeRecipe = Callable[[int], Recipe]
OnProgress = Callable[[float, str], None]

MIN_TRACKS = 10
# The thesis's word for three levels and more (its section 3.1).
LARGE_ERROR = 3


def contender(recipe: str, **options: Any) -> MakeRecipe:
    """A recipe by name with these options.

    Where one model's scores are rounded, held-out scores inside a fit only serve intervals, which comparisons do not look
    at: none are made, in a sixth of the time, and predictions are the same.
    """
    if recipe in SINGLE_RECIPES and RECIPES[recipe](**options).config["decision"] != "lowest_macro_mae":
        options = {"n_folds": 0} | options
    return lambda seed: RECIPES[recipe](seed=seed, **options)


@dataclass(frozen=True)
class Protocol:
    """How tracks are held out.

    Attributes
    ----------
    n_folds, n_repeats
        Each repeat cuts the tracks into other folds.
    by_artist
        Whether the tracks of an artist are held out together. The thesis did not; without, a model is judged by artists it
        knows.
    """

    n_folds: int = 4
    n_repeats: int = 1
    seed: int = 0
    by_artist: bool = True

    @classmethod
    def of(cls, asked: Experiment) -> Protocol:
        """As the experiment's options say."""
        return cls(asked.n_folds, asked.n_repeats, asked.seed, asked.by_artist)

    def folds(self, dataset: Dataset, repeat: int) -> NDArray[np.int64]:
        groups = dataset.groups if self.by_artist else np.arange(len(dataset.y))
        return grouped_stratified_folds(dataset.y, groups, n_folds=self.n_folds, seed=self.seed + repeat)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What one contender says of tracks it did not learn from.

    Tracks of an artist err together, also where they are not held out together, and standard errors know it.

    Attributes
    ----------
    truth : shape (n_tracks,), int
    artist : shape (n_tracks,)
    score, level : shape (n_repeats, n_tracks)
    seconds
        What fits and predictions took.
    notes
        What fits had to do otherwise than asked.
    """

    truth: Levels
    artist: NDArray[Any]
    score: Floats
    level: Levels
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def error(self) -> Floats:
        """Each track's absolute error, mean over repeats: (n_tracks,), in levels."""
        return np.abs(self.level - self.truth).mean(axis=0)

    @property
    def macro_mae(self) -> Estimate:
        return mean_over_strata(self.error, self.truth, self.artist)

    @property
    def mae(self) -> Estimate:
        return self.mean_of(self.error)

    def within(self, distance: int) -> Estimate:
        """The share of tracks at most that many levels off."""
        return self.mean_of((np.abs(self.level - self.truth) <= distance).mean(axis=0))

    def macro_mae_less(self, other: HeldOut) -> Estimate:
        """The paired difference in macro-MAE, this less the other's: below 0 is better."""
        return mean_over_strata(self.error - other.error, self.truth, self.artist)

    def mae_less(self, other: HeldOut) -> Estimate:
        return self.mean_of(self.error - other.error)

    def mean_of(self, figure: Floats) -> Estimate:
        """The mean over the tracks of a figure of each, (n_tracks,)."""
        return mean(figure, self.artist)

    @property
    def large_errors(self) -> Floats:
        """Of each track the share of repeats in which it is three levels off or more: (n_tracks,)."""
        return (np.abs(self.level - self.truth) >= LARGE_ERROR).mean(axis=0)

    @property
    def distance_when_wrong(self) -> Estimate:
        """How far off those are that are not right, in levels; NaN where all are."""
        return ratio(self.error, (self.level != self.truth).mean(axis=0), self.artist)

    def rounded(self) -> HeldOut:
        """The same scores, rounded."""
        return replace(self, level=round_to_level(self.score))

    def tracks(self, rows: NDArray[Any]) -> HeldOut:
        """Only the tracks at these positions, or where a mask is true."""
        return replace(
            self,
            truth=self.truth[rows],
            artist=self.artist[rows],
            score=self.score[:, rows],
            level=self.level[:, rows],
        )

    def matrix(self, title: str) -> Matrix:
        """Counts over all repeats."""
        return matrix(title, sum(confusion_matrix(self.truth, level) for level in self.level))


def compare(
    contenders: Mapping[str, MakeRecipe],
    dataset: Dataset | Mapping[str, Dataset],
    protocol: Protocol,
    *,
    annotations: Annotations | None = None,
    on_progress: OnProgress = lambda share, message: None,
) -> dict[str, HeldOut]:
    """Predict every track, by every contender, by models that saw neither it nor (by default) its artist.

    Parameters
    ----------
    contenders : a function of the seed that makes an unfitted recipe, by name
    dataset : Dataset, or one for each contender
        Where each has its own they hold the same tracks (in the same order) with different features.
    on_progress : function of (share done 0..1, message)
        Called before each fit; may raise to stop.

    Raises
    ------
    TooLittleData
        Fewer than 10 tracks, a single level, or a single artist.
    """
    datasets = {name: dataset[name] if isinstance(dataset, Mapping) else dataset for name in contenders}
    any_dataset = next(iter(datasets.values()))
    check_enough(any_dataset, by_artist=protocol.by_artist)
    folds = [protocol.folds(any_dataset, repeat) for repeat in range(protocol.n_repeats)]
    check_left(any_dataset, folds)
    n_fits, n_done = len(contenders) * sum(int(fold.max()) + 1 for fold in folds), 0
    found = {}
    for name, make in contenders.items():
        fits = _Fits(datasets[name], make, protocol, annotations)
        for repeat, fold in enumerate(folds):
            for held_out in range(int(fold.max()) + 1):
                on_progress(n_done / n_fits, f"{name}: fold {held_out + 1}, repeat {repeat + 1}")
                fits.run(repeat, fold == held_out)
                n_done += 1
        found[name] = fits.result()
    on_progress(1.0, "done")
    return found


def notes_of(found: Mapping[str, HeldOut]) -> tuple[str, ...]:
    """What fits had to do otherwise than asked, each with the contenders that say it, and what standard errors leave out.

    Notes that differ by their numbers only are one, with the first as the example.
    """
    said: dict[str, dict[str, dict[str, None]]] = {}
    for name, held_out in found.items():
        for note in held_out.notes:
            said.setdefault(re.sub(r"\d+", "#", note), {}).setdefault(note, {})[name] = None
    return (
        *(_one_note(notes, n_contenders=len(found)) for notes in said.values()),
        *_single_tracks(next(iter(found.values())).truth),
    )


def _one_note(notes: Mapping[str, Mapping[str, None]], *, n_contenders: int) -> str:
    first, *others = notes
    names = list(dict.fromkeys(name for by_name in notes.values() for name in by_name))
    who = (
        "all" if len(names) == n_contenders > 1 else ", ".join(names) if len(names) <= 3 else f"{len(names)} contenders"
    )
    return f"{who}: {first}" + (f" (and {len(others)} more like it)" if others else "")


def _single_tracks(truth: Levels) -> Iterator[str]:
    levels, counts = np.unique(truth, return_counts=True)
    if single := [str(level) for level in levels[counts == 1]]:
        yield (
            f"one track alone is of level {', '.join(single)}: in macro-MAE it weighs as much as all of another level, and the"
            " standard errors do not know by how much it moves the figures"
        )


def check_enough(dataset: Dataset, *, by_artist: bool = True, min_tracks: int = MIN_TRACKS) -> None:
    """TooLittleData, with what to do, where nothing honest can be learnt and held out."""
    n_tracks, n_levels = len(dataset.y), len(np.unique(round_to_level(dataset.y)))
    if n_tracks < min_tracks:
        raise TooLittleData(
            f"{n_tracks} labelled tracks have features; this experiment needs {min_tracks}: label more."
        )
    if n_levels < 2:
        raise TooLittleData("All labelled tracks have the same level: label tracks of other levels.")
    if by_artist and len(np.unique(dataset.groups)) < 2:
        raise TooLittleData(
            "All labelled tracks are by one artist: label tracks of others, so that one can be held out."
        )


def check_left(dataset: Dataset, folds: Sequence[NDArray[np.int64]]) -> None:
    """TooLittleData where without some fold too little is left to learn from."""
    for fold in folds:
        for held_out in range(int(fold.max()) + 1):
            left = round_to_level(dataset.y[fold != held_out])
            if len(left) < MIN_TRACKS or len(np.unique(left)) < 2:
                raise TooLittleData(
                    f"While others are held out, {len(left)} tracks of {len(np.unique(left))} levels are left to learn from;"
                    f" models need {MIN_TRACKS} of 2 levels: label more tracks, of more artists and levels."
                )


class _Fits:
    """The predictions of one contender, filled in fold by fold."""

    def __init__(self, dataset: Dataset, make: MakeRecipe, protocol: Protocol, annotations: Annotations | None) -> None:
        self.dataset, self.make, self.protocol, self.annotations = dataset, make, protocol, annotations
        shape = (protocol.n_repeats, len(dataset.y))
        self.score, self.level = np.full(shape, np.nan), np.zeros(shape, np.int64)
        self.seconds, self.notes = 0.0, dict[str, None]()

    def run(self, repeat: int, held: NDArray[np.bool_]) -> None:
        began = time.perf_counter()
        model = fit(
            self.make(self.protocol.seed + repeat), self.dataset, ~held, self.annotations, self.protocol.by_artist
        )
        self.score[repeat, held] = model.predict_score(self.dataset.X[held])
        self.level[repeat, held] = model.predict(self.dataset.X[held])
        self.seconds += time.perf_counter() - began
        self.notes |= dict.fromkeys(model.notes)

    def result(self) -> HeldOut:
        found = HeldOut(round_to_level(self.dataset.y), self.dataset.groups, self.score, self.level, self.seconds)
        return replace(found, notes=(*leaks.in_error(found.macro_mae), *self.notes))


def fit(
    recipe: Recipe,
    dataset: Dataset,
    rows: NDArray[np.bool_],
    annotations: Annotations | None = None,
    by_artist: bool = True,
) -> Recipe:
    """The recipe, fitted on these tracks alone."""
    known = dataset.rows(rows)
    theirs = None if annotations is None else annotations.of_tracks(np.flatnonzero(rows))
    try:
        return recipe.fit(known.X, known.y, groups=known.groups if by_artist else None, annotations=theirs)
    except ValueError as problem:
        # A recipe may want more than experiments do: labels by people, or more tracks.
        raise TooLittleData(f"{recipe.name} cannot learn from these {len(known.y)} tracks: {problem}") from problem


def comparison_table(
    title: str,
    found: Mapping[str, HeldOut],
    *,
    reference: str = "",
    thesis: Mapping[str, float] | None = None,
    first_column: str = "Contender",
) -> Table:
    """One row a contender: macro-MAE, the paired difference to the reference (else to the best), MAE, within 1 and 2.

    Parameters
    ----------
    reference : name in found
    thesis : the thesis's macro-MAE, by name in found
    """
    best = min(found, key=lambda name: found[name].macro_mae.value)
    to = reference or best
    columns = [
        Column(first_column, "text"),
        Column(
            "macro-MAE", help="Mean absolute error of each level, averaged over the levels; in levels, 0 is perfect."
        ),
        Column(f"less {to}", help="Paired difference on the same tracks; below 0 is better."),
        Column("MAE"),
        Column("within 1", "share"),
        Column("within 2", "share"),
        Column("time", "seconds"),
    ]
    if thesis is not None:
        columns.insert(2, Column("thesis", help="Its macro-MAE, on its own data.", from_thesis=True))
    rows = []
    for name, held_out in found.items():
        behind = None if name == to else held_out.macro_mae_less(found[to])
        row = [name, held_out.macro_mae, behind, held_out.mae, held_out.within(1), held_out.within(2), held_out.seconds]
        if thesis is not None:
            row.insert(2, thesis.get(name))
        rows.append(tuple(row))
    return Table(title, tuple(columns), tuple(rows), best=list(found).index(best))
