"""Does balancing the levels help?"""

from pathlib import Path

from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import OnProgress, Protocol, compare, comparison_table, contender, notes_of
from modeling.core.lab.data import LabData
from modeling.core.lab.report import Findings
from modeling.core.lab.words import better_or_not
from modeling.core.resampling import RESAMPLERS


def answer(
    asked: catalogue.Resampling, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """One recipe, fitted on tracks balanced in each of the known ways; judged on tracks as they are."""
    used = data.development().using(asked.sets)
    contenders = {method: contender(asked.recipe, decision=asked.decision, resampling=method) for method in RESAMPLERS}
    found = compare(contenders, used.dataset, Protocol.of(asked), annotations=used.annotations, on_progress=on_progress)
    table = comparison_table(
        f"{asked.recipe} by resampling", found, reference="none", thesis=thesis.RESAMPLING, first_column="Resampling"
    )
    return Findings(
        conclusions=tuple(better_or_not(found, "none")),
        tables=(table,),
        matrices=tuple(held_out.matrix(f"{asked.recipe}, {name}") for name, held_out in found.items()),
        notes=used.notes + notes_of(found),
    )
