"""Does a model of one genre's tracks beat the common one on that genre?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.decisions import round_to_level
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import MIN_TRACKS, MakeRecipe, OnProgress, Protocol, check_enough, contender, fit
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import LabelErrors, said_of_single_labels
from modeling.core.lab.report import Cell, Column, Findings, Table
from modeling.core.lab.words import difference_in_words, in_words, verdict
from modeling.core.metrics import Floats, Levels

OWN, COMMON, AS_MANY = "genre model", "common model", "common, as many"
CONTENDERS = (COMMON, OWN, AS_MANY)


def answer(
    asked: catalogue.GenreModels, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """On each genre's tracks: a model of that genre's others, of all others, and of as many others of any genre."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist)
    genres, notes = _genres(used, asked.min_tracks)
    models = _Models(used, contender(asked.recipe), Protocol.of(asked))
    errors, too_few = dict[str, dict[str, LabelErrors]](), list[str]()
    for number, (name, rows) in enumerate(genres.items()):
        if models.can_learn(rows):
            errors[name] = models.errors(rows, _part(on_progress, number, len(genres), name))
        else:
            too_few.append(name)
    if not errors:
        raise TooLittleData("No genre has tracks of several levels by several artists: label more tracks of one genre.")
    on_progress(1.0, "done")
    unlearnt = f"{', '.join(too_few)}: too few tracks, levels or artists are left while others are held out: left out"
    return Findings(
        conclusions=tuple(_conclusions(errors)),
        tables=(_table(asked.recipe, errors),),
        notes=(
            *used.notes,
            *notes,
            *((unlearnt,) if too_few else ()),
            *said_of_single_labels({name: of[COMMON] for name, of in errors.items()}),
            *models.notes,
        ),
    )


def _part(on_progress: OnProgress, number: int, n: int, name: str) -> OnProgress:
    return lambda share, message: on_progress((number + share) / n, f"{name}: {message}")


def _genres(used: LabData, min_tracks: int) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """The rows of each genre with enough tracks, most first, and what there is to say of the others."""
    rows_of: dict[str, list[int]] = {}
    for row, names in enumerate(used.genres):
        for name in set(names):
            rows_of.setdefault(name, []).append(row)
    in_order = sorted(rows_of.items(), key=lambda genre: (-len(genre[1]), genre[0]))
    genres = {name: np.array(rows) for name, rows in in_order if len(rows) >= min_tracks}
    if not genres:
        most = f"the largest, {in_order[0][0]}, has {len(in_order[0][1])}" if in_order else "no track has a genre"
        raise TooLittleData(
            f"No genre has {min_tracks} labelled tracks with features ({most}): label more, import genres, or lower min_tracks."
        )
    small = [f"{name} ({len(rows)})" for name, rows in in_order if len(rows) < min_tracks]
    few = f"genres with fewer than {min_tracks} tracks are left out: {', '.join(small[:10])}"
    return genres, (few + (f" and {len(small) - 10} more" if len(small) > 10 else ""),) if small else ()


