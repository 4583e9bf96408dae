"""What does leaving out an annotator's labels do to the error, beside freeing all labels of their annotators' biases?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotations.consensus import Consensus, estimate
from modeling.core.annotations import Annotations
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import MIN_TRACKS, MakeRecipe, OnProgress, Protocol, check_enough, contender, fit
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import LabelErrors, labels_a_track, people_by_labels, said_of_single_labels
from modeling.core.lab.report import Cell, Column, Findings, Table
from modeling.core.lab.words import CLEAR_STANDARD_ERRORS, difference_in_words, in_words, verdict
from modeling.core.metrics import Floats, Levels

ALL_OF_THESE = "all of these"
# With fewer tracks that others labelled too, an annotator's bias is a guess (the estimate holds ten usual labels against it).
MIN_SHARED = 10
MAX_NAMES = 20

Target = Callable[[Annotations], Floats]
"""The level of each track 0..max, every one of which has a label."""


def mean_levels(labels: Annotations) -> Floats:
    """
    >>> mean_levels(Annotations([0, 0, 1], ["ann", "bob", "ann"], [3, 6, 8]))
    array([4.5, 8. ])
    """
    return np.bincount(labels.track, labels.level) / np.bincount(labels.track)


def consensus_of(labels: Annotations) -> Consensus:
    """Annotators are numbered by name."""
    return estimate(labels.track, np.unique(labels.annotator, return_inverse=True)[1], labels.level)


def debiased_levels(labels: Annotations) -> Floats:
    """What training learns from."""
    return consensus_of(labels).level


TARGETS: Mapping[str, Target] = {"mean": mean_levels, "debiased": debiased_levels}


def answer(
    asked: catalogue.WithoutAnnotator, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Four ways to learn, with and without the annotator, from means and from debiased labels, on the same held-out tracks."""
    used, unlabelled = _labelled(data.development().using(asked.sets))
    check_enough(used.dataset, by_artist=asked.by_artist)
    models = _Models(used, contender(asked.recipe), Protocol.of(asked))
    models.lacking("", ())
    left_out, unlearnt = _left_out(asked, models)
    models.fill(left_out, on_progress)
    truth = _Truth(used)
    judged = {
        judge: {name: _Ways.of(models, names, *labels(names)) for name, names in left_out.items()}
        for judge, labels in truth.judges.items()
    }
    return Findings(
        conclusions=tuple(_conclusions(judged)),
        tables=(
            *(_table(asked.recipe, judge, of) for judge, of in judged.items()),
            _people_table(used.annotations, truth.consensus, left_out),
        ),
        notes=(
            *used.notes,
            *unlabelled,
            *unlearnt,
            *_notes(used.annotations, left_out),
            *said_of_single_labels({judge: next(iter(of.values())).everything for judge, of in judged.items()}),
            *models.notes,
        ),
    )


# ---- Who is left out


def _labelled(used: LabData) -> tuple[LabData, tuple[str, ...]]:
    """Only tracks that somebody is known to have labelled."""
    n_labels = labels_a_track(used.annotations, len(used.dataset.y))
    n_people = len(np.unique(used.annotations.annotator))
    if n_people < 2:
        found = f"all labels are by {used.annotations.annotator[0]}" if n_people else "nobody is known to have labelled"
        raise TooLittleData(
            f"Leaving somebody out needs labels by two people; {found}: let others label, or import labels with their annotators."
        )
    without = int(np.sum(n_labels == 0))
    said = f"{without} tracks have a level and no labels by people: left out"
    return used.tracks(n_labels > 0), (said,) if without else ()


