"""Which annotations look wrong: how far each is from what a model of the other tracks expects of this annotator.

On real labels with planted errors the plain absolute residual of a smooth model ranks best. Dividing it by a
predicted spread hurts, and so does the decided level in place of the score. What counts most is to take out each
annotator's bias: otherwise everything by a severe annotator is suspect. Next comes to learn less from the labels that
look wrong themselves; kernels beside the ridge, or the neighbours' mean, add nothing to that (docs/benchmarks.md). A
small residual does not mean that people agree; disagreement is another flag.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.chunks import Matrix
from modeling.core.dataset import grouped_stratified_folds
from modeling.core.metrics import Floats
from modeling.core.neighbours import nearest
from modeling.core.ridge import Ridge, checked_matrix

# An annotator's bias counts as if that many more labels without bias had been seen. One label a track: error .11
# level, against .15 without shrinkage (real labels, six simulated annotators).
SHRINKAGE_LABELS = 10
# Labels up to that many robust standard deviations off teach in full; beyond, their weight falls with the square. Tukey's
# weights find as many planted errors, and forget some labels; Huber's find a little less (average precision -.004).
FULL_TRUST_SDS = 1.5
# In levels: a perfect model would still be that far from labels that are rounded to whole levels.
ROUNDING_SD = 12**-0.5


@dataclass(frozen=True, eq=False)
class SuspicionDetails:
    """Why an annotation is suspect; arrays of shape (n_annotations,), in levels.

    Attributes
    ----------
    expected : float
        What the model expects of this track, plus the annotator's bias: what this annotator would be expected to
        answer.
    residual : float
        Annotation less expected; its absolute value is the suspicion.
    bias_by_annotator : dict
        How much higher than expected each annotator labels; empty when annotators were not given.
    """

    expected: Floats
    residual: Floats
    bias_by_annotator: dict[object, float]


def suspicion(
    X: ArrayLike, y: ArrayLike, *, annotators: ArrayLike | None = None, groups: ArrayLike | None = None, seed: int = 0
) -> Floats:
    """How suspect each annotation is: levels between it and what was expected, shape (n_annotations,), >= 0.

    Parameters, errors and method as in `suspicion_details`.
    """
    return np.abs(suspicion_details(X, y, annotators=annotators, groups=groups, seed=seed).residual)


def suspicion_details(
    X: ArrayLike, y: ArrayLike, *, annotators: ArrayLike | None = None, groups: ArrayLike | None = None, seed: int = 0
) -> SuspicionDetails:
    """Signed residuals of a ridge that saw neither the track nor its group, less the annotator's bias.

    The ridge learns less from labels that are far from what other ridges expect, which saw none of that either. The bias
    is the annotator's median residual, shrunken: median x n / (n + 10). Labels less their bias teach a second ridge, whose
    residuals give the final biases and residuals.

    Parameters
    ----------
    X : shape (n_annotations, n_features), float
        The features of each annotation's track: a track with three annotations is there three times.
    y : shape (n_annotations,), float
        In levels.
    annotators : shape (n_annotations,), optional
        Who labelled; without them no bias is taken out.
    groups : shape (n_annotations,), optional
        Artists (or tracks); a group's annotations are held out together. Without them rows with equal features are a
        group, so that no annotation is judged by a model that learnt from another annotation of the same track.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or there are fewer than 2 groups.
    """
    features, labels = checked_matrix(X), np.asarray(y, dtype=float)
    held_together = _same_features(features) if groups is None else groups
    fold = grouped_stratified_folds(labels, held_together, seed=seed)
    expected, bias, bias_by_annotator = _debiased(
        labels, annotators, lambda levels: _robust_out_of_fold(features, levels, fold)
    )
    return SuspicionDetails(expected + bias, labels - bias - expected, bias_by_annotator)


@dataclass(frozen=True, eq=False)
class NeighbourExpectation:
    """How far each annotation is from what similar tracks by other artists have; rows as given.

    Attributes
    ----------
    expected : shape (n_annotations,), float
        Mean level of the neighbours, annotators' biases taken out.
    distance : shape (n_annotations,), float, >= 0
        Levels between the annotation less its annotator's bias and `expected`.
    indices : shape (n_annotations, n), int
        A row (the first) of each neighbour track, nearest first; -1 where other groups have no more tracks.
    similarity : shape (n_annotations, n), float
        Of those, as in `neighbours.nearest`; NaN where there are no more.
    bias_by_annotator : dict
        How much higher than the neighbours each annotator labels; empty when annotators were not given.
    """

    expected: Floats
    distance: Floats
    indices: NDArray[np.intp]
    similarity: Floats
    bias_by_annotator: dict[object, float]


def neighbour_expectation(
    X: ArrayLike, y: ArrayLike, *, annotators: ArrayLike | None = None, groups: ArrayLike, n: int = 5
) -> NeighbourExpectation:
    """What the `n` most similar tracks of other groups say of each annotation: evidence beside the model's.

    Each neighbour track counts once, with the mean of its annotations. Annotators' biases are found as in
    `suspicion_details`: median distances from the neighbours, shrunken, twice.

    Parameters
    ----------
    X : shape (n_annotations, n_features), float
        The features of each annotation's track; annotations of a group with equal features are of one track.
    y : shape (n_annotations,), float
        In levels.
    annotators : shape (n_annotations,), optional
        Who labelled; without them no bias is taken out.
    groups : shape (n_annotations,)
        Artists: no label of a track's own group counts in what is expected of it.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, `n` is below 1, or there are fewer than 2 groups.

    Examples
    --------
    >>> found = neighbour_expectation([[0.0], [0.1], [9], [9.1]], [3, 4, 7, 9], groups=["a", "b", "c", "d"], n=1)
    >>> found.expected, found.distance
    (array([4., 3., 9., 7.]), array([1., 1., 2., 2.]))
    """
    features, labels = checked_matrix(X), np.asarray(y, dtype=float)
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    if labels.shape != (len(features),) or group.shape != labels.shape or not np.isfinite(labels).all():
        found = f"{labels.shape} labels and {group.shape} groups"
        raise ValueError(f"found {found}; expected twice ({len(features)},), labels finite")
    if group.max() == 0:
        raise ValueError("found 1 group; expected at least 2: neighbours are of other groups")
    row_of_track, track = np.unique(_same_features(features, group), return_inverse=True)
    near = nearest(features[row_of_track], np.arange(len(row_of_track)), groups=group[row_of_track], n=n)
    absent, n_labels = near.indices < 0, np.bincount(track)

    def mean_of_neighbours(levels: Floats) -> Floats:
        level = np.bincount(track, levels) / n_labels
        return np.ma.masked_array(level[near.indices], absent).mean(axis=1).data[track]

    expected, bias, bias_by_annotator = _debiased(labels, annotators, mean_of_neighbours)
    indices = np.where(absent, -1, row_of_track[near.indices])[track]
    distance = np.abs(labels - bias - expected)
    return NeighbourExpectation(expected, distance, indices, near.similarity[track], bias_by_annotator)


def _debiased(
    labels: Floats, annotators: ArrayLike | None, expect: Callable[[Floats], Floats]
) -> tuple[Floats, Floats, dict[object, float]]:
    """What is expected where labels less their annotator's bias are learnt from; that bias, by annotation and by annotator."""
    expected = expect(labels)
    if annotators is None:
        return expected, np.zeros(len(labels)), {}
    names, annotator = np.unique(np.asarray(annotators), return_inverse=True)
    if annotator.shape != labels.shape:
        raise ValueError(f"found {annotator.shape} annotators; expected {labels.shape}, one for each annotation")
    expected = expect(labels - _shrunken_medians(labels - expected, annotator)[annotator])
    bias = _shrunken_medians(labels - expected, annotator)
    return expected, bias[annotator], dict(zip(names.tolist(), bias.tolist(), strict=True))


