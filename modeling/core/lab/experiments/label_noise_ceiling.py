"""Labels disagree: what error would a perfect model still seem to have?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np

from modeling.core.annotations import Annotations
from modeling.core.decisions import round_to_level
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, check_enough, compare, contender, notes_of
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.labels import LabelErrors, people_by_labels, said_of_single_labels
from modeling.core.lab.noise import Ceiling, LabelNoise, ceiling, median_of_others, medians, noise_free_levels
from modeling.core.lab.report import Cell, Column, Findings, Table
from modeling.core.lab.words import CLEAR_STANDARD_ERRORS, difference_in_words, in_words, verdict
from modeling.core.metrics import Floats

# With fewer tracks of several labels, how far these lie apart is anybody's guess.
MIN_TRACKS = 20
N_SIMULATIONS = 100
N_RESAMPLES, N_SIMULATIONS_EACH = 200, 10
COVERAGE = 0.95
CEILINGS = ("single label, rounded", "single label, best cuts", "median, rounded", "median, best cuts")


def answer(
    asked: catalogue.LabelNoiseCeiling, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Noise from tracks with several labels; then our model, a perfect one, and single people, against such labels."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist)
    noise = _noise(used.annotations)
    ours = compare(
        {asked.recipe: contender(asked.recipe)},
        used.dataset,
        Protocol.of(asked),
        annotations=used.annotations,
        on_progress=lambda share, message: on_progress(0.7 * share, message),
    )[asked.recipe]
    found = _Ceilings.of(used.annotations, noise, len(used.dataset.y), asked.seed, on_progress)
    by_median = _by_median(ours, used.annotations)
    one = _OneAgainstTheRest(used.annotations, ours)
    judged = {f"{asked.recipe}, median": by_median}
    if not np.array_equal(
        by_median.truth, ours.truth
    ):  # a level that was decided on need not be the median of the labels
        judged[f"{asked.recipe}, the tracks' levels"] = ours
    on_progress(1.0, "done")
    return Findings(
        conclusions=(
            *_on_noise(noise, used.annotations),
            *_on_ceiling(found, by_median, asked.recipe),
            *_on_people(one, asked.recipe),
        ),
        tables=(
            _ceiling_table(found, judged),
            _people_table(one, noise, asked.recipe),
        ),
        notes=(*used.notes, *_notes(used, noise), *_of_single_labels(one), *notes_of({asked.recipe: ours})),
    )


def _noise(annotations: Annotations) -> LabelNoise:
    n_several = int(np.sum(np.bincount(annotations.track, minlength=1) > 1))
    noise = LabelNoise.of(annotations) if n_several >= MIN_TRACKS else None
    if noise is None:
        raise TooLittleData(
            f"{n_several} labelled tracks with features have labels by several people; how far people disagree needs"
            f" {MIN_TRACKS}: let several people label the same tracks, or import who labelled."
        )
    return noise


@dataclass(frozen=True, eq=False)
class _Ceilings:
    """The ceilings, and those of resampled tracks, (n_resamples, 4): how far they might have come out otherwise."""

    value: Ceiling
    resampled: Floats
    noise_sd: tuple[float, float]

    @classmethod
    def of(
        cls, annotations: Annotations, noise: LabelNoise, n_tracks: int, seed: int, on_progress: OnProgress
    ) -> _Ceilings:
        level = noise_free_levels(annotations, noise, n_tracks)
        value = ceiling(annotations, noise, level, np.random.default_rng(seed), N_SIMULATIONS)
        rng, found, spreads = np.random.default_rng([1, seed]), [], []
        rows_of = _rows_of_tracks(annotations)
        for number in range(N_RESAMPLES):
            if number % 20 == 0:
                on_progress(0.7 + 0.3 * number / N_RESAMPLES, f"interval: {number} of {N_RESAMPLES}")
            drawn = _resampled(annotations, rows_of, rng)
            its_noise = LabelNoise.of(drawn)
            if its_noise is not None:
                its_level = noise_free_levels(drawn, its_noise, len(rows_of))
                found.append(astuple(ceiling(drawn, its_noise, its_level, rng, N_SIMULATIONS_EACH)))
                spreads.append(its_noise.sd)
        return cls(value, np.array(found), _interval(np.array(spreads)))

    def interval(self, column: int) -> tuple[float, float]:
        return _interval(self.resampled[:, column])


def _rows_of_tracks(annotations: Annotations) -> list[np.ndarray]:
    order = np.argsort(annotations.track, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(annotations.track[order])) + 1)


def _resampled(annotations: Annotations, rows_of: list[np.ndarray], rng: np.random.Generator) -> Annotations:
    """As many tracks, drawn with replacement, with all their labels; one drawn twice is two tracks."""
    drawn = [rows_of[number] for number in rng.integers(len(rows_of), size=len(rows_of))]
    rows, track = np.concatenate(drawn), np.repeat(np.arange(len(drawn)), [len(each) for each in drawn])
    return Annotations(track, annotations.annotator[rows], annotations.level[rows])


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


class _OneAgainstTheRest:
    """Each person's labels, and our model, against the median of everybody else's labels of the same tracks."""

    def __init__(self, annotations: Annotations, ours: HeldOut) -> None:
        truth = median_of_others(annotations)
        judged = truth > 0
        track, truth = annotations.track[judged], truth[judged]
        self.annotator = annotations.annotator[judged]
        self.people = LabelErrors(truth, np.abs(annotations.level[judged] - truth).astype(float), ours.artist[track])
        self.model = LabelErrors(truth, np.abs(ours.level[:, track] - truth).mean(axis=0), ours.artist[track])
        self.names = list(people_by_labels(Annotations(track, self.annotator, annotations.level[judged])))


def _by_median(ours: HeldOut, annotations: Annotations) -> HeldOut:
    """Judged as the perfect model is: by the median of each track's labels, whatever level the track was given."""
    median = medians(annotations.track, annotations.level)
    labelled = np.flatnonzero(median)
    return replace(ours.tracks(labelled), truth=median[labelled])


