"""Predictions: of the model in use, unless another run is asked for."""

from typing import Any, ClassVar

from django.db.models import Case, QuerySet, When
from rest_framework import serializers

from annotations.api.rows import LevelText, TrackNamed
from annotations.models import Flag
from energyapp.api.fields import Choice, Filters, Id
from energyapp.api.resources import Resource
from modeling.models import Prediction, Promotion

SEE_PREDICTIONS = "modeling.view_prediction"


class PredictionSerializer(serializers.ModelSerializer):
    run = serializers.IntegerField(source="run_id", read_only=True)
    track = TrackNamed(read_only=True)

    class Meta:
        model = Prediction
        fields = ["id", "run", "track", "part", "level", "score", "lower", "upper", "true_level"]


class PredictionFilters(Filters):
    run = Id(help_text="Id; the one in use where nothing is said.")
    part = Choice(
        choices=Prediction.Part.choices,
        default=Prediction.Part.FINAL,
        help_text="final: what the model says. The others: held out, by models that had not seen the track.",
    )
    track = Id(help_text="Id.")
    level = LevelText(help_text="Predicted.")


class Predictions(Resource):
    """Without those of tracks that you are about to label or to review: they would lead you there."""

    serializer_class = PredictionSerializer
    permissions: ClassVar = {"list": SEE_PREDICTIONS, "retrieve": SEE_PREDICTIONS}
    filters = PredictionFilters
    order = ("pk",)

    def get_queryset(self) -> QuerySet:
        user = self.request.user
        to_hear = Flag.objects.still_to_hear(user).values("of_track")
        # As a column, as the page of a run's tracks has it: by `exclude`, the databases look for the flags of each track.
        shown = Prediction.objects.alias(is_covered=Case(When(track__in=to_hear, then=True), default=False))
        shown = shown.filter(is_covered=False).exclude(track__lease__annotator=user)
        of_track = ["track__uri", "track__title", "track__artist"]
        return shown.select_related("track").only(*_COLUMNS, *of_track)

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        live = Promotion.objects.order_by("-pk").values("run")[:1]
        rows = rows.filter(part=query["part"], run=query.get("run", live))
        return rows.filter(**{name: query[name] for name in ("track", "level") if name in query})


_COLUMNS = ("run", "track", "part", "level", "score", "lower", "upper", "true_level")
