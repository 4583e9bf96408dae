"""Background work: how it goes, calling it off, having it done again."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from energyapp.api.fields import Choice, Filters
from energyapp.api.people import Person
from energyapp.api.problems import Conflict
from energyapp.api.resources import Resource
from energyapp.jobs import services
from energyapp.jobs.kinds import KINDS
from energyapp.jobs.models import Job, JobLine

FOLLOW = "jobs.follow_job"
SEE_TRACEBACKS = "modeling.add_trainingrun"  # as the page of a job has it


class JobSerializer(serializers.ModelSerializer):
    requested_by = Person(read_only=True, allow_null=True)
    duration_s = serializers.SerializerMethodField(help_text="Of the last attempt, once it has ended.")
    time_left_s = serializers.SerializerMethodField(help_text="At its pace so far; null while that cannot be known.")

    class Meta:
        model = Job
        fields = [
            "id", "kind", "status", "progress", "message", "requested_by", "attempt", "created_at", "started_at",
            "finished_at", "duration_s", "time_left_s",
        ]  # fmt: skip

    def get_duration_s(self, job: Job) -> float | None:
        return None if job.duration is None else job.duration.total_seconds()

    def get_time_left_s(self, job: Job) -> float | None:
        left = job.time_left
        return None if left is None else left.total_seconds()


class LineSerializer(serializers.ModelSerializer):
    class Meta:
        model = JobLine
        fields = ["at", "attempt", "text"]


class JobInFullSerializer(JobSerializer):
    log = LineSerializer(source="lines", many=True, read_only=True)
    error = serializers.SerializerMethodField(help_text="The traceback, for who may ask for trainings; else null.")

    class Meta(JobSerializer.Meta):
        fields = [*JobSerializer.Meta.fields, "log", "error"]

    def get_error(self, job: Job) -> str | None:
        return job.error if self.context["request"].user.has_perm(SEE_TRACEBACKS) else None


class JobFilters(Filters):
    kind = Choice(choices=[(name, kind.words) for name, kind in KINDS.items()], required=False)
    status = Choice(choices=Job.Status.choices, required=False)


class Jobs(Resource):
    """The newest first."""

    serializer_class = JobSerializer
    permissions: ClassVar = dict.fromkeys(["list", "retrieve", "cancel", "retry"], FOLLOW)
    filters = JobFilters
    answers: ClassVar = {
        "retrieve": {200: JobInFullSerializer},
        "cancel": {202: JobInFullSerializer},
        "retry": {202: JobInFullSerializer},
    }
    conflicts = frozenset({"cancel", "retry"})

    def get_queryset(self) -> QuerySet:
        jobs = Job.objects.select_related("requested_by").defer("arguments")
        return jobs.defer("error") if self.action == "list" else jobs

    def get_serializer_class(self) -> Any:
        return JobSerializer if self.action == "list" else JobInFullSerializer

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        return rows.filter(**{name: query[name] for name in ("kind", "status") if name in query})

    @action(detail=True, methods=["post"])
    def cancel(self, request: Any, pk: str) -> Response:
        """Call a job off: one that waits ends at once, one that runs at its next step."""
        job = self._theirs()
        if not services.cancel(job=job, by=request.user.display_name):
            raise Conflict(f"{job.words} had ended before it could be called off.")
        return self._now()

    @action(detail=True, methods=["post"])
    def retry(self, request: Any, pk: str) -> Response:
        """Have a job that failed or was cancelled done again."""
        try:
            services.retry(job=self._theirs(), by=request.user.display_name)
        except services.NotRetried as refusal:
            raise Conflict(str(refusal)) from None
        return self._now()

    def _theirs(self) -> Job:
        job = self.get_object()
        if not self.request.user.has_perm(job.permission):
            raise PermissionDenied(f"Your role does not allow this: {job.words} is not yours to cancel or ask for.")
        return job

    def _now(self) -> Response:
        return Response(self.get_serializer(self.get_object()).data, status=202)
