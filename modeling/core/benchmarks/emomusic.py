"""Energy from transfer features, and planted mislabels, on 552 real tracks of emoMusic.

python -m modeling.core.benchmarks.emomusic PATH/TO/tracks.csv
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.dataset import Dataset
from modeling.core.decisions import round_to_level
from modeling.core.estimates import mean_over_strata
from modeling.core.evaluation import cross_validate
from modeling.core.metrics import LEVELS, Floats, Levels, macro_mae, mae
from modeling.core.mislabels import suspicion

PLANTED_SHARE = 0.075
PLANTED_SHIFT = 3
N_ANNOTATORS = 6
# Standard deviation over annotators, in levels: severe, so that bias hides a good part of the planted errors.
ANNOTATOR_BIAS_SD = 1.5


@dataclass(frozen=True)
class Decisions:
    """macro-MAE and MAE of two decisions on the same out-of-fold scores, means over repeats, in levels.

    Standard errors are over tracks, each track's error first averaged over the repeats; that of the difference is
    paired.
    """

    macro_mae_thresholds: float
    macro_mae_thresholds_se: float
    macro_mae_rounded: float
    macro_mae_rounded_se: float
    macro_mae_gain_se: float
    mae_thresholds: float
    mae_rounded: float

    @property
    def macro_mae_gain(self) -> float:
        return self.macro_mae_rounded - self.macro_mae_thresholds


def read_tracks(path: Path) -> Dataset:
    """Transfer features, energy 1..10 and artists of the tracks in the CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = tuple(name for name in rows[0] if name.startswith("transfer_"))
    return Dataset(
        X=np.array([[row[name] for name in columns] for row in rows], dtype=np.float32),
        y=np.array([row["energy"] for row in rows], dtype=float),
        groups=np.array([row["artist"] for row in rows]),
        uris=np.array([f"emomusic:{row['song_id']}" for row in rows]),
        columns=columns,
    )


def compare_decisions(dataset: Dataset, *, n_repeats: int = 3, recipe: str = "ridge_thresholds") -> Decisions:
    """Cross-validate a recipe over 5 grouped folds, and round the same scores for comparison."""
    truth = round_to_level(dataset.y)
    runs = [cross_validate(recipe, dataset, seed=seed, slice_share=0) for seed in range(n_repeats)]
    decided, rounded = [run.level for run in runs], [round_to_level(run.score) for run in runs]
    decided_error = np.mean([np.abs(level - truth) for level in decided], axis=0)
    rounded_error = np.mean([np.abs(level - truth) for level in rounded], axis=0)
    return Decisions(
        macro_mae_thresholds=float(np.mean([macro_mae(truth, level) for level in decided])),
        macro_mae_thresholds_se=mean_over_strata(decided_error, truth).se,
        macro_mae_rounded=float(np.mean([macro_mae(truth, level) for level in rounded])),
        macro_mae_rounded_se=mean_over_strata(rounded_error, truth).se,
        macro_mae_gain_se=mean_over_strata(rounded_error - decided_error, truth).se,
        mae_thresholds=float(np.mean([mae(truth, level) for level in decided])),
        mae_rounded=float(np.mean([mae(truth, level) for level in rounded])),
    )


def planted_errors_found(dataset: Dataset, *, seed: int, bias_sd: float = 0.0, annotators_known: bool = False) -> float:
    """Average precision of `suspicion` on labels of which 7.5 % were moved by 3 levels or more.

    Parameters
    ----------
    bias_sd : float
        Each label is by one of six annotators, whose bias has this standard deviation in levels.
    annotators_known : bool
        Whether `suspicion` is told who labelled.
    """
    rng = np.random.default_rng(seed)
    annotators = rng.integers(N_ANNOTATORS, size=len(dataset.y))
    biased = round_to_level(dataset.y + rng.normal(0, bias_sd, N_ANNOTATORS)[annotators])
    labels, planted = plant_errors(biased, rng)
    suspect = suspicion(
        dataset.X, labels, annotators=annotators if annotators_known else None, groups=dataset.groups, seed=seed
    )
    return average_precision(suspect, planted)


def plant_errors(level: Levels, rng: np.random.Generator) -> tuple[Levels, NDArray[np.bool_]]:
    """Move 7.5 % of the levels by at least three, to any level that far; which ones is returned too."""
    planted = np.zeros(len(level), dtype=bool)
    planted[rng.choice(len(level), round(PLANTED_SHARE * len(level)), replace=False)] = True
    moved = level.copy()
    for row in np.flatnonzero(planted):
        moved[row] = rng.choice([other for other in LEVELS if abs(other - level[row]) >= PLANTED_SHIFT])
    return moved, planted


def average_precision(suspect: Floats, wrong: NDArray[np.bool_]) -> float:
    """Mean, over the wrong labels, of the share of wrong ones down to it in the ranking; chance is their share."""
    hit = wrong[np.argsort(-suspect, kind="stable")]
    return float(np.mean((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit]))


def report(dataset: Dataset, *, n_repeats: int = 3, n_plantings: int = 10) -> str:
    """All figures as a table."""
    found = compare_decisions(dataset, n_repeats=n_repeats)
    thresholds = (found.macro_mae_thresholds, found.macro_mae_thresholds_se, found.mae_thresholds)
    rounded = (found.macro_mae_rounded, found.macro_mae_rounded_se, found.mae_rounded)
    n_artists = len(np.unique(dataset.groups))
    lines = [
        f"{len(dataset.y)} tracks, {n_artists} artists, {n_repeats} x 5 folds grouped by artist; in levels",
        "decision         macro-MAE     se    MAE",
        "thresholds       {:9.3f}  {:.3f}  {:.3f}".format(*thresholds),
        "rounding         {:9.3f}  {:.3f}  {:.3f}".format(*rounded),
        f"gain (paired)    {found.macro_mae_gain:9.3f}  {found.macro_mae_gain_se:.3f}",
        "",
        f"suspicion of {PLANTED_SHARE:.1%} planted errors, {n_plantings} plantings    average precision     se",
    ]
    rankings = [
        ("shift", 0.0, False),
        ("annotator bias + shift, annotators unknown", ANNOTATOR_BIAS_SD, False),
        ("annotator bias + shift, debiased", ANNOTATOR_BIAS_SD, True),
    ]
    for name, bias_sd, annotators_known in rankings:
        each = [
            planted_errors_found(dataset, seed=seed, bias_sd=bias_sd, annotators_known=annotators_known)
            for seed in range(n_plantings)
        ]
        lines.append(f"{name:53} {np.mean(each):17.3f}  {np.std(each, ddof=1) / n_plantings**0.5:.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures on real labels: decisions and mislabels.")
    parser.add_argument("path", type=Path, help="tracks.csv: artist, song_id, energy, transfer_000..159")
    print(report(read_tracks(parser.parse_args().path)))


if __name__ == "__main__":
    main()
