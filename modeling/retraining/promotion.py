"""Putting a run's model to use. Going back to an older one is the same thing; each time is one more row."""

from __future__ import annotations

from django.db import transaction

from annotations.models import User
from energyapp.jobs.models import Job
from modeling.models import Promotion, RetrainingRules, TrainingRun
from modeling.ranking.services import request_ranking
from modeling.retraining import refreshing
from modeling.retraining.champion import Comparison


class NotPromotable(Exception):
    """The run has no model that could be put to use."""


class ChangedMeanwhile(Exception):
    """Another run is in use than the one that was to be replaced."""


@transaction.atomic
def promote(*, run: TrainingRun, promoted_by: User, instead_of: int | None = None) -> Promotion:
    """Put a run's model to use, and have it predict the tracks that it has not seen. Safe to repeat: in use is in use.

    Parameters
    ----------
    instead_of
        The run that was in use as its page was shown; None where none was, or whoever asks does not mind.

    Raises
    ------
    NotPromotable
        It did not succeed.
    ChangedMeanwhile
        Another run has been put to use since.
    """
    if run.job.status != Job.Status.SUCCEEDED:
        raise NotPromotable(f"{run} has {run.job.status}; only a run that succeeded has a model")
    newest = _lock()
    if newest and newest.run_id == run.pk:
        return newest
    if instead_of is not None and newest and newest.run_id != instead_of:
        raise ChangedMeanwhile(
            f"{_who(newest)} put {newest.run} to use meanwhile, in place of run {instead_of}: look again."
        )
    refreshing.request(run=run, requested_by=promoted_by)
    return _put_to_use(run, promoted_by=promoted_by)


def promote_by_itself(run: TrainingRun, comparison: Comparison | None) -> Promotion | None:
    """The first model; and where the rules say so, one that is better than the one in use. Part of the transaction that ends
    its training: its predictions are stored there."""
    newest = _lock()
    if newest is None:
        return _put_to_use(run, why="It is the first model.")
    if comparison is None or comparison.run != newest.run_id or not comparison.is_better:
        return None
    if not RetrainingRules.objects.current().promotes_by_itself:
        return None
    return _put_to_use(run, why=comparison.verdict)


def _put_to_use(run: TrainingRun, *, promoted_by: User | None = None, why: str = "") -> Promotion:
    """What to label next is asked anew: another model, another answer."""
    promotion = Promotion.objects.create(run=run, promoted_by=promoted_by, why=why)
    request_ranking(requested_by=promoted_by)
    return promotion


def _lock() -> Promotion | None:
    """The newest promotion; whoever asks next waits for the end of this transaction."""
    # The first row, as all wait for that; the newest only then, or of two that wait the second would not see the first's.
    list(Promotion.objects.select_for_update().order_by("pk")[:1])
    return Promotion.objects.select_related("run", "promoted_by").order_by("-pk").first()


def _who(promotion: Promotion) -> str:
    return promotion.promoted_by.display_name if promotion.promoted_by else "A training"
