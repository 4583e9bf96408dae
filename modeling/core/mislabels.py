"""Which annotations look wrong: how far each is from what a model of the other tracks expects of this annotator.

On real labels with planted errors the plain absolute residual of a smooth model ranks best. Dividing it by a
predicted spread hurts, and so does the decided level in place of the score. What counts most is to take out each
annotator's bias: otherwise everything by a severe annotator is suspect. A small residual does not mean that people
agree; disagreement is another flag.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core.chunks import Matrix
from modeling.core.dataset import grouped_stratified_folds
from modeling.core.metrics import Floats
from modeling.core.ridge import checked_matrix, out_of_fold

# An annotator's bias counts as if that many more labels without bias had been seen. One label a track: error .11
# level, against .15 without shrinkage (real labels, six simulated annotators).
SHRINKAGE_LABELS = 10


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

    The bias is the annotator's median residual, shrunken: median x n / (n + 10). Labels less their bias teach a
    second ridge, whose residuals give the final biases and residuals.

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
    expected = out_of_fold(features, labels, fold)
    if annotators is None:
        return SuspicionDetails(expected, labels - expected, {})
    names, annotator = np.unique(np.asarray(annotators), return_inverse=True)
    if annotator.shape != labels.shape:
        raise ValueError(f"found {annotator.shape} annotators; expected {labels.shape}, one for each annotation")
    bias = _shrunken_medians(labels - expected, annotator)
    expected = out_of_fold(features, labels - bias[annotator], fold)
    bias = _shrunken_medians(labels - expected, annotator)
    expected = expected + bias[annotator]
    return SuspicionDetails(expected, labels - expected, dict(zip(names.tolist(), bias.tolist(), strict=True)))


def _shrunken_medians(residual: Floats, annotator: NDArray[np.int64]) -> Floats:
    n_labels = np.bincount(annotator)
    in_order = np.split(residual[np.argsort(annotator, kind="stable")], np.cumsum(n_labels)[:-1])
    return np.array([np.median(own) for own in in_order]) * n_labels / (n_labels + SHRINKAGE_LABELS)


def _same_features(features: Matrix) -> NDArray[np.int64]:
    first_row: dict[bytes, int] = {}
    return np.array([first_row.setdefault(row.tobytes(), index) for index, row in enumerate(features)])