def _robust_out_of_fold(features: Matrix, labels: Floats, fold: NDArray[np.int64]) -> Floats:
    """Each row's score by a ridge that saw no row of its fold, and learnt less from labels that look wrong.

    Which of them do is told by ridges without two folds, so that nothing of a fold's own labels reaches its scores, by
    way of the weights of the others neither.
    """
    n_folds = fold.max() + 1
    residual = np.zeros((n_folds, len(labels)))  # of all rows in other folds, by ridges that did not see this fold
    for two in combinations(range(n_folds), 2) if n_folds > 2 else ():
        held_out = np.isin(fold, two)
        error = np.zeros(len(labels))
        ridge = Ridge.fit(features[~held_out], labels[~held_out])
        error[held_out] = labels[held_out] - ridge.predict(features[held_out])
        for one, other in (two, two[::-1]):
            residual[one, fold == other] = error[fold == other]
    score = np.empty(len(labels))
    for one in range(n_folds):
        test, train = fold == one, fold != one
        ridge = Ridge.fit(features[train], labels[train], sample_weight=_trust(residual[one, train]))
        score[test] = ridge.predict(features[test])
    return score


def _trust(residual: Floats) -> Floats:
    """The weight of each label in training, 0..1; the spread is the middle half's, which wrong labels hardly widen."""
    spread = max(1.4826 * float(np.median(np.abs(residual))), ROUNDING_SD)
    return 1 / np.maximum(np.abs(residual) / (FULL_TRUST_SDS * spread), 1.0) ** 2


def _shrunken_medians(residual: Floats, annotator: NDArray[np.int64]) -> Floats:
    n_labels = np.bincount(annotator)
    in_order = np.split(residual[np.argsort(annotator, kind="stable")], np.cumsum(n_labels)[:-1])
    return np.array([np.median(own) for own in in_order]) * n_labels / (n_labels + SHRINKAGE_LABELS)


def _same_features(features: Matrix, group: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The first row with the features (and of the group) of each."""
    first_row: dict[tuple[int, bytes], int] = {}
    of = np.zeros(len(features), np.int64) if group is None else group
    return np.array(
        [
            first_row.setdefault((own, row.tobytes()), index)
            for index, (own, row) in enumerate(zip(of, features, strict=True))
        ]
    )
