"""Tracks: the library for leads; for annotators what is theirs to hear now. And the doors of the label page."""

from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.response import Response

from annotations import audio, labelling
from annotations.guiding.track_lists import matching
from annotations.models import LabellingRules, Lease, Skip, Track, TrackQuerySet
from energyapp.api.fields import Body, Choice, Filters, Whole
from energyapp.api.resources import Resource

LABEL, SEE_LIBRARY = "annotations.add_annotation", "annotations.view_flag"
# What of a track the library tells, and the label page does not.
OF_THE_LIBRARY = ("uri", "genres", "use", "n_annotators", "created_at")
NAMES = ("title", "artist")


class TrackSerializer(serializers.ModelSerializer):
    """What is null is covered: an annotator is about to label the track."""

    uri = serializers.CharField(read_only=True, allow_null=True)
    title = serializers.CharField(read_only=True, allow_null=True)
    artist = serializers.CharField(read_only=True, allow_null=True)
    genres = serializers.SerializerMethodField()
    use = serializers.CharField(
        source="reference.use", default=None, read_only=True, allow_null=True, help_text="example, gold, or null."
    )
    n_annotators = serializers.IntegerField(read_only=True, allow_null=True, help_text="How many have labelled it.")
    created_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = Track
        fields = [
            "id", "uri", "title", "artist", "genres", "audio_state", "audio_problem", "audio_damage", "duration_s",
            "loudest_start_s", "loudest_end_s", "loudness_lufs", "is_synthetic", "use", "n_annotators", "created_at",
        ]  # fmt: skip

    def get_genres(self, track: Track) -> list[str] | None:
        return [genre.name for genre in track.genres.all()]

    def to_representation(self, track: Track) -> dict[str, Any]:
        return {**super().to_representation(track), **dict.fromkeys(self.context["covered"])}


class TrackFilters(Filters):
    state = Choice(choices=Track.AudioState.choices, required=False, help_text="Of its audio.")
    uri = serializers.CharField(required=False, max_length=255, help_text="Exactly this one.")
    q = serializers.CharField(required=False, max_length=200, help_text="Words in title, artist or uri.")


class TaskSerializer(serializers.ModelSerializer):
    """A track to hear, and nothing of why it was handed out: gold and repeats sound like any other."""

    track = serializers.IntegerField(source="track_id", read_only=True)
    audio = serializers.SerializerMethodField(help_text="Where it can be heard, with the same token.")
    title = serializers.SerializerMethodField(help_text="Null while names are hidden.")
    artist = serializers.SerializerMethodField(help_text="Null while names are hidden.")
    duration_s = serializers.FloatField(source="track.duration_s", read_only=True, allow_null=True)
    loudest_start_s = serializers.FloatField(source="track.loudest_start_s", read_only=True, allow_null=True)
    loudest_end_s = serializers.FloatField(source="track.loudest_end_s", read_only=True, allow_null=True)
    loudness_lufs = serializers.FloatField(source="track.loudness_lufs", read_only=True, allow_null=True)
    min_listened_s = serializers.SerializerMethodField(help_text="To be heard before it can be labelled.")
    peaks = serializers.CharField(source="track.peaks_base64", read_only=True, help_text="Waveform: bytes in base64.")

    class Meta:
        model = Lease
        fields = [
            "track", "audio", "title", "artist", "duration_s", "loudest_start_s", "loudest_end_s", "loudness_lufs",
            "min_listened_s", "peaks", "expires_at",
        ]  # fmt: skip

    def get_audio(self, lease: Lease) -> str:
        return self.context["request"].build_absolute_uri(reverse("api:tracks-audio", args=[lease.track_id]))

    def get_title(self, lease: Lease) -> str | None:
        return None if self.context["rules"].hides_names else str(lease.track)

    def get_artist(self, lease: Lease) -> str | None:
        return None if self.context["rules"].hides_names else lease.track.artist

    def get_min_listened_s(self, lease: Lease) -> float:
        return labelling.needed_s(lease.track, self.context["rules"])


class Tasks(serializers.Serializer):
    held = TaskSerializer(many=True, help_text="The one to hear now first. Empty: there is nothing left for you.")


class ClaimBody(Body):
    n = Whole(default=1, min_value=1, max_value=Lease.N_PLACES, help_text="How many to hold: 2 to load one ahead.")


class SkipBody(Body):
    reason = Choice(choices=Skip.Reason.choices)


class AnyType(BaseContentNegotiation):
    """Players ask for audio, and get it; what is refused is refused in JSON."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Tracks(Resource):
    """Leads see the library. Annotators see what they hold, with its names where the rules show them."""

    serializer_class = TrackSerializer
    permissions: ClassVar = dict.fromkeys(["list", "retrieve", "claim", "skip", "release", "audio"], LABEL)
    filters = TrackFilters
    bodies: ClassVar = {"claim": ClaimBody, "skip": SkipBody}
    answers: ClassVar = {
        "claim": {200: Tasks},
        "skip": {204: None},
        "release": {204: None},
        "audio": {200: bytes, 206: bytes},
    }

    def get_queryset(self) -> TrackQuerySet:
        tracks = Track.objects.defer("peaks").select_related("reference").prefetch_related("genres")
        return tracks if self._sees_library else tracks.filter(lease__annotator=self.request.user)

    def filtered(self, rows: Any, query: dict[str, Any]) -> TrackQuerySet:
        if state := query.get("state"):
            rows = rows.filter(audio_state=state)
        if {"uri", "q"} & set(query) and not self._sees_library:
            raise PermissionDenied(
                "You see the tracks that you hold, and not their names: these cannot be searched for."
            )
        if uri := query.get("uri"):
            rows = rows.filter(uri=uri)
        return matching(rows, query["q"]) if query.get("q") else rows

    def get_serializer_context(self) -> dict[str, Any]:
        covered: tuple[str, ...] = ()
        if not self._sees_library:
            covered = OF_THE_LIBRARY + (NAMES if LabellingRules.objects.current().hides_names else ())
        return {**super().get_serializer_context(), "covered": covered}

    @property
    def _sees_library(self) -> bool:
        return self.request.user.has_perm(SEE_LIBRARY)

    @action(detail=False, methods=["post"])
    def claim(self, request: Any) -> Response:
        """The tracks that are yours to hear, taken if you have none, and held on to for some more minutes."""
        n, rules = self.sent()["n"], LabellingRules.objects.current()
        labelling.keep(annotator=request.user)
        leases = labelling.claim(annotator=request.user, rules=rules, n=n)
        return Response(Tasks({"held": leases}, context={"request": request, "rules": rules}).data)

    @action(detail=True, methods=["post"])
    def skip(self, request: Any, pk: str) -> Response:
        """Pass a track on to somebody else: one that you hold, or held and have not labelled since."""
        labelling.skip(annotator=request.user, track_id=_known(pk), **self.sent())
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def release(self, request: Any, pk: str) -> Response:
        """Let go of a track without an answer."""
        labelling.release(annotator=request.user, track_ids=[_known(pk)])
        return Response(status=204)

    @action(detail=True, methods=["get"], content_negotiation_class=AnyType)
    def audio(self, request: Any, pk: str) -> HttpResponseBase:
        """What there is to hear, as browsers can play it. Ranges are answered."""
        return audio.serve(request._request, get_object_or_404(Track.objects.defer("peaks"), pk=pk))


def _known(pk: str) -> int:
    return get_object_or_404(Track.objects.only("pk"), pk=pk).pk
