"""What recipes are worth on real labels, and what they cost at the thesis's size; each in a process of its own.

python -m modeling.core.benchmarks.recipes emomusic PATH/TO/tracks.csv [--recipes NAME ...]
python -m modeling.core.benchmarks.recipes synthetic [--rows N] [--columns N] [--recipes NAME ...]
"""

import argparse
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from modeling.core.benchmarks.emomusic import read_tracks
from modeling.core.benchmarks.recipes_table import AUTO, THESIS_NETWORK, Cost, Results, Run, Target, table
from modeling.core.benchmarks.synthetic import THESIS_COUNTS, THESIS_FEATURES, synthetic_tracks
from modeling.core.metrics import Floats
from modeling.core.recipes import RECIPES, Recipe
from modeling.core.recipes.auto import Auto
from modeling.core.recipes.network import Network
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.recipes.xgboost import XGBoost

N_REPEATS, N_FOLDS = 3, 5
# Of the tracks that synthetic figures are of: as in the thesis, a fifth.
TEST_SHARE = 0.2
WARM_UP_ROWS = 60

Contender = Callable[..., Recipe]


XGBOOST_SMOTE = partial(XGBoost, resampling="smote", decision="lowest_mae")
ON_REAL_LABELS: Mapping[str, Contender] = {
    AUTO: Auto,
    "auto_mae": partial(Auto, decision="lowest_mae"),
    THESIS_NETWORK: Network,
    "xgboost_smote": XGBOOST_SMOTE,
    "ridge_thresholds": RidgeThresholds,
    "ridge_rounded": partial(RidgeThresholds, decision="lowest_mae"),
    **{name: RECIPES[name] for name in ("gp", "svr", "ordinal_logit", "xgboost", "mean_of_models", "baseline")},
}
AT_THE_THESIS_SIZE: Mapping[str, Contender] = {
    "ridge_thresholds": partial(RidgeThresholds, n_folds=4),
    "xgboost": XGBoost,
    "xgboost_smote": XGBOOST_SMOTE,
    "network_once": partial(Network, n_folds=0),  # the thesis's way
    THESIS_NETWORK: Network,
    **{name: RECIPES[name] for name in ("gp", "svr", "ordinal_logit", "baseline")},
    AUTO: Auto,
}

INFINITE = float("inf")
TARGETS_ON_REAL_LABELS = (
    Target(AUTO, "macro-MAE (below .70: a leak)", lambda found: found.macro_mae(AUTO)[0], 0.70, 0.91),
    Target(
        AUTO,
        "macro-MAE less the thesis network's",
        lambda found: found.macro_mae_less(AUTO, THESIS_NETWORK)[0],
        -INFINITE,
        -0.30,
        against=THESIS_NETWORK,
    ),
    Target(
        AUTO,
        "macro-MAE less that of XGBoost with SMOTE",
        lambda found: found.macro_mae_less(AUTO, "xgboost_smote")[0],
        -INFINITE,
        -0.16,
        against="xgboost_smote",
    ),
    Target("auto_mae", "MAE", lambda found: found.mae("auto_mae")[0], -INFINITE, 0.93),
    Target(AUTO, "90 % intervals hold the label", lambda found: found.coverage(AUTO)[0], 0.88, 0.93),
    Target(AUTO, "in the worst level with 20 tracks", lambda found: found.coverage(AUTO)[1], 0.82, 1.0),
    Target(AUTO, "mean width of intervals, levels", lambda found: found.coverage(AUTO)[2], -INFINITE, 4.3),
)


def _at_most(name: str, seconds: float, megabytes: float = 3000) -> tuple[Target, Target]:
    return (
        Target(name, "seconds to fit", lambda found: found.runs[name].cost.seconds, -INFINITE, seconds),
        Target(name, "peak memory, MB", lambda found: found.runs[name].cost.peak_mb, -INFINITE, megabytes),
    )


TARGETS_AT_THE_THESIS_SIZE = (
    *_at_most("ridge_thresholds", 20),
    *_at_most("xgboost_smote", 180),
    *_at_most("network_once", 600),
)


def on_real_labels(path: Path, names: Sequence[str], *, n_repeats: int = N_REPEATS) -> Results:
    """Stratified folds, not grouped by artist, drawn anew for each repeat; the same for all recipes.

    Recipes are told the artists, as in the product, and hold them out together inside `fit`.
    """
    tracks = read_tracks(path)
    runs = {name: _alone(_cross_validated, name, path, n_repeats) for name in names}
    return Results(tracks.y, runs, tracks.groups)


def _cross_validated(name: str, path: Path, n_repeats: int) -> Run:
    tracks = read_tracks(path)
    level = np.zeros((n_repeats, len(tracks.y)), np.int64)
    interval = np.zeros((2, *level.shape))
    models: list[Recipe] = []
    watch = _Stopwatch(ON_REAL_LABELS[name], tracks.X, tracks.y)
    for repeat in range(n_repeats):
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=repeat).split(tracks.X, tracks.y)
        for known, held_out in folds:
            model = ON_REAL_LABELS[name](seed=repeat)
            model.fit(tracks.X[known], tracks.y[known], groups=tracks.groups[known])
            level[repeat, held_out] = model.predict(tracks.X[held_out])
            interval[:, repeat, held_out] = model.predict_interval(tracks.X[held_out])
            models.append(model)
    return Run(level, interval, watch.cost(len(models)), _choices(models))


