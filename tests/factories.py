"""People, tracks, labels and flags for tests. Defaults are the ordinary case; a test names what it is about."""

import uuid
from datetime import timedelta

import factory
from django.contrib.auth.models import Group
from django.utils import timezone
from factory.django import DjangoModelFactory

from annotations.intake.models import Upload, UploadedFile
from annotations.models import Annotation, Decision, Flag, Genre, Lease, Skip, Track, User
from annotations.roles import ADMIN, ANNOTATOR, LEAD
from energyapp.jobs.models import Job
from modeling.models import Prediction, Promotion, TrainingRun


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


class PredictionFactory(DjangoModelFactory):
    class Meta:
        model = Prediction

    run = factory.SubFactory(TrainingRunFactory)
    track = factory.SubFactory(TrackFactory)
    part = Prediction.Part.OUT_OF_FOLD
    true_level = 5
    score = 6.6
    level = 7


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
