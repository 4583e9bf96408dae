"""Tables of the final comparison: by pairs, levels, genres, and what intervals hold."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from modeling.core.lab import thesis
from modeling.core.lab.comparison import HeldOut
from modeling.core.lab.report import Cell, Chart, Column, Series, Table
from modeling.core.metrics import LEVELS, Floats

# Genres with fewer tracks in the slice say nothing; the thesis shows one with a single track.
MIN_TRACKS_OF_GENRE = 5
# Levels with fewer tracks are left out of "worst level": one track of three that is missed would be it.
MIN_TRACKS_OF_LEVEL = 20


def pairs(found: Mapping[str, HeldOut]) -> Table:
    """How each differs from each in macro-MAE."""
    columns = [Column(f"less {name}", help="Below 0: the row's error is lower.") for name in found]
    rows = [
        (name, *(None if other is mine else mine.macro_mae_less(other) for other in found.values()))
        for name, mine in found.items()
    ]
    return Table("Differences in macro-MAE, on the same tracks", (Column("Recipe", "text"), *columns), tuple(rows))


def by_level(name: str, held_out: HeldOut) -> Table:
    """One contender on each level, beside the thesis's network."""
    columns = (
        Column("Level", "count"),
        Column("tracks", "count"),
        Column("MAE"),
        Column("right", "share"),
        Column("within 1", "share"),
        Column("within 2", "share"),
        Column("thesis MAE", from_thesis=True),
        Column("thesis right", "share", from_thesis=True),
        Column("thesis within 1", "share", from_thesis=True),
        Column("thesis within 2", "share", from_thesis=True),
        Column("thesis tracks", "count", from_thesis=True),
    )
    rows = tuple((level, *_at(held_out, held_out.truth == level), *thesis.NETWORK_BY_LEVEL[level]) for level in LEVELS)
    caption = "The thesis's figures are those of its network. A standard error of 0 says that these tracks are alike, not more."
    return Table(f"{name} by level", columns, rows, caption)


def _at(held_out: HeldOut, rows: NDArray[np.bool_]) -> tuple[Cell, ...]:
    """Number, MAE, and shares right, within 1 and within 2 of these tracks."""
    if not rows.any():
        return (0, None, None, None, None)
    here = held_out.tracks(rows)
    return (int(rows.sum()), here.mae, *(here.within(distance) for distance in (0, 1, 2)))


def by_genre(found: Mapping[str, HeldOut], genres: Sequence[tuple[str, ...]]) -> Table:
    """MAE of each contender on each genre, most tracks first; a track counts in each of its genres."""
    names = sorted({name for of_track in genres for name in of_track})
    rows_of = {name: np.array([name in of_track for of_track in genres]) for name in names}
    shown = sorted(
        (name for name in names if rows_of[name].sum() >= MIN_TRACKS_OF_GENRE), key=lambda n: -rows_of[n].sum()
    )
    columns = [Column("Genre", "text"), Column("tracks", "count")]
    for name in found:
        columns += [Column(f"MAE, {name}"), Column(f"within 1, {name}", "share")]
    columns += [Column("thesis MAE", from_thesis=True), Column("thesis within 1", "share", from_thesis=True)]
    rows = []
    for name in shown:
        cells = [_at(held_out, rows_of[name]) for held_out in found.values()]
        ours = [cell for each in cells for cell in (each[1], each[3])]
        theirs = thesis.NETWORK_BY_GENRE.get(name.lower(), (None, None))
        rows.append((name, int(rows_of[name].sum()), *ours, *theirs))
    few = len(names) - len(shown)
    caption = "The thesis's figures are those of its network." + (
        f" {few} genres with fewer than {MIN_TRACKS_OF_GENRE} tracks are left out." if few else ""
    )
    return Table("By genre", tuple(columns), tuple(rows), caption)


def coverage_overall(intervals: Mapping[str, tuple[HeldOut, NDArray[np.bool_], Floats]], coverage: float) -> Table:
    """What intervals hold, of all labels, and how wide they are."""
    columns = (
        Column("Recipe", "text"),
        Column("labels held", "share", f"{coverage:.0%} is what the intervals are made for."),
        Column("mean width"),
    )
    rows = tuple(
        (name, held_out.mean_of(holds.mean(axis=0)), held_out.mean_of(width.mean(axis=0)))
        for name, (held_out, holds, width) in intervals.items()
    )
    return Table(f"Intervals for {coverage:.0%}", columns, rows)


def coverage_by_level(intervals: Mapping[str, tuple[HeldOut, NDArray[np.bool_]]], coverage: float) -> Table:
    """The share of labels that intervals hold, level by level."""
    columns = (Column("Level", "text"), Column("tracks", "count"), *(Column(name, "share") for name in intervals))
    truth = next(held_out.truth for held_out, _ in intervals.values())
    levels = np.unique(truth)
    rows: list[tuple[Cell, ...]] = [
        (
            str(level),
            int((truth == level).sum()),
            *(
                held_out.tracks(truth == level).mean_of(holds[:, truth == level].mean(axis=0))
                for held_out, holds in intervals.values()
            ),
        )
        for level in levels
    ]
    enough = [level for level in levels if (truth == level).sum() >= MIN_TRACKS_OF_LEVEL]
    worst = [
        min((float(holds[:, truth == level].mean()) for level in enough), default=None)
        for _, holds in intervals.values()
    ]
    rows.append((f"worst with {MIN_TRACKS_OF_LEVEL} tracks or more", None, *worst))
    return Table(f"Labels held by intervals for {coverage:.0%}, by level", columns, tuple(rows))


def level_chart(found: Mapping[str, HeldOut]) -> Chart:
    """MAE by level of each contender and of the thesis's network."""
    series = []
    for name, held_out in found.items():
        levels = np.unique(held_out.truth)
        errors = [held_out.tracks(held_out.truth == level).mae for level in levels]
        values, standard_errors = zip(*errors, strict=True)
        series.append(Series(name, tuple(map(float, levels)), values, standard_errors))
    theirs = thesis.NETWORK_BY_LEVEL
    series.append(Series("thesis's network", tuple(map(float, theirs)), tuple(each.mae for each in theirs.values())))
    return Chart("MAE by level", "level", "MAE, levels", tuple(series))
