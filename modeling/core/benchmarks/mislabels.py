"""How well mistakes among labels are found: errors planted in real labels, rankings beside each other.

python -m modeling.core.benchmarks.mislabels PATH/TO/tracks.csv [--seeds N] [--contenders NAME ...]
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modeling.core.benchmarks.emomusic import PLANTED_SHARE, average_precision, plant_errors, read_tracks
from modeling.core.benchmarks.mislabels_table import CLEANLAB, IDEAL, OURS, THESIS, Results, table
from modeling.core.dataset import Dataset, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.metrics import MAX_LEVEL, Floats, Levels
from modeling.core.mislabels import SuspicionDetails, neighbour_expectation, suspicion_details
from modeling.core.recipes.baseline import Baseline
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.xgboost import XGBoost
from modeling.core.ridge import ALPHAS, out_of_fold

N_SEEDS = 6
N_ANNOTATORS = 6
ANNOTATOR_BIAS_SD = 0.9  # levels
# Pairs that are exchanged in the second kind of swap: a large error in the thesis's words (section 3.4).
LARGE_DISTANCE = 3
# scikit-learn's C for the probabilities that cleanlab gets: the best of .0003 to .1 on plantings other than these (four of
# seeds from 1000 on).
INVERSE_PENALTY = 0.01
N_NEIGHBOURS = 20


@dataclass(frozen=True, eq=False)
class Planted:
    """Labels with errors among them, and the truth of that.

    Attributes
    ----------
    clean, labels : shape (n_tracks,), float
        Before and after the errors were planted, in levels.
    wrong : shape (n_tracks,), bool
    annotators : shape (n_tracks,), int, or None where all labels are by one pool
    """

    tracks: Dataset
    clean: Floats
    labels: Floats
    annotators: NDArray[np.int64] | None
    seed: int

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return self.labels != self.clean

    @property
    def known(self) -> Tracks:
        """What a recipe may learn from."""
        return Tracks(self.tracks.X, self.labels, np.ones(len(self.labels)), self.tracks.groups)

    @property
    def fold(self) -> NDArray[np.int64]:
        return grouped_stratified_folds(self.labels, self.tracks.groups, seed=self.seed)


def shift(level: Levels, rng: np.random.Generator) -> Levels:
    """7.5 % are moved to a level at least three away, each such level as likely."""
    return plant_errors(level, rng)[0]


def swap(level: Levels, rng: np.random.Generator, *, min_distance: int = 1) -> Levels:
    """Pairs drawn at random exchange their levels: 7.5 % of the tracks, all pairs at least `min_distance` apart."""
    swapped = level.copy()
    one, other = rng.permutation(len(level))[: len(level) // 2 * 2].reshape(2, -1)
    pairs = np.flatnonzero(np.abs(level[one] - level[other]) >= min_distance)[: round(PLANTED_SHARE * len(level) / 2)]
    swapped[one[pairs]], swapped[other[pairs]] = level[other[pairs]], level[one[pairs]]
    return swapped


def plant(scenario: str, tracks: Dataset, *, seed: int) -> Planted:
    """The scenario's errors, drawn by this seed."""
    rng = np.random.default_rng(seed)
    level, annotators = round_to_level(tracks.y), None
    if scenario in WITH_ANNOTATORS:
        annotators = rng.integers(N_ANNOTATORS, size=len(level))
        level = round_to_level(level + rng.normal(0, ANNOTATOR_BIAS_SD, N_ANNOTATORS)[annotators])
    return Planted(tracks, level.astype(float), SCENARIOS[scenario](level, rng).astype(float), annotators, seed)


SCENARIOS: Mapping[str, Callable[[Levels, np.random.Generator], Levels]] = {
    "shift": shift,
    "swap": swap,
    "large swap": lambda level, rng: swap(level, rng, min_distance=LARGE_DISTANCE),
    "bias + shift": shift,
}
WITH_ANNOTATORS = ("bias + shift",)


def ours(planted: Planted) -> Floats:
    return np.abs(_details(planted, planted.labels).residual)


def ideal(planted: Planted) -> Floats:
    """No contender: how far labels are from what ours expects once it is taught the labels without errors."""
    return np.abs(planted.labels - _details(planted, planted.clean).expected)


