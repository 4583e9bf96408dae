"""Training runs: what they found, asking for one, putting one to use."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from energyapp.api.fields import Body, BodyId, Choice, Filters, Whole
from energyapp.api.people import Person
from energyapp.api.problems import Conflict
from energyapp.api.resources import Resource
from energyapp.jobs.models import Job
from modeling import services
from modeling.models import Promotion, TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_DECISION, DEFAULT_RECIPE, RECIPE_CHOICES

SEE_RUNS, TRAIN, PROMOTE = "modeling.view_trainingrun", "modeling.add_trainingrun", "modeling.add_promotion"
MAX_SEED = 2**31 - 1
HEADLINES = ("macro_mae", "macro_mae_interval", "mae", "mae_interval", "accuracy", "within_1", "within_2", "n")


class RunSerializer(serializers.ModelSerializer):
    status = serializers.ChoiceField(source="job.status", choices=Job.Status.choices, read_only=True)
    job = serializers.IntegerField(source="job_id", read_only=True)
    requested_by = Person(read_only=True, allow_null=True)
    is_live = serializers.SerializerMethodField(help_text="Whether its model is in use.")
    options = serializers.DictField(read_only=True)
    feature_sets = serializers.ListField(child=serializers.CharField(), read_only=True)
    out_of_fold = serializers.SerializerMethodField(
        help_text="Error on tracks that it had not seen; null without results."
    )
    slice = serializers.SerializerMethodField(help_text="Error on the evaluation slice; null where there is none.")

    class Meta:
        model = TrainingRun
        fields = [
            "id", "status", "job", "is_live", "requested_by", "recipe", "options", "seed", "feature_sets",
            "code_version", "dataset_digest", "n_tracks", "n_annotations", "out_of_fold", "slice", "created_at",
        ]  # fmt: skip

    def get_is_live(self, run: TrainingRun) -> bool:
        return run.pk == self.context["live"]

    def get_out_of_fold(self, run: TrainingRun) -> dict[str, Any] | None:
        return _headlines(run, "out_of_fold")

    def get_slice(self, run: TrainingRun) -> dict[str, Any] | None:
        return _headlines(run, "slice")


def _headlines(run: TrainingRun, part: str) -> dict[str, Any] | None:
    found = (run.metrics or {}).get(part)
    return found and {name: found[name] for name in HEADLINES if name in found}


class RunInFullSerializer(RunSerializer):
    """With all that its page shows, as it was stored: by level, by genre, confusion matrix, importance."""

    metrics = serializers.DictField(read_only=True, allow_null=True)

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "metrics"]


class RunFilters(Filters):
    status = Choice(choices=Job.Status.choices, required=False)


class TrainBody(Body):
    recipe = Choice(choices=[(name, name) for name in RECIPE_CHOICES], default=DEFAULT_RECIPE)
    decision = Choice(choices=[(name, name) for name in DECISION_CHOICES], default=DEFAULT_DECISION)
    seed = Whole(default=0, min_value=0, max_value=MAX_SEED)


class PromoteBody(Body):
    instead_of = BodyId(required=False, allow_null=True, help_text="The run that is in use, as far as you know.")


class Runs(Resource):
    """The newest first. A run whose status is succeeded is a version of the model."""

    serializer_class = RunSerializer
    permissions: ClassVar = {"list": SEE_RUNS, "retrieve": SEE_RUNS, "create": TRAIN, "promote": PROMOTE}
    filters = RunFilters
    bodies: ClassVar = {"create": TrainBody, "promote": PromoteBody}
    answers: ClassVar = {
        "retrieve": {200: RunInFullSerializer},
        "create": {202: RunInFullSerializer},
        "promote": {200: RunInFullSerializer},
    }
    conflicts = frozenset({"promote"})

    def get_queryset(self) -> QuerySet:
        return TrainingRun.objects.select_related("job", "requested_by")

    def get_serializer_class(self) -> Any:
        return RunSerializer if self.action == "list" else RunInFullSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        live = Promotion.objects.order_by("-pk").values_list("run", flat=True).first()
        return {**super().get_serializer_context(), "live": live}

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        return rows.filter(job__status=query["status"]) if "status" in query else rows

    def create(self, request: Any) -> Response:
        """Ask for a training. One that is under way already is answered in place of a second one."""
        job = services.request_training(requested_by=request.user, **self.sent())
        run = self.get_queryset().get(job=job)
        return Response(self.get_serializer(run).data, status=202)

    @action(detail=True, methods=["post"])
    def promote(self, request: Any, pk: str) -> Response:
        """Put its model to use. Going back to an older one is the same thing."""
        run, instead_of = self.get_object(), self.sent().get("instead_of")
        try:
            services.promote(run=run, promoted_by=request.user, instead_of=instead_of)
        except (services.NotPromotable, services.ChangedMeanwhile) as refusal:
            raise Conflict(str(refusal)) from None
        return Response(self.get_serializer(run).data)
