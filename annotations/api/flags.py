"""Flags: the review queue's rows, as blind as the page. And the opinion that comes before any decision."""

from typing import Any, ClassVar

from django.db import IntegrityError
from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery, Value
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from annotations.api.rows import Level, LevelText, TrackNamed
from annotations.models import Decision, Flag
from annotations.models.flags import State
from annotations.review import decisions
from annotations.review.queue import MAX_SUSPICION, MAX_WORDS, QueueFilter
from annotations.review.why import why
from energyapp.api.fields import Body, Choice, Filters, Id, NumberText, Uuid
from energyapp.api.problems import Conflict
from energyapp.api.resources import Resource

SEE_FLAGS, DECIDE = "annotations.view_flag", "annotations.add_decision"


class FlagSerializer(serializers.ModelSerializer):
    """What is null is covered until you have said what you hear."""

    annotation = serializers.IntegerField(source="annotation_id", read_only=True)
    track = TrackNamed(source="annotation.track", read_only=True)
    state = serializers.ChoiceField(source="now", choices=State.choices, read_only=True)
    is_heard = serializers.BooleanField(read_only=True, help_text="Whether you have said what you hear of the track.")
    level = serializers.SerializerMethodField(help_text="What was labelled.")
    expected_level = serializers.SerializerMethodField()
    annotator = serializers.SerializerMethodField()
    why = serializers.SerializerMethodField(help_text="The reason in a sentence.")
    other_reasons = serializers.SerializerMethodField(help_text="Of other flags of the same label.")
    newest_decision = serializers.SerializerMethodField(
        help_text="About the track, by whomever: to be sent with a decision, as seen. Null: none yet, or covered."
    )

    class Meta:
        model = Flag
        fields = [
            "id", "annotation", "track", "state", "reason", "other_reasons", "suspicion", "source", "is_heard", "level",
            "expected_level", "annotator", "why", "newest_decision", "created_at",
        ]  # fmt: skip

    def get_level(self, flag: Any) -> int | None:
        return flag.annotation.level if flag.is_heard else None

    def get_expected_level(self, flag: Any) -> float | None:
        return flag.expected_level if flag.is_heard else None

    def get_annotator(self, flag: Any) -> str | None:
        return flag.annotation.annotator.display_name if flag.is_heard else None

    def get_why(self, flag: Any) -> str | None:
        return why(flag) if flag.is_heard else None

    def get_other_reasons(self, flag: Any) -> list[str]:
        return [other.reason for other in flag.annotation.flags.all() if other.pk != flag.pk]

    def get_newest_decision(self, flag: Any) -> int | None:
        return flag.newest if flag.is_heard else None


class FlagFilters(Filters):
    """As on the page of the queue."""

    state = Choice(choices=State.choices, required=False, default=State.OPEN)
    reason = Choice(choices=Flag.Reason.choices, required=False)
    genre = Id(help_text="Id.")
    annotator = Id(help_text="Id of whoever labelled.")
    level = LevelText(help_text="What was labelled, among tracks you have heard.")
    run = serializers.CharField(required=False, max_length=MAX_WORDS, help_text='Who raised it, for instance "run 41".')
    suspicion = NumberText(required=False, min_value=0, max_value=MAX_SUSPICION, help_text="In levels: this or more.")
    q = serializers.CharField(required=False, max_length=MAX_WORDS, help_text="Words in title, artist or name.")


class OpinionBody(Body):
    level = Level(help_text="What you hear.")
    submission_id = Uuid(help_text="Made by you, new for each opinion.")


class Flags(Resource):
    """Labels that look wrong, the most suspicious first: of each the strongest reason. Your own labels are left to others."""

    serializer_class = FlagSerializer
    permissions: ClassVar = {"list": SEE_FLAGS, "retrieve": SEE_FLAGS, "opinion": DECIDE}
    filters = FlagFilters
    order = ("-suspicion", "pk")
    bodies: ClassVar = {"opinion": OpinionBody}
    answers: ClassVar = {"opinion": {200: FlagSerializer}}
    conflicts = frozenset({"opinion"})

    def get_queryset(self) -> QuerySet:
        user = self.request.user
        flags = Flag.objects.with_state().annotate(now=F("state")).reviewable_by(user).heard_by(user)
        return _shown(flags.for_queue())

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        asked = {name: str(value) for name, value in query.items() if name in FlagFilters().fields}
        chosen = QueueFilter.from_query(asked, self.request.user)
        if chosen.corrections:
            raise ValidationError(chosen.corrections)
        return _shown(chosen.flags().annotate(now=Value(chosen.state.value)))

    @action(detail=True, methods=["post"])
    def opinion(self, request: Any, pk: str) -> Response:
        """Say what you hear of the track; the answer is the flag with all that was covered.

        Said once: an opinion, or a label of yours, that is there already stands.
        """
        flag = get_object_or_404(Flag.objects.select_related("annotation"), pk=pk)
        try:
            decisions.give_blind_opinion(reviewer=request.user, track=flag.annotation.track, **self.sent())
        except IntegrityError:
            raise Conflict("This submission_id names another answer; send a new one.") from None
        return Response(self.get_serializer(self.get_object()).data)


def _shown(flags: QuerySet) -> QuerySet:
    newest = Decision.objects.filter(flag__of_track=OuterRef("of_track")).order_by("-pk").values("pk")[:1]
    beside = Prefetch("annotation__flags", Flag.objects.filter(is_withdrawn=False).only("annotation", "reason"))
    return flags.annotate(newest=Subquery(newest)).prefetch_related(beside).defer("annotation__track__peaks")
