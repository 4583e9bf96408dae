"""Several annotations of a track -> one level.

Two answers: `median_level`, which everybody can check by hand and which is a track's level in the product, and
`estimate`, which knows that annotators differ and is what a model may learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from statistics import median

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_LEVEL, MAX_LEVEL = 1, 10

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Everything about an annotator counts as if that many more labels had been seen of one without bias, with scale 1 and
# usual noise.
SHRINKAGE_LABELS = 10
# Usual noise, in levels: a round figure to start from, outweighed by an annotator's own labels after the first ten.
USUAL_NOISE = 1.0
# Weight of the middle in the final level where no prediction is given, in usual labels: enough to keep a track that
# was labelled only by somebody who answers at random near the middle, too little to pull rare levels there.
MIDDLE_LABELS = 0.025
# An annotator who answers at random has a scale near 0; below this one nothing changes but the arithmetic.
MIN_SCALE = 0.05
TOLERANCE = 1e-3  # levels
MAX_ITERATIONS = 300


def median_level(levels: Sequence[int]) -> int:
    """The median, ties to the higher level: for an even count the midpoint of the middle two, rounded up from one half.

    >>> median_level([3, 6]), median_level([3, 5]), median_level([7, 2, 7])
    (5, 4, 7)
    """
    if not len(levels):
        raise ValueError("found no levels; expected at least one")
    return floor(median(int(level) for level in levels) + 0.5)


@dataclass(frozen=True, eq=False)
class Consensus:
    """What the annotations together say.

    Attributes
    ----------
    level : shape (n_tracks,), float in [1, 10]
        The estimated level; NaN for a track nobody annotated.
    spread : shape (n_tracks,), float >= 0
        How far the track's annotations lie apart after each annotator's bias and scale, in units of their noise:
        about 1 is usual, 2 and more says that the track itself is ambiguous, or that a label is wrong. NaN with fewer
        than two annotations.
    bias : shape (n_annotators,), float
        In levels, at the middle of the scale in use (the mean annotation): + labels higher than others.
    scale : shape (n_annotators,), float > 0
        1 is usual; below 1 the annotator uses less of the scale; near 0 the labels do not follow the music.
    noise : shape (n_annotators,), float > 0
        Standard deviation, in levels, of what is left.
    """

    level: Floats
    spread: Floats
    bias: Floats
    scale: Floats
    noise: Floats


def estimate(
    track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike, *, prior: ArrayLike | None = None
) -> Consensus:
    """Estimate each track's level together with each annotator's bias, scale and noise.

    The model, with mu the mean annotation:

        annotation of t by a = mu + bias_a + scale_a (level_t - mu) + noise_a e,    e ~ N(0, 1)
        level_t ~ N(mu, tau^2),  or  N(prior_t, tau_prior^2)  where a prior is given

    Expectation maximisation. E: every level_t is normal, given the annotators, with

        precision_t = 1 / tau^2 + sum over a of scale_a^2 / noise_a^2
        mean_t = mu + (sum over a of scale_a (annotation - mu - bias_a) / noise_a^2) / precision_t    (no prior)

    M: bias_a and scale_a by linear regression of a's annotations on the expected levels (their uncertainty included),
    noise_a from the residuals, each as if 10 more labels by a usual annotator had been seen; tau and tau_prior from
    the levels. Annotators with few labels therefore stay usual ones, and the estimate falls back to the mean of the
    annotations.

    In the end, where no prior is given, 1 / tau^2 is replaced by the weight of a fortieth of a usual label: estimates
    pulled to the middle have the lower squared error, but miss the rare levels.

    Parameters
    ----------
    track_index, annotator_index : shape (n_annotations,), int >= 0
        0 .. n_tracks - 1, 0 .. n_annotators - 1.
    level : shape (n_annotations,), float
        In levels, 1..10.
    prior : shape (n_tracks,), float, optional
        What a model says of each track, in levels, NaN where it says nothing. **Out-of-fold**: a model that learnt
        from these annotations would confirm them. Its error, tau_prior, is estimated here; it need not be good.

    Raises
    ------
    ValueError
        If shapes do not fit, there are no annotations, or a value is outside its range.

    References
    ----------
    Dawid and Skene, Applied Statistics 1979, is the same for unordered classes; with ten ordered levels and few
    labels an annotator its 90 parameters each cannot be estimated.

    Examples
    --------
    >>> estimate([0, 0, 1], [0, 1, 0], [4, 4, 4]).level.round(2)
    array([4., 4.])
    """
    tracks, annotators, annotation = checked_annotations(track_index, annotator_index, level)
    n_tracks = int(tracks.max()) + 1 if prior is None else len(np.asarray(prior))
    if tracks.max() >= n_tracks:
        raise ValueError(f"found track index {tracks.max()} and {n_tracks} priors; expected a prior for each track")
    middle = float(annotation.mean())
    centred_prior = np.full(n_tracks, np.nan) if prior is None else np.asarray(prior, dtype=float) - middle
    if np.isinf(centred_prior).any():
        raise ValueError("found an infinite prior; expected levels, or NaN")
    fit = _Fit(tracks, annotators, annotation - middle, centred_prior)
    for _ in range(MAX_ITERATIONS):
        if fit.step() < TOLERANCE:
            break
    estimated = np.clip(fit.final_level() + middle, MIN_LEVEL, MAX_LEVEL)
    estimated[(fit.n_annotations == 0) & np.isnan(centred_prior)] = np.nan
    return Consensus(estimated, fit.spread(), fit.bias, fit.scale, np.sqrt(fit.variance))


class _Fit:
    """The state of the expectation maximisation; levels are relative to the mean annotation."""

    def __init__(self, tracks: Indices, annotators: Indices, annotation: Floats, prior: Floats) -> None:
        self.tracks, self.annotators, self.annotation = tracks, annotators, annotation
        self.has_prior = np.isfinite(prior)
        self.prior = np.where(self.has_prior, prior, 0.0)
        self.n_annotations = np.bincount(tracks, minlength=len(prior))
        self.n_labels = np.bincount(annotators)
        self.bias, self.scale = np.zeros(len(self.n_labels)), np.ones(len(self.n_labels))
        self.variance = np.full(len(self.n_labels), USUAL_NOISE**2)
        self.level_variance = max(float(annotation.var()) - USUAL_NOISE**2, USUAL_NOISE**2 / 4)
        self.prior_variance = USUAL_NOISE**2

    def step(self) -> float:
        """One iteration; returns the largest change of any bias, scale or noise."""
        prior_precision = np.where(self.has_prior, 1 / self.prior_variance, 1 / self.level_variance)
        expected, precision = self._expected_level(prior_precision)
        before = (self.bias, self.scale, np.sqrt(self.variance))
        self._update_levels(expected, 1 / precision)
        self._update_annotators(expected[self.tracks], 1 / precision[self.tracks])
        after = (self.bias, self.scale, np.sqrt(self.variance))
        return max(float(np.abs(new - old).max()) for new, old in zip(after, before, strict=True))

    def final_level(self) -> Floats:
        precision = np.where(self.has_prior, 1 / self.prior_variance, MIDDLE_LABELS / USUAL_NOISE**2)
        return self._expected_level(precision)[0]

    def spread(self) -> Floats:
        """Root of the standardised squared residuals per degree of freedom, around the annotations' own best level."""
        own_level, _ = self._expected_level(np.full(len(self.n_annotations), 1e-9))
        fitted = self.bias[self.annotators] + self.scale[self.annotators] * own_level[self.tracks]
        squared = (self.annotation - fitted) ** 2 / self.variance[self.annotators]
        total = np.bincount(self.tracks, squared, minlength=len(self.n_annotations))
        spread = np.full(len(self.n_annotations), np.nan)
        several = self.n_annotations > 1
        spread[several] = np.sqrt(total[several] / (self.n_annotations[several] - 1))
        return spread

    def _expected_level(self, prior_precision: Floats) -> tuple[Floats, Floats]:
        scale, variance = self.scale[self.annotators], self.variance[self.annotators]
        n_tracks = len(prior_precision)
        precision = prior_precision + np.bincount(self.tracks, scale**2 / variance, minlength=n_tracks)
        pull = scale * (self.annotation - self.bias[self.annotators]) / variance
        weighted = prior_precision * self.prior + np.bincount(self.tracks, pull, minlength=n_tracks)
        return weighted / precision, precision

    def _update_levels(self, expected: Floats, variance: Floats) -> None:
        annotated = self.n_annotations > 0
        own = annotated & ~self.has_prior
        predicted = annotated & self.has_prior
        if own.any():
            self.level_variance = max(float(np.mean(expected[own] ** 2 + variance[own])), USUAL_NOISE**2 / 4)
        squared = float(np.sum((expected - self.prior)[predicted] ** 2 + variance[predicted]))
        self.prior_variance = (squared + SHRINKAGE_LABELS * USUAL_NOISE**2) / (predicted.sum() + SHRINKAGE_LABELS)

    def _update_annotators(self, expected: Floats, variance: Floats) -> None:
        """Regress each annotator's annotations on the expected levels; arguments per annotation."""
        squared = expected**2 + variance
        n = self.n_labels + SHRINKAGE_LABELS
        usual = SHRINKAGE_LABELS * float(
            squared.mean()
        )  # usual labels: spread like all, on the line through 0 with slope 1
        sum_x, sum_xx = self._per_annotator(expected), self._per_annotator(squared) + usual
        sum_y, sum_xy = self._per_annotator(self.annotation), self._per_annotator(expected * self.annotation) + usual
        determinant = n * sum_xx - sum_x**2
        self.bias = (sum_y * sum_xx - sum_xy * sum_x) / determinant
        self.scale = np.maximum((n * sum_xy - sum_x * sum_y) / determinant, MIN_SCALE)
        scale = self.scale[self.annotators]
        residual = self.annotation - self.bias[self.annotators] - scale * expected
        total = self._per_annotator(residual**2 + scale**2 * variance)
        self.variance = (total + SHRINKAGE_LABELS * USUAL_NOISE**2) / n

    def _per_annotator(self, values: Floats) -> Floats:
        return np.bincount(self.annotators, values, minlength=len(self.n_labels)).astype(np.float64)


def checked_annotations(track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike) -> tuple[Indices, Indices, Floats]:
    tracks, annotators = np.asarray(track_index), np.asarray(annotator_index)
    annotation = np.asarray(level, dtype=float)
    if annotation.ndim != 1 or not annotation.size or not tracks.shape == annotators.shape == annotation.shape:
        found = [tracks.shape, annotators.shape, annotation.shape]
        raise ValueError(f"found shapes {found}; expected three times the same (n_annotations,), not empty")
    for name, index in (("track_index", tracks), ("annotator_index", annotators)):
        if not np.issubdtype(index.dtype, np.integer) or index.min() < 0:
            raise ValueError(f"{name} is {index.dtype} from {index.min()}; expected integers >= 0")
    if not np.all((annotation >= MIN_LEVEL) & (annotation <= MAX_LEVEL)):
        raise ValueError(f"found annotations outside {MIN_LEVEL}..{MAX_LEVEL}; expected levels")
    return tracks.astype(np.int64), annotators.astype(np.int64), annotation
