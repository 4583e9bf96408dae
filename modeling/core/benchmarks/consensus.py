"""What one level from several annotators is worth, beside the mean and the median, and what it costs.

python -m modeling.core.benchmarks.consensus simulated PATH/TO/tracks.csv
python -m modeling.core.benchmarks.consensus ratings PATH/TO/ratings.csv
python -m modeling.core.benchmarks.consensus time [--annotations N] [--tracks N] [--annotators N]
"""

import argparse
import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotations.agreement import alpha_interval, mean_kappa_interval
from annotations.clusters import cluster_annotators
from annotations.consensus import estimate, median_levels
from modeling.core.benchmarks.emomusic import read_tracks
from modeling.core.dataset import Dataset, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean
from modeling.core.metrics import Floats, Levels, macro_mae
from modeling.core.ridge import out_of_fold

Indices = NDArray[np.int64]

N_SEEDS = 6
LABELS_EACH = (1, 2, 3)
N_ANNOTATORS = 6
# Over annotators, in levels; the last one answers at random.
BIAS_SD = 0.9
SCALES, NOISES = (0.7, 1.2), (0.6, 1.2)

MEAN, MEDIAN, ALONE, WITH_PRIOR = "mean", "median", "estimate", "estimate, prior"
MOST_WITH_PRIOR = {2: 0.65, 3: 0.60}
LEAST_GAIN = 0.25
MOST_SECONDS = 2.0

N_FOLDS = 10
N_TIMES = 3


class Labels(NamedTuple):
    """Who said what of which track; three arrays of shape (n_annotations,)."""

    track: Indices
    annotator: Indices
    level: Floats

    def rows(self, which: NDArray[np.bool_]) -> "Labels":
        return Labels(self.track[which], self.annotator[which], self.level[which])


# ---- Simulated annotators of real tracks


def simulated_labels(truth: Levels, n_each: int, rng: np.random.Generator) -> Labels:
    """Six annotators who differ in bias, scale and noise, the last one answering at random; `n_each` of them a track."""
    track = np.repeat(np.arange(len(truth)), n_each)
    annotator = np.concatenate([rng.choice(N_ANNOTATORS, n_each, replace=False) for _ in truth])
    bias, scale = rng.normal(0, BIAS_SD, N_ANNOTATORS), rng.uniform(*SCALES, N_ANNOTATORS)
    said = 5.5 + bias[annotator] + scale[annotator] * (truth[track] - 5.5)
    said += rng.uniform(*NOISES, N_ANNOTATORS)[annotator] * rng.normal(size=len(track))
    level = round_to_level(said).astype(float)
    at_random = annotator == N_ANNOTATORS - 1
    level[at_random] = rng.integers(1, 11, at_random.sum())
    return Labels(track, annotator, level)


def levels_found(dataset: Dataset, labels: Labels, *, seed: int) -> dict[str, Floats]:
    """Each track's level in four ways. The prior comes from a ridge that learnt other artists' levels, as estimated without
    it."""
    alone = estimate(*labels).level
    fold = grouped_stratified_folds(round_to_level(alone), dataset.groups, seed=seed)
    return {
        MEAN: np.bincount(labels.track, labels.level) / np.bincount(labels.track),
        MEDIAN: median_levels(labels.track, labels.level).astype(float),
        ALONE: alone,
        WITH_PRIOR: estimate(*labels, prior=out_of_fold(dataset.X, alone, fold)).level,
    }


def simulated_errors(dataset: Dataset, n_each: int, *, n_seeds: int = N_SEEDS) -> dict[str, Floats]:
    """Macro-MAE of the rounded levels to the truth, by way, of each seed."""
    truth, errors = round_to_level(dataset.y), []
    for seed in range(n_seeds):
        labels = simulated_labels(truth, n_each, np.random.default_rng(seed))
        found = levels_found(dataset, labels, seed=seed)
        errors.append({way: macro_mae(truth, round_to_level(level)) for way, level in found.items()})
    return {way: np.array([error[way] for error in errors]) for way in errors[0]}


