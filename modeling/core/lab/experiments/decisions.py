"""What do cuts gain over rounding, and what do they cost?"""

from pathlib import Path

from modeling.core.lab import catalogue
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, compare, contender, notes_of
from modeling.core.lab.data import LabData
from modeling.core.lab.report import Chart, Column, Findings, Series, Table
from modeling.core.lab.words import difference_in_words

COLUMNS = (
    Column("Recipe", "text"),
    Column("macro-MAE, cuts", help="Cuts placed on held-out scores for the lowest macro-MAE (`lowest_macro_mae`)."),
    Column("macro-MAE, rounded", help="The nearest level (`lowest_mae`), as in the thesis."),
    Column("gain", help="Paired: macro-MAE with cuts less rounded; below 0 is better."),
    Column("MAE, cuts"),
    Column("MAE, rounded"),
    Column("price", help="Paired: MAE with cuts less rounded; above 0 is what cuts cost."),
    Column("within 1, cuts", "share"),
    Column("within 1, rounded", "share"),
)


def answer(
    asked: catalogue.Decisions, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """Each recipe is fitted once; its scores become levels in both ways."""
    used = data.development().using(asked.sets)
    contenders = {name: contender(name, decision="lowest_macro_mae") for name in asked.recipes}
    cuts = compare(contenders, used.dataset, Protocol.of(asked), annotations=used.annotations, on_progress=on_progress)
    rounded = {name: held_out.rounded() for name, held_out in cuts.items()}
    return Findings(
        conclusions=tuple(_conclusion(name, cuts[name], rounded[name]) for name in cuts),
        tables=(
            Table("Cuts against rounding", COLUMNS, tuple(_row(name, cuts[name], rounded[name]) for name in cuts)),
        ),
        matrices=tuple(
            held_out.matrix(f"{name}, {way}")
            for name in cuts
            for way, held_out in (("cuts", cuts[name]), ("rounded", rounded[name]))
        ),
        charts=(_chart(cuts, rounded),),
        notes=used.notes + notes_of(cuts),
    )


def _conclusion(name: str, cuts: HeldOut, rounded: HeldOut) -> str:
    return (
        f"{name}, cuts against rounding: macro-MAE {difference_in_words(cuts.macro_mae_less(rounded))},"
        f" MAE {difference_in_words(cuts.mae_less(rounded))}."
    )


def _row(name: str, cuts: HeldOut, rounded: HeldOut) -> tuple:
    macro = (cuts.macro_mae, rounded.macro_mae, cuts.macro_mae_less(rounded))
    return (name, *macro, cuts.mae, rounded.mae, cuts.mae_less(rounded), cuts.within(1), rounded.within(1))


def _chart(cuts: dict[str, HeldOut], rounded: dict[str, HeldOut]) -> Chart:
    x = tuple(map(float, range(len(cuts))))
    series = []
    for name, less in (("macro-MAE", HeldOut.macro_mae_less), ("MAE", HeldOut.mae_less)):
        values, standard_errors = zip(*(less(cuts[recipe], rounded[recipe]) for recipe in cuts), strict=True)
        series.append(Series(name, x, values, standard_errors))
    return Chart("Cuts less rounding", "", "levels; below 0 cuts are better", tuple(series), "bar", tuple(cuts))
