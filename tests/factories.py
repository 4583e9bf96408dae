"""People, tracks, labels and flags for tests. Defaults are the ordinary case; a test names what it is about."""

import uuid
from dataclasses import replace
from datetime import timedelta

import factory
import numpy as np
from django.contrib.auth.models import Group
from django.utils import timezone
from factory.django import DjangoModelFactory

from annotations.accounts.models import Invitation, digest_of
from annotations.intake.models import Upload, UploadedFile
from annotations.models import (
    Annotation,
    Assignment,
    Decision,
    Flag,
    Genre,
    LabellingRules,
    Lease,
    NearTrack,
    RankedTrack,
    Reference,
    Skip,
    Track,
    User,
)
from annotations.roles import ADMIN, ANNOTATOR, LEAD
from energyapp.jobs.models import Job
from energyapp.webhooks.models import Delivery, Webhook
from modeling.core.estimates import Estimate
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.report import Chart, Column, Findings, Provenance, Report, Series, Table, matrix
from modeling.exports.models import Export
from modeling.models import Experiment, Prediction, Promotion, TrainingRun
from modeling.ranking.models import Ranking
from modeling.scoring.models import Scoring, ScoringRow, WindowCurve

INVITATION_SECRET = "a-secret-that-nobody-guesses"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person-{n}")
    role = None

    @classmethod
    def _create(cls, model_class, *args, role=None, **kwargs):
        user = super()._create(model_class, *args, **kwargs)
        if role:
            user.groups.add(Group.objects.get(name=role))
        return user


class AnnotatorFactory(UserFactory):
    role = ANNOTATOR


class LeadFactory(UserFactory):
    role = LEAD


class AdminFactory(UserFactory):
    role = ADMIN


class InvitationFactory(DjangoModelFactory):
    """A link that makes an annotator."""

    class Meta:
        model = Invitation

    digest = digest_of(INVITATION_SECRET)
    role = ANNOTATOR
    invited_by = factory.SubFactory(AdminFactory)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))


class GenreFactory(DjangoModelFactory):
    class Meta:
        model = Genre
        django_get_or_create = ("name",)

    name = "techno"


class TrackFactory(DjangoModelFactory):
    """Ready to be labelled; its audio is a name without a file unless a test stores one."""

    class Meta:
        model = Track

    uri = factory.Sequence(lambda n: f"test:{n}")
    title = factory.Sequence(lambda n: f"Title {n}")
    artist = factory.Sequence(lambda n: f"Artist {n}")
    audio_state = Track.AudioState.READY
    audio = factory.Sequence(lambda n: f"audio/{n}.wav")
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    duration_s = 30.0
    loudest_start_s = 5.0
    loudest_end_s = 15.0
    peaks = bytes(range(250)) * 4


class LeaseFactory(DjangoModelFactory):
    class Meta:
        model = Lease

    track = factory.SubFactory(TrackFactory)
    annotator = factory.SubFactory(AnnotatorFactory)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=15))


class AnnotationFactory(DjangoModelFactory):
    class Meta:
        model = Annotation

    track = factory.SubFactory(TrackFactory)
    annotator = factory.SubFactory(AnnotatorFactory)
    level = 5
    submission_id = factory.LazyFunction(uuid.uuid4)


class RulesFactory(DjangoModelFactory):
    """The newest rules; a test names what it is about, the rest is as before an admin has set any."""

    class Meta:
        model = LabellingRules


class ReferenceFactory(DjangoModelFactory):
    class Meta:
        model = Reference

    track = factory.SubFactory(TrackFactory)
    use = Reference.Use.EXAMPLE
    level = 5
    chosen_by = factory.SubFactory(LeadFactory)


class AssignmentFactory(DjangoModelFactory):
    class Meta:
        model = Assignment

    track = factory.SubFactory(TrackFactory)
    annotator = factory.SubFactory(AnnotatorFactory)
    assigned_by = factory.SubFactory(LeadFactory)


def rank(order: str, *tracks: Track, near: dict[Track, list[Track]] | None = None) -> None:
    """A named order of tracks, the first to come first; and of some those that are very like them."""
    for position, track in enumerate(tracks):
        RankedTrack.objects.create(order=order, position=position, track=track)
    for track, others in (near or {}).items():
        NearTrack.objects.bulk_create(NearTrack(order=order, track=track, near=other) for other in others)


