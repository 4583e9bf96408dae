"""Asking for a training where the rules say that one is due, and as what is in use was trained."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from annotations.models import Annotation, Decision
from energyapp.jobs.models import Job
from modeling import services
from modeling.models import RetrainingRules, TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_DECISION, DEFAULT_RECIPE, RECIPE_CHOICES
from modeling.retraining.changes import changes_since, unseen
from modeling.retraining.due import Facts, due


def retrain_if_due() -> Job | None:
    """The training that was asked for, if one was due. Called every minute; one at a time is the promise of the jobs table."""
    if not (reason := due(facts()).reason):
        return None
    return services.request_training(requested_by=None, reason=reason, **way_of_learning(TrainingRun.objects.live()))


def facts() -> Facts:
    newest = TrainingRun.objects.select_related("job").order_by("-pk").first()
    learnt = TrainingRun.objects.succeeded().select_related("job").order_by("-pk").first()
    decisions = Decision.objects.exclude(verdict=Decision.Verdict.UNDO)
    return Facts(
        now=timezone.now(),
        zone=ZoneInfo(settings.TIME_ZONE),
        rules=RetrainingRules.objects.current(),
        is_training=Job.objects.live().filter(kind="train").exists(),
        last_asked_at=newest.created_at if newest else None,
        n_labels=Annotation.objects.filter(unseen(newest, "newest_annotation")).count(),
        n_decisions=decisions.filter(unseen(newest, "newest_decision")).count(),
        anything_new=changes_since(learnt).matter,
    )


def way_of_learning(run: TrainingRun | None) -> dict[str, Any]:
    """Recipe and decision of this run, as far as they can still be asked for; else the usual ones."""
    recipe, decision = (run.recipe, run.options.get("decision")) if run else ("", "")
    return {
        "recipe": recipe if recipe in RECIPE_CHOICES else DEFAULT_RECIPE,
        "decision": decision if decision in DECISION_CHOICES else DEFAULT_DECISION,
    }
