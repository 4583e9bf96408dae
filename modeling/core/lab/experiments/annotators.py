"""Does a model of one annotator's labels do better on these, and how does it do on everybody else's?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.annotations import Annotations
from modeling.core.decisions import round_to_level
from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import OnProgress, Protocol, check_enough, contender
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import people_by_labels, said_of_single_labels
from modeling.core.lab.report import Cell, Column, Findings, Table
from modeling.core.lab.votes import MIN_LABELS, Judged, Votes
from modeling.core.lab.words import difference_in_words, in_words, verdict

ENSEMBLE = "ensemble"


def answer(
    asked: catalogue.Annotators, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """A model of each person's labels, their mean vote, and beside each a common model of as many labels of anybody's."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist)
    people, fewer = _people(used.annotations, asked.n_annotators)
    found = Votes(used, people, contender(asked.recipe, decision=asked.decision), Protocol.of(asked), ENSEMBLE)
    found.fill(on_progress)
    mean_votes = np.mean([found.own[name] for name in people], axis=0)
    found.own[ENSEMBLE] = round_to_level(mean_votes).astype(float)
    judged = {name: _judged(found, name) for name in (*people, ENSEMBLE)}
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


def _rest_of(votes: Votes, *names: str) -> NDArray[np.bool_]:
    """Everybody else's labels of tracks that none of these labelled."""
    annotations = votes.data.annotations
    theirs = np.isin(annotations.annotator, names)
    return ~np.isin(annotations.track, annotations.track[theirs])


def _judged(votes: Votes, name: str) -> Judged:
    """A person's model; the ensemble has no labels of its own."""
    if name == ENSEMBLE:
        rest = _rest_of(votes, *votes.people)
        n_labels = int(sum(votes.labels_of(each).sum() for each in votes.people))
        return Judged.of(votes, name, n_labels, np.zeros_like(rest), rest)
    own = votes.labels_of(name)
    return Judged.of(votes, name, int(own.sum()), own, _rest_of(votes, name))


def _on_own(judged: dict[str, Judged]) -> Iterator[str]:
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


def _on_rest(judged: dict[str, Judged]) -> Iterator[str]:
    for one in judged.values():
        if one.rest and (gain := one.gain_on_rest):
            yield (
                f"{one.name}, everybody else's {len(one.rest.truth):,} labels: {in_words(one.rest.macro_mae)}; against the common"
                f" model of as many labels {difference_in_words(gain)}."
            )
        else:
            yield f"{one.name}: nobody else labelled other tracks, so nothing can be said of the rest."


def _table(recipe: str, judged: dict[str, Judged]) -> Table:
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


def _row(one: Judged, figures: thesis.OwnAndRest | None) -> tuple[Cell, ...]:
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


def _together_table(votes: Votes, judged: dict[str, Judged]) -> Table:
    """All on the same labels: those of tracks that none of the people labelled; where there are none, it is empty."""
    labels = _rest_of(votes, *votes.people)
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


def _of_single_labels(judged: dict[str, Judged]) -> tuple[str, ...]:
    on_own = {f"{one.name}, own": one.own for one in judged.values() if one.own}
    return said_of_single_labels(on_own | {f"{one.name}, rest": one.rest for one in judged.values() if one.rest})


def _notes(votes: Votes) -> Iterator[str]:
    rest = {name: _rest_of(votes, name) for name in votes.people}
    counted = ", ".join(f"{name} {labels.sum():,}" for name, labels in rest.items())
    yield f"the rest are everybody else's labels of tracks that person did not label, each label once: {counted}"
    yield "labels of an artist's tracks err together, and standard errors know that; they do not know which labels happened to be drawn"
    yield "the thesis's people are not ours: their figures stand beside the person of the same rank"
