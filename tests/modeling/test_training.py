"""From labels to a model, its predictions and the labels it doubts: rows in, rows out."""

import numpy as np
import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from annotations.models import Annotation, Flag, Track
from energyapp.jobs.models import Job
from modeling import pipeline, services
from modeling.core import artifacts
from modeling.core.dataset import Dataset, in_evaluation_slice
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector, Prediction, Promotion, TrainingRun
from modeling.training_data import FeaturesOutOfDate, NotEnoughLabels, choose_feature_sets, read_training_data
from tests.factories import (
    AdminFactory,
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    GenreFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db

SPOTIFY = FEATURE_SETS["spotify"]


def add_features(track, level, rng, feature_set=SPOTIFY):
    """Features that know the level, with some noise."""
    values = rng.normal(size=len(feature_set.columns)) * 0.3
    values[0] += level
    FeatureVector.objects.create(track=track, feature_set=feature_set.key, values=values.astype("<f4").tobytes())


@pytest.fixture
def library():
    """60 tracks of levels 1 to 10, each labelled by one of three annotators; what they were made for, by uri."""
    rng = np.random.default_rng(7)
    annotators = AnnotatorFactory.create_batch(3)
    levels = {}
    for index in range(60):
        level = 1 + index % 10
        track = TrackFactory(uri=f"lib:{index}")
        track.genres.add(GenreFactory(name="techno" if index % 2 else "folk"))
        add_features(track, level, rng)
        AnnotationFactory(track=track, annotator=annotators[index % 3], level=level)
        levels[track.uri] = level
    return levels


def development_uri(library):
    return next(uri for uri in library if not in_evaluation_slice(uri) and library[uri] == 2)


def train(recipe="ridge_thresholds", **kwargs):
    job = services.request_training(requested_by=AdminFactory(), recipe=recipe, **kwargs)
    pipeline.train(job.pk)
    return TrainingRun.objects.select_related("job").get(job=job)


def test_a_training_ends_with_metrics_predictions_a_model_and_a_promotion(library):
    run = train()

    assert run.job.status == Job.Status.SUCCEEDED
    assert run.job.message.startswith("macro-MAE ")
    assert run.metrics["out_of_fold"]["macro_mae"] < 0.8
    assert run.metrics["out_of_fold"]["n"] + run.metrics["slice"]["n"] == 60
    assert {genre["name"] for genre in run.metrics["out_of_fold"]["by_genre"]} == {"techno", "folk"}
    assert run.feature_sets == ["spotify@1"]
    assert run.predictions.held_out().count() == 60
    assert run.predictions.filter(part=Prediction.Part.FINAL).count() == 60
    assert TrainingRun.objects.live() == run


def test_the_model_on_disk_is_what_the_run_says(library):
    run = train()

    folder = settings.RUNS_DIR / run.artifact
    model, manifest = artifacts.read(folder / "model", expected_digest=run.artifact_digest)
    dataset = Dataset.load(folder / "dataset.npz")

    assert dataset.digest() == run.dataset_digest == manifest.dataset_digest
    final = dict(run.predictions.filter(part="final").values_list("track__uri", "level"))
    assert dict(zip(dataset.uris, model.predict(dataset.X), strict=True)) == final


def test_every_labelled_track_is_predicted_by_a_model_that_had_not_seen_it(library):
    run = train()

    parts = dict(run.predictions.held_out().values_list("track__uri", "part"))

    assert parts == {uri: "slice" if in_evaluation_slice(uri) else "out-of-fold" for uri in library}


def test_tracks_without_labels_are_predicted_too(library):
    track = TrackFactory(uri="new")
    add_features(track, 9, np.random.default_rng(1))

    prediction = train().predictions.get(track=track)

    assert (prediction.part, prediction.true_level) == ("final", None)
    assert abs(prediction.score - 9) < 1.5


def test_a_planted_mistake_is_the_first_flag_with_its_evidence(library):
    uri = development_uri(library)
    wrong = Annotation.objects.get(track__uri=uri)
    corrected = AnnotationFactory(track=wrong.track, annotator=wrong.annotator, level=9, supersedes=wrong)

    run = train()

    flag = Flag.objects.open().for_queue().first()
    assert flag.annotation == corrected
    assert (flag.reason, flag.source) == (Flag.Reason.MODEL_ERROR, str(run))
    assert flag.suspicion > 4
    assert abs(flag.expected_level - 2) < 1.5
    assert sum(flag.evidence["belief"]) == pytest.approx(1, abs=0.01)
    assert len(flag.evidence["neighbours"]) == 5
    assert flag.evidence["n_labels"] == 20
    low, high = flag.evidence["interval"]
    assert low <= flag.evidence["score"] <= high


def test_correcting_the_mistake_improves_macro_mae_and_it_is_not_flagged_again(library, lead):
    uri = development_uri(library)
    wrong = Annotation.objects.get(track__uri=uri)
    AnnotationFactory(track=wrong.track, annotator=wrong.annotator, level=9, supersedes=wrong)
    before = train()
    flag = Flag.objects.open().for_queue().first()
    DecisionFactory(flag=flag, verdict="change", level=2, blind_level=2)

    after = train()

    assert after.metrics["out_of_fold"]["macro_mae"] < before.metrics["out_of_fold"]["macro_mae"]
    assert not Flag.objects.open().filter(annotation__track__uri=uri).exists()
    assert read_training_data().true_level[read_training_data().track_ids.index(wrong.track_id)] == 2


def test_the_evaluation_slice_is_never_flagged(library):
    for annotation in Annotation.objects.all():
        if in_evaluation_slice(annotation.track.uri):
            wrong = 11 - annotation.level
            AnnotationFactory(
                track=annotation.track, annotator=annotation.annotator, level=wrong, supersedes=annotation
            )

    train()

    assert Flag.objects.exists()
    assert not [flag for flag in Flag.objects.all() if in_evaluation_slice(flag.annotation.track.uri)]


def test_annotators_who_are_far_apart_raise_a_flag_of_their_own(library):
    uri = development_uri(library)
    track = Annotation.objects.get(track__uri=uri).track
    AnnotationFactory(track=track, level=2)
    far = AnnotationFactory(track=track, level=9)

    train()

    assert Flag.objects.filter(reason=Flag.Reason.DISAGREEMENT).get().annotation == far


def test_a_kept_label_is_not_flagged_again_and_leaves_the_places_to_others(library, lead):
    train()
    n_flags = Flag.objects.count()
    kept = {flag.annotation_id for flag in Flag.objects.all()}
    for flag in Flag.objects.all():
        AnnotationFactory(track=flag.annotation.track, annotator=lead, level=10, source="review")
        DecisionFactory(flag=flag, decided_by=lead, verdict="keep", blind_level=10)

    train()

    flags = Flag.objects.open()
    assert flags.count() == n_flags
    assert not {flag.annotation_id for flag in flags} & kept
    assert not flags.filter(annotation__annotator=lead).exists()


def test_tracks_by_one_artist_only_fail_the_job_with_a_sentence(library):
    Track.objects.update(artist="The Only One")

    with pytest.raises(NotEnoughLabels, match="by one artist"):
        train()


def test_excluded_tracks_are_not_learnt_from(library):
    annotation = Annotation.objects.get(track__uri=development_uri(library))
    DecisionFactory(flag=FlagFactory(annotation=annotation), verdict="exclude")

    run = train()

    assert run.n_tracks == 59
    assert not run.predictions.held_out().filter(track=annotation.track).exists()


def test_too_few_labels_fail_the_job_with_a_sentence():
    AnnotationFactory.create_batch(3)

    with pytest.raises(NotEnoughLabels):
        train()

    job = Job.objects.get()
    assert job.status == Job.Status.FAILED
    assert "3 tracks are labelled and 0 of them have features; training needs 20" in job.message
    assert "Traceback" in job.error


def test_while_features_are_computed_anew_nothing_is_trained_on_the_few_that_are_done(library):
    signal, labelled = FEATURE_SETS["signal"], list(Track.objects.order_by("pk"))
    for track in labelled[:7]:
        track.feature_vectors.create(feature_set=f"{signal.name}@{signal.version - 1}", values=b"old")
    with pytest.raises(FeaturesOutOfDate, match="7 of 60 labelled tracks wait for features of a new version"):
        read_training_data()

    labelled[0].feature_vectors.filter(feature_set__startswith="signal@").delete()  # as when the current one comes

    assert len(read_training_data().track_ids) == 60


def test_a_failed_training_leaves_no_half_results(library, monkeypatch):
    monkeypatch.setattr(pipeline, "raise_flags", lambda *args, **kwargs: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        train()

    assert not Prediction.objects.exists()
    assert not Promotion.objects.exists()
    assert TrainingRun.objects.get().metrics is None


def test_the_same_labels_and_seed_give_the_same_numbers(library):
    first, second = train(), train()

    assert first.metrics == second.metrics
    assert first.dataset_digest == second.dataset_digest


def test_only_the_first_model_is_promoted_by_itself(library):
    first = train()
    second = train()

    assert TrainingRun.objects.live() == first
    services.promote(run=second, promoted_by=AdminFactory())
    assert TrainingRun.objects.live() == second
    services.promote(run=first, promoted_by=AdminFactory())
    assert TrainingRun.objects.live() == first


def test_a_run_that_did_not_succeed_cannot_be_promoted():
    job = services.request_training(requested_by=AdminFactory())

    with pytest.raises(services.NotPromotable, match="only a run that succeeded"):
        services.promote(run=job.training_run, promoted_by=AdminFactory())


def test_asking_twice_is_one_training():
    one, two = (services.request_training(requested_by=AdminFactory()) for _ in range(2))

    assert one == two
    assert TrainingRun.objects.count() == 1


@pytest.mark.parametrize(
    ("tracks_of_set", "chosen"),
    [
        ({}, ()),
        ({"signal@1": set()}, ()),
        ({"signal@1": set(range(10)), "spotify@1": {1, 2}}, ("signal@1",)),
        ({"signal@1": set(range(10)), "transfer@1": set(range(9))}, ("signal@1", "transfer@1")),
        ({"transfer@1": set(range(5))}, ("transfer@1",)),
    ],
)
def test_feature_sets_are_used_when_nearly_all_labelled_tracks_have_them(tracks_of_set, chosen):
    assert choose_feature_sets(tracks_of_set, set(range(10))) == chosen


# ---- What the database refuses


@pytest.mark.parametrize("broken", [{"artifact_digest": ""}, {"metrics": None}, {"n_tracks": None}])
def test_a_run_has_all_of_its_results_or_none(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRunFactory(**broken)


@pytest.mark.parametrize("broken", [{"level": 0}, {"part": "guess"}, {"true_level": None}])
def test_predictions_that_make_no_sense_are_refused(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        PredictionFactory(**broken)


def test_one_prediction_a_run_track_and_part():
    prediction = PredictionFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        PredictionFactory(run=prediction.run, track=prediction.track)


def test_the_database_refuses_to_forget_a_promotion():
    PromotionFactory()

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Promotion.objects.all().delete()


def test_one_vector_a_track_and_set():
    track = TrackFactory()
    FeatureVector.objects.create(track=track, feature_set="signal@1", values=b"")

    with pytest.raises(IntegrityError), transaction.atomic():
        FeatureVector.objects.create(track=track, feature_set="signal@1", values=b"")


# ---- Pages


def test_the_dashboard_shows_the_newest_run_and_how_it_moved(as_admin, django_assert_max_num_queries):
    TrainingRunFactory()
    run = TrainingRunFactory()
    run.metrics["out_of_fold"]["macro_mae"] = 0.85
    TrainingRun.objects.filter(pk=run.pk).update(metrics=run.metrics)
    PromotionFactory(run=run)

    with django_assert_max_num_queries(22):
        html = as_admin.get("/dashboard/").content.decode()

    assert "0.85" in html
    assert f"−0.10 vs run {run.pk - 1}" in html
    assert f"In use: run {run.pk}" in html


def test_the_dashboard_without_a_run_says_what_to_do(as_admin):
    html = as_admin.get("/dashboard/").content.decode()

    assert "No model yet" in html
    assert "Train the first model" in html


def test_the_dashboard_says_when_no_worker_is_running(as_admin):
    assert "No worker is running" in as_admin.get("/dashboard/").content.decode()


def test_only_admins_see_the_train_button(as_lead):
    assert "Train the first model" not in as_lead.get("/dashboard/").content.decode()


def test_the_train_button_makes_a_run(as_admin, admin):
    as_admin.post("/train/")

    assert TrainingRun.objects.get().requested_by == admin


def test_a_cell_of_the_confusion_matrix_opens_its_tracks(as_lead):
    there = PredictionFactory(track__title="There", true_level=5, level=7)
    PredictionFactory(run=there.run, track__title="Elsewhere", true_level=5, level=5)
    url = f"/runs/{there.run.pk}/tracks/"

    html = as_lead.get(url, {"true": 5, "predicted": 7}).content.decode()

    assert "There" in html
    assert "Elsewhere" not in html
    assert as_lead.get(url, {"true": "x", "predicted": "99", "part": "slice", "page": "y"}).status_code == 200


def test_a_run_page_shows_both_held_out_parts_and_how_it_was_made(as_lead):
    run = TrainingRunFactory()

    html = as_lead.get(f"/runs/{run.pk}/").content.decode()
    assert "0.95" in html
    assert "ridge_thresholds, seed 0" in html
    assert "1.05" in as_lead.get(f"/runs/{run.pk}/?part=slice").content.decode()
    assert as_lead.get(f"/runs/{run.pk}/?part=nonsense").status_code == 200


def test_promoting_from_the_run_page_puts_it_to_use(as_admin):
    run = TrainingRunFactory()

    html = as_admin.post(f"/runs/{run.pk}/promote/", follow=True).content.decode()

    assert f"Run {run.pk} is now in use" in html
    assert TrainingRun.objects.live() == run


def test_a_run_that_still_waits_has_a_page_with_its_progress(as_admin):
    as_admin.post("/train/")

    html = as_admin.get(f"/runs/{TrainingRun.objects.get().pk}/").content.decode()

    assert "waiting for a worker" in html
