"""Writes that the web process may ask for. The numbers themselves are made by `modeling.pipeline`, in workers."""

import hashlib
import json
from typing import Any

from django.db import transaction

from annotations.models import User
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.experiment import Experiment as Question
from modeling.models import Experiment, TrainingRun
from modeling.recipe_choices import DEFAULT_DECISION, DEFAULT_RECIPE
from modeling.retraining.changes import newest_ids
from modeling.retraining.promotion import ChangedMeanwhile, NotPromotable, promote

__all__ = [
    "ChangedMeanwhile",
    "NotPromotable",
    "note_experiment",
    "promote",
    "question",
    "request_experiment",
    "request_training",
]


@transaction.atomic
def request_training(
    *,
    requested_by: User | None,
    recipe: str = DEFAULT_RECIPE,
    decision: str = DEFAULT_DECISION,
    seed: int = 0,
    reason: str = "",
) -> Job:
    """The training that is under way, or a new one: asked for twice is one. Where nobody asks, the reason says why."""
    job, is_new = jobs.request(kind="train", requested_by=requested_by, arguments=newest_ids())
    if is_new:
        TrainingRun.objects.create(
            job=job,
            requested_by=requested_by,
            recipe=recipe,
            options={"decision": decision},
            seed=seed,
            reason=reason,
        )
    return job


# ---- Experiments


def question(*, name: str, options: dict[str, Any]) -> Question:
    """An experiment of the catalogue with these options, the others as they usually are.

    Raises
    ------
    ValueError
        There is none of that name, or an option is not what it may be. The message says what was found and expected.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"found experiment {name!r}; expected one of {', '.join(EXPERIMENTS)}")
    try:
        asked = EXPERIMENTS[name](**options)
    except TypeError as problem:  # an option of another name
        raise ValueError(f"found options {', '.join(options)}; {problem}") from None
    key_of_name = {feature_set.name: feature_set.key for feature_set in FEATURE_SETS.values()}
    keys = list(key_of_name.values())
    asked.sets = tuple(key_of_name.get(each, each) for each in asked.sets)  # a name alone is the version of today
    if unknown := [key for key in asked.sets if key not in keys]:
        raise ValueError(f"found feature set {unknown[0]!r}; expected some of {', '.join(keys)}")
    return asked


@transaction.atomic
def request_experiment(*, name: str, options: dict[str, Any], requested_by: User | None) -> Experiment:
    """An experiment that a worker is to answer; asked for twice with the same options while it goes on is one.

    Raises
    ------
    ValueError
        See `question`.
    """
    experiment, is_new = note_experiment(name=name, options=options, requested_by=requested_by)
    if is_new:
        transaction.on_commit(lambda: jobs.publish(experiment.job))
    return experiment


@transaction.atomic
def note_experiment(*, name: str, options: dict[str, Any], requested_by: User | None) -> tuple[Experiment, bool]:
    """The same for who will answer it: no worker is woken. And whether it was made now."""
    asked = question(name=name, options=options)
    job, is_new = jobs.note(kind="experiment", key=_key(asked), requested_by=requested_by)
    if is_new:
        return Experiment.objects.create(job=job, requested_by=requested_by, name=name, options=asked.options), True
    return job.experiment, False


def _key(asked: Question) -> str:
    """The same for the same question."""
    digest = hashlib.sha256(json.dumps(asked.options, sort_keys=True).encode()).hexdigest()
    return f"{asked.name} {digest[:16]}"