class SkipFactory(DjangoModelFactory):
    class Meta:
        model = Skip

    track = factory.SubFactory(TrackFactory)
    annotator = factory.SubFactory(AnnotatorFactory)
    reason = Skip.Reason.CANNOT_JUDGE


class FlagFactory(DjangoModelFactory):
    class Meta:
        model = Flag

    annotation = factory.SubFactory(AnnotationFactory)
    reason = Flag.Reason.MODEL_ERROR
    expected_level = 8.0
    suspicion = 3.0
    source = "run 1"
    evidence = factory.LazyFunction(
        lambda: {
            "score": 7.8,
            "level": 8,
            "interval": [6.2, 9.4],
            "belief": [0, 0, 0, 0.02, 0.05, 0.13, 0.25, 0.35, 0.15, 0.05],
            "bias": 0.2,
            "n_labels": 40,
            "neighbours": [],
        }
    )


class DecisionFactory(DjangoModelFactory):
    class Meta:
        model = Decision

    flag = factory.SubFactory(FlagFactory)
    decided_by = factory.SubFactory(LeadFactory)
    blind_level = 8
    verdict = Decision.Verdict.KEEP


class JobFactory(DjangoModelFactory):
    class Meta:
        model = Job

    kind = "train"


class RunningJobFactory(JobFactory):
    status = Job.Status.RUNNING
    token = factory.LazyFunction(uuid.uuid4)
    attempt = 1
    heartbeat_at = factory.LazyFunction(timezone.now)


class SucceededJobFactory(JobFactory):
    status = Job.Status.SUCCEEDED
    attempt = 1
    progress = 1
    finished_at = factory.LazyFunction(timezone.now)


def _part(macro_mae: float) -> dict:
    confusion = [[0] * 10 for _ in range(10)]
    confusion[4][4], confusion[4][6], confusion[7][7] = 6, 2, 4
    by_level = [{"level": 5, "n": 8, "mae": 0.5, "accuracy": 0.75, "within_1": 0.75, "within_2": 1.0}]
    return {
        "n": 12,
        "macro_mae": macro_mae,
        "macro_mae_interval": [macro_mae - 0.2, macro_mae + 0.2],
        "mae": 0.33,
        "mae_interval": [0.2, 0.5],
        "accuracy": 0.83,
        "within_1": 0.83,
        "within_2": 1.0,
        "by_level": by_level,
        "by_genre": [{"name": "techno", "n": 12, "mae": 0.33, "macro_mae": 0.25}],
        "confusion_matrix": confusion,
    }


class TrainingRunFactory(DjangoModelFactory):
    """A run that succeeded."""

    class Meta:
        model = TrainingRun

    job = factory.SubFactory(SucceededJobFactory)
    requested_by = factory.SubFactory(AdminFactory)
    recipe = "ridge_thresholds"
    feature_sets = ["signal@2"]
    code_version = "0.1.0"
    dataset_digest = "d" * 64
    artifact = "run-1"
    artifact_digest = "a" * 64
    n_tracks = 24
    n_annotations = 30
    metrics = factory.LazyFunction(lambda: {"out_of_fold": _part(0.95), "slice": _part(1.05), "n_left_out": 0})


def _report() -> Report:
    """Everything that a report may hold, little of each."""
    counts = np.diag([3] * 10) + np.diag([2] * 9, k=1)
    names = ("none", "random_over")
    columns = (
        Column("Resampling", "text"),
        Column("macro-MAE", help="In levels."),
        Column("thesis", help="Its macro-MAE, on its own data.", from_thesis=True),
        Column("tracks", "count"),
    )
    rows = (("none", Estimate(1.1234, 0.0412), 1.16, 48), ("random_over", Estimate(0.9321, 0.0512), None, 48))
    curve = Series("random_over", (10, 20, 40), (1.4, 1.1, 0.9), (0.2, 0.1, 0.05))
    return Report(
        title="Resampling",
        question="Does balancing help?",
        provenance=Provenance(
            experiment="resampling",
            options=EXPERIMENTS["resampling"](seed=3).options,
            n_tracks=48,
            n_artists=20,
            n_annotations=60,
            feature_sets=("signal@2",),
            data_digest="d" * 64,
            code_version="0.1.0",
            versions={"numpy": "2.1"},
            started_at="2026-11-23T07:00:00+00:00",
            seconds=12.5,
        ),
        findings=Findings(
            conclusions=("Lowest macro-MAE: random_over with 0.93 ± 0.05 levels.", "A second sentence."),
            tables=(Table("xgboost by resampling", columns, rows, "A caption.", best=1),),
            matrices=(matrix("xgboost, none", counts),),
            charts=(
                Chart("Error by tracks", "tracks", "macro-MAE", (curve, replace(curve, name="none", se=()))),
                Chart("Error by way", "way", "macro-MAE", (Series("error", (0, 1), (1.1, 0.9)),), "bar", names),
            ),
            notes=("3 labelled tracks without signal@2: left out",),
        ),
    )


