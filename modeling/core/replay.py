"""What a strategy would have saved: labelled tracks played back as if their labels were asked for batch after batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modeling.core.acquisition import STRATEGIES
from modeling.core.dataset import Dataset, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean
from modeling.core.metrics import Floats, macro_mae
from modeling.core.pool import Pool
from modeling.core.recipes.score import ScoreRecipe

Rows = NDArray[np.intp]
OnProgress = Callable[[float, str], None]

# The share of the artists that is held out is a number of these parts, so that each has its share of every level.
PARTS = 10
N_DRAWS = 1_000
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Curves:
    """How the error falls as labels come in, by strategy. Repeats are paired: the same tracks, held out and at the start.

    Attributes
    ----------
    sizes : shape (n_sizes,), int
        Labels known, ascending.
    error : strategy -> shape (n_repeats, n_sizes), float
        Macro-MAE on held-out tracks, in levels.
    """

    sizes: NDArray[np.int64]
    error: Mapping[str, Floats]

    def mean(self, name: str) -> Floats:
        """Over repeats, shape (n_sizes,), in levels."""
        return self.error[name].mean(axis=0)

    def se(self, name: str) -> Floats:
        """Of `mean`; NaN of a single repeat."""
        return np.array([mean(of_size).se for of_size in self.error[name].T])

    def area_less(self, name: str, other: str = "random") -> Estimate:
        """How much lower the error is, as a mean over sizes, in levels: less than 0 is better than the other."""
        return mean((self.error[name] - self.error[other]).mean(axis=1))

    def labels_to_equal(self, name: str, n: float, other: str = "random") -> float:
        """How many labels the strategy needs to be as good as the other is with `n`; infinite where it never is.

        Both mean curves are first made to fall (the nearest that do, by least squares), and are straight between sizes.
        """
        return float(_labels_to_equal(self.sizes, self.mean(name), self.mean(other), n))

    def labels_to_equal_interval(
        self, name: str, n: float, other: str = "random", *, seed: int = 0
    ) -> tuple[float, float]:
        """Of `labels_to_equal`: 95 % of what it might have been with other repeats (bootstrap of whole repeats)."""
        n_repeats = len(self.error[name])
        drawn = np.random.default_rng(seed).integers(n_repeats, size=(N_DRAWS, n_repeats))
        own, theirs = (self.error[each][drawn].mean(axis=1) for each in (name, other))
        found = [_labels_to_equal(self.sizes, *both, n) for both in zip(own, theirs, strict=True)]
        low, high = np.quantile(found, (0.025, 0.975), method="nearest")
        return float(low), float(high)


def replay(
    dataset: Dataset,
    names: Iterable[str],
    *,
    make_recipe: Callable[[], ScoreRecipe],
    batch: int = 20,
    n_repeats: int = 20,
    start: int = 20,
    most: int | None = None,
    seed: int = 0,
    held_share: float = 0.3,
    thin: Mapping[int, float] | None = None,
    on_progress: OnProgress = lambda share, message: None,
) -> Curves:
    """Let each strategy choose which labels are known, batch after batch, and judge what is learnt from them.

    In each repeat some artists are held out: no strategy sees their tracks. Of the others `start` random labels are known
    first, the same for every strategy. The recipe learns from what is known; its scores are what a strategy is told, of
    labelled tracks those by models that had not seen them, and its levels of the held-out tracks are judged.

    Parameters
    ----------
    names : names in STRATEGIES
    make_recipe : function
        Makes a recipe that scores held-out tracks while it learns.
    batch : int
        Labels between two fits.
    start : int
        Labels known at first.
    most : int, optional
        Labels known at last; lowered to what every repeat has.
    held_share : float
        Of the tracks, about; tenths.
    thin : level -> share, optional
        What is left of a level, of those that may be chosen alone: how it would be were the level rarer.
    on_progress : function
        Told the share done, and a sentence, after each fit; may raise to stop.

    Raises
    ------
    ValueError
        If a strategy is unknown, too few tracks or artists are there, those that may be chosen are of one level, or the
        recipe cannot learn from so few.
    """
    asked = list(names)
    if not asked or (unknown := [name for name in asked if name not in STRATEGIES]):
        raise ValueError(f"found strategies {asked and unknown}; expected one or more of {list(STRATEGIES)}")
    if min(batch, start - 1, n_repeats) < 1:
        raise ValueError(f"found batch {batch}, start {start}, {n_repeats} repeats; expected at least 1, 2 and 1")
    rounds = [_Round.draw(dataset, [seed, repeat], held_share, thin or {}, start) for repeat in range(n_repeats)]
    n_most = min([len(each.open_rows) for each in rounds] + ([most] if most else []))
    sizes = np.arange(start, n_most + 1, batch)
    if len(sizes) < 2:
        raise ValueError(
            f"found {n_most} labels to play back; expected at least {start + batch}: a start and one batch"
        )

    error = {name: np.empty((n_repeats, len(sizes))) for name in asked}
    for turn, (at, name) in enumerate((at, name) for at in range(n_repeats) for name in asked):
        for step, found in enumerate(rounds[at].errors(name, sizes, make_recipe)):
            error[name][at, step] = found
            done = (turn + (step + 1) / len(sizes)) / (n_repeats * len(asked))
            on_progress(done, f"Repeat {at + 1} of {n_repeats}: {name}, {sizes[step]} labels")
    return Curves(sizes, error)


@dataclass(frozen=True, eq=False)
class _Round:
    """One repeat: what may be chosen from, what is judged by, what is known at first; rows of the dataset."""

    dataset: Dataset
    open_rows: Rows
    held_out: Rows
    known: Rows
    seed: list[int]

    @classmethod
    def draw(
        cls, dataset: Dataset, seed: list[int], held_share: float, thin: Mapping[int, float], start: int
    ) -> _Round:
        rng = np.random.default_rng(seed)
        part = grouped_stratified_folds(dataset.y, dataset.groups, n_folds=PARTS, seed=int(rng.integers(2**31)))
        held_out = part < min(max(1, round(held_share * PARTS)), part.max())
        open_rows = np.flatnonzero(~held_out & _thinned(dataset.y, thin, rng))
        return cls(dataset, open_rows, np.flatnonzero(held_out), _first(dataset.y, open_rows, start, rng), seed)

    def errors(self, name: str, sizes: NDArray[np.int64], make_recipe: Callable[[], ScoreRecipe]) -> Iterator[float]:
        """Macro-MAE on the held-out tracks at each size."""
        open_, held_out = self.dataset.rows(self.open_rows), self.dataset.rows(self.held_out)
        key, known, truth = keys(open_.uris), np.searchsorted(self.open_rows, self.known), round_to_level(held_out.y)
        for step, size in enumerate(sizes):
            learnt_from = open_.rows(known)
            recipe = make_recipe().fit(learnt_from.X, learnt_from.y, groups=learnt_from.groups)
            yield macro_mae(truth, recipe.predict(held_out.X))
            if size == sizes[-1]:
                return
            told, n = _told(open_, key, known, recipe), int(sizes[step + 1] - size)
            chosen = STRATEGIES[name](told, n, _seed(self.seed, step))
            known = np.union1d(known, chosen)
            if len(known) != size + n:
                raise ValueError(f"found {len(known)} labels after {name} chose; expected {size + n}")


def _told(open_: Dataset, key: NDArray[np.uint64], known: Rows, recipe: ScoreRecipe) -> Pool:
    """What a strategy is told of the tracks that it may choose from, and of what is known of them."""
    if recipe.intervals is None:
        raise ValueError(f"found a {recipe.name} of 0 folds; strategies need scores of held-out tracks: 2 or more")
    level, score = np.full(len(open_.y), np.nan), recipe.predict_score(open_.X)
    level[known], score[known] = open_.y[known], recipe.intervals.score
    return Pool(open_.X, key, level, np.isnan(level), score)


def keys(uris: Iterable[str]) -> NDArray[np.uint64]:
    """A number of each track's own, for `Pool.key`.

    >>> keys(["a", "b"]) == keys(["b", "a"])[::-1]
    array([ True,  True])
    """
    digests = b"".join(hashlib.blake2b(str(uri).encode(), digest_size=8).digest() for uri in uris)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _thinned(y: Floats, thin: Mapping[int, float], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which tracks are left: of each level in `thin` its share, at random."""
    left = np.ones(len(y), bool)
    for level, share in sorted(thin.items()):
        rows = np.flatnonzero(round_to_level(y) == level)
        left[rng.permutation(rows)[round(share * len(rows)) :]] = False
    return left