def ours_by_spread(planted: Planted) -> Floats:
    """Ours in units of its mean among the most similar tracks by others."""
    size = ours(planted)
    near = neighbour_expectation(planted.tracks.X, size, groups=planted.tracks.groups, n=N_NEIGHBOURS)
    return size / near.expected


def _details(planted: Planted, labels: Floats) -> SuspicionDetails:
    return suspicion_details(
        planted.tracks.X, labels, annotators=planted.annotators, groups=planted.tracks.groups, seed=planted.seed
    )


def thesis(planted: Planted) -> Floats:
    """Boosted trees, out of fold: section 3.3.2 of the thesis."""
    return np.abs(planted.labels - XGBoost(seed=planted.seed).learn(planted.known).held_out_score)


def plain_ridge(planted: Planted) -> Floats:
    return np.abs(planted.labels - _ridge_scores(planted))


def _ridge_scores(planted: Planted) -> Floats:
    return out_of_fold(planted.tracks.X, planted.labels, planted.fold)


def cleanlab_regression(planted: Planted) -> Floats:
    """Its own search for errors, around scikit-learn's ridge with our penalties. Its folds know no artists."""
    from cleanlab.regression.learn import CleanLearning
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learning = CleanLearning(make_pipeline(StandardScaler(), RidgeCV(ALPHAS)), seed=planted.seed)
    found = learning.find_label_issues(planted.tracks.X.astype(float), planted.labels)
    return -found["label_quality"].to_numpy()


def cleanlab_outre(planted: Planted) -> Floats:
    """How odd label and residual are together, from the scores of the plain ridge."""
    from cleanlab.regression.rank import get_label_quality_scores

    return -get_label_quality_scores(planted.labels, _ridge_scores(planted), method="outre")


def cleanlab_self_confidence(planted: Planted) -> Floats:
    """How little probability the given level has, by logistic regressions that did not see the track."""
    from cleanlab.rank import get_self_confidence_for_each_label

    known, fold = planted.known, planted.fold
    share = np.zeros((len(fold), MAX_LEVEL))
    for held_out in range(fold.max() + 1):
        recipe = Baseline(inverse_penalty=INVERSE_PENALTY, seed=planted.seed)
        model = recipe.fit_scorer(known.part(fold != held_out), np.random.default_rng(planted.seed))
        share[np.ix_(fold == held_out, model.levels - 1)] = model.probabilities(known.X[fold == held_out])
    return -get_self_confidence_for_each_label(round_to_level(planted.labels) - 1, share)


CONTENDERS: Mapping[str, Callable[[Planted], Floats]] = {
    OURS: ours,
    THESIS: thesis,
    "plain ridge": plain_ridge,
    CLEANLAB[0]: cleanlab_regression,
    CLEANLAB[1]: cleanlab_outre,
    CLEANLAB[2]: cleanlab_self_confidence,
    "ours / spread": ours_by_spread,
    IDEAL: ideal,
}


def measure(tracks: Dataset, *, seeds: Sequence[int], contenders: Sequence[str]) -> Results:
    """Average precision of each contender on the same plantings."""
    precision: dict[str, dict[str, list[float]]] = {name: {each: [] for each in contenders} for name in SCENARIOS}
    for scenario in SCENARIOS:
        for seed in seeds:
            planted = plant(scenario, tracks, seed=seed)
            for name in contenders:
                suspect = CONTENDERS[name](planted)
                precision[scenario][name].append(average_precision(suspect, planted.wrong))
            print(f"{scenario}, seed {seed}: done", file=sys.stderr, flush=True)
    return Results({name: {each: np.array(found) for each, found in of.items()} for name, of in precision.items()})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Average precision of rankings of labels with planted errors.")
    parser.add_argument("path", type=Path, help="tracks.csv: artist, song_id, energy, transfer_000..159")
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help="how many plantings of each kind")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[*CONTENDERS])
    asked = parser.parse_args(arguments)
    tracks = read_tracks(asked.path)
    results = measure(tracks, seeds=range(asked.seeds), contenders=asked.contenders)
    print(f"{len(tracks.y)} tracks, {PLANTED_SHARE:.1%} of the labels wrong, {asked.seeds} plantings of each kind")
    print(table(results))


if __name__ == "__main__":
    main()
