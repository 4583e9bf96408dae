"""Asking for a ranking of the tracks that people might label next. Making it is `modeling.ranking.ranking_job`, in workers."""

from __future__ import annotations

from django.db import transaction

from annotations.models import LabellingRules, User
from energyapp.jobs import services as jobs
from modeling.core.acquisition import STRATEGIES
from modeling.ranking.models import Ranking

# What is asked for where the order of new tracks is none that a strategy makes: for the findings alone.
NO_STRATEGY = "random"
# These hand labelled tracks out again: where one label makes a track complete there is nothing for them to choose from.
ASKS_FOR_OPINIONS = {"relabel_or_new"}


class UnknownStrategy(Exception):
    """There is no strategy of this name."""


@transaction.atomic
def request_ranking(*, requested_by: User | None, strategy: str | None = None) -> Ranking:
    """A ranking by this strategy, or by the one that is in force; asked for again before its end it is the same one.

    Raises
    ------
    UnknownStrategy
        If there is none of this name.
    """
    name = strategy or strategy_in_force()
    if name not in STRATEGIES:
        raise UnknownStrategy(f"There is no strategy {name!r}; expected one of {', '.join(STRATEGIES)}.")
    job, is_new = jobs.request(kind="rank", key=name, requested_by=requested_by)
    if not is_new:
        return Ranking.objects.get(job=job)
    return Ranking.objects.create(job=job, requested_by=requested_by, strategy=name)


def strategy_in_force() -> str:
    order = LabellingRules.objects.current().order
    return order if order in STRATEGIES else NO_STRATEGY
