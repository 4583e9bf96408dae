"""Does a model of one annotator's labels do better on these, and how does it do on everybody else's?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate
from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import MakeRecipe, OnProgress, Protocol, check_enough, contender, fit
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import LabelErrors, people_by_labels, said_of_single_labels
from modeling.core.lab.report import Cell, Column, Findings, Table
from modeling.core.lab.words import difference_in_words, in_words, verdict
from modeling.core.metrics import Floats

# With fewer labels a person's model and its error say nothing.
MIN_LABELS = 30
ENSEMBLE = "ensemble"


def answer(
    asked: catalogue.Annotators, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """A model of each person's labels, their mean vote, and beside each a common model of as many labels of anybody's."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist)
    people, fewer = _people(used.annotations, asked.n_annotators)
    found = _Votes(used, people, contender(asked.recipe, decision=asked.decision), Protocol.of(asked))
    found.fill(on_progress)
    judged = {name: _Judged(found, name) for name in (*people, ENSEMBLE)}
    return Findings(
        conclusions=(*_on_own(judged), *_on_rest(judged)),
        tables=(_table(asked.recipe, judged), _together_table(found, judged)),
        notes=(*used.notes, *fewer, *_notes(found), *_of_single_labels(judged), *found.notes),
    )


def _people(annotations: Annotations, n: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who gets a model, most labels first, and what there is to say of the others."""
    n_labels = people_by_labels(annotations)
    several = {name: len(np.unique(annotations.level[annotations.annotator == name])) > 1 for name in n_labels}
    people = tuple(name for name in n_labels if n_labels[name] >= MIN_LABELS and several[name])[:n]
    if not people:
        most = (
            f"the person with the most gave {max(n_labels.values())}"
            if n_labels
            else "nobody is known to have labelled"
        )
        raise TooLittleData(
            f"A model of one person needs {MIN_LABELS} labels of several levels by that person; {most}: let people label more,"
            " or import labels with their annotators."
        )
    few = f"{len(people)} people have a model in place of {n}: no more have {MIN_LABELS} labels of several levels"
    return people, (few,) if len(people) < n else ()


@dataclass(eq=False)
class _Votes:
    """Levels that models say of every track, made fold by fold: none knows the track's artist.

    `own` are of each person's labels; `common` are of as many labels drawn from everybody's, on other tracks of the same
    folds. Shape (n_repeats, n_tracks) each.
    """

    data: LabData
    people: tuple[str, ...]
    make: MakeRecipe
    protocol: Protocol
    own: dict[str, Floats] = field(default_factory=dict)
    common: dict[str, Floats] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)

    def fill(self, on_progress: OnProgress) -> None:
        shape = (self.protocol.n_repeats, len(self.data.dataset.y))
        self.own = {name: np.full(shape, np.nan) for name in self.people}
        self.common = {name: np.full(shape, np.nan) for name in (*self.people, ENSEMBLE)}
        for repeat in range(self.protocol.n_repeats):
            fold = self.protocol.folds(self.data.dataset, repeat)
            n_folds = int(fold.max()) + 1
            for held_out in range(n_folds):
                done = (repeat + held_out / n_folds) / self.protocol.n_repeats
                self._fill(repeat, fold == held_out, partial(on_progress, done))
        self.own[ENSEMBLE] = np.stack([round_to_level(votes) for votes in self._mean_votes()])
        on_progress(1.0, "done")

    def _mean_votes(self) -> Floats:
        return np.mean([self.own[name] for name in self.people], axis=0)

    def _fill(self, repeat: int, held: NDArray[np.bool_], say: Callable[[str], None]) -> None:
        annotations, rng = self.data.annotations, np.random.default_rng([repeat, self.protocol.seed])
        known = ~held[annotations.track]
        labels = {name: np.flatnonzero(known & (annotations.annotator == name)) for name in self.people}
        for name, own in labels.items():
            say(f"{name}, repeat {repeat + 1}")
            self.own[name][repeat, held] = self._levels(own, held, repeat)
        labels[ENSEMBLE] = np.concatenate(list(labels.values()))
        for name, own in labels.items():
            say(f"as many labels as of {name}, repeat {repeat + 1}")
            drawn = rng.choice(np.flatnonzero(known), len(own), replace=False)
            self.common[name][repeat, held] = self._levels(drawn, held, repeat)

    def _levels(self, labels: NDArray[np.int64], held: NDArray[np.bool_], repeat: int) -> Floats:
        """What a model of these labels says of the tracks that are held out."""
        dataset, annotations = self.data.dataset, self.data.annotations
        row, level = annotations.track[labels], annotations.level[labels]
        if len(row) < MIN_LABELS // 2 or len(np.unique(level)) < 2:
            raise TooLittleData(
                f"While others are held out, {len(row)} labels of {len(np.unique(level))} levels of one person are left: let"
                " people label more tracks, of more artists, or ask for fewer annotators."
            )
        # A track with several labels is there several times, and held out at once.
        artist = dataset.groups[row] if self.protocol.by_artist else row.astype(np.str_)
        known = replace(dataset.rows(row), y=level.astype(float), groups=artist)
        theirs = Annotations(np.arange(len(row)), annotations.annotator[labels], level)
        of = fit(self.make(self.protocol.seed + repeat), known, np.ones(len(row), bool), theirs)
        self.said |= dict.fromkeys(of.notes)
        return of.predict(dataset.X[held]).astype(float)

    @property
    def notes(self) -> tuple[str, ...]:
        first, *more = self.said or [""]
        return (f"fits said: {first}" + (f" (and {len(more)} more)" if more else ""),) if first else ()

    def errors(self, votes: Floats, labels: NDArray[np.bool_]) -> LabelErrors:
        """Of these votes, against these labels."""
        annotations = self.data.annotations
        track, level = annotations.track[labels], annotations.level[labels]
        return LabelErrors(level, np.abs(votes[:, track] - level).mean(axis=0), self.data.dataset.groups[track])

    def labels_of(self, name: str) -> NDArray[np.bool_]:
        return self.data.annotations.annotator == name

    def rest_of(self, *names: str) -> NDArray[np.bool_]:
        """Everybody else's labels of tracks that none of these labelled."""
        annotations = self.data.annotations
        theirs = np.isin(annotations.annotator, names)
        return ~np.isin(annotations.track, annotations.track[theirs])


class _Judged:
    """One model (or the ensemble), and the common one of as many labels, on own labels and on everybody else's."""

    def __init__(self, votes: _Votes, name: str) -> None:
        is_ensemble = name == ENSEMBLE
        rest = votes.rest_of(*(votes.people if is_ensemble else (name,)))
        own = np.zeros_like(rest) if is_ensemble else votes.labels_of(name)
        self.name, self.n_labels = (
            name,
            int(sum(votes.labels_of(each).sum() for each in votes.people) if is_ensemble else own.sum()),
        )
        self.own, self.common_on_own = self._pair(votes, own)
        self.rest, self.common_on_rest = self._pair(votes, rest)

    def _pair(self, votes: _Votes, labels: NDArray[np.bool_]) -> tuple[LabelErrors | None, LabelErrors | None]:
        if not labels.any():
            return None, None
        return votes.errors(votes.own[self.name], labels), votes.errors(votes.common[self.name], labels)

    @property
    def gain_on_own(self) -> Estimate | None:
        return self.own.less(self.common_on_own) if self.own and self.common_on_own else None

    @property
    def gain_on_rest(self) -> Estimate | None:
        return self.rest.less(self.common_on_rest) if self.rest and self.common_on_rest else None


def _on_own(judged: dict[str, _Judged]) -> Iterator[str]:
    gains = [(one, gain) for one in judged.values() if (gain := one.gain_on_own)]
    better = sum(verdict(gain) == "better" for _, gain in gains)
    yield (
        f"On their own labels, {better} of {len(gains)} people are predicted clearly better by a model of their labels than by"
        " one of as many labels of anybody's."
    )
    for one, gain in gains:
        if one.own and one.common_on_own:
            yield (
                f"{one.name}, own labels: {in_words(one.own.macro_mae)}; the common model {in_words(one.common_on_own.macro_mae)};"
                f" difference {difference_in_words(gain)}."
            )


def _on_rest(judged: dict[str, _Judged]) -> Iterator[str]:
    for one in judged.values():
        if one.rest and (gain := one.gain_on_rest):
            yield (
                f"{one.name}, everybody else's {len(one.rest.truth):,} labels: {in_words(one.rest.macro_mae)}; against the common"
                f" model of as many labels {difference_in_words(gain)}."
            )
        else:
            yield f"{one.name}: nobody else labelled other tracks, so nothing can be said of the rest."


def _table(recipe: str, judged: dict[str, _Judged]) -> Table:
    """As the thesis's: its people by rank, since they are not ours."""
    theirs = [figures for name, figures in thesis.ANNOTATORS.items() if name != ENSEMBLE]
    rows = []
    for rank, one in enumerate(judged.values()):
        is_ensemble = one.name == ENSEMBLE
        figures = thesis.ANNOTATORS[ENSEMBLE] if is_ensemble else theirs[rank] if rank < len(theirs) else None
        rows.append(_row(one, figures))
    columns = (
        Column("Labels of", "text"),
        Column("labels", "count", help="Of the tracks that experiments may use."),
        Column("own", help="macro-MAE against this person's own labels of held-out tracks."),
        Column("thesis, own", help="Of the annotator of the same rank by labels.", from_thesis=True),
        Column("common, own", help="A model of as many labels, drawn from everybody's, against the same labels."),
        Column("own less common", help="Paired difference; below 0 the person's model is better."),
        Column("rest", help="macro-MAE against everybody else's labels of tracks this person did not label."),
        Column("thesis, rest", help="Of the annotator of the same rank by labels.", from_thesis=True),
        Column("common, rest", help="A model of as many labels of everybody's, against the same labels."),
        Column("rest less common", help="Paired difference; below 0 the person's model is better."),
    )
    caption = (
        "macro-MAE in levels, against single labels. No model knows the artist of a track it is judged by. The ensemble is the"
        " mean of the people's predicted levels, judged on tracks that none of them labelled; its common model has as many"
        " labels as all of them."
    )
    return Table(f"{recipe} of one annotator's labels", columns, tuple(rows), caption)


def _row(one: _Judged, figures: thesis.OwnAndRest | None) -> tuple[Cell, ...]:
    return (
        one.name,
        one.n_labels,
        one.own.macro_mae if one.own else None,
        figures.own if figures else None,
        one.common_on_own.macro_mae if one.common_on_own else None,
        one.gain_on_own,
        one.rest.macro_mae if one.rest else None,
        figures.rest if figures else None,
        one.common_on_rest.macro_mae if one.common_on_rest else None,
        one.gain_on_rest,
    )


def _together_table(votes: _Votes, judged: dict[str, _Judged]) -> Table:
    """All on the same labels: those of tracks that none of the people labelled; where there are none, it is empty."""
    labels = votes.rest_of(*votes.people)
    models = {**votes.own, f"common, as many labels as the {ENSEMBLE}": votes.common[ENSEMBLE]}
    rows: list[tuple[Cell, ...]] = []
    if labels.any():
        ensemble = votes.errors(votes.own[ENSEMBLE], labels)
        for name, levels in models.items():
            errors = votes.errors(levels, labels)
            rows.append((name, errors.macro_mae, None if name == ENSEMBLE else errors.less(ensemble), errors.mae))
    columns = (
        Column("Model", "text"),
        Column("macro-MAE"),
        Column(f"less {ENSEMBLE}", help="Paired difference on the same labels; below 0 is better."),
        Column("MAE"),
    )
    caption = f"{labels.sum():,} labels of {len(np.unique(votes.data.annotations.track[labels])):,} tracks."
    return Table("On tracks that none of these people labelled", columns, tuple(rows), caption)


def _of_single_labels(judged: dict[str, _Judged]) -> tuple[str, ...]:
    on_own = {f"{one.name}, own": one.own for one in judged.values() if one.own}
    return said_of_single_labels(on_own | {f"{one.name}, rest": one.rest for one in judged.values() if one.rest})


def _notes(votes: _Votes) -> Iterator[str]:
    rest = {name: votes.rest_of(name) for name in votes.people}
    counted = ", ".join(f"{name} {labels.sum():,}" for name, labels in rest.items())
    yield f"the rest are everybody else's labels of tracks that person did not label, each label once: {counted}"
    yield "labels of an artist's tracks err together, and standard errors know that; they do not know which labels happened to be drawn"
    yield "the thesis's people are not ours: their figures stand beside the person of the same rank"