def _left_out(asked: catalogue.WithoutAnnotator, models: _Models) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Whom each row leaves out, by what the row is called, and what there is to say of those of whom too much would go."""
    people = _people(asked, models.data.annotations)
    rows: dict[str, tuple[str, ...]] = {name: (name,) for name in people}
    if 1 < len(people) < len(np.unique(models.data.annotations.annotator)):
        rows[ALL_OF_THESE] = people
    lacking = {name: lacks for name, names in rows.items() if (lacks := models.lacking(name, names))}
    if not (learnable := {name: names for name, names in rows.items() if name not in lacking}):
        raise TooLittleData(f"{next(iter(lacking.values()))}: let others label more tracks.")
    return learnable, tuple(f"{lacks}: not tried" for lacks in lacking.values())


def _people(asked: catalogue.WithoutAnnotator, labels: Annotations) -> tuple[str, ...]:
    n_labels = people_by_labels(labels)
    if asked.annotator:
        if asked.annotator not in n_labels:
            names = ", ".join(list(n_labels)[:MAX_NAMES])
            more = f" and {len(n_labels) - MAX_NAMES} more" if len(n_labels) > MAX_NAMES else ""
            raise TooLittleData(
                f"Found annotator {asked.annotator!r}; these labelled tracks that experiments may use: {names}{more}."
            )
        return (asked.annotator,)
    if asked.tried_first == "most_biased":
        bias = dict(zip(np.unique(labels.annotator).tolist(), consensus_of(labels).bias.tolist(), strict=True))
        n_labels = dict(sorted(n_labels.items(), key=lambda person: -abs(bias[person[0]])))
    return tuple(n_labels)[: asked.n_annotators]


# ---- Learning


@dataclass(eq=False)
class _Models:
    """Levels of held-out tracks, (n_repeats, n_tracks), by who were left out and what was learnt.

    Biases are estimated within what is learnt from: no label of a track that is held out says anything of it.
    """

    data: LabData
    make: MakeRecipe
    protocol: Protocol
    level: dict[tuple[tuple[str, ...], str], Floats] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)

    @cached_property
    def folds(self) -> list[NDArray[np.int64]]:
        return [self.protocol.folds(self.data.dataset, repeat) for repeat in range(self.protocol.n_repeats)]

    def lacking(self, name: str, names: tuple[str, ...]) -> str:
        """What is missing to learn without these people while others are held out; TooLittleData where nobody is left out."""
        for fold in self.folds:
            for held_out in range(int(fold.max()) + 1):
                labels = self._kept(names, fold == held_out)
                rows = np.unique(labels.track)
                n_levels, n_artists = len(np.unique(labels.level)), len(np.unique(self.data.dataset.groups[rows]))
                if len(rows) < MIN_TRACKS or n_levels < 2 or (self.protocol.by_artist and n_artists < 2):
                    left = f"{len(rows)} tracks of {n_levels} levels by {n_artists} artists"
                    if not names:
                        raise TooLittleData(f"While others are held out, {left} are left to learn from: label more.")
                    return f"Without the labels of {name} {left} are left to learn from while others are held out"
        return ""

    def fill(self, left_out: Mapping[str, tuple[str, ...]], on_progress: OnProgress) -> None:
        without = {"everybody": (), **{f"without {name}": names for name, names in left_out.items()}}
        shape = (self.protocol.n_repeats, len(self.data.dataset.y))
        self.level = {(names, target): np.full(shape, np.nan) for names in without.values() for target in TARGETS}
        for repeat, fold in enumerate(self.folds):
            n_folds = int(fold.max()) + 1
            for held_out in range(n_folds):
                done = (repeat + held_out / n_folds) / self.protocol.n_repeats
                for who, names in without.items():
                    on_progress(done, f"{who}, fold {held_out + 1}, repeat {repeat + 1}")
                    self._fill(names, fold == held_out, repeat)
        on_progress(1.0, "done")

    def _fill(self, names: tuple[str, ...], held: NDArray[np.bool_], repeat: int) -> None:
        kept = self._kept(names, held)
        rows = np.unique(kept.track)
        labels = kept.of_tracks(rows)
        for target, levels_of in TARGETS.items():
            known = replace(self.data.dataset.rows(rows), y=levels_of(labels))
            recipe = self.make(self.protocol.seed + repeat)
            model = fit(recipe, known, np.ones(len(rows), bool), labels, self.protocol.by_artist)
            self.said |= dict.fromkeys(model.notes)
            self.level[names, target][repeat, held] = model.predict(self.data.dataset.X[held])

    def _kept(self, names: tuple[str, ...], held: NDArray[np.bool_]) -> Annotations:
        labels = self.data.annotations
        return _labels_at(labels, ~np.isin(labels.annotator, names) & ~held[labels.track])

    @property
    def notes(self) -> tuple[str, ...]:
        first, *more = self.said or [""]
        return (f"fits said: {first}" + (f" (and {len(more)} more)" if more else ""),) if first else ()


def _labels_at(labels: Annotations, rows: NDArray[np.bool_]) -> Annotations:
    return Annotations(labels.track[rows], labels.annotator[rows], labels.level[rows])


# ---- Judging


class _Truth:
    """By what all four ways are judged, whoever is left out. Each judge favours one side; together they favour none."""

    def __init__(self, used: LabData) -> None:
        self.labels = used.annotations
        self.consensus = consensus_of(used.annotations)
        self.level: Levels = round_to_level(used.dataset.y)

    @property
    def judges(self) -> dict[str, Callable[[tuple[str, ...]], tuple[NDArray[np.int64], Levels]]]:
        """A function each of who is left out: tracks, and the level that counts as true of each."""
        return {
            "everybody's labels, debiased": lambda names: self._tracks(round_to_level(self.consensus.level)),
            "the others' labels": self._of_others,
            "the tracks' levels": lambda names: self._tracks(self.level),
        }

    def _of_others(self, names: tuple[str, ...]) -> tuple[NDArray[np.int64], Levels]:
        others = _labels_at(self.labels, ~np.isin(self.labels.annotator, names))
        return others.track, others.level

    def _tracks(self, level: Levels) -> tuple[NDArray[np.int64], Levels]:
        return np.arange(len(level)), level


@dataclass(frozen=True, eq=False)
class _Ways:
    """The errors of the four ways to learn, of the same tracks or labels."""

    everything: LabelErrors
    debiased: LabelErrors
    without: LabelErrors
    without_debiased: LabelErrors

    @classmethod
    def of(cls, models: _Models, names: tuple[str, ...], track: NDArray[np.int64], truth: Levels) -> _Ways:
        artist = models.data.dataset.groups[track]
        level = [models.level[who, target][:, track] for who in ((), names) for target in TARGETS]
        return cls(*(LabelErrors(truth, np.abs(each - truth).mean(axis=0), artist) for each in level))

    def debiasing(self) -> Estimate:
        return self.debiased.less(self.everything)

    def leaving_out(self) -> Estimate:
        return self.without.less(self.everything)

    def leaving_out_less_debiasing(self) -> Estimate:
        return self.without.less(self.debiased)

    def leaving_out_as_well(self) -> Estimate:
        return self.without_debiased.less(self.debiased)


# ---- In words


def _conclusions(judged: Mapping[str, Mapping[str, _Ways]]) -> Iterator[str]:
    rows = {name: {judge: of[name] for judge, of in judged.items()} for name in next(iter(judged.values()))}
    if len(rows) > 1:
        yield _counted(rows)
    for name, ways in rows.items():
        yield (
            f"Leaving out {name}: {_in_words(ways, _Ways.leaving_out)}; debiasing everybody's labels instead:"
            f" {_in_words(ways, _Ways.debiasing)}; leaving out on top of debiasing:"
            f" {_in_words(ways, _Ways.leaving_out_as_well)}."
        )
    first, *others = judged
    error = next(iter(judged[first].values())).everything.macro_mae
    yield (
        f"Judged by {first}, by which all labels as they are err by {in_words(error)}; the other judges ({', '.join(others)}) agree"
        " where they are not named."
    )
    if len(rows) > 1:
        yield f"{len(rows)} rows are compared: about one in twenty figures would look clear by chance alone."


def _counted(rows: Mapping[str, Mapping[str, _Ways]]) -> str:
    outcomes = {name: {verdict(_Ways.leaving_out(each)) for each in ways.values()} for name, ways in rows.items()}
    better, worse = ([name for name in rows if outcomes[name] == {outcome}] for outcome in ("better", "worse"))
    return (
        f"Whoever judges, leaving out is clearly better for {', '.join(better) or 'nobody'}, and clearly worse for"
        f" {', '.join(worse) or 'nobody'}."
    )


def _in_words(ways: Mapping[str, _Ways], gain: Callable[[_Ways], Estimate]) -> str:
    """The first judge's figure, and those of judges who come to another verdict."""
    first, *others = ((judge, gain(each)) for judge, each in ways.items())
    differing = [(judge, figure) for judge, figure in others if verdict(figure) != verdict(first[1])]
    but = " and ".join(f"{difference_in_words(figure)} by {judge}" for judge, figure in differing)
    return difference_in_words(first[1]) + (f", but {but}" if but else "")


