"""What second opinions would have been worth: labels by several people played back, one person's of one track at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotations.consensus import estimate
from modeling.core.acquisition import Strategy, random
from modeling.core.acquisition_space import Rows, chance
from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.metrics import Floats, Levels, macro_mae
from modeling.core.pool import Pool
from modeling.core.recipes.score import ScoreRecipe
from modeling.core.replay import PARTS, Curves, OnProgress, keys
from modeling.core.second_opinions import relabel_or_new

# Of every batch; chosen at random among labelled tracks.
MIXED_SHARE = 0.2

N_SIMULATED = 6
# Over simulated annotators, in levels; the last one answers at random.
BIAS_SD, SCALES, NOISES, MIDDLE = 0.9, (0.7, 1.2), (0.6, 1.2), 5.5


def random_mix(pool: Pool, n: int, seed: int) -> Rows:
    """A fixed share of second opinions on labelled tracks at random, and new tracks at random."""
    asked = np.flatnonzero(np.zeros(len(pool.key), bool) if pool.may_be_asked is None else pool.may_be_asked)
    asked = asked[np.argsort(chance(pool.key[asked], seed), kind="stable")[: round(MIXED_SHARE * n)]]
    return np.concatenate([asked, random(pool, n - len(asked), seed)])


# What is played back unless told otherwise.
WAYS: Mapping[str, Strategy] = {
    "random": random,
    "random_mix": random_mix,
    "relabel_or_new": relabel_or_new,
}


@dataclass(frozen=True, eq=False)
class OpinionCurves(Curves):
    """Curves whose sizes count labels: a track may have several.

    Attributes
    ----------
    second_share : strategy -> shape (n_repeats,), float
        Of the labels it chose, those of tracks that had one already.
    """

    second_share: Mapping[str, Floats]


def simulated_opinions(level: Levels, rng: np.random.Generator) -> Annotations:
    """A label of each track by each of six people who differ in bias, scale and noise, the last answering at random."""
    shape = (len(level), N_SIMULATED)
    said = MIDDLE + rng.normal(0, BIAS_SD, N_SIMULATED) + rng.uniform(*SCALES, N_SIMULATED) * (level[:, None] - MIDDLE)
    labels = round_to_level(said + rng.uniform(*NOISES, N_SIMULATED) * rng.normal(size=shape))
    labels[:, -1] = rng.integers(1, 11, len(level))
    track, person = (index.ravel() for index in np.indices(shape))
    return Annotations(track, person.astype(np.str_), labels.ravel())


def replay_opinions(
    dataset: Dataset,
    opinions: Callable[[np.random.Generator], Annotations],
    ways: Mapping[str, Strategy] = WAYS,
    *,
    make_recipe: Callable[[], ScoreRecipe],
    batch: int = 20,
    n_repeats: int = 20,
    start: int = 60,
    most: int | None = None,
    seed: int = 0,
    held_share: float = 0.3,
    on_progress: OnProgress = lambda share, message: None,
) -> OpinionCurves:
    """Let each strategy choose of which track one more label is known, batch after batch, and judge what is learnt.

    In each repeat some artists are held out: nobody is asked about their tracks, and the levels predicted of them are judged
    against the dataset's. Of the others `start` random ones have one label first, the same for every strategy. Who labels a
    track first, second... is drawn anew in each repeat, alike for all strategies, and nobody twice. The recipe learns what
    trainings do: levels freed of the biases of whoever has labelled so far.

    Parameters
    ----------
    opinions : function
        All the labels that could be asked for, of the dataset's tracks. People who are made up, whose truth is the dataset's
        levels: `partial(simulated_opinions, round_to_level(dataset.y))`. Real ones: `lambda rng: annotations`; then a track
        that one person labelled cannot get a second opinion, and what is judged by is as good as the labels are.
    ways : strategies by name
    make_recipe : function
        Makes a recipe that scores held-out tracks while it learns.
    batch : int
        Labels between two fits.
    start, most : int
        Labels known at first, and at last; the last is lowered to the tracks that every repeat has, so that nobody who
        chooses new ones runs out.
    held_share : float
        Of the tracks, about; tenths.
    on_progress : function
        Told the share done, and a sentence, before each fit; may raise to stop.

    Raises
    ------
    ValueError
        If somebody labelled a track twice, too few tracks or artists are there, or the recipe cannot learn from so few.
    """
    if not ways or min(batch, start - 1, n_repeats) < 1:
        raise ValueError(
            f"found {len(ways)} strategies, batch {batch}, start {start}, {n_repeats} repeats; expected at least 1, 1, 2 and 1"
        )
    rounds = [_Round.draw(dataset, opinions, [seed, repeat], held_share, start) for repeat in range(n_repeats)]
    n_most = min([len(each.tracks.y) for each in rounds] + ([most] if most else []))
    sizes = np.arange(start, n_most + 1, batch)
    if len(sizes) < 2:
        raise ValueError(
            f"found {n_most} tracks to play back; expected at least {start + batch}: a start and one batch"
        )

    error = {name: np.empty((n_repeats, len(sizes))) for name in ways}
    second_share = {name: np.empty(n_repeats) for name in ways}
    for turn, (at, name) in enumerate((at, name) for at in range(n_repeats) for name in ways):
        n_labels = rounds[at].first.copy()
        for step, found in enumerate(rounds[at].errors(ways[name], n_labels, sizes, make_recipe)):
            error[name][at, step] = found
            done = (turn + (step + 1) / len(sizes)) / (n_repeats * len(ways))
            on_progress(done, f"Repeat {at + 1} of {n_repeats}: {name}, {sizes[step]} labels")
        second_share[name][at] = np.maximum(n_labels - 1, 0).sum() / (sizes[-1] - start)
    return OpinionCurves(sizes, error, second_share)


@dataclass(frozen=True, eq=False)
class _Round:
    """One repeat.

    Attributes
    ----------
    tracks, held_out
        What may be asked about, and what is judged by.
    answers
        Of `tracks`, by track, in the order in which people are asked.
    place : shape (n_answers,), int
        How many others are asked about the track before.
    first : shape (n_tracks,), int
        How many labels each track has at first.
    """

    tracks: Dataset
    held_out: Dataset
    answers: Annotations
    place: NDArray[np.int64]
    first: NDArray[np.int64]
    seed: list[int]

    @classmethod
    def draw(
        cls,
        dataset: Dataset,
        opinions: Callable[[np.random.Generator], Annotations],
        seed: list[int],
        held_share: float,
        start: int,
    ) -> _Round:
        rng = np.random.default_rng(seed)
        part = grouped_stratified_folds(dataset.y, dataset.groups, n_folds=PARTS, seed=int(rng.integers(2**31)))
        held_out = part < min(max(1, round(held_share * PARTS)), part.max())
        said = opinions(rng)
        rows = np.flatnonzero(~held_out & (np.bincount(said.track, minlength=len(dataset.y)) > 0))
        answers = _in_random_order(said.of_tracks(rows), rng)
        place = np.arange(len(answers.track)) - np.searchsorted(answers.track, answers.track)
        first = np.zeros(len(rows), np.int64)
        first[rng.permutation(len(rows))[:start]] = 1
        return cls(dataset.rows(rows), dataset.rows(held_out), answers, place, first, seed)

    def errors(
        self,
        way: Strategy,
        n_labels: NDArray[np.int64],
        sizes: NDArray[np.int64],
        make_recipe: Callable[[], ScoreRecipe],
    ) -> Iterator[float]:
        """Macro-MAE on the held-out tracks at each size; `n_labels` of each track grows meanwhile."""
        truth = round_to_level(self.held_out.y)
        for step, size in enumerate(sizes):
            known, labelled = self._known(n_labels), np.flatnonzero(n_labels)
            level = _level(known)[labelled]
            recipe = make_recipe().fit(self.tracks.X[labelled], level, groups=self.tracks.groups[labelled])
            yield macro_mae(truth, recipe.predict(self.held_out.X))
            if size == sizes[-1]:
                return
            pool, n = self._pool(n_labels, known, level, recipe), int(sizes[step + 1] - size)
            chosen = way(pool, n, int(np.random.default_rng([*self.seed, step]).integers(2**31)))
            if len(np.unique(chosen)) != n or (n_labels >= np.bincount(self.answers.track))[chosen].any():
                raise ValueError(f"found {chosen}; expected {n} tracks that may be labelled, each once")
            n_labels[chosen] += 1

    def _known(self, n_labels: NDArray[np.int64]) -> Annotations:
        said = self.place < n_labels[self.answers.track]
        return Annotations(*(each[said] for each in vars(self.answers).values()))

    def _pool(self, n_labels: NDArray[np.int64], known: Annotations, level: Floats, recipe: ScoreRecipe) -> Pool:
        """What a strategy is told."""
        if recipe.intervals is None:
            raise ValueError(f"found a {recipe.name} of 0 folds; strategies need scores of held-out tracks: 2 or more")
        labelled, levels, score = n_labels > 0, np.full(len(n_labels), np.nan), recipe.predict_score(self.tracks.X)
        levels[labelled], score[labelled] = level, recipe.intervals.score
        may_be_asked = labelled & (n_labels < np.bincount(self.answers.track))
        return Pool(self.tracks.X, keys(self.tracks.uris), levels, ~labelled, score, may_be_asked, known)


def _in_random_order(said: Annotations, rng: np.random.Generator) -> Annotations:
    """By track; whose label comes first is drawn. ValueError where somebody labelled a track twice."""
    if len(set(zip(said.track.tolist(), said.annotator.tolist(), strict=True))) < len(said.track):
        raise ValueError("found two labels of a track by the same person; expected the one that counts")
    order = rng.permutation(len(said.track))
    order = order[np.argsort(said.track[order], kind="stable")]
    return Annotations(said.track[order], said.annotator[order], said.level[order])


def _level(known: Annotations) -> Floats:
    """Of each track up to the last labelled one; without biases, as trainings learn it."""
    return estimate(known.track, np.unique(known.annotator, return_inverse=True)[1], known.level).level