@dataclass(eq=False)
class _Models:
    """Held-out levels of one genre's tracks at a time; the folds are those of all tracks."""

    data: LabData
    make: MakeRecipe
    protocol: Protocol

    def __post_init__(self) -> None:
        self.folds = [self.protocol.folds(self.data.dataset, repeat) for repeat in range(self.protocol.n_repeats)]
        self.level = round_to_level(self.data.dataset.y)
        self.common: Floats | None = None
        self.said: dict[str, None] = {}

    def can_learn(self, rows: NDArray[np.int64]) -> bool:
        """Whether in every fold tracks of two levels and artists, and enough of them, are left."""
        for fold in self.folds:
            for held_out in range(int(fold.max()) + 1):
                known = rows[fold[rows] != held_out]
                too_few = len(known) < MIN_TRACKS or len(np.unique(self.level[known])) < 2
                if too_few or (self.protocol.by_artist and len(np.unique(self.data.dataset.groups[known])) < 2):
                    return False
        return True

    def errors(self, rows: NDArray[np.int64], on_progress: OnProgress) -> dict[str, LabelErrors]:
        """Of each contender on these tracks."""
        if self.common is None:
            everything = np.arange(len(self.level))
            self.common = self._held_out(everything, everything, COMMON, on_progress, None)
        own = self._held_out(rows, rows, OWN, on_progress, None)
        rng = np.random.default_rng([len(rows), self.protocol.seed])
        as_many = self._held_out(np.arange(len(self.level)), rows, AS_MANY, on_progress, rng)
        levels = {OWN: own, COMMON: self.common[:, rows], AS_MANY: as_many}
        truth: Levels = self.level[rows]
        artist = self.data.dataset.groups[rows]
        return {name: LabelErrors(truth, np.abs(said - truth).mean(axis=0), artist) for name, said in levels.items()}

    def _held_out(
        self,
        learnt_from: NDArray[np.int64],
        rows: NDArray[np.int64],
        what: str,
        on_progress: OnProgress,
        rng: np.random.Generator | None,
    ) -> Floats:
        """Levels of `rows`, shape (n_repeats, n_rows), by models of as many of `learnt_from` as there are of `rows`."""
        level = np.zeros((len(self.folds), len(rows)))
        for repeat, fold in enumerate(self.folds):
            for held_out in np.unique(fold[rows]):
                on_progress(
                    CONTENDERS.index(what) / len(CONTENDERS), f"{what}, fold {held_out + 1}, repeat {repeat + 1}"
                )
                known = learnt_from[fold[learnt_from] != held_out]
                if rng is not None:
                    known = rng.choice(known, int(np.sum(fold[rows] != held_out)), replace=False)
                held = fold[rows] == held_out
                level[repeat, held] = self._levels(known, rows[held], repeat)
        return level

    def _levels(self, known: NDArray[np.int64], held: NDArray[np.int64], repeat: int) -> Levels:
        mask = np.zeros(len(self.level), bool)
        mask[known] = True
        model = fit(
            self.make(self.protocol.seed + repeat),
            self.data.dataset,
            mask,
            self.data.annotations,
            self.protocol.by_artist,
        )
        self.said |= dict.fromkeys(model.notes)
        return model.predict(self.data.dataset.X[held])

    @property
    def notes(self) -> tuple[str, ...]:
        first, *more = self.said or [""]
        return (f"fits said: {first}" + (f" (and {len(more)} more)" if more else ""),) if first else ()


def _conclusions(errors: Mapping[str, Mapping[str, LabelErrors]]) -> Iterator[str]:
    gains = {name: of[OWN].less(of[COMMON]) for name, of in errors.items()}
    said = {name: verdict(gain) for name, gain in gains.items()}
    for outcome in ("better", "worse", "not clearly different"):
        names = [name for name in said if said[name] == outcome]
        yield f"A model of the genre alone is {outcome} in {len(names)} of {len(gains)} genres" + (
            f": {', '.join(names)}." if names else "."
        )
    everything = _together(errors)
    yield (
        f"All these genres together: {in_words(everything[OWN].macro_mae)} by genre models,"
        f" {in_words(everything[COMMON].macro_mae)} by the common one; difference"
        f" {difference_in_words(everything[OWN].less(everything[COMMON]))}. Against a common model of only as many tracks"
        f" {difference_in_words(everything[OWN].less(everything[AS_MANY]))}: that is what keeping to the genre brings; the rest"
        " is that fewer tracks teach less."
    )
    if len(gains) > 1:
        yield f"{len(gains)} genres are compared: about one in twenty would look clearly different by chance alone."


def _table(recipe: str, errors: Mapping[str, Mapping[str, LabelErrors]]) -> Table:
    rows = [_row(name, of) for name, of in errors.items()]
    columns = (
        Column("Genre", "text"),
        Column("tracks", "count"),
        Column(OWN, help="macro-MAE of a model of this genre's other tracks."),
        Column(COMMON, help="macro-MAE of the model of all other tracks, on the same tracks."),
        Column(f"genre less {COMMON}", help="Paired difference; below 0 the genre's model is better."),
        Column(AS_MANY, help="macro-MAE of models of as many tracks as the genre's, of any genre."),
        Column(f"genre less {AS_MANY}", help="Paired difference; below 0 the genre's model is better."),
    )
    caption = "A track counts in each of its genres. macro-MAE is over the levels that occur in the genre."
    return Table(f"{recipe}, a model a genre", columns, (*rows, _row("all of these", _together(errors))), caption)


def _row(name: str, of: Mapping[str, LabelErrors]) -> tuple[Cell, ...]:
    common, own, as_many = (of[contender] for contender in CONTENDERS)
    return (
        name,
        len(own.truth),
        own.macro_mae,
        common.macro_mae,
        own.less(common),
        as_many.macro_mae,
        own.less(as_many),
    )


def _together(errors: Mapping[str, Mapping[str, LabelErrors]]) -> dict[str, LabelErrors]:
    """Tracks of several genres are there once for each; standard errors know that."""
    return {
        contender: LabelErrors(
            *(
                np.concatenate([getattr(of[contender], part) for of in errors.values()])
                for part in ("truth", "error", "artist")
            )
        )
        for contender in CONTENDERS
    }