def at_the_thesis_size(names: Sequence[str], *, n_rows: int, n_features: int) -> Results:
    """Fitted once on made-up tracks, judged on others."""
    _, y = _test_tracks(n_rows, n_features)
    return Results(y, {name: _alone(_fitted_once, name, n_rows, n_features) for name in names})


def _test_tracks(n_rows: int, n_features: int) -> tuple[NDArray[np.float32], Floats]:
    return synthetic_tracks(round(n_rows * TEST_SHARE / (1 - TEST_SHARE)), n_features, seed=0)


def _fitted_once(name: str, n_rows: int, n_features: int) -> Run:
    X, y = synthetic_tracks(n_rows, n_features, seed=0)
    watch = _Stopwatch(AT_THE_THESIS_SIZE[name], X, y)
    model = AT_THE_THESIS_SIZE[name](seed=0).fit(X, y)
    cost = watch.cost(1)
    X_test, _ = _test_tracks(n_rows, n_features)
    interval = np.stack(model.predict_interval(X_test))[:, None] if model.config["n_folds"] else None
    return Run(model.predict(X_test)[None], interval, cost, (*model.notes, *_laps(model)))


class _Stopwatch:
    """Time and memory from here on; what libraries take when they are loaded is left out of both."""

    def __init__(self, contender: Contender, X: NDArray[np.float32], y: Floats) -> None:
        contender(seed=0).fit(X[:WARM_UP_ROWS], y[:WARM_UP_ROWS])
        self.size_mb, self.before_mb = X.nbytes / 2**20, _peak_mb()
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def cost(self, n_fits: int) -> Cost:
        peak = _peak_mb()
        return Cost(
            (time.perf_counter() - self.started) / n_fits,
            (time.process_time() - self.cpu_started) / n_fits,
            peak,
            (peak - self.before_mb) / self.size_mb,
        )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _alone(measure: Callable[..., Run], name: str, *arguments: Any) -> Run:
    """In a new process, so that peak memory is that of this recipe."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    with ProcessPoolExecutor(1, get_context("spawn"), _hush) as process:
        run = process.submit(measure, name, *arguments).result()
    print(f"{name}: {run.cost}", file=sys.stderr, flush=True)
    return run


def _hush() -> None:
    """TensorFlow tells stderr how it was built, more than once. What goes wrong comes back as an exception."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _choices(models: Sequence[Recipe]) -> tuple[str, ...]:
    chosen = Counter(_choice(model) for model in models if isinstance(model, Auto))
    return tuple(f"{choice} in {n} of {len(models)} fits" for choice, n in chosen.most_common())


def _choice(model: Auto) -> str:
    config = model.details["chosen_config"]
    return " + ".join(config.get("members", [model.details["chosen"]]))


def _laps(model: Recipe) -> tuple[str, ...]:
    if not isinstance(model, Auto):
        return ()
    laps = [
        f"{lap['candidate']} {lap['outcome']}, {lap['seconds']:.0f} s"
        + ("" if lap["error"] is None else f", {lap['error']:.3f}")
        for lap in model.details["race"]
    ]
    return (*laps, f"chosen: {_choice(model)}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Recipes: errors, intervals, time and memory, beside what was aimed at."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    real = commands.add_parser("emomusic", help=f"{N_REPEATS} x {N_FOLDS} folds of real labels")
    real.add_argument("path", type=Path, help="tracks.csv: artist, song_id, energy, transfer_000..159")
    real.add_argument("--repeats", type=int, default=N_REPEATS)
    real.add_argument("--recipes", nargs="+", choices=ON_REAL_LABELS, default=[*ON_REAL_LABELS])
    made_up = commands.add_parser("synthetic", help="made-up tracks, as many as the thesis had")
    made_up.add_argument("--rows", type=int, default=sum(THESIS_COUNTS))
    made_up.add_argument("--columns", type=int, default=THESIS_FEATURES)
    made_up.add_argument("--recipes", nargs="+", choices=AT_THE_THESIS_SIZE, default=[*AT_THE_THESIS_SIZE])
    asked = parser.parse_args(arguments)
    if asked.command == "emomusic":
        results = on_real_labels(asked.path, asked.recipes, n_repeats=asked.repeats)
        print(f"{len(results.y)} tracks, {asked.repeats} x {N_FOLDS} stratified folds; in levels, se over artists")
        print(table(results, TARGETS_ON_REAL_LABELS))
    else:
        results = at_the_thesis_size(asked.recipes, n_rows=asked.rows, n_features=asked.columns)
        print(f"{asked.rows} x {asked.columns} made-up tracks to learn from, judged on {len(results.y)} others")
        as_in_thesis = (asked.rows, asked.columns) == (sum(THESIS_COUNTS), THESIS_FEATURES)
        print(table(results, TARGETS_AT_THE_THESIS_SIZE if as_in_thesis else ()))


if __name__ == "__main__":
    main()
