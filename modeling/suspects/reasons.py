"""The reasons to doubt a label, each a function of all labels, what would be expected of them, and the rules of leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from annotations.drift import Change, find_changes
from annotations.models import MAX_LEVEL, MIN_LEVEL, Annotation, Flag, Reference, ReviewRules
from modeling.suspects.expectations import Expectation, Expectations
from modeling.suspects.labels import Labels

# Two annotators of one track who are 3 levels apart: a large error in the thesis's words (section 3.4).
LARGE_DISTANCE = 3
# In units of the annotators' usual noise; about 1 is usual, see annotations.consensus.
LARGE_SPREAD = 1.5
# Levels. A label within one is right (the thesis, section 3.4), and what it is held against is itself off by about one.
FAST_AND_WRONG = 2
# Enough to hear whether somebody changed; the lead may then leave out all they said.
MAX_BY_DRIFT = 5


@dataclass(frozen=True)
class Suspect:
    """A label by its index; expected, suspicion and bias in levels. `numbers`: what the sentence on the page says."""

    index: int
    reason: Flag.Reason
    expected: float
    suspicion: float
    bias: float
    numbers: Mapping[str, Any] = field(default_factory=dict)


def _suspect(reason: Flag.Reason, index: int, labels: Labels, expected: Expectation, **numbers: float | str) -> Suspect:
    level = float(expected.level[index])
    return Suspect(
        index=int(index),
        reason=reason,
        expected=float(np.clip(level, MIN_LEVEL, MAX_LEVEL)),
        suspicion=abs(float(labels.level[index]) - level),
        bias=float(expected.bias[index]),
        numbers=numbers,
    )


# ---- By what a track sounds like


def by_model(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    for index in _farthest(labels, expectations.model, rules):
        yield _suspect(Flag.Reason.MODEL_ERROR, index, labels, expectations.model)


def by_neighbours(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    for index in _farthest(labels, expectations.neighbours, rules):
        level = expectations.neighbours.level[index] - expectations.neighbours.bias[index]
        yield _suspect(
            Flag.Reason.NEIGHBOURS, index, labels, expectations.neighbours, neighbours_level=round(float(level), 2)
        )


def _farthest(labels: Labels, expected: Expectation, rules: ReviewRules) -> list[int]:
    """As many as the rules want; of equally suspicious labels the oldest."""
    suspicion = np.abs(labels.level - expected.level)
    n_judged = int(np.isfinite(suspicion).sum())
    n = rules.count or ceil(rules.share / 100 * n_judged)
    order = np.argsort(-suspicion, kind="stable")
    return order[labels.doubtful(suspicion)[order]][:n].tolist()


# ---- By what people say


def by_disagreement(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    """Of each track whose annotators are far apart beyond their biases: the label farthest from what all together say."""
    expected = _by_consensus(labels)
    suspicion = np.abs(labels.level - expected.level)
    doubtful = labels.doubtful(suspicion)
    for track in np.flatnonzero(labels.consensus.spread >= LARGE_SPREAD).tolist():
        own = labels.of_track[track]
        accused = own[np.argmax(suspicion[own])]
        if np.ptp(labels.level[own]) >= LARGE_DISTANCE and doubtful[accused]:
            yield _suspect(
                Flag.Reason.DISAGREEMENT,
                accused,
                labels,
                expected,
                spread=round(float(labels.consensus.spread[track]), 2),
                n_annotators=len(own),
            )


def _by_consensus(labels: Labels) -> Expectation:
    """What each annotator would be expected to say, given what all say of the track: the model of annotations.consensus."""
    found, middle = labels.consensus, labels.level.mean()
    bias, scale = found.bias[labels.annotator], found.scale[labels.annotator]
    level = middle + bias + scale * (found.level[labels.track] - middle)
    return Expectation(np.clip(level, MIN_LEVEL, MAX_LEVEL), bias)


def by_gold(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    agreed = dict(Reference.objects.filter(use=Reference.Use.GOLD).values_list("track", "level"))
    expected = np.array([agreed.get(label.track_id, np.nan) for label in labels.rows])
    missed_by = np.abs(labels.level - expected)
    bias = expectations.bias_of_annotator[labels.annotator]
    for index in np.flatnonzero(labels.doubtful(missed_by) & (missed_by >= rules.gold_missed_by)).tolist():
        agreed_level = int(expected[index])
        yield _suspect(Flag.Reason.GOLD_MISSED, index, labels, Expectation(expected, bias), agreed=agreed_level)


# ---- By how somebody labels


def by_speed(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    """Answers of the label page that came too fast and are off. Somebody quick who is right is no suspect."""
    answered_s = np.array([_answered_s(labels, index) for index in range(len(labels.rows))])
    suspicion = np.abs(labels.level - expectations.best.level)
    accused = (answered_s < rules.too_fast_s) & (suspicion >= FAST_AND_WRONG) & labels.doubtful(suspicion)
    usual_s = {
        who: round(float(np.nanmedian(answered_s[labels.annotator == who])), 1)
        for who in np.unique(labels.annotator[accused])
    }
    for index in np.flatnonzero(accused).tolist():
        yield _suspect(
            Flag.Reason.TOO_FAST,
            index,
            labels,
            expectations.best,
            answered_s=round(float(answered_s[index]), 1),
            usual_s=usual_s[labels.annotator[index]],
        )


def _answered_s(labels: Labels, index: int) -> float:
    label = labels.rows[index]
    if label.source != Annotation.Source.LABEL or label.answered_s is None:
        return np.nan
    return label.answered_s


def by_drift(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    """Of each annotator who changed: a few labels after the change that are farthest from what they would have said before."""
    in_turn = np.array(sorted(_timed(labels), key=lambda index: labels.rows[index].created_at), int)
    residual = (labels.level - expectations.best.level)[in_turn]
    for annotator, change in find_changes(labels.annotator[in_turn], residual).items():
        own = in_turn[(labels.annotator[in_turn] == annotator) & np.isfinite(residual)]
        yield from _after(change, own[change.index :], labels, expectations.best)


def _timed(labels: Labels) -> list[int]:
    """Imported labels are of no time that anybody knows."""
    return [index for index, label in enumerate(labels.rows) if label.source != Annotation.Source.IMPORT]


def _after(change: Change, after: NDArray[np.int64], labels: Labels, expected: Expectation) -> Iterator[Suspect]:
    as_before = Expectation(expected.level + change.before, expected.bias + change.before)
    gap = labels.level - as_before.level
    is_changed = np.sign(gap) == np.sign(change.after - change.before)
    suspicion = np.where(is_changed, np.abs(gap), np.nan)
    farthest = after[np.argsort(-suspicion[after], kind="stable")]
    since = timezone.localtime(labels.rows[after[0]].created_at).date().isoformat()
    for index in farthest[labels.doubtful(suspicion)[farthest]][:MAX_BY_DRIFT].tolist():
        yield _suspect(
            Flag.Reason.DRIFT,
            index,
            labels,
            as_before,
            bias_before=round(float(as_before.bias[index]), 2),
            bias_after=round(float(expected.bias[index] + change.after), 2),
            since=since,
            n_after=len(after),
        )


REASONS: dict[Flag.Reason, Callable[[Labels, Expectations, ReviewRules], Iterator[Suspect]]] = {
    Flag.Reason.MODEL_ERROR: by_model,
    Flag.Reason.NEIGHBOURS: by_neighbours,
    Flag.Reason.DISAGREEMENT: by_disagreement,
    Flag.Reason.GOLD_MISSED: by_gold,
    Flag.Reason.TOO_FAST: by_speed,
    Flag.Reason.DRIFT: by_drift,
}