def _table(recipe: str, judge: str, of: Mapping[str, _Ways]) -> Table:
    columns = (
        Column("Left out", "text"),
        Column("all labels", help="macro-MAE of a model of the mean of each track's labels."),
        Column("debiased", help="Of a model of the levels that all labels say, freed of their annotators' biases."),
        Column("without", help="Of a model of the mean of the others' labels."),
        Column(
            "without, debiased", help="Of a model of the levels that the others' labels say, freed of their biases."
        ),
        Column("debiased less all", help="Paired difference; below 0 debiasing everybody's labels is better."),
        Column(
            "without less all", help="Paired difference; below 0 leaving out is better than keeping labels as they are."
        ),
        Column("without less debiased", help="Paired difference; below 0 leaving out is better than debiasing."),
        Column(
            "both less debiased", help="Paired difference; below 0 leaving out as well is better than only debiasing."
        ),
    )
    caption = f"macro-MAE in levels, on tracks whose artist no model knew, judged by {judge}; differences are paired."
    rows = tuple((name, *_cells(ways)) for name, ways in of.items())
    return Table(f"{recipe}, judged by {judge}", columns, rows, caption)


def _cells(ways: _Ways) -> tuple[Cell, ...]:
    errors = (ways.everything, ways.debiased, ways.without, ways.without_debiased)
    gains = (ways.debiasing(), ways.leaving_out(), ways.leaving_out_less_debiasing(), ways.leaving_out_as_well())
    return (*(each.macro_mae for each in errors), *gains)


