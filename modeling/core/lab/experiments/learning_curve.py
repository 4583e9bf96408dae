"""How much does the error fall with more labels?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, resampled_means
from modeling.core.lab import catalogue
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, check_enough, contender, fit, notes_of
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.report import Chart, Column, Findings, Series, Table
from modeling.core.lab.words import difference_in_words, in_words, verdict
from modeling.core.learning_curves import COVERAGE, LearningCurve
from modeling.core.metrics import Levels

# The fewest tracks a model learns from: two of each level, if they were spread evenly.
MIN_POINT = 20


def answer(
    asked: catalogue.LearningCurve, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """The same held-out tracks, predicted by models of more and more of the others; each set holds the smaller ones."""
    used = data.development().using(asked.sets)
    check_enough(used.dataset, by_artist=asked.by_artist, min_tracks=3 * MIN_POINT)
    sizes = _sizes(used, Protocol.of(asked), asked.n_points)
    found, notes = _compare(used, asked, sizes, on_progress)
    curve, n_tracks = _curve(found, asked.seed), len(used.dataset.y)
    on_progress(1.0, "done")
    return Findings(
        conclusions=(*_on_the_curve(found), *_on_more(curve, n_tracks)),
        tables=(_table(asked.recipe, found), _more_table(curve, n_tracks)),
        charts=(_chart(found, curve, n_tracks),),
        notes=(*used.notes, *notes, *_notes(asked), *notes_of({asked.recipe: found[max(found)]})),
    )


def _sizes(used: LabData, protocol: Protocol, n_points: int) -> list[int]:
    """From 20 to all that is left while a fold is held out, each the same factor larger."""
    fold = protocol.folds(used.dataset, 0)
    most = min(int(np.sum(fold != held_out)) for held_out in range(int(fold.max()) + 1))
    if most < 2 * MIN_POINT:
        raise TooLittleData(
            f"While others are held out, {most} tracks are left to learn from; a curve needs {2 * MIN_POINT}: label more"
            " tracks, of more artists."
        )
    return sorted({round(n) for n in np.geomspace(MIN_POINT, most, n_points)})


def _compare(
    used: LabData, asked: catalogue.LearningCurve, sizes: list[int], on_progress: OnProgress
) -> tuple[dict[int, HeldOut], tuple[str, ...]]:
    dataset, protocol, make = used.dataset, Protocol.of(asked), contender(asked.recipe)
    level = round_to_level(dataset.y)
    shape = (len(sizes), asked.n_repeats, len(level))
    scores, levels, said = np.full(shape, np.nan), np.zeros(shape, np.int64), dict[str, None]()
    for repeat in range(asked.n_repeats):
        fold = protocol.folds(dataset, repeat)
        for held_out in range(int(fold.max()) + 1):
            held = fold == held_out
            order = _order(np.flatnonzero(~held), level, np.random.default_rng([held_out, repeat, asked.seed]))
            for point, n in enumerate(sizes):
                done = (repeat + (held_out + point / len(sizes)) / (fold.max() + 1)) / asked.n_repeats
                on_progress(done, f"{n} tracks, fold {held_out + 1}, repeat {repeat + 1}")
                known = np.isin(np.arange(len(level)), order[:n])
                model = fit(make(asked.seed + repeat), dataset, known, used.annotations, asked.by_artist)
                scores[point, repeat, held] = model.predict_score(dataset.X[held])
                levels[point, repeat, held] = model.predict(dataset.X[held])
                said |= dict.fromkeys(f"{n} tracks: {note}" for note in model.notes)
    found = {n: HeldOut(level, dataset.groups, scores[point], levels[point], 0.0) for point, n in enumerate(sizes)}
    first, *more = said or [""]
    return found, (first + (f" (and {len(more)} more)" if more else ""),) if first else ()


def _order(rows: NDArray[np.int64], level: Levels, rng: np.random.Generator) -> NDArray[np.int64]:
    """Shuffled, but for the second: the first one of another level than the first, or there might be nothing to learn."""
    order = rng.permutation(rows)
    other = np.flatnonzero(level[order] != level[order[0]])
    if not len(other):
        raise TooLittleData(
            "While others are held out, all tracks left have the same level: label tracks of other levels, by more artists."
        )
    order[[1, other[0]]] = order[[other[0], 1]]
    return order


def _curve(found: dict[int, HeldOut], seed: int) -> LearningCurve:
    """With what it might have been had tracks of other artists been judged."""
    first, rng = next(iter(found.values())), np.random.default_rng(seed)
    error = np.stack([held_out.error for held_out in found.values()])
    measured = [held_out.macro_mae.value for held_out in found.values()]
    return LearningCurve.through(list(found), measured, resampled_means(error, first.truth, first.artist, rng=rng))


def _on_the_curve(found: dict[int, HeldOut]) -> Iterator[str]:
    fewest, *_, before, most = found
    gain, last = (found[most].macro_mae_less(found[n]) for n in (fewest, before))
    yield (
        f"With {fewest} tracks to learn from macro-MAE is {in_words(found[fewest].macro_mae)}, with {most}"
        f" {in_words(found[most].macro_mae)}: {difference_in_words(gain)}."
    )
    yield (
        f"The last step, from {before} to {most} tracks, brought {difference_in_words(last)}: "
        + ("more labels still help." if verdict(last) == "better" else "no gain that could be told from chance.")
    )


def _on_more(curve: LearningCurve, n_tracks: int) -> Iterator[str]:
    step, low, high = curve.change(n_tracks, 2 * n_tracks)
    clear = "" if high < -0.005 else " The interval reaches 0: it may bring nothing."
    yield (
        f"Twice as many labels ({2 * n_tracks:,} tracks in place of {n_tracks:,}) would bring about {step:+.2f} levels"
        f" ({COVERAGE:.0%} interval {low:+.2f} to {high:+.2f}). This is an extrapolation of a curve, not a measurement.{clear}"
    )


def _table(recipe: str, found: dict[int, HeldOut]) -> Table:
    sizes = list(found)
    rows = []
    for before, n in zip([None, *sizes], sizes, strict=False):
        step: Estimate | None = None if before is None else found[n].macro_mae_less(found[before])
        rows.append((n, found[n].macro_mae, step, found[n].mae, found[n].within(1)))
    columns = (
        Column("learnt from", "count", help="Tracks; each set holds the smaller ones."),
        Column("macro-MAE"),
        Column("less the row above", help="Paired difference on the same tracks; below 0 is better."),
        Column("MAE"),
        Column("within 1", "share"),
    )
    return Table(f"{recipe} by number of tracks", columns, tuple(rows))


def _more_table(curve: LearningCurve, n_tracks: int) -> Table:
    rows = []
    for factor in (1, 2, 4):
        error, low, high = curve.at(factor * n_tracks)
        step = curve.change(n_tracks, factor * n_tracks) if factor > 1 else (None,) * 3
        rows.append((factor * n_tracks, error, low, high, *step))
    law = curve.law
    columns = (
        Column("tracks", "count"),
        *(Column(name) for name in ("macro-MAE", "from", "to")),
        *(Column(name) for name in ("change", "change, from", "change, to")),
    )
    caption = (
        f"Extrapolated, with {COVERAGE:.0%} intervals, by {law.floor[0]:.2f} + {law.height[0]:.2f} / n^{law.exponent[0]:.2f},"
        " the curve of this form nearest to the measured points. The intervals know which tracks were judged, and neither"
        " whether the form is right nor whether future labels are like those so far."
    )
    return Table("What more labels would bring", columns, tuple(rows), caption)


def _chart(found: dict[int, HeldOut], curve: LearningCurve, n_tracks: int) -> Chart:
    estimates = [held_out.macro_mae for held_out in found.values()]
    measured = Series(
        "measured",
        tuple(map(float, found)),
        tuple(estimate.value for estimate in estimates),
        tuple(estimate.se for estimate in estimates),
    )
    x = np.geomspace(min(found), 4 * n_tracks, 25)
    fitted = Series("curve, extrapolated", tuple(x.tolist()), tuple(curve.law(x)[0].tolist()))
    return Chart("Error by number of tracks learnt from", "Tracks", "macro-MAE", (measured, fitted))


def _notes(asked: catalogue.LearningCurve) -> Iterator[str]:
    yield "tracks are added in random order; labels of new kinds of music may bring more, of the same kind less"
    if asked.n_repeats == 1:
        yield "one order of tracks in each fold: with more repeats the curve is smoother"