def simulated_table(dataset: Dataset, *, n_seeds: int = N_SEEDS) -> str:
    errors = {n_each: simulated_errors(dataset, n_each, n_seeds=n_seeds) for n_each in LABELS_EACH}
    lines = [
        f"{len(dataset.y)} tracks, {N_ANNOTATORS} simulated annotators; macro-MAE to the truth, in levels (se over {n_seeds} seeds)",
        f"{'labels each track':30}" + "".join(f"{n_each:>16}" for n_each in LABELS_EACH),
    ]
    for way in errors[LABELS_EACH[0]]:
        lines.append(f"{way:30}" + "".join(f"{_figure(mean(errors[n_each][way])):>16}" for n_each in LABELS_EACH))
    gain = {n_each: mean(found[MEAN] - found[WITH_PRIOR]) for n_each, found in errors.items()}
    lines += [
        f"{'mean less the last (paired)':30}" + "".join(f"{_figure(gain[n_each]):>16}" for n_each in LABELS_EACH),
        "",
    ]
    for n_each, most in MOST_WITH_PRIOR.items():
        value = errors[n_each][WITH_PRIOR].mean()
        lines.append(_target(f"{WITH_PRIOR}, {n_each} labels a track", f"<= {most:.2f}", value, value <= most))
        value = gain[n_each].value
        lines.append(_target(f"  below the mean, {n_each} labels", f">= {LEAST_GAIN:.2f}", value, value >= LEAST_GAIN))
    return "\n".join(lines)


# ---- Real ratings


def read_ratings(path: Path) -> Labels:
    """Columns `clip, judge, rating`, whole ratings of 1 and more."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clip, judge = (np.unique([row[name] for row in rows], return_inverse=True)[1] for name in ("clip", "judge"))
    return Labels(clip, judge, np.array([row["rating"] for row in rows], dtype=float))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Ratings predicted without them; only those of clips that others rated too.

    Attributes
    ----------
    labels
        Those held out, fold by fold.
    predicted : way -> shape (n_annotations,), float
    """

    labels: Labels
    predicted: Mapping[str, Floats]

    def error(self, way: str) -> Floats:
        return np.abs(self.predicted[way] - self.labels.level)


def predict_held_out(labels: Labels, *, n_folds: int = N_FOLDS, seed: int = 0) -> HeldOut:
    """Each fold of the ratings from the others, all of them estimated without it."""
    fold = np.random.default_rng(seed).integers(n_folds, size=len(labels.level))
    parts = [_predict(labels.rows(fold != each), labels.rows(fold == each)) for each in range(n_folds)]
    held_out = Labels(*(np.concatenate(column) for column in zip(*(part.labels for part in parts), strict=True)))
    ways = parts[0].predicted
    return HeldOut(held_out, {way: np.concatenate([part.predicted[way] for part in parts]) for way in ways})


def _predict(known: Labels, unknown: Labels) -> HeldOut:
    """A rater without known ratings, or a clip without any, cannot be predicted, and is left out."""
    n_of_clip, n_of_rater = np.bincount(known.track), np.bincount(known.annotator)
    unknown = unknown.rows((unknown.track < len(n_of_clip)) & (unknown.annotator < len(n_of_rater)))
    unknown = unknown.rows((n_of_clip[unknown.track] > 0) & (n_of_rater[unknown.annotator] > 0))
    others = np.bincount(known.track, known.level) / np.maximum(n_of_clip, 1)
    offset = np.bincount(known.annotator, known.level - others[known.track]) / np.maximum(n_of_rater, 1)
    found, middle = estimate(*known), known.level.mean()
    predicted = found.bias[unknown.annotator] + found.scale[unknown.annotator] * (found.level[unknown.track] - middle)
    return HeldOut(
        unknown,
        {
            "mean of the others": others[unknown.track],
            "  and the rater's mean offset": others[unknown.track] + offset[unknown.annotator],
            ALONE: middle + predicted,
        },
    )


def ratings_table(labels: Labels) -> str:
    found = predict_held_out(labels)
    raters = found.labels.annotator
    lines = [
        f"{len(labels.level)} ratings of {labels.track.max() + 1} clips by {labels.annotator.max() + 1} raters; "
        f"{len(raters)} held out in {N_FOLDS} folds (se over raters)",
        f"{'':30}{'MAE':>16}{'RMSE':>8}{'less the mean':>16}",
    ]
    ways = list(found.predicted)
    less = {way: mean(found.error(way) - found.error(ways[0]), raters) for way in ways[1:]}
    for way in ways:
        rmse = float(np.sqrt(np.mean(found.error(way) ** 2)))
        compared = _figure(less[way]) if way in less else ""
        lines.append(f"{way:30}{_figure(mean(found.error(way), raters)):>16}{rmse:8.3f}{compared:>16}")
    value, se = less[ALONE]
    return "\n".join([*lines, "", _target("less the mean of the others", "< 0 by 2 se", value, value < -2 * se)])


