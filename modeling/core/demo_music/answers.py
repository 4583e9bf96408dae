"""Two more simulated people, who answer on the label page, so that their labels have a time: one is too quick, one changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from modeling.core.demo_music.annotators import Annotator, far_levels, heard
from modeling.core.demo_music.library import DemoTrack

QUICK, CHANGING = "sim_gus", "sim_hana"

_DAYS = 28.0
_N_QUICK, _N_CHANGING = 15, 40
_N_MISTAKES = 3  # of the quick one, one of them on a gold track where there is one
_QUICK = Annotator(QUICK, bias=0.1, scale=1.0, noise=0.5)
_BEFORE, _AFTER = (Annotator(CHANGING, bias=bias, scale=1.0, noise=0.5) for bias in (-0.3, 1.9))
_CHANGES_AT = 0.55  # share of the labels said before
_TOO_FAST_S, _FAST_S, _USUAL_S = (1.2, 2.6), (2.6, 3.8), (5.0, 14.0)


@dataclass(frozen=True)
class SimulatedAnswer:
    """One label of the label page; `is_mistake`: planted, answered within seconds, and far from what was composed."""

    uri: str
    annotator: str
    level: int
    answered_s: float
    days_ago: float
    is_mistake: bool = False


def simulated_answers(
    tracks: Sequence[DemoTrack], *, seed: int, may_plant: Collection[str], gold: Collection[str]
) -> list[SimulatedAnswer]:
    """What the two say of some of these tracks, oldest first.

    Parameters
    ----------
    may_plant, gold : uris
        Mistakes are planted on tracks of `may_plant` only, the first of them on a gold track if one is among them.
    """
    rng = np.random.default_rng([seed, 3])
    answers = [*_quick(rng, tracks, may_plant, gold), *_changing(rng, tracks)]
    return sorted(answers, key=lambda answer: -answer.days_ago)


def _quick(
    rng: np.random.Generator, tracks: Sequence[DemoTrack], may_plant: Collection[str], gold: Collection[str]
) -> list[SimulatedAnswer]:
    """Often within seconds, and mostly right: being quick alone is no mistake."""
    in_turn = _shuffled(rng, tracks)
    # A stable sort: gold that a mistake may be planted on first, then the others it may be planted on.
    in_turn.sort(key=lambda track: (track.uri not in may_plant, track.uri not in gold))
    mistaken = [track.uri for track in in_turn if track.uri in may_plant][:_N_MISTAKES]
    chosen = in_turn[:_N_MISTAKES] + _shuffled(rng, in_turn[_N_MISTAKES:])[: _N_QUICK - _N_MISTAKES]
    answers = []
    for number, (track, days_ago) in enumerate(zip(chosen, _days_ago(rng, len(chosen)), strict=True)):
        is_mistake = track.uri in mistaken
        level = int(rng.choice(far_levels(track.level))) if is_mistake else heard(rng, track.level, _QUICK)
        seconds = _TOO_FAST_S if is_mistake else _FAST_S if number % 3 == 0 else _USUAL_S
        answers.append(SimulatedAnswer(track.uri, QUICK, level, round(rng.uniform(*seconds), 1), days_ago, is_mistake))
    return answers


def _changing(rng: np.random.Generator, tracks: Sequence[DemoTrack]) -> list[SimulatedAnswer]:
    """Takes the time it needs, and from one day on says two levels more."""
    chosen = _shuffled(rng, tracks)[:_N_CHANGING]
    days_ago = sorted(_days_ago(rng, len(chosen)), reverse=True)
    return [
        SimulatedAnswer(
            track.uri,
            CHANGING,
            heard(rng, track.level, _BEFORE if number < _CHANGES_AT * len(chosen) else _AFTER),
            round(rng.uniform(*_USUAL_S), 1),
            days,
        )
        for number, (track, days) in enumerate(zip(chosen, days_ago, strict=True))
    ]


def _shuffled(rng: np.random.Generator, tracks: Sequence[DemoTrack]) -> list[DemoTrack]:
    return [tracks[i] for i in rng.permutation(len(tracks))]


def _days_ago(rng: np.random.Generator, n: int) -> list[float]:
    return rng.uniform(0.1, _DAYS, n).tolist()
