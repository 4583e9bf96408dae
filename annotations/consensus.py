"""Several annotations of a track -> one level. Pure numpy.

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
# How far annotators differ (standard deviations): what an estimate that is pulled to the usual annotator may be wrong by.
USUAL_BIASES, USUAL_SCALES, USUAL_NOISES = 1.0, 0.25, 0.5
# How far the tracks that one annotator was given lie on average above or below all tracks (standard deviation, in levels), as far
# as others' labels of the same tracks do not tell. Without it, whoever labels calm music alone would count as biased.
USUAL_CHOICE = 0.5
# Weight of the middle in the final level, in usual labels: enough to keep a track that was labelled only by somebody who
# answers at random near the middle, too little to pull rare levels there.
MIDDLE_LABELS = 0.025
# An annotator who answers at random has a scale near 0; below this one nothing changes but the arithmetic.
MIN_SCALE = 0.05
TOLERANCE = 2e-3  # levels; in the slowest case, ten times that is left
MAX_ITERATIONS = 300


def median_level(levels: Sequence[int]) -> int:
    """The median, ties to the higher level: for an even count the midpoint of the middle two, rounded up from one half.

    >>> median_level([3, 6]), median_level([3, 5]), median_level([7, 2, 7])
    (5, 4, 7)
    """
    if not len(levels):
        raise ValueError("found no levels; expected at least one")
    return floor(median(int(level) for level in levels) + 0.5)


def median_levels(track_index: ArrayLike, level: ArrayLike) -> Indices:
    """`median_level` of every track at once, shape (n_tracks,); 0 for a track nobody annotated.

    >>> median_levels([0, 0, 2, 2], [3, 6, 3, 5])
    array([5, 0, 4])
    """
    tracks, _, annotation = checked_annotations(track_index, np.zeros(np.shape(track_index), np.int64), level)
    levels = annotation.astype(np.int64)
    if (levels != annotation).any():
        raise ValueError("found levels between whole numbers; expected whole ones")
    n_tracks = int(tracks.max()) + 1
    counts = np.bincount(tracks * (MAX_LEVEL + 1) + levels, minlength=n_tracks * (MAX_LEVEL + 1))
    so_far = counts.reshape(n_tracks, -1).cumsum(axis=1)
    n = so_far[:, -1:]
    lower, upper = ((so_far < place).sum(axis=1) for place in ((n + 1) // 2, n // 2 + 1))
    return np.where(n[:, 0] > 0, (lower + upper + 1) // 2, 0)


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
    bias_se, scale_se, noise_se : shape (n_annotators,), float > 0
        How far off these may be (standard errors), by the number of labels and by how well the others' labels tell the
        levels; near the usual differences between annotators where there are few labels.
    """

    level: Floats
    spread: Floats
    bias: Floats
    scale: Floats
    noise: Floats
    bias_se: Floats
    scale_se: Floats
    noise_se: Floats