def _first(y: Floats, rows: Rows, start: int, rng: np.random.Generator) -> Rows:
    """The first labels, at random, of two levels or more."""
    order = rng.permutation(rows)
    level = round_to_level(y[order])
    if len(np.unique(level)) < 2:
        raise ValueError(f"found {len(rows)} tracks of one level to choose from; expected at least two levels")
    if len(np.unique(level[:start])) > 1:
        return order[:start]
    return np.append(order[: start - 1], order[level != level[0]][0])


def _seed(of_round: list[int], step: int) -> int:
    return int(np.random.default_rng([*of_round, step]).integers(2**31))


def _labels_to_equal(sizes: NDArray[np.int64], own: Floats, other: Floats, n: float) -> float:
    # Hardly falling where flat, so that every error is reached at one size.
    curve, aim = (_falling(error) - TINY * sizes for error in (own, other))
    error = np.interp(n, sizes, aim)
    return np.inf if error < curve[-1] else round(float(np.interp(error, curve[::-1], sizes[::-1])), 3)


def _falling(values: Floats) -> Floats:
    """The nearest values that never rise, by least squares: at each place the min-max of the means of what surrounds it.

    >>> _falling(np.array([5.0, 3.0, 4.0, 1.0]))
    array([5. , 3.5, 3.5, 1. ])
    """
    total, place = np.concatenate([[0.0], np.cumsum(values)]), np.arange(len(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_from_to = (total[None, 1:] - total[:-1, None]) / (place[None, :] + 1 - place[:, None])
    highest_to_here_or_later = np.maximum.accumulate(mean_from_to[:, ::-1], axis=1)[:, ::-1]
    return np.diag(np.minimum.accumulate(highest_to_here_or_later, axis=0)).copy()
