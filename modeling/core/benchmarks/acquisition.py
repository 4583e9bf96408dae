"""Which strategy of choosing what to label saves labels on real ones, as levels are or with the rare ones thinned.

python -m modeling.core.benchmarks.acquisition PATH/TO/tracks.csv [--thin] [--repeats N] [--strategies NAME ...]
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from modeling.core.benchmarks.emomusic import read_tracks
from modeling.core.dataset import Dataset
from modeling.core.lab.catalogue import NEW_TRACK_STRATEGIES
from modeling.core.lab.experiments.active_learning import THINNED
from modeling.core.lab.replay_tables import choice
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.replay import Curves, replay

N_REPEATS, BATCH, MOST = 30, 20, 300
# Of the published tables; what there was to choose was chosen on others.
SEED = 7
# Labels of random whose error is to be reached, and the size that the target speaks of.
EQUAL_TO = (100, 160, 200)
TARGET_N, TARGET_SAVED, TARGET_SE = 200, 0.25, 1.0


def replayed(dataset: Dataset, names: Sequence[str], *, n_repeats: int, is_thinned: bool) -> Curves:
    """Paired repeats; three tenths of the tracks are held out by artist, and never thinned."""
    return replay(
        dataset,
        dict.fromkeys(("random", *names)),
        make_recipe=RidgeThresholds,
        batch=BATCH,
        n_repeats=n_repeats,
        most=MOST,
        seed=SEED,
        thin=THINNED if is_thinned else None,
        on_progress=lambda share, message: print(f"\r{share:4.0%} {message:60}", end="", file=sys.stderr),
    )


def savings_markdown(curves: Curves, *, is_thinned: bool) -> Iterator[str]:
    """One row a strategy; the last column says whether what was aimed at is met."""
    aim = f"{TARGET_SAVED:.0%} fewer at {TARGET_N}" if is_thinned else f"area at most {TARGET_SE:g} se above random's"
    yield "| Strategy | area less random | " + " | ".join(f"as random at {n}" for n in EQUAL_TO) + f" | {aim} |"
    yield "|---|---:|" + "---:|" * len(EQUAL_TO) + "---|"
    for name in curves.error:
        if name != "random":
            less = curves.area_less(name)
            needed = [_needed(curves, name, n) for n in EQUAL_TO]
            is_met = (
                curves.labels_to_equal(name, TARGET_N) <= (1 - TARGET_SAVED) * TARGET_N
                if is_thinned
                else less.value <= TARGET_SE * less.se
            )
            yield f"| {name} | {less.value:+.3f} ± {less.se:.3f} | {' | '.join(needed)} | {'met' if is_met else 'MISSED'} |"


def recommendation(curves: Curves) -> str:
    """What the experiment `active_learning` would recommend of these repeats."""
    found = choice(curves)
    return (
        f"Recommended: {found.recommended}. {found.candidate} had the lowest area in half of the repeats; in the others it is"
        f" {found.judged.value:+.3f} ± {found.judged.se:.3f}."
    )


def _needed(curves: Curves, name: str, n: int) -> str:
    found = (curves.labels_to_equal(name, n), *curves.labels_to_equal_interval(name, n))
    needed, low, high = (f"{each:.0f}" if np.isfinite(each) else f"> {curves.sizes[-1]}" for each in found)
    return f"{needed} ({low} to {high})"


def curves_markdown(curves: Curves) -> Iterator[str]:
    """One row a size, one column a strategy."""
    yield "| labels | " + " | ".join(curves.error) + " |"
    yield "|---:|" + "---:|" * len(curves.error)
    mean, se = ({name: of(name) for name in curves.error} for of in (curves.mean, curves.se))
    for at, n in enumerate(curves.sizes):
        yield f"| {n} | " + " | ".join(f"{mean[name][at]:.3f} ± {se[name][at]:.3f}" for name in curves.error) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Labels that strategies need, beside random's, as Markdown.")
    parser.add_argument("path", type=Path, help="tracks.csv: artist, song_id, energy, transfer_000..159")
    parser.add_argument("--thin", action="store_true", help="leave a quarter of the outer levels to choose from")
    parser.add_argument("--repeats", type=int, default=N_REPEATS)
    parser.add_argument("--strategies", nargs="+", choices=NEW_TRACK_STRATEGIES, default=NEW_TRACK_STRATEGIES)
    asked = parser.parse_args(arguments)
    tracks, began = read_tracks(asked.path), time.perf_counter()
    curves = replayed(tracks, asked.strategies, n_repeats=asked.repeats, is_thinned=asked.thin)
    print(file=sys.stderr)
    print(
        *savings_markdown(curves, is_thinned=asked.thin),
        "",
        recommendation(curves),
        "",
        *curves_markdown(curves),
        sep="\n",
    )
    levels = f"levels {', '.join(map(str, THINNED))} thinned to a quarter" if asked.thin else "levels as they are"
    print(
        f"\n{len(tracks.y)} tracks, {levels}; {asked.repeats} repeats, batches of {BATCH}; {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