def estimate(
    track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike, *, prior: ArrayLike | None = None
) -> Consensus:
    """Estimate each track's level together with each annotator's bias, scale and noise.

    The model, with mu the mean annotation:

        annotation of t by a = mu + bias_a + scale_a (level_t - mu) + noise_a e,    e ~ N(0, 1)
        level_t ~ N(mu + choice_t, tau^2)

    Expectation maximisation. E: every level_t is normal, given the annotators, with

        precision_t = 1 / tau^2 + sum over a of scale_a^2 / noise_a^2
        mean_t = mu + (choice_t / tau^2 + sum over a of scale_a (annotation - mu - bias_a) / noise_a^2) / precision_t

    M: bias_a and scale_a by linear regression of a's annotations on the expected levels (their uncertainty included),
    noise_a from the residuals, each as if 10 more labels by a usual annotator had been seen; tau from the levels; choice_t is how
    far the tracks of t's annotators are from mu on average, shrunken as if it varied by half a level between annotators.
    Annotators with few labels therefore stay usual ones, and the estimate falls back to the mean of the annotations. Levels
    in half the steps and scales twice as large would be the same model: scales are divided by their mean, in which
    annotators count by what they say about levels (n scale^2 / noise^2).

    In the end 1 / tau^2 is replaced by the weight of a fortieth of a usual label: estimates pulled to the middle have the
    lower squared error, but miss the rare levels. For the same reason a prior is one more annotator, with a bias, scale and
    noise of its own: a model's predictions are pulled to the middle too.

    Parameters
    ----------
    track_index, annotator_index : shape (n_annotations,), int >= 0
        0 .. n_tracks - 1, 0 .. n_annotators - 1.
    level : shape (n_annotations,), float
        In levels, 1..10.
    prior : shape (n_tracks,), float, optional
        What a model says of each track, in levels, NaN where it says nothing; the level of a track nobody annotated.
        **Out-of-fold**: a model that learnt from these annotations would confirm them. It need not be good.

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
    predicted = _checked_prior(prior, n_least=int(tracks.max()) + 1)
    n_annotators, is_annotated = int(annotators.max()) + 1, np.bincount(tracks, minlength=len(predicted)) > 0
    rows = np.flatnonzero(is_annotated & np.isfinite(predicted))
    middle = float(annotation.mean())
    fit = _Fit(
        np.concatenate([tracks, rows]),
        np.concatenate([annotators, np.full(len(rows), n_annotators)]),
        np.concatenate([annotation, predicted[rows]]) - middle,
        n_annotators=n_annotators,
        n_tracks=len(predicted),
        n_by_people=len(tracks),
    )
    for _ in range(MAX_ITERATIONS):
        if fit.step() < TOLERANCE:
            break
    estimated = np.where(is_annotated, fit.expected_level(MIDDLE_LABELS / USUAL_NOISE**2)[0] + middle, predicted)
    people = slice(0, n_annotators)
    return Consensus(
        np.clip(estimated, MIN_LEVEL, MAX_LEVEL),
        fit.spread(),
        fit.bias[people],
        fit.scale[people],
        np.sqrt(fit.variance[people]),
        *(each[people] for each in fit.standard_errors()),
    )


def _checked_prior(prior: ArrayLike | None, *, n_least: int) -> Floats:
    predicted = np.full(n_least, np.nan) if prior is None else np.asarray(prior, dtype=float)
    if predicted.ndim != 1 or len(predicted) < n_least:
        raise ValueError(
            f"found track index {n_least - 1} and {predicted.size} priors; expected a prior for each track"
        )
    if np.isinf(predicted).any():
        raise ValueError("found an infinite prior; expected levels, or NaN")
    return predicted


class _Fit:
    """The state of the expectation maximisation; levels are relative to the mean annotation.

    A step goes through all annotations for three sums per track and three per annotator; nothing else costs anything.
    """

    def __init__(
        self,
        tracks: Indices,
        annotators: Indices,
        annotation: Floats,
        *,
        n_annotators: int,
        n_tracks: int,
        n_by_people: int,
    ) -> None:
        """The first `n_by_people` annotations are by the first `n_annotators`, the others by one more: the prior."""
        self.people, self.by_people, self.n_tracks = slice(n_annotators), slice(n_by_people), n_tracks
        self.tracks, self.annotators, self.annotation = tracks, annotators, annotation
        self.n_of_track = np.bincount(tracks[self.by_people], minlength=n_tracks)
        self.n_labels = self._per_annotator(np.ones(len(annotation)))
        self.sum_y, self.sum_yy = self._per_annotator(annotation), self._per_annotator(annotation**2)
        n = len(self.n_labels)
        self.bias, self.scale, self.variance = np.zeros(n), np.ones(n), np.full(n, USUAL_NOISE**2)
        self.level_variance = max(float(annotation.var()) - USUAL_NOISE**2, USUAL_NOISE**2 / 4)
        self.choice = self._choice(self.sum_y)

    def step(self) -> float:
        """One iteration; returns the largest change of any bias, scale or noise."""
        before = (self.bias, self.scale, np.sqrt(self.variance))
        expected, precision = self.expected_level(1 / self.level_variance)
        around = ((expected - self.choice) ** 2 + 1 / precision)[self.n_of_track > 0]
        self.level_variance = max(float(around.mean()), USUAL_NOISE**2 / 4)
        self._update_annotators(expected, expected**2 + 1 / precision)
        self._anchor_scales()
        after = (self.bias, self.scale, np.sqrt(self.variance))
        return max(float(np.abs(new - old).max()) for new, old in zip(after, before, strict=True))

    def expected_level(self, prior_precision: float) -> tuple[Floats, Floats]:
        """And its precision; of each track."""
        weight, pull = self.scale**2 / self.variance, self.scale / self.variance
        precision = prior_precision + self._per_track(weight[self.annotators])
        pulls = pull[self.annotators] * self.annotation - (pull * self.bias)[self.annotators]
        return (prior_precision * self.choice + self._per_track(pulls)) / precision, precision

    def _choice(self, sum_of_levels: Floats) -> Floats:
        """How far the tracks of each track's annotators lie from the middle, from the sums over each annotator's."""
        mean = sum_of_levels / (self.n_labels + self.level_variance / USUAL_CHOICE**2)
        given = mean[self.annotators[self.by_people]]
        return np.bincount(self.tracks[self.by_people], given, minlength=self.n_tracks) / np.maximum(self.n_of_track, 1)

    def _update_annotators(self, expected: Floats, squared: Floats) -> None:
        """Regress each annotator's annotations on the expected levels."""
        x, xx = expected[self.tracks], squared[self.tracks]
        n = self.n_labels + SHRINKAGE_LABELS
        # Usual labels: spread like all, on the line through 0 with slope 1.
        self.usual_squares = SHRINKAGE_LABELS * float(xx.mean())
        sum_x, data_xx, data_xy = (self._per_annotator(values) for values in (x, xx, x * self.annotation))
        self.choice = self._choice(sum_x)
        sum_xx, sum_xy = data_xx + self.usual_squares, data_xy + self.usual_squares
        determinant = n * sum_xx - sum_x**2
        bias = self.bias = (self.sum_y * sum_xx - sum_xy * sum_x) / determinant
        scale = self.scale = np.maximum((n * sum_xy - sum_x * self.sum_y) / determinant, MIN_SCALE)
        residual = self.sum_yy - 2 * (bias * self.sum_y + scale * data_xy)
        residual += self.n_labels * bias**2 + 2 * bias * scale * sum_x + scale**2 * data_xx
        self.variance = (residual + SHRINKAGE_LABELS * USUAL_NOISE**2) / n

    def _anchor_scales(self) -> None:
        says = (self.n_labels * self.scale**2 / self.variance)[self.people]
        mean = float(says @ self.scale[self.people] / says.sum())
        self.scale = self.scale / mean
        self.level_variance *= mean**2

    def spread(self) -> Floats:
        """Root of the standardised squared residuals per degree of freedom, around the annotations' own best level."""
        rows = self.by_people
        tracks, annotators, annotation = self.tracks[rows], self.annotators[rows], self.annotation[rows]
        scale, variance = self.scale[annotators], self.variance[annotators]
        left = annotation - self.bias[annotators]

        def per_track(values: Floats) -> Floats:
            return np.bincount(tracks, values, minlength=self.n_tracks).astype(np.float64)

        own_level = per_track(scale / variance * left) / np.maximum(per_track(scale**2 / variance), 1e-9)
        total = per_track((left - scale * own_level[tracks]) ** 2 / variance)
        return np.where(self.n_of_track > 1, np.sqrt(total / np.maximum(self.n_of_track - 1, 1)), np.nan)

    def standard_errors(self) -> tuple[Floats, Floats, Floats]:
        """Of bias, scale and noise.

        An annotator's labels are compared with what the others' labels let expect, which adds to their noise. What usual
        labels were added to is wrong by as much as they pull, times how far annotators differ.
        """
        expected, precision = self.expected_level(1 / self.level_variance)
        scale, variance = self.scale[self.annotators], self.variance[self.annotators]
        others_precision = precision[self.tracks] - scale**2 / variance
        own = scale / variance * (self.annotation - self.bias[self.annotators])
        x = (precision[self.tracks] * expected[self.tracks] - own) / others_precision
        weight = 1 / (variance + scale**2 / others_precision)
        sums = [self._per_annotator(weight * x**power) for power in range(3)]
        known = np.array([sums[:2], sums[1:]])
        # As far as the annotator's choice lets expect levels, an error of it is in all labels alike.
        by_choice = scale / self.level_variance / others_precision / np.maximum(self.n_of_track, 1)[self.tracks]
        alike = np.array([self._per_annotator(weight * by_choice * each) for each in (1, x)])
        known -= alike[:, None] * alike / (1 / USUAL_CHOICE**2 + self._per_annotator(weight * by_choice**2))
        added = np.array([SHRINKAGE_LABELS, self.usual_squares]) / self.variance[:, None]
        bias_se, scale_se = _pulled_errors(np.moveaxis(known, 2, 0), added, np.array([USUAL_BIASES, USUAL_SCALES]))
        n = self._per_annotator((variance * weight) ** 2)
        noise_se = np.sqrt(self.variance * n / 2 + (SHRINKAGE_LABELS * USUAL_NOISES) ** 2) / (n + SHRINKAGE_LABELS)
        return bias_se, scale_se, noise_se

    def _per_annotator(self, values: Floats) -> Floats:
        return np.bincount(self.annotators, values).astype(np.float64)

    def _per_track(self, values: Floats) -> Floats:
        return np.bincount(self.tracks, values, minlength=self.n_tracks).astype(np.float64)


def _pulled_errors(known: Floats, added: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """Standard errors of two parameters of each annotator, estimated from data of information `known` (n, 2, 2) and as if a
    value, from which annotators usually differ by `usual` (2,), had been seen with information `added` (n, 2)."""
    inverse = np.linalg.inv(known + added[:, :, None] * np.eye(2))
    covariance = inverse @ (known + (added * usual)[:, :, None] ** 2 * np.eye(2)) @ inverse
    return np.sqrt(covariance[:, 0, 0]), np.sqrt(covariance[:, 1, 1])


def checked_annotations(
    track_index: ArrayLike, annotator_index: ArrayLike, level: ArrayLike
) -> tuple[Indices, Indices, Floats]:
    """As aligned arrays; ValueError where they are not annotations."""
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
