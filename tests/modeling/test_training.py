"""From labels to a model, its predictions and the labels it doubts: rows in, rows out."""

from functools import partial

import numpy as np
import pytest
from django.conf import settings

from annotations.models import Annotation, Flag, Track
from energyapp.jobs.models import Job
from energyapp.webhooks.models import Webhook
from modeling import pipeline, services
from modeling.core import artifacts
from modeling.core.dataset import Dataset, evaluation_slice, in_evaluation_slice
from modeling.core.evaluation import cross_validate, held_out_metrics
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.recipes import RECIPES
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.models import Prediction, Promotion, TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_RECIPE, RECIPE_CHOICES
from modeling.training_data import FeaturesOutOfDate, NotEnoughLabels, choose_feature_sets, read_training_data
from tests.factories import AdminFactory, AnnotationFactory, DecisionFactory, FlagFactory, TrackFactory
from tests.modeling.training_library import SPOTIFY, add_features, development_uri, train

pytestmark = pytest.mark.django_db


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


def test_other_systems_are_told_of_the_run_and_of_its_flags(library, admin):
    events = ["run.finished", "flags.raised"]
    webhook = Webhook.objects.create(url="https://hooks.example.org/", events=events, created_by=admin)

    run = train()

    told = {delivery.event: delivery.payload for delivery in webhook.deliveries.all()}
    assert told["run.finished"]["macro_mae"]["out_of_fold"] == run.results["out_of_fold"]["macro_mae"]
    found = run.results["flags"]
    assert told["flags.raised"] == {"run": run.pk, "new": found["new"], "open": found["open"]}


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
    for flag in Flag.objects.strongest():
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

    # But for what is said of the run before: the second has one.
    numbers = [
        {key: run.metrics[key] for key in run.metrics if key not in {"since_previous", "flags", "champion"}}
        for run in (first, second)
    ]
    assert numbers[0] == numbers[1]
    assert first.dataset_digest == second.dataset_digest


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("ridge_thresholds", {}),
        ("xgboost", {"n_trees": 20}),
    ],
)
def test_the_snapshot_of_a_run_and_its_seed_give_the_same_numbers_again(library, recipe, options):
    path = settings.RUNS_DIR / train().artifact / "dataset.npz"

    def again():
        found = cross_validate(partial(RECIPES[recipe], seed=3, **options), Dataset.load(path), n_folds=2, seed=3)
        with np.load(path) as stored:
            return held_out_metrics(stored["true_level"], found.predictions)

    assert again() == again()


def test_the_numbers_of_a_run_can_be_had_again_from_its_snapshot(library):
    run = train("ordinal_logit", decision="lowest_mae", seed=5)

    path = settings.RUNS_DIR / run.artifact / "dataset.npz"
    make = partial(RECIPES["ordinal_logit"], seed=5, **run.options)
    found = cross_validate(make, Dataset.load(path), seed=5)

    with np.load(path) as stored:
        truth, artist = stored["true_level"], stored["groups"]
    for part, rows in (("out_of_fold", ~found.in_slice), ("slice", found.in_slice)):
        again = held_out_metrics(truth[rows], found.predictions.take(rows), groups=artist[rows])
        assert {name: run.metrics[part][name] for name in again} == again


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


# ---- Recipes and what they say of themselves


def test_everything_that_can_be_asked_for_is_there():
    assert set(RECIPE_CHOICES) <= set(RECIPES)
    assert DEFAULT_RECIPE in RECIPE_CHOICES
    for decision in DECISION_CHOICES:
        assert RECIPES["ridge_thresholds"](decision=decision).config["decision"] == decision


def test_the_decision_is_part_of_the_model(library):
    run = train(decision="lowest_mae")

    model, _ = artifacts.read(settings.RUNS_DIR / run.artifact / "model")

    assert run.options == {"decision": "lowest_mae"}
    assert model.thresholds.thresholds.tolist() == [k + 0.5 for k in range(1, 10)]


