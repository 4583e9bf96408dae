"""Does knowing that levels are ordered keep errors small?"""

from pathlib import Path

from modeling.core.lab import catalogue
from modeling.core.lab.comparison import (
    LARGE_ERROR,
    HeldOut,
    OnProgress,
    Protocol,
    compare,
    comparison_table,
    contender,
    notes_of,
)
from modeling.core.lab.data import LabData
from modeling.core.lab.report import Column, Findings, Table
from modeling.core.lab.words import difference_in_words, in_words, percent, verdict

CLASSES, REGRESSION = "xgboost_classifier", "xgboost"


def answer(
    asked: catalogue.ClassDependence, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """The same boosted trees on the same balanced tracks, once for ten names and once for a number."""
    development = data.development()
    used = development.using(asked.sets or development.sets_named("spotify"))
    contenders = {
        CLASSES: contender(CLASSES, resampling=asked.resampling),
        REGRESSION: contender(REGRESSION, decision="lowest_mae", resampling=asked.resampling),
    }
    found = compare(contenders, used.dataset, Protocol.of(asked), on_progress=on_progress)
    return Findings(
        conclusions=_conclusions(found[CLASSES], found[REGRESSION]),
        tables=(
            _distances(found),
            comparison_table("Ten names or a number", found, reference=CLASSES, first_column="Recipe"),
        ),
        matrices=tuple(held_out.matrix(name) for name, held_out in found.items()),
        notes=(_features_note(used), *used.notes, *notes_of(found)),
    )


def _conclusions(classes: HeldOut, regression: HeldOut) -> tuple[str, ...]:
    fewer = regression.mean_of(regression.large_errors - classes.large_errors)
    points = f"{fewer.value * 100:+.1f} ± {fewer.se * 100:.1f} points of them"
    return (
        f"{LARGE_ERROR} levels off or more: {percent(classes.mean_of(classes.large_errors))} of the tracks by classification,"
        f" {percent(regression.mean_of(regression.large_errors))} by regression; the difference is {points}"
        f" (regression {verdict(fewer)}).",
        f"Where they are wrong, classification errs by {in_words(classes.distance_when_wrong)} levels and regression by"
        f" {in_words(regression.distance_when_wrong)}.",
        f"macro-MAE of regression against classification: {difference_in_words(regression.macro_mae_less(classes))}.",
    )


def _distances(found: dict[str, HeldOut]) -> Table:
    columns = (
        Column("Recipe", "text"),
        Column("right", "share"),
        Column("large errors", "share", f"Share of tracks {LARGE_ERROR} levels off or more."),
        Column(
            f"less {REGRESSION}", "share", "Paired difference in large errors on the same tracks; below 0 is better."
        ),
        Column("distance when wrong", help="Mean distance of those that are not right, in levels."),
    )
    classes = found[CLASSES].large_errors
    rows = tuple(
        (
            name,
            held_out.within(0),
            held_out.mean_of(held_out.large_errors),
            None if name == CLASSES else held_out.mean_of(held_out.large_errors - classes),
            held_out.distance_when_wrong,
        )
        for name, held_out in found.items()
    )
    return Table("How far off", columns, rows, "The thesis shows confusion matrices alone, without figures.")


def _features_note(used: LabData) -> str:
    return f"learnt from {', '.join(used.columns_of_set)}; the thesis here used Spotify's features alone"
