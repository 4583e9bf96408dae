"""Which feature sets are worth computing?"""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from pathlib import Path

from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, compare, comparison_table, contender, notes_of
from modeling.core.lab.data import LabData, TooLittleData, set_name
from modeling.core.lab.report import Column, Findings, Table, with_column
from modeling.core.lab.words import better_or_not, in_words

# Four sets have 15 combinations.
MAX_SETS = 4


def answer(
    asked: catalogue.FeatureSets, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """One recipe on each combination, on the tracks that have all of the sets."""
    development = data.development()
    keys = tuple(dict.fromkeys(asked.sets)) or development.usual_sets()
    if len(keys) > MAX_SETS:
        raise TooLittleData(
            f"{len(keys)} sets have {2 ** len(keys) - 1} combinations: name at most {MAX_SETS} of {', '.join(keys)} in `sets`."
        )
    used = development.using(keys)
    told_apart = [key for key, (start, end) in used.columns_of_set.items() if end > start]
    combined = {" + ".join(sets): sets for n in range(len(told_apart)) for sets in combinations(told_apart, n + 1)}
    everything = list(combined)[-1]
    make = contender(asked.recipe, decision=asked.decision, resampling=asked.resampling)
    found = compare(
        dict.fromkeys(combined, make),
        {name: used.only(sets).dataset for name, sets in combined.items()},
        Protocol.of(asked),
        annotations=used.annotations,
        on_progress=on_progress,
    )
    return Findings(
        conclusions=tuple(_conclusions(found, everything)),
        tables=(_table(f"{asked.recipe} by feature sets", used, found, combined, everything),),
        matrices=tuple(held_out.matrix(f"{asked.recipe}, {name}") for name, held_out in found.items()),
        notes=tuple(chain(_left_out(development, keys, told_apart), used.notes, notes_of(found))),
    )


def _conclusions(found: dict[str, HeldOut], everything: str) -> Iterator[str]:
    if len(found) > 1:
        yield from better_or_not(found, everything)
    else:
        yield f"{everything} is the only set there is: {in_words(found[everything].macro_mae)} levels of macro-MAE."
        yield "What other sets would add is not known before they are computed or imported."


def _table(
    title: str, used: LabData, found: dict[str, HeldOut], combined: dict[str, tuple[str, ...]], everything: str
) -> Table:
    theirs = {name: thesis.FEATURE_SETS.get(frozenset(map(set_name, sets))) for name, sets in combined.items()}
    known = {name: figure for name, figure in theirs.items() if figure is not None}
    table = comparison_table(title, found, reference=everything, thesis=known, first_column="Feature sets")
    n_columns = [sum(end - start for start, end in map(used.columns_of_set.get, sets)) for sets in combined.values()]  # type: ignore[misc]
    return with_column(table, Column("features", "count"), n_columns, after="Feature sets")


def _left_out(development: LabData, keys: Sequence[str], told_apart: Sequence[str]) -> Iterator[str]:
    for key in development.columns_of_set:
        if key not in keys:
            n_tracks = int(development.has(key).sum())
            yield f"{key} is left out; {n_tracks} of {len(development.dataset.y)} tracks have it: name it in `sets` to compare on these"
    for key in keys:
        if key not in told_apart:
            yield f"{key} is left out: its columns say nothing, or too many tracks lack them"
