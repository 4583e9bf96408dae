"""How far a row of a scoring is: computed from its track, whenever it is asked for."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db import models
from django.db.models import Case, Exists, FilteredRelation, OuterRef, Q, Value, When

from annotations.models import Track, User
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector, Prediction, TrainingRun
from modeling.scoring.blindness import covered_tracks

AudioState = Track.AudioState


class State(models.TextChoices):
    SCORED = "scored", "scored"
    PREVIEW = "preview", "waiting for their preview"
    FEATURES = "features", "waiting for features"
    MODEL = "model", "waiting for the model"
    UNUSABLE = "unusable", "cannot be used"
    COVERED = "covered", "covered until you have heard them"


WAITING = (State.PREVIEW, State.FEATURES, State.MODEL)


class ScoringRowQuerySet(models.QuerySet):
    def with_state(self, run: TrainingRun | None, *, reader: User | None):
        """Each with its `state` and, where the run has predicted its track, with that `prediction` to ask for.

        Parameters
        ----------
        reader
            Who is about to see it: tracks that this person is still to hear blind stay covered. None: the command line.
        """
        of_run = Q(track__predictions__run=run, track__predictions__part=Prediction.Part.FINAL)
        rows = self.annotate(prediction=FilteredRelation("track__predictions", condition=of_run))
        return rows.annotate(state=Case(*_cases(run, reader), default=Value(State.MODEL)))


def _cases(run: TrainingRun | None, reader: User | None) -> list[When]:
    keys = run.feature_sets if run else []
    computed = [key for key in keys if _is_computed(key)]
    imported = [key for key in keys if not _is_computed(key)]
    return [
        When(track=None, then=Value(State.UNUSABLE)),
        *([When(track__in=covered_tracks(reader), then=Value(State.COVERED))] if reader else []),
        When(prediction__isnull=False, then=Value(State.SCORED)),
        When(track__audio_state=AudioState.NOT_FETCHED, then=Value(State.PREVIEW)),
        When(track__audio_state=AudioState.WAITING, then=Value(State.FEATURES)),
        When(~Q(track__audio_state=AudioState.READY), then=Value(State.UNUSABLE)),
        When(_lacks(imported) | _cannot_have(keys), then=Value(State.UNUSABLE)),
        When(_lacks(computed), then=Value(State.FEATURES)),
    ]


def _is_computed(key: str) -> bool:
    feature_set = FEATURE_SETS.get(key.split("@")[0])
    return feature_set is not None and feature_set.compute is not None


def _lacks(keys: list[str]) -> Q:
    vectors = FeatureVector.objects.filter(track=OuterRef("track"))
    return reduce(or_, (Q(~Exists(vectors.filter(feature_set=key))) for key in keys), Q(pk__in=[]))


def _cannot_have(keys: list[str]) -> Q:
    """An empty vector says that the set could not be computed."""
    return Q(Exists(FeatureVector.objects.filter(track=OuterRef("track"), feature_set__in=keys, values=b"")))


def why(state: str, problem: str, audio_state: str | None, audio_problem: str, run: TrainingRun | None) -> str:
    """For people: why a row has no score, and what to do; nothing where it has one."""
    if state == State.UNUSABLE:
        return problem or audio_problem or _why_unusable(audio_state, run)
    if state == State.MODEL:
        return _why_no_model(run)
    return _WHY.get(state, "")


_WHY: dict[str, str] = {
    State.PREVIEW: "Its preview is still to be fetched.",
    State.FEATURES: "Its features are still to be computed.",
    State.COVERED: "You are still to hear it: say what you hear on the review page first.",
}


def _why_no_model(run: TrainingRun | None) -> str:
    if run is None:
        return "There is no model yet: an admin trains one on the dashboard."
    return f"Run {run.pk} has not predicted it. Of new tracks, the model in use does so by itself within minutes."


def _why_unusable(audio_state: str | None, run: TrainingRun | None) -> str:
    if audio_state == AudioState.NONE:
        return "There is no audio of it, and no link to fetch it from."
    sets = " and ".join(key.split("@")[0] for key in run.feature_sets) if run else ""
    return f"The model learnt from {sets} features, and not all of them are known of this track."