# ---- Time


def many_labels(n_annotations: int, n_tracks: int, n_annotators: int, *, seed: int = 0) -> tuple[Labels, Floats]:
    """Labels of tracks and annotators drawn at random, and a model's prediction of every track."""
    rng = np.random.default_rng(seed)
    # Tracks and annotators as one number: without those drawn twice, nearly as many as asked for.
    drawn = np.unique(rng.integers(n_tracks * n_annotators, size=n_annotations))
    track, annotator = np.divmod(rng.permutation(drawn), n_annotators)
    truth = rng.normal(5.5, 1.8, n_tracks)
    said = 5.5 + rng.normal(0, BIAS_SD, n_annotators)[annotator]
    said += rng.uniform(*SCALES, n_annotators)[annotator] * (truth[track] - 5.5)
    said += rng.uniform(*NOISES, n_annotators)[annotator] * rng.normal(size=len(track))
    predicted = 5.5 + 0.5 * (truth - 5.5) + rng.normal(size=n_tracks)
    return Labels(track, annotator, round_to_level(said).astype(float)), predicted


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of the fastest of three: others on the machine slow the rest."""
    taken = []
    for _ in range(N_TIMES):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def time_table(n_annotations: int, n_tracks: int, n_annotators: int) -> str:
    labels, predicted = many_labels(n_annotations, n_tracks, n_annotators)
    plain = cpu_seconds(lambda: np.bincount(labels.track, labels.level) / np.maximum(np.bincount(labels.track), 1))
    work: dict[str, Callable[[], object]] = {
        MEDIAN: partial(median_levels, labels.track, labels.level),
        ALONE: partial(estimate, *labels),
        WITH_PRIOR: partial(estimate, *labels, prior=predicted),
        "alpha with interval": partial(alpha_interval, *labels),
        "mean kappa with interval": partial(mean_kappa_interval, *labels),
        "groups of annotators": partial(cluster_annotators, *labels),
    }
    lines = [
        f"{len(labels.level)} annotations, {n_tracks} tracks, {n_annotators} annotators; CPU, best of {N_TIMES}",
        f"{'':30}{'seconds':>10}{'times the mean':>18}",
        f"{MEAN + ' (np.bincount)':30}{plain:10.3f}{1:18.0f}",
    ]
    taken = {name: cpu_seconds(run) for name, run in work.items()}
    lines += [f"{name:30}{seconds:10.3f}{seconds / plain:18.0f}" for name, seconds in taken.items()]
    slowest = taken[MEDIAN] + max(taken[ALONE], taken[WITH_PRIOR])
    wanted = f"<= {MOST_SECONDS:g} s"
    return "\n".join([*lines, "", _target("median and estimate together", wanted, slowest, slowest <= MOST_SECONDS)])


def _figure(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.se:.3f})"


def _target(what: str, wanted: str, found: float, is_met: bool) -> str:
    return f"{what:40} {wanted:12} {found:8.3f}  {'met' if is_met else 'MISSED'}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Consensus: errors and time, beside the mean and what was aimed at.")
    commands = parser.add_subparsers(dest="command", required=True)
    simulated = commands.add_parser("simulated", help="simulated annotators of real tracks")
    simulated.add_argument("path", type=Path, help="tracks.csv: artist, song_id, energy, transfer_000..159")
    ratings = commands.add_parser("ratings", help="real raters' held-out ratings")
    ratings.add_argument("path", type=Path, help="ratings.csv: clip, judge, rating")
    duration = commands.add_parser("time", help="made-up annotations")
    for what, n in (("annotations", 1_000_000), ("tracks", 100_000), ("annotators", 1_000)):
        duration.add_argument(f"--{what}", type=int, default=n)
    asked = parser.parse_args(arguments)
    if asked.command == "simulated":
        print(simulated_table(read_tracks(asked.path)))
    elif asked.command == "ratings":
        print(ratings_table(read_ratings(asked.path)))
    else:
        print(time_table(asked.annotations, asked.tracks, asked.annotators))


if __name__ == "__main__":
    main()