def test_auto_says_what_raced_and_leaves_the_network_to_larger_libraries(library, monkeypatch):
    monkeypatch.setattr(pipeline, "QUICK_CANDIDATES", ("ridge_thresholds", "ordinal_logit"))

    run = train("auto")

    assert {"ridge_thresholds", "ordinal_logit"} <= {lap["candidate"] for lap in run.metrics["details"]["race"]}
    assert "network" not in pipeline.OPTIONS_BY_SIZE["auto"](4_999)["candidates"]
    assert "network" in pipeline.OPTIONS_BY_SIZE["auto"](5_000)["candidates"]


def test_a_run_says_what_its_intervals_are_worth_and_every_prediction_has_one(library):
    run = train()

    for part in ("out_of_fold", "slice"):
        metrics = run.metrics[part]
        of_levels = [row["coverage"] * row["n"] for row in metrics["by_level"]]
        assert metrics["coverage"] * metrics["n"] == pytest.approx(sum(of_levels))
        assert metrics["interval_width"] > 0
    assert not run.predictions.filter(lower=None).exists()
    held_out = run.predictions.held_out()
    holds = [row.lower <= row.true_level <= row.upper for row in held_out]
    n_of_parts = sum(run.metrics[part]["coverage"] * run.metrics[part]["n"] for part in ("out_of_fold", "slice"))
    assert sum(holds) == pytest.approx(n_of_parts)


def test_a_run_says_which_features_its_predictions_rest_on_and_which_libraries_it_used(library):
    run = train()

    importance = run.metrics["importance"]
    assert importance["by_feature"][0]["name"] == SPOTIFY.columns[0]
    assert importance["by_feature"][0]["increase"] > 10 * abs(importance["by_feature"][1]["increase"])
    assert [row["name"] for row in importance["by_set"]] == ["spotify@1"]
    _, manifest = artifacts.read(settings.RUNS_DIR / run.artifact / "model")
    assert manifest.metrics["versions"]["numpy"] == np.__version__


def test_flags_are_the_same_whatever_recipe_runs(library):
    uri = development_uri(library)
    wrong = Annotation.objects.get(track__uri=uri)
    AnnotationFactory(track=wrong.track, annotator=wrong.annotator, level=9, supersedes=wrong)

    def accused():
        return list(Flag.objects.open().order_by("pk").values_list("annotation", "suspicion", "expected_level"))

    train("ridge_thresholds")
    by_ridge = accused()
    train("baseline")

    assert len(by_ridge) == 6
    assert accused() == by_ridge


# ---- Nothing leaks


class Remembering:
    """Recipes that note which tracks, by their first feature, each model has learnt from and been asked about."""

    def __init__(self):
        self.learnt, self.asked = [], []

    def spy(self):
        notes = self

        class Spy(RidgeThresholds):
            name = "ridge_thresholds"

            def __post_init__(self):
                super().__post_init__()
                self.number = len(notes.learnt)
                notes.learnt.append(set())
                notes.asked.append(set())

            def fit(self, X, y, **also):
                notes.learnt[self.number] |= set(X[:, 0].tolist())
                return super().fit(X, y, **also)

            def predict_score(self, X):
                notes.asked[self.number] |= set(X[:, 0].tolist())
                return super().predict_score(X)

        return Spy


def test_a_training_fits_on_no_slice_track_and_on_no_artist_it_is_asked_about(library, monkeypatch):
    for index, track in enumerate(Track.objects.order_by("pk")):
        track.artist = f"Artist {index // 4}"
        track.save()
    spies = Remembering()
    monkeypatch.setitem(RECIPES, "ridge_thresholds", spies.spy())

    data = Dataset.load(settings.RUNS_DIR / train().artifact / "dataset.npz")

    *folds, final = spies.learnt
    artist_of = dict(zip(data.X[:, 0].tolist(), data.groups.tolist(), strict=True))
    in_slice = set(data.X[evaluation_slice(data.uris), 0].tolist())
    assert len(folds) == 6
    assert len(final) == 60
    for number, learnt in enumerate(folds):
        assert not learnt & in_slice
        # Permuted values of other tracks of the fold are asked about too, and are as unknown.
        assert not learnt & spies.asked[number]
        if number < 5:
            artists = ({artist_of[track] for track in tracks} for tracks in (learnt, spies.asked[number]))
            assert not set.intersection(*artists)
