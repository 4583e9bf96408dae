"""Six simulated people who label the demo library, each in their own way, and now and then badly wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from modeling.core.demo_music.library import DemoTrack

MIN_LEVEL, MAX_LEVEL, MIDDLE = 1, 10, 5.5
UNLABELLED_SHARE = 0.2
"""Left for the people who try the product."""

_KEEP_LABELLED = 2  # tracks of every level, or the model never sees it
_PLANTED_SHARE = 0.08  # of the annotations
_PLANTED_SHIFT = 4  # levels, at least: "3 or more is a large error" (thesis)


@dataclass(frozen=True)
class Annotator:
    """Hears a level as MIDDLE + scale * (level - MIDDLE) + bias, plus noise; all in levels."""

    name: str
    bias: float
    scale: float
    noise: float
    workload: float = 0.0


_ANNOTATORS = (
    Annotator("sim_ada", 0.0, 1.00, 0.35, 0.30),
    Annotator("sim_bo", 0.5, 0.95, 0.45, 0.25),
    Annotator("sim_cleo", -0.5, 1.05, 0.45, 0.20),
    Annotator("sim_dan", 0.2, 0.80, 0.55, 0.11),
    Annotator("sim_eve", -0.2, 1.15, 0.55, 0.08),
    Annotator("sim_finn", 0.8, 0.90, 0.80, 0.06),
)


class SimulatedAnnotations(NamedTuple):
    """Rows in the thesis's CSV layout, and which of them are planted mistakes."""

    rows: list[dict[str, str | int]]
    planted: frozenset[tuple[str, str]]
    """(track_uri, annotator_id)"""


def simulated_annotations(
    tracks: Sequence[DemoTrack], *, seed: int, may_plant: Callable[[str], bool] = lambda uri: True
) -> SimulatedAnnotations:
    """Labels for four in five of the tracks: a third of them by three annotators, the rest by one.

    Parameters
    ----------
    may_plant : takes a track's uri; False keeps mistakes off that track (of an evaluation slice, say).

    Returns
    -------
    SimulatedAnnotations
        Rows with energy, track_uri, track_preview_url (the file name), annotator_id, genres (comma separated), title,
        artist. One annotation in twelve, at most one a track, is a planted mistake: at least 4 levels from the level
        the track was composed for.
    """
    rng = np.random.default_rng([seed, 2])
    labelled = _choose_labelled(rng, tracks)
    by_three = set(rng.permutation(len(labelled))[: len(labelled) // 3].tolist())
    pairs = [(t, a) for i, t in enumerate(labelled) for a in _choose_annotators(rng, 3 if i in by_three else 1)]
    levels = {(track.uri, a.name): heard(rng, track.level, a) for track, a in pairs}
    planted = _plant(rng, pairs, levels, may_plant)
    rows = [_row(track, a.name, levels[track.uri, a.name]) for track, a in pairs]
    return SimulatedAnnotations(rows, frozenset(planted))


def _choose_labelled(rng: np.random.Generator, tracks: Sequence[DemoTrack]) -> list[DemoTrack]:
    left_of_level = Counter(track.level for track in tracks)
    unlabelled: set[str] = set()
    for i in rng.permutation(len(tracks)):
        track = tracks[i]
        if len(unlabelled) < round(UNLABELLED_SHARE * len(tracks)) and left_of_level[track.level] > _KEEP_LABELLED:
            unlabelled.add(track.uri)
            left_of_level[track.level] -= 1
    return [track for track in tracks if track.uri not in unlabelled]


def _choose_annotators(rng: np.random.Generator, n: int) -> list[Annotator]:
    workloads = [a.workload for a in _ANNOTATORS]
    chosen = rng.choice(len(_ANNOTATORS), n, replace=False, p=workloads)
    return [_ANNOTATORS[i] for i in sorted(chosen)]


def heard(rng: np.random.Generator, level: int, annotator: Annotator) -> int:
    heard = MIDDLE + annotator.scale * (level - MIDDLE) + annotator.bias + rng.normal(0, annotator.noise)
    return int(np.clip(np.rint(heard), MIN_LEVEL, MAX_LEVEL))


def far_levels(level: int) -> list[int]:
    """What somebody badly wrong might say of a track of this level."""
    return [v for v in range(MIN_LEVEL, MAX_LEVEL + 1) if _PLANTED_SHIFT <= abs(v - level) <= _PLANTED_SHIFT + 1]


def _plant(
    rng: np.random.Generator,
    pairs: Sequence[tuple[DemoTrack, Annotator]],
    levels: dict[tuple[str, str], int],
    may_plant: Callable[[str], bool],
) -> set[tuple[str, str]]:
    """Change some levels in place to ones that are far off; returns whose."""
    planted: dict[str, str] = {}
    for i in rng.permutation(len(pairs)):
        track, annotator = pairs[i]
        if len(planted) >= round(_PLANTED_SHARE * len(pairs)):
            break
        if track.uri in planted or not may_plant(track.uri):
            continue
        levels[track.uri, annotator.name] = int(rng.choice(far_levels(track.level)))
        planted[track.uri] = annotator.name
    return set(planted.items())


def _row(track: DemoTrack, annotator: str, level: int) -> dict[str, str | int]:
    return {
        "energy": level,
        "track_uri": track.uri,
        "track_preview_url": track.file_name,
        "annotator_id": annotator,
        "genres": ",".join(track.genres),
        "title": track.title,
        "artist": track.artist,
    }
