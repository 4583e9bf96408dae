"""Which resampling suits the thesis's network?"""

from collections.abc import Iterator
from pathlib import Path

from modeling.core.lab import catalogue, thesis
from modeling.core.lab.comparison import HeldOut, OnProgress, Protocol, compare, comparison_table, contender, notes_of
from modeling.core.lab.data import LabData
from modeling.core.lab.report import Chart, Findings, Series
from modeling.core.lab.words import better_or_not, in_words

WITH_NEIGHBORS = ("smote", "smote_tomek")
NETWORK = "network"


def answer(
    asked: catalogue.NetworkResampling, data: LabData, *, on_progress: OnProgress, folder: Path | None = None
) -> Findings:
    """The network on tracks as they are, and balanced in each way, with each number of neighbours."""
    used = data.development().using(asked.sets)
    neighbors = range(asked.least_neighbors, max(asked.least_neighbors, asked.most_neighbors) + 1)
    ways: dict[str, tuple[str, int | None]] = {"none": ("none", None), "random_over": ("random_over", None)}
    ways |= {_name(method, k): (method, k) for method in WITH_NEIGHBORS for k in neighbors}
    contenders = {
        name: contender(NETWORK, resampling=method, k_neighbors=k or 5, n_epochs=asked.n_epochs, target=asked.target)
        for name, (method, k) in ways.items()
    }
    found = compare(contenders, used.dataset, Protocol.of(asked), on_progress=on_progress)
    theirs = {name: thesis.NETWORK_RESAMPLING[way] for name, way in ways.items() if way in thesis.NETWORK_RESAMPLING}
    return Findings(
        conclusions=(*better_or_not(found, "none"), *_neighbors_matter(found, neighbors)),
        tables=(
            comparison_table(
                "The network by resampling", found, reference="none", thesis=theirs, first_column="Resampling"
            ),
        ),
        matrices=tuple(held_out.matrix(name) for name, held_out in found.items()),
        charts=(_chart(found, neighbors),) if len(neighbors) > 1 else (),
        notes=(
            "each epoch goes through the balanced tracks once, so balancing also means more steps: with few tracks and labels in"
            " levels (`target` raw) the network without it may simply not have learnt long enough",
            f"the lowest of {len(found)} errors is a little too good: part of it is luck",
            "the thesis judged its networks by one part of its tracks, not artist by artist, and says that the same settings"
            " gave it other errors in another run",
            *used.notes,
            *notes_of(found),
        ),
    )


def _name(method: str, k: int) -> str:
    return f"{method}, {k} neighbours"


def _neighbors_matter(found: dict[str, HeldOut], neighbors: range) -> Iterator[str]:
    """How far apart the best and the worst number of neighbours are. No verdict: extremes of several differ by chance too."""
    if len(neighbors) < 2:
        return
    for method in WITH_NEIGHBORS:
        best, *_, worst = sorted(neighbors, key=lambda k: found[_name(method, k)].macro_mae.value)
        apart = found[_name(method, worst)].macro_mae_less(found[_name(method, best)])
        yield (
            f"{method}: of {len(neighbors)} numbers of neighbours the best ({best}) and the worst ({worst}) differ by"
            f" {in_words(apart)} levels; part of that is chance, as they were picked for it."
        )


def _chart(found: dict[str, HeldOut], neighbors: range) -> Chart:
    series = []
    for method in WITH_NEIGHBORS:
        errors = [found[_name(method, k)].macro_mae for k in neighbors]
        values, standard_errors = zip(*errors, strict=True)
        series.append(Series(method, tuple(map(float, neighbors)), values, standard_errors))
    return Chart("macro-MAE by neighbours", "neighbours", "macro-MAE, levels", tuple(series))