class ExperimentFactory(DjangoModelFactory):
    """An experiment that was answered."""

    class Meta:
        model = Experiment

    job = factory.SubFactory(
        SucceededJobFactory, kind="experiment", message="Lowest macro-MAE: random_over with 0.93 ± 0.05 levels."
    )
    requested_by = factory.SubFactory(LeadFactory)
    name = "resampling"
    options = factory.LazyFunction(lambda: EXPERIMENTS["resampling"](seed=3).options)
    report = factory.LazyFunction(lambda: _report().to_json())
    data_digest = "d" * 64


class PredictionFactory(DjangoModelFactory):
    class Meta:
        model = Prediction

    run = factory.SubFactory(TrainingRunFactory)
    track = factory.SubFactory(TrackFactory)
    part = Prediction.Part.OUT_OF_FOLD
    true_level = 5
    score = 6.6
    level = 7


class RankingFactory(DjangoModelFactory):
    """One that is made; what it found is nothing unless a test says so."""

    class Meta:
        model = Ranking

    job = factory.SubFactory(SucceededJobFactory, kind="rank")
    strategy = "random"
    n_open = 90
    n_ranked = 0


class ScoringFactory(DjangoModelFactory):
    """A CSV whose rows are taken in."""

    class Meta:
        model = Scoring

    requested_by = factory.SubFactory(LeadFactory)
    job = factory.SubFactory(SucceededJobFactory, kind="score", message="2 rows taken in")
    name = "tracks.csv"
    columns = ["track_uri"]


class ScoringRowFactory(DjangoModelFactory):
    class Meta:
        model = ScoringRow

    scoring = factory.SubFactory(ScoringFactory)
    position = factory.Sequence(lambda n: n + 1)
    track = factory.SubFactory(TrackFactory)
    cells = factory.LazyAttribute(lambda row: [row.track.uri] if row.track else [""])


class ExportFactory(DjangoModelFactory):
    class Meta:
        model = Export

    job = factory.SubFactory(JobFactory, kind="export", key=factory.Sequence("export-{}".format))
    table = "labels"
    is_pseudonymous = True


class WebhookFactory(DjangoModelFactory):
    class Meta:
        model = Webhook

    url = factory.Sequence("https://hooks.example.org/{}".format)
    events = ["run.finished"]
    created_by = factory.SubFactory(AdminFactory)


class DeliveryFactory(DjangoModelFactory):
    class Meta:
        model = Delivery

    webhook = factory.SubFactory(WebhookFactory)
    event = "run.finished"
    payload = {"run": 1}


class WindowCurveFactory(DjangoModelFactory):
    class Meta:
        model = WindowCurve

    run = factory.SubFactory(TrainingRunFactory)
    track = factory.SubFactory(TrackFactory, duration_s=70.0)
    scores = [3.0, 8.5, 5.0]


class UploadFactory(DjangoModelFactory):
    """A CSV that has been imported."""

    class Meta:
        model = Upload
        skip_postgeneration_save = True

    uploaded_by = factory.SubFactory(LeadFactory)
    job = factory.SubFactory(
        SucceededJobFactory,
        kind="import",
        message="3 rows: 1 new tracks, 0 completed, 1 new labels, 0 changed labels, 0 unchanged, 2 refused.",
    )
    counts = {"rows": 3, "refused": 2, "unchanged": 0, "new_tracks": 1, "new_annotations": 1}
    table = factory.RelatedFactory(
        "tests.factories.UploadedFileFactory", "upload", path="labels.csv", is_table=True, stored_as="0" * 64 + ".csv"
    )


class UploadedFileFactory(DjangoModelFactory):
    class Meta:
        model = UploadedFile

    upload = factory.SubFactory(UploadFactory)
    path = factory.Sequence(lambda n: f"music/{n}.mp3")
    stored_as = factory.Sequence(lambda n: f"{n:064x}.mp3")


class PromotionFactory(DjangoModelFactory):
    class Meta:
        model = Promotion

    run = factory.SubFactory(TrainingRunFactory)
    promoted_by = factory.SubFactory(AdminFactory)
