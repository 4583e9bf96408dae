"""New tracks, second opinions at random or chosen, and cleanlab's ActiveLab, at the same number of labels.

python -m modeling.core.benchmarks.second_opinions PATH/TO/tracks.csv [PATH/TO/annotations.csv] [--repeats N] [--seed N] [--slips]

Without annotations people are made up; with them, theirs are played back. What is learnt is judged by the energy of the tracks.
"""

import argparse
import contextlib
import csv
import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from modeling.core.acquisition import Strategy
from modeling.core.acquisition_space import Rows
from modeling.core.annotations import Annotations
from modeling.core.benchmarks.emomusic import plant_errors, read_tracks
from modeling.core.dataset import Dataset
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean
from modeling.core.metrics import MAX_LEVEL, Floats, Levels
from modeling.core.pool import Pool
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.replay_opinions import WAYS, OpinionCurves, replay_opinions, simulated_opinions

Opinions = Callable[[np.random.Generator], Annotations]

ACTIVE_LAB, OURS = "cleanlab ActiveLab", "relabel_or_new"
N_REPEATS, BATCH, START, MOST = 30, 20, 60, 300
# What there was to choose was chosen on repeats of other seeds.
SEED = 7
SHOWN_SIZES = (60, 120, 180, 240, 300)


def active_lab(pool: Pool, n: int, seed: int) -> Rows:
    """The lowest scores first, of labelled and new tracks together, as cleanlab's documentation says."""
    from cleanlab.multiannotator import get_active_learning_scores

    if pool.score is None or pool.may_be_asked is None:
        raise ValueError("found no scores; ActiveLab needs what a model says of each track")
    said, labelled = pool.annotations, ~np.isnan(pool.level)
    table = np.full((len(labelled), len(people := np.unique(said.annotator))), np.nan)
    table[said.track, np.searchsorted(people, said.annotator)] = said.level - 1
    odds = _odds_of_levels(pool.score, float(np.std((pool.level - pool.score)[labelled])))
    new = np.flatnonzero(pool.is_open)
    # It prints what it thinks of rare levels, at each call.
    with contextlib.redirect_stdout(io.StringIO()):
        of_labelled, of_new = get_active_learning_scores(table[labelled], odds[labelled], odds[new])
    score = np.full(len(labelled), np.inf)
    score[labelled], score[new] = of_labelled, of_new
    score[labelled & ~pool.may_be_asked] = np.inf
    return np.argsort(score, kind="stable")[:n]


def _odds_of_levels(score: Floats, spread: float) -> Floats:
    """Probabilities of the levels, (n_tracks, 10): logistic around the score, as wide as held-out residuals."""
    cuts = np.arange(1, MAX_LEVEL) + 0.5
    below = (1 + np.tanh((cuts - score[:, None]) * np.pi / np.sqrt(12) / spread)) / 2
    return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)


def with_slips(level: Levels, rng: np.random.Generator) -> Annotations:
    """The simulated people, 7.5 % of whose labels are three levels or more off besides."""
    said = simulated_opinions(level, rng)
    return Annotations(said.track, said.annotator, plant_errors(said.level, rng)[0])


def as_they_are(said: Annotations, rng: np.random.Generator) -> Annotations:
    """Nothing is made up."""
    return said


def read_annotations(path: Path, uris: Sequence[str]) -> Annotations:
    """Columns `energy, track_uri, annotator_id`; of the tracks with these uris."""
    row_of_track = {uri: row for row, uri in enumerate(uris)}
    with path.open(newline="", encoding="utf-8") as file:
        said = [row for row in csv.DictReader(file) if row["track_uri"] in row_of_track]
    return Annotations(
        np.array([row_of_track[row["track_uri"]] for row in said]),
        np.array([row["annotator_id"] for row in said]),
        np.array([row["energy"] for row in said], int),
    )


def played_back(tracks: Dataset, opinions: Opinions, *, n_repeats: int, seed: int) -> OpinionCurves:
    ways: Mapping[str, Strategy] = {**WAYS, ACTIVE_LAB: active_lab}
    return replay_opinions(
        tracks,
        opinions,
        ways,
        make_recipe=RidgeThresholds,
        batch=BATCH,
        n_repeats=n_repeats,
        start=START,
        most=MOST,
        seed=seed,
        on_progress=lambda share, message: print(f"\r{share:4.0%} {message:60}", end="", file=sys.stderr),
    )


def markdown(curves: OpinionCurves) -> Iterator[str]:
    """One row a strategy, differences paired (standard error over repeats); then what was aimed at."""
    sizes = [at for at, size in enumerate(curves.sizes) if size in SHOWN_SIZES]
    shown = " | ".join(f"{curves.sizes[at]}" for at in sizes)
    yield f"| strategy | second opinions | {shown} | area less random | end less random |"
    yield "|---|---:|" + "---:|" * (len(sizes) + 2)
    for name in curves.error:
        errors = " | ".join(f"{curves.mean(name)[at]:.3f}" for at in sizes)
        less = f"{_figure(curves.area_less(name))} | {_figure(_end_less(curves, name, 'random'))}"
        yield f"| {name} | {curves.second_share[name].mean():.0%} | {errors} | {less} |"
    yield ""
    for other in (name for name in curves.error if name != OURS):
        area, end = curves.area_less(OURS, other), _end_less(curves, OURS, other)
        met = "met" if max(area.value, end.value) < 0 else "MISSED"
        yield f"- {OURS} less {other}: area {_figure(area)}, end {_figure(end)}: lower is {met}"


def _end_less(curves: OpinionCurves, name: str, other: str) -> Estimate:
    return mean(curves.error[name][:, -1] - curves.error[other][:, -1])


def _figure(found: Estimate) -> str:
    return f"{found.value:+.3f} ± {found.se:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Macro-MAE by number of labels, as Markdown.")
    parser.add_argument("path", type=Path, help="tracks.csv: artist, song_id, energy, transfer_000..159")
    parser.add_argument("annotations", type=Path, nargs="?", help="annotations.csv: energy, track_uri, annotator_id")
    parser.add_argument("--repeats", type=int, default=N_REPEATS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--slips", action="store_true", help="7.5 %% of the simulated labels are far off besides")
    asked, began = parser.parse_args(arguments), time.perf_counter()
    tracks = read_tracks(asked.path)
    opinions: Opinions = partial(with_slips if asked.slips else simulated_opinions, round_to_level(tracks.y))
    if asked.annotations:
        opinions = partial(as_they_are, read_annotations(asked.annotations, tracks.uris.tolist()))
    curves = played_back(tracks, opinions, n_repeats=asked.repeats, seed=asked.seed)
    print(file=sys.stderr)
    print(*markdown(curves), sep="\n")
    print(f"\n{len(tracks.y)} tracks, {asked.repeats} repeats, seed {asked.seed}; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
