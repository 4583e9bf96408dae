"""Annotations: one's own, and for leads everybody's, as the pages show them. And giving one, by the rules of the label page."""

from typing import Any, ClassVar

from django.db import IntegrityError
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from annotations import labelling
from annotations.api.rows import Level, LevelShown, LevelText, TrackNamed
from annotations.api.tracks import LABEL, SEE_LIBRARY
from annotations.label_views import agreed_level
from annotations.labelling import Listening
from annotations.models import Annotation, LabellingRules, Lease
from energyapp.api.fields import Body, BodyId, Filters, Id, Seconds, Uuid
from energyapp.api.people import Person
from energyapp.api.problems import Conflict
from energyapp.api.resources import Resource

BUSY = "The same answer is being stored in this moment; send it again."


class AnnotationSerializer(serializers.ModelSerializer):
    track = TrackNamed(read_only=True)
    annotator = Person(read_only=True)
    level = serializers.SerializerMethodField(
        help_text="From 1 to 10; null while it is covered: label the track first."
    )
    is_covered = serializers.BooleanField(read_only=True)
    submission_id = serializers.SerializerMethodField(help_text="Of your own; null of others'.")

    class Meta:
        model = Annotation
        fields = ["id", "track", "annotator", "level", "is_covered", "source", "submission_id", "created_at"]

    def get_level(self, annotation: Any) -> int | None:
        return None if annotation.is_covered else annotation.level

    def get_submission_id(self, annotation: Any) -> str | None:
        own = annotation.annotator_id == self.context["request"].user.pk
        return str(annotation.submission_id) if own else None


class AnnotationFilters(Filters):
    track = Id(help_text="Id.")
    annotator = Id(help_text="Id.")
    level = LevelText(help_text="Among those that are not covered.")


class AnnotateBody(Body):
    track = BodyId(help_text="Id of a track that you hold.")
    level = Level()
    submission_id = Uuid(help_text="Made by you, new for each answer: what is sent twice with it is stored once.")
    listened_s = Seconds(help_text="Seconds of audio that were played.")
    answered_s = Seconds(help_text="Seconds from getting the track to the answer.")


class ChangeBody(Body):
    level = Level()
    submission_id = Uuid(help_text="As for a first answer.")


class AnsweredSerializer(AnnotationSerializer):
    """The annotation that is stored."""

    agreed_level = LevelShown(
        allow_null=True, help_text="Of a gold track, where the rules tell annotators what leads agreed on."
    )

    class Meta(AnnotationSerializer.Meta):
        fields = [*AnnotationSerializer.Meta.fields, "agreed_level"]


class Annotations(Resource):
    """The newest of each person and track. What others said of a track shows to leads who have labelled it themselves, and
    are not about to label it again."""

    serializer_class = AnnotationSerializer
    permissions: ClassVar = dict.fromkeys(["list", "retrieve", "create", "change"], LABEL)
    filters = AnnotationFilters
    bodies: ClassVar = {"create": AnnotateBody, "change": ChangeBody}
    answers: ClassVar = {name: {200: AnsweredSerializer, 201: AnsweredSerializer} for name in ("create", "change")}
    conflicts = frozenset({"create", "change"})

    def get_queryset(self) -> QuerySet:
        user = self.request.user
        if not user.has_perm(SEE_LIBRARY):
            own = Annotation.objects.current().filter(annotator=user)
            return _shown(own.annotate(is_covered=Value(False)))
        theirs = Annotation.objects.filter(annotator=user, track=OuterRef("track"))
        held = Lease.objects.filter(annotator=user, track=OuterRef("track"))
        is_open = Q(annotator=user) | Exists(theirs) & ~Exists(held)
        return _shown(Annotation.objects.current().annotate(is_covered=Case(When(is_open, Value(False)), default=True)))

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        about = {name: query[name] for name in ("track", "annotator") if name in query}
        level = {"level": query["level"], "is_covered": False} if "level" in query else {}
        return rows.filter(**about, **level)

    def create(self, request: Any) -> Response:
        """Label a track that you hold.

        What is sent again with the same submission_id is answered with what it made the first time: 200 in place of 201.
        """
        asked = self.sent()
        heard = Listening(asked.get("listened_s"), asked.get("answered_s"))
        rules, asked_at = LabellingRules.objects.current(), timezone.now()
        named = {"submission_id": asked["submission_id"], "level": asked["level"]}
        stored = _stored(
            labelling.annotate, annotator=request.user, track_id=asked["track"], listening=heard, rules=rules, **named
        )
        return self._answer(stored, asked["track"], named, asked_at, agreed=agreed_level(stored, rules))

    @action(detail=True, methods=["post"])
    def change(self, request: Any, pk: str) -> Response:
        """Change your mind about a label of yours: a new one takes its place. The same level again changes nothing."""
        # Also one that has been superseded: the same change may be sent twice.
        own = get_object_or_404(Annotation.objects.filter(annotator=request.user), pk=pk)
        named, asked_at = self.sent(), timezone.now()
        stored = _stored(labelling.relabel, annotator=request.user, track_id=own.track_id, **named)
        return self._answer(stored, own.track_id, named, asked_at, agreed=None)

    def _answer(
        self, stored: Annotation, track_id: int, named: dict[str, Any], asked_at: Any, *, agreed: int | None
    ) -> Response:
        _check_same(stored, track_id, named)
        is_new = stored.submission_id == named["submission_id"] and stored.created_at >= asked_at
        # One's own is never covered.
        stored.is_covered, stored.agreed_level = False, agreed  # type: ignore[attr-defined]
        row = AnsweredSerializer(stored, context=self.get_serializer_context())
        return Response(row.data, status=201 if is_new else 200)


def _shown(rows: QuerySet) -> QuerySet:
    names = ["username", "first_name", "last_name", "alias"]
    shown = [*(f"annotator__{name}" for name in names), "track__uri", "track__title", "track__artist"]
    of_row = ["level", "source", "submission_id", "created_at", "track", "annotator"]
    return rows.select_related("track", "annotator").only(*of_row, *shown)


def _stored(store: Any, **answer: Any) -> Annotation:
    try:
        return store(**answer)
    except labelling.Refused as refusal:
        raise Conflict(str(refusal)) from None
    except IntegrityError:
        raise Conflict(BUSY) from None


def _check_same(stored: Annotation, track_id: int, named: dict[str, Any]) -> None:
    """Raise Conflict where something else holds than what was sent."""
    if stored.track_id == track_id and stored.level == named["level"]:
        return
    said = f"level {stored.level} of track {stored.track_id}"
    if stored.submission_id == named["submission_id"]:
        raise Conflict(f"This submission_id has stored {said}; send another answer with another submission_id.")
    raise Conflict(f"You have given {said} meanwhile, elsewhere, and that stands; change it if you think otherwise.")
