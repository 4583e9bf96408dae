"""Decisions: the history of what leads decided about labels, and deciding, by the rules of the review page."""

from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.response import Response

from annotations.api.flags import DECIDE, SEE_FLAGS
from annotations.api.rows import Level
from annotations.models import Annotation, Decision, Flag
from annotations.review import decisions
from energyapp.api.fields import Body, BodyId, Choice, Filters, Id, Text
from energyapp.api.people import Person
from energyapp.api.problems import Conflict
from energyapp.api.resources import Resource

# Undoing is no verdict about a label.
VERDICTS = [choice for choice in Decision.Verdict.choices if choice[0] != Decision.Verdict.UNDO]
REFUSALS = (decisions.OwnLabel, decisions.NoBlindOpinion, decisions.DecidedMeanwhile, decisions.FlagGone)


class DecisionSerializer(serializers.ModelSerializer):
    """What is null may be covered, until you have said what you hear of the track: see `is_heard`."""

    track = serializers.IntegerField(source="flag.of_track_id", read_only=True)
    decided_by = Person(read_only=True)
    is_heard = serializers.BooleanField(read_only=True)
    is_standing = serializers.BooleanField(read_only=True, help_text="Whether it is what holds of the label now.")
    blind_level = serializers.IntegerField(read_only=True, allow_null=True, help_text="What the lead had heard.")
    level = serializers.IntegerField(read_only=True, allow_null=True, help_text="What the track's was changed to.")
    level_before = serializers.IntegerField(read_only=True, allow_null=True)
    level_after = serializers.IntegerField(read_only=True, allow_null=True)
    note = serializers.CharField(read_only=True, allow_null=True)

    class Meta:
        model = Decision
        fields = [
            "id", "flag", "track", "verdict", "undoes", "decided_by", "is_heard", "is_standing", "blind_level", "level",
            "level_before", "level_after", "note", "created_at",
        ]  # fmt: skip

    def to_representation(self, decision: Any) -> dict[str, Any]:
        shown = super().to_representation(decision)
        return shown if decision.is_heard else {**shown, **dict.fromkeys(OF_THE_EVIDENCE)}


OF_THE_EVIDENCE = ("blind_level", "level", "level_before", "level_after", "note")


class DecisionFilters(Filters):
    flag = Id(help_text="Id.")
    track = Id(help_text="Id.")
    verdict = Choice(choices=Decision.Verdict.choices, required=False)


class DecisionBody(Body):
    flag = BodyId(help_text="Id. Say first what you hear: flags/{id}/opinion/.")
    verdict = Choice(choices=VERDICTS)
    level = Level(required=False, allow_null=True, help_text="With “change”, and only with it.")
    note = Text(required=False, allow_blank=True, max_length=500)
    seen_decision = BodyId(
        required=False, allow_null=True, help_text="`newest_decision` of the flag, as you have seen it."
    )

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        if (sent.get("level") is not None) != (sent["verdict"] == Decision.Verdict.CHANGE):
            raise ValidationError({"level": ["belongs to the verdict “change”, and to no other"]})
        return sent


class UndoBody(Body):
    note = Text(required=False, allow_blank=True, max_length=500)


class Decisions(Resource):
    """The newest first. Those about labels of your own are left out."""

    serializer_class = DecisionSerializer
    permissions: ClassVar = {"list": SEE_FLAGS, "retrieve": SEE_FLAGS, "create": DECIDE, "undo": DECIDE}
    filters = DecisionFilters
    bodies: ClassVar = {"create": DecisionBody, "undo": UndoBody}
    answers: ClassVar = {"create": {201: DecisionSerializer}, "undo": {201: DecisionSerializer}}
    conflicts = frozenset({"create", "undo"})

    def get_queryset(self) -> QuerySet:
        heard = Annotation.objects.filter(annotator=self.request.user, track=OuterRef("flag__of_track"))
        return (
            Decision.objects.exclude(flag__of_annotator=self.request.user.pk)
            .annotate(is_heard=Exists(heard), is_standing=Exists(Flag.objects.filter(standing=OuterRef("pk"))))
            .select_related("flag", "decided_by")
            .defer("flag__evidence")
        )

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        named = {"flag": "flag", "track": "flag__of_track", "verdict": "verdict"}
        return rows.filter(**{named[name]: value for name, value in query.items() if name in named})

    def create(self, request: Any) -> Response:
        """Decide about a flag, having said what you hear."""
        asked = self.sent()
        flag = Flag.objects.select_related("annotation__track").filter(pk=asked.pop("flag")).first()
        if flag is None:
            raise ValidationError({"flag": ["there is no such flag; a newer training may have withdrawn it"]})
        return self._made(decisions.decide, flag=flag, **asked)

    @action(detail=True, methods=["post"])
    def undo(self, request: Any, pk: str) -> Response:
        """Take back a decision that holds: afterwards all is as if it had not been made."""
        decision = Decision.objects.select_related("flag__annotation__track").filter(pk=pk).first()
        if decision is None:
            raise NotFound("There is no such decision.")
        return self._made(decisions.undo, decision=decision, **self.sent())

    def _made(self, make: Any, **asked: Any) -> Response:
        try:
            made = make(reviewer=self.request.user, **asked)
        except REFUSALS as refusal:
            raise Conflict(str(refusal)) from None
        return Response(self.get_serializer(self.get_queryset().get(pk=made.pk)).data, status=201)