def _on_noise(noise: LabelNoise, annotations: Annotations) -> Iterator[str]:
    n_several = int(np.sum(np.bincount(annotations.track) > 1))
    yield (
        f"{n_several} tracks have several labels: after each person's bias they scatter by {noise.sd:.2f} levels (standard"
        f" deviation) around the track's level; biases differ by {noise.bias_sd:.2f}."
    )


def _on_ceiling(found: _Ceilings, ours: HeldOut, recipe: str) -> Iterator[str]:
    (single_low, single_high), (median_low, median_high) = found.interval(1), found.interval(3)
    yield (
        "A model that knew every track's level without noise would still seem to err (macro-MAE, by the best cuts) by"
        f" {found.value.single_by_cuts:.2f} levels against single labels ({COVERAGE:.0%} interval {single_low:.2f} to"
        f" {single_high:.2f}), and by {found.value.median_by_cuts:.2f} ({median_low:.2f} to {median_high:.2f}) against the median"
        " of the labels each track has now."
    )
    error = ours.macro_mae
    beyond = error.value - CLEAR_STANDARD_ERRORS * error.se > median_high
    yield (
        f"{recipe} errs by {in_words(error)} against the same medians: "
        + (
            f"a better model could seem to gain up to about {error.value - found.value.median_by_cuts:.2f} levels."
            if beyond
            else "too near to a perfect one to tell the difference; better labels are what is left to gain by."
        )
    )


def _on_people(one: _OneAgainstTheRest, recipe: str) -> Iterator[str]:
    gain = one.model.less(one.people)
    outcome = {
        "better": "nearer to the others than a single person is",
        "worse": "farther from the others than a single person is",
    }
    yield (
        f"One person against the median of the others: {in_words(one.people.macro_mae)}; {recipe} against the same medians:"
        f" {in_words(one.model.macro_mae)}; difference {difference_in_words(gain)}"
        + (f": the model is {outcome[verdict(gain)]}." if verdict(gain) in outcome else ".")
    )


def _ceiling_table(found: _Ceilings, ours: Mapping[str, HeldOut]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for number, (name, value) in enumerate(zip(CEILINGS, astuple(found.value), strict=True)):
        rows.append((f"perfect, {name}", value, *found.interval(number)))
    for name, held_out in ours.items():
        error = held_out.macro_mae
        rows.append((name, error.value, error.value - 1.96 * error.se, error.value + 1.96 * error.se))
    columns = (Column("Model and what it is judged by", "text"), Column("macro-MAE"), Column("from"), Column("to"))
    caption = (
        f"{COVERAGE:.0%} intervals. Perfect: knows the level without noise; its level is that one rounded, or by cuts placed for"
        " the lowest macro-MAE. Below these figures, suspect leakage."
    )
    return Table("What a perfect model would seem to err", columns, tuple(rows), caption)


def _people_table(one: _OneAgainstTheRest, noise: LabelNoise, recipe: str) -> Table:
    bias = dict(zip(noise.people.tolist(), noise.bias.tolist(), strict=True))
    rows: list[tuple[Cell, ...]] = []
    for name in one.names:
        people, model = (errors.labels(one.annotator == name) for errors in (one.people, one.model))
        rows.append(
            (name, len(people.truth), bias[name], people.macro_mae, people.mae, model.macro_mae, model.less(people))
        )
    gain = one.model.less(one.people)
    rows.append(("all", len(one.people.truth), None, one.people.macro_mae, one.people.mae, one.model.macro_mae, gain))
    columns = (
        Column("Annotator", "text"),
        Column("shared labels", "count", help="Of tracks that somebody else labelled too."),
        Column("bias", help="How much higher than others this person labels the same tracks, in levels."),
        Column("macro-MAE", help="Of this person's labels against the median of the others' labels of the track."),
        Column("MAE"),
        Column(recipe, help="macro-MAE of the model against the same medians."),
        Column("model less person", help="Paired difference; below 0 the model is nearer to the others."),
    )
    return Table(
        "One person against the rest", columns, tuple(rows), "The model knew neither the track nor its artist."
    )


def _of_single_labels(one: _OneAgainstTheRest) -> tuple[str, ...]:
    return said_of_single_labels({name: one.people.labels(one.annotator == name) for name in one.names})


def _notes(used: LabData, noise: LabelNoise) -> Iterator[str]:
    yield "noise is taken to be normal and the same for everybody and every level; people who answer at random raise it for all"
    yield "tracks with one label are taken to be as noisy as those with several"
    yield (
        f"the noise rests on {noise.n_degrees} differences between labels of the same track; the levels without it are guessed"
        " from debiased means, drawn together by the noise they hold"
    )
    n = np.bincount(used.annotations.track, minlength=len(used.dataset.y))
    if unlabelled := int(np.sum(n == 0)):
        yield f"{unlabelled} tracks have a level and no labels by people: they count for the model, not for the ceiling"
    of_labels = medians(used.annotations.track, used.annotations.level)
    judged_by = round_to_level(used.dataset.y)[: len(of_labels)]
    if others := int(np.sum((of_labels > 0) & (of_labels != judged_by))):
        yield (
            f"{others} tracks have another level than the median of their labels (set by a lead, freed of biases, or from"
            " elsewhere)"
        )
