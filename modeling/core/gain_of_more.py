"""When to stop: what the next labels would bring, by the curve of the labels there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.dataset import Dataset, evaluation_slice, grouped_stratified_folds
from modeling.core.estimates import mean_over_strata, resampled_means
from modeling.core.learning_curves import COVERAGE, LearningCurve
from modeling.core.metrics import Floats, Levels
from modeling.core.recipes.ridge_thresholds import RidgeThresholds

OnProgress = Callable[[float, str], None]

N_MORE = 100
# With fewer the smallest sets have a level or two, and their errors lie on no curve.
MIN_TRACKS = 100
MIN_LEFT = 50
# More take minutes to say hardly more: the curve goes on from there.
MAX_TRACKS = 3_000
N_FOLDS, N_REPEATS = 4, 3
N_POINTS = 5
# What the next labels bring is read off the end of the curve: far smaller sets would only say how it began.
SMALLEST_SHARE = 1 / 8


class TooFewLabels(ValueError):
    """The labels there are do not say it; the message says what it takes."""


@dataclass(frozen=True)
class GainOfMore:
    """By how many levels macro-MAE would fall, with its 95 % interval.

    The curve falls by its form, so the interval never reaches below 0: that the next labels bring nothing is its end at 0.

    Attributes
    ----------
    n_now
        Labelled tracks outside the evaluation slice.
    n_used
        Of these, those that the curve was measured with.
    """

    n_now: int
    n_used: int
    gain: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """
        >>> GainOfMore(500, 500, 0.021, 0.008, 0.047).sentence
        'The next 100 labels would lower macro-MAE by about 0.02 (95 %: 0.01 to 0.05).'
        >>> GainOfMore(500, 500, 0.004, 0.0, 0.02).sentence
        'The next 100 labels may bring nothing: macro-MAE would fall by about 0.00 (95 %: 0.00 to 0.02).'
        """
        interval = f"about {self.gain:.2f} ({COVERAGE:.0%}: {self.low:.2f} to {self.high:.2f}).".replace("%", " %")
        if self.low < 0.005:
            return f"The next {N_MORE} labels may bring nothing: macro-MAE would fall by {interval}"
        return f"The next {N_MORE} labels would lower macro-MAE by {interval}"


def gain_of_more(
    dataset: Dataset,
    level: ArrayLike,
    *,
    seed: int = 0,
    on_progress: OnProgress = lambda share, message: None,
) -> GainOfMore:
    """What the labels of 100 more tracks, drawn as those so far, would bring the fast learner `ridge_thresholds`.

    Measured are models of more and more of the tracks, of which each set holds the smaller ones, on other artists' tracks
    outside the evaluation slice; a curve through these errors is followed to 100 tracks more than there are. This is an
    extrapolation. Its interval knows which artists were judged, and neither whether the form of the curve is right nor
    whether future labels are like those so far.

    Parameters
    ----------
    level : shape (n_tracks,), int
        What predictions are judged by.
    on_progress : function of (share done 0..1, message)
        Called before each fit; may raise to stop.

    Raises
    ------
    TooFewLabels
        Fewer than 100 tracks outside the evaluation slice, or hardly any but those of one artist.
    ValueError
        All of them are of one artist.
    """
    rows = np.flatnonzero(~evaluation_slice(dataset.uris))
    if len(rows) < MIN_TRACKS:
        raise TooFewLabels(
            f"It takes {MIN_TRACKS} labelled tracks outside the evaluation slice to say what the next {N_MORE} labels would"
            f" bring; there are {len(rows)}."
        )
    rng = np.random.default_rng(seed)
    used = np.sort(rng.permutation(rows)[:MAX_TRACKS])
    known, truth = dataset.rows(used), np.asarray(level)[used]
    folds = np.stack(
        [grouped_stratified_folds(known.y, known.groups, n_folds=N_FOLDS, seed=repeat) for repeat in range(N_REPEATS)]
    )
    sizes, error = _errors(known, truth, folds, rng, on_progress)
    curve = curve_through(sizes, error, truth, known.groups, folds, rng)
    change, low, high = curve.change(len(rows), len(rows) + N_MORE)
    return GainOfMore(len(rows), len(used), -change, -high, -low)


def _errors(
    dataset: Dataset, truth: Levels, folds: Levels, rng: np.random.Generator, on_progress: OnProgress
) -> tuple[list[int], Floats]:
    """How many tracks were learnt from, and the absolute errors of models of so many: (n_points, n_repeats, n_tracks)."""
    most = len(truth) - max(int(np.bincount(fold).max()) for fold in folds)
    if most < MIN_LEFT:
        raise TooFewLabels(
            f"While the tracks of one artist are held out, {most} are left to learn from; to say what the next {N_MORE}"
            f" labels would bring takes {MIN_LEFT}: label tracks of other artists."
        )
    sizes = np.geomspace(SMALLEST_SHARE * most, most, N_POINTS).astype(int).tolist()
    error = np.empty((N_POINTS, *folds.shape))
    for repeat, held_out in product(range(N_REPEATS), range(int(folds.max()) + 1)):
        on_progress(repeat / N_REPEATS, f"What more labels would bring: repeat {repeat + 1}, fold {held_out + 1}")
        held = folds[repeat] == held_out
        order = rng.permutation(np.flatnonzero(~held))
        for point, n in enumerate(sizes):
            known = dataset.rows(order[:n])
            model = RidgeThresholds().fit(known.X, known.y, groups=known.groups)
            error[point, repeat, held] = np.abs(model.predict(dataset.X[held]) - truth[held])
    return sizes, error


def curve_through(
    sizes: Sequence[int],
    error: Floats,
    truth: Levels,
    artist: NDArray[np.str_],
    folds: Levels,
    rng: np.random.Generator,
) -> LearningCurve:
    """The curve of macro-MAE, and what it might have been: had other artists been judged, or other tracks been learnt from.

    Models of a fold have learnt from the same tracks, so their errors are drawn together as well. That counts anew some of
    what artists differ by. Of 300 tracks of emoMusic, drawn 30 times, the interval held in 28 what 100 more truly brought.

    Parameters
    ----------
    error : shape (n_points, n_repeats, n_tracks)
        Absolute, in levels.
    folds : shape (n_repeats, n_tracks)
        With which tracks each was held out.
    """
    n_repeats, fit = len(folds), folds + (folds.max() + 1) * np.arange(len(folds))[:, None]
    each, strata = error.reshape(len(sizes), -1), np.tile(truth, n_repeats)
    measured = np.array([mean_over_strata(errors, strata).value for errors in each])
    by_artist = resampled_means(error.mean(axis=1), truth, artist, rng=rng)
    by_fit = resampled_means(each, strata, fit.ravel(), rng=rng)
    return LearningCurve.through(sizes, measured, by_artist + by_fit - measured)
