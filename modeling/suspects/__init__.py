"""Which annotations a lead should hear again after a run, and why.

Every suspicion is in levels: how far the label is from what the reason at hand would have had this annotator say. That
makes one order over all reasons.
"""

from __future__ import annotations

from collections.abc import Iterator

from annotations.models import ReviewRules
from annotations.review.flags import Accusation
from modeling.core.evaluation import Evaluation
from modeling.suspects.evidence import Evidence
from modeling.suspects.expectations import Expectations
from modeling.suspects.labels import Labels
from modeling.suspects.reasons import REASONS, Suspect
from modeling.training_data import TrainingData


def find_suspects(data: TrainingData, evaluation: Evaluation, rules: ReviewRules, *, seed: int) -> list[Accusation]:
    """The labels that any reason speaks against, with the evidence that the review page shows.

    The evaluation slice is never flagged: labels mended where the model doubts them would flatter the model. Tracks whose
    level a lead has set are not flagged again, nor are labels that a lead has kept, unless a reason speaks against them that
    is much stronger than any did then. What is not doubted takes no place of what is.

    Labels of tracks without features are doubted too, by what needs none.
    """
    labels = Labels.of(data)
    expectations = Expectations.of(labels, data, seed=seed)
    evidence = Evidence(labels, expectations, data, evaluation)
    return [_accusation(suspect, evidence) for suspect in _suspects(labels, expectations, rules)]


def _suspects(labels: Labels, expectations: Expectations, rules: ReviewRules) -> Iterator[Suspect]:
    for find in REASONS.values():
        yield from find(labels, expectations, rules)


def _accusation(suspect: Suspect, evidence: Evidence) -> Accusation:
    return Accusation(
        annotation_id=evidence.labels.rows[suspect.index].pk,
        reason=suspect.reason,
        expected_level=suspect.expected,
        suspicion=suspect.suspicion,
        evidence=evidence.of(suspect),
    )