def _people_table(labels: Annotations, consensus: Consensus, left_out: Mapping[str, tuple[str, ...]]) -> Table:
    number = {name: at for at, name in enumerate(np.unique(labels.annotator).tolist())}
    rows: list[tuple[Cell, ...]] = []
    for name in (name for name in left_out if name != ALL_OF_THESE):
        n_labels, n_shared = _labels_and_shared(labels, name)
        of_person = (float(figures[number[name]]) for figures in (consensus.bias, consensus.scale, consensus.noise))
        rows.append((name, n_labels, n_labels - n_shared, *of_person))
    columns = (
        Column("Annotator", "text"),
        Column("labels", "count", help="Of the tracks that experiments may use."),
        Column(
            "of tracks alone", "count", help="Tracks that nobody else labelled: they go with this annotator's labels."
        ),
        Column("bias", help="How much higher than others this person labels, in levels."),
        Column(
            "scale",
            "number",
            help="1 uses the scale as others do, below 1 less of it, near 0 does not follow the music.",
        ),
        Column("noise", help="Standard deviation of what is left, in levels."),
    )
    return Table("Who is left out", columns, tuple(rows), "As estimated from all labels that experiments may use.")


def _labels_and_shared(labels: Annotations, name: str) -> tuple[int, int]:
    """How many labels a person gave, and how many of these of tracks that others labelled too."""
    track = labels.track[labels.annotator == name]
    return len(track), int(np.sum(labels_a_track(labels, int(labels.track.max()) + 1)[track] > 1))


def _notes(labels: Annotations, left_out: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    yield (
        "each judge favours a side: everybody's labels, debiased, are made as the debiased ways learn, and hold the labels of"
        " who is left out; the others' labels, each counted once as it was given, are what leaving out learns from; the"
        " tracks' levels are what pages show. What a judge says against its own side weighs most"
    )
    yield (
        "biases are against the mean of everybody: who labels much and far too high or low moves the whole scale, which debiasing"
        " leaves where it is and leaving out moves back"
    )
    yield "biases are estimated anew from the labels that are learnt from, without predictions as a prior"
    yield f"clear are differences of more than {CLEAR_STANDARD_ERRORS:.0f} standard errors, which know that an artist's tracks err together"
    shared = {name: _labels_and_shared(labels, name)[1] for name in left_out if name != ALL_OF_THESE}
    if few := [f"{name} ({n})" for name, n in shared.items() if n < MIN_SHARED]:
        yield (
            f"fewer than {MIN_SHARED} tracks that somebody else labelled too: {', '.join(few)}: their biases cannot be told, and"
            " debiasing does little about them"
        )
