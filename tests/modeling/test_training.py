"""From labels to a model, its predictions and the labels it doubts: rows in, rows out."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from annotations.models import Annotation, Flag, Track
from energyapp.jobs.claims import JobRefused
from energyapp.jobs.models import Job
from modeling import pipeline, services
from modeling.core import artifacts
from modeling.core.dataset import Dataset, evaluation_slice, in_evaluation_slice
from modeling.core.evaluation import cross_validate, held_out_metrics
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.recipes import RECIPES
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.feature_matrix import UnusableFeatures
from modeling.models import FeatureVector, Prediction, Promotion, TrainingRun
from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_RECIPE, RECIPE_CHOICES
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

    assert len(by_ridge) == 3
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


# ---- Odd data


def values_of(track):
    return np.frombuffer(track.feature_vectors.get(feature_set=SPOTIFY.key).values, "<f4").copy()


def set_values(track, values):
    track.feature_vectors.filter(feature_set=SPOTIFY.key).update(values=values.astype("<f4").tobytes())


def test_labels_of_one_level_only_are_refused_with_a_sentence(library):
    for annotation in Annotation.objects.all():
        AnnotationFactory(track=annotation.track, annotator=annotation.annotator, level=4, supersedes=annotation)

    with pytest.raises(NotEnoughLabels, match="All labelled tracks are of level 4; training needs two levels"):
        train()


def test_tracks_that_only_the_slice_tells_apart_are_refused_with_a_sentence(library):
    for track in Track.objects.all():
        track.artist = "Slice" if in_evaluation_slice(track.uri) else "The Only One"
        track.save()

    with pytest.raises(NotEnoughLabels, match="outside the evaluation slice are by one artist"):
        train()


def test_too_few_tracks_for_a_recipe_are_refused_with_a_sentence(library):
    Track.objects.update(artist="Most")
    Track.objects.filter(uri__in=["lib:0", "lib:1", "lib:2"]).update(artist="Few")

    with pytest.raises(JobRefused, match=r"gp cannot learn from \d tracks: found .* choose another recipe"):
        train("gp")

    assert "cannot learn" in Job.objects.get().message


def test_nineteen_usable_tracks_are_too_few(library):
    for track in Track.objects.order_by("pk")[19:]:
        set_values(track, values_of(track) * np.array([1] * 11 + [np.nan]))
    Track.objects.order_by("pk").last().feature_vectors.all().delete()

    # Of a column that most lack, the column goes; of tracks without features, the tracks.
    assert train().n_tracks == 59
    for track in Track.objects.order_by("pk")[19:]:
        track.feature_vectors.all().delete()
    with pytest.raises(NotEnoughLabels, match="60 tracks are labelled and 19 of them have features; training needs 20"):
        train()


def test_columns_without_numbers_go_and_tracks_that_lack_single_ones_are_left_out_and_counted(library):
    tracks = list(Track.objects.order_by("pk"))
    for index, track in enumerate(tracks):
        values = values_of(track)
        values[3] = np.inf if index % 2 else 0.5
        values[5] = 7
        values[6] = np.nan if index == 8 else values[6]
        set_values(track, values)
    unlabelled = TrackFactory(uri="new")
    add_features(unlabelled, 9, np.random.default_rng(1))
    set_values(unlabelled, np.where(np.arange(12) == 1, np.nan, values_of(unlabelled)))

    run = train()

    assert (run.n_tracks, run.metrics["n_left_out"]) == (59, 1)
    _, manifest = artifacts.read(settings.RUNS_DIR / run.artifact / "model")
    assert list(manifest.columns) == [name for index, name in enumerate(SPOTIFY.columns) if index != 3]
    assert run.metrics["notes"] == [
        f"1 column that many labelled tracks have no number in: left out ({SPOTIFY.columns[3]})",
        "1 labelled track with a feature that is no number: left out",
        "1 unlabelled track with a feature that is no number: not predicted",
        "1 column with the same number in all labelled tracks",
    ]
    assert not run.predictions.filter(track__in=[unlabelled, tracks[8]]).exists()
    rows = dict(zip(read_training_data().track_ids, read_training_data().dataset.X, strict=True))
    assert np.array_equal(rows[tracks[20].pk], np.delete(values_of(tracks[20]), 3))


def test_features_that_are_the_same_for_all_tracks_are_refused_with_a_sentence(library):
    FeatureVector.objects.update(values=np.ones(12, "<f4").tobytes())

    with pytest.raises(UnusableFeatures, match="Every feature is the same"):
        train()


def test_a_damaged_vector_is_refused_with_a_sentence(library):
    FeatureVector.objects.filter(track__uri="lib:3").update(values=b"1234")

    with pytest.raises(UnusableFeatures, match=r"spotify@1 of track \d+ are 4 bytes; 48 were expected"):
        train()


def test_tracks_that_lack_a_set_that_nearly_all_have_are_left_out_and_counted(library):
    FeatureVector.objects.filter(track__uri__in=["lib:3", "lib:14"]).delete()

    run = train()

    assert (run.n_tracks, run.metrics["n_left_out"]) == (58, 2)


def test_a_recipe_that_learns_from_a_set_made_on_request_gets_that_alone_or_is_refused_with_what_to_do(library):
    rng, logmel = np.random.default_rng(1), FEATURE_SETS["logmel"]
    with pytest.raises(
        NotEnoughLabels, match=r"0 of them have features logmel; .* manage.py compute_features --set logmel"
    ):
        train(recipe="crnn")

    for track in Track.objects.all():
        add_features(track, 5, rng, logmel)
    data = read_training_data(RECIPES["crnn"].feature_sets)

    assert data.feature_set_keys == (logmel.key,)
    assert data.dataset.columns == logmel.columns
    assert train().feature_sets == [SPOTIFY.key]  # everybody else goes on without it


def test_labels_of_one_annotator_are_learnt_and_the_run_says_so(library):
    FeatureVector.objects.all().delete()
    annotator, rng = AnnotatorFactory(), np.random.default_rng(0)
    for index in range(40):
        track = TrackFactory(uri=f"theirs:{index}")
        add_features(track, 1 + index % 10, rng)
        AnnotationFactory(track=track, annotator=annotator, level=1 + index % 10)

    run = train()

    assert run.n_tracks == 40
    assert any("all labels are by one person" in note for note in run.metrics["notes"])


def test_without_a_track_of_the_slice_the_run_has_no_figure_for_it_and_its_pages_open(library, as_lead):
    FeatureVector.objects.filter(track__uri__in=[uri for uri in library if in_evaluation_slice(uri)]).delete()

    run = train()

    assert "slice" not in run.metrics
    assert any("no labelled track belongs to the evaluation slice" in note for note in run.metrics["notes"])
    assert as_lead.get("/dashboard/").status_code == as_lead.get(f"/runs/{run.pk}/?part=slice").status_code == 200


def test_reading_takes_the_memory_of_one_matrix(db):
    rng, annotator = np.random.default_rng(0), AnnotatorFactory()
    chosen = FEATURE_SETS["signal"]
    tracks = TrackFactory.create_batch(1_500, peaks=b"")
    AnnotationFactory.create_batch(20, annotator=annotator)
    FeatureVector.objects.bulk_create(
        FeatureVector(
            track=track, feature_set=chosen.key, values=rng.normal(size=len(chosen.columns)).astype("<f4").tobytes()
        )
        for track in tracks
    )
    for index, track in enumerate(tracks[:60]):
        AnnotationFactory(track=track, annotator=annotator, level=1 + index % 10)

    tracemalloc.start()
    data = read_training_data()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert data.features.values.shape == (1_500, len(chosen.columns))
    assert np.shares_memory(data.dataset.X, data.features.values)
    assert peak < 2 * data.features.values.nbytes + 1_000_000


# ---- What the database refuses


@pytest.mark.parametrize("broken", [{"artifact_digest": ""}, {"metrics": None}, {"n_tracks": None}])
def test_a_run_has_all_of_its_results_or_none(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRunFactory(**broken)


@pytest.mark.parametrize(
    "broken",
    [
        {"level": 0},
        {"part": "guess"},
        {"true_level": None},
        {"lower": 5, "upper": 4},
        {"lower": 5, "upper": None},
        {"lower": None, "upper": 5},
    ],
)
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


def test_the_train_button_makes_a_run_of_the_usual_recipe(as_admin, admin):
    as_admin.post("/train/")

    run = TrainingRun.objects.get()
    assert (run.requested_by, run.recipe, run.options) == (admin, DEFAULT_RECIPE, {"decision": "lowest_macro_mae"})


def test_recipe_and_decision_can_be_chosen(as_admin):
    html = as_admin.get("/dashboard/").content.decode()
    as_admin.post("/train/", {"recipe": "svr", "decision": "lowest_mae"})

    assert all(f'value="{name}"' in html for name in (*RECIPE_CHOICES, *DECISION_CHOICES))
    assert (TrainingRun.objects.get().recipe, TrainingRun.objects.get().options) == ("svr", {"decision": "lowest_mae"})


def test_what_the_newest_run_was_asked_is_chosen_again(as_admin):
    TrainingRunFactory(recipe="gp", options={"decision": "lowest_mae"})

    html = as_admin.get("/dashboard/").content.decode()

    assert "What learns: gp. Lowest MAE" in html
    assert 'value="gp" checked' in html


def test_a_recipe_that_is_not_offered_is_refused_with_a_sentence(as_admin):
    html = as_admin.post("/train/", {"recipe": "magic"}, follow=True).content.decode()

    assert "Select a valid choice. magic is not one of the available choices." in html
    assert not TrainingRun.objects.exists()


def test_a_run_page_shows_the_race_the_importance_the_intervals_and_the_notes(as_lead):
    run = TrainingRunFactory(recipe="auto", options={"decision": "lowest_mae"})
    lap = {"outcome": "raced", "seconds": 2.0, "error": 0.95, "error_se": 0.04, "behind": 0, "behind_se": 0}
    late = {"candidate": "svr", "outcome": "skipped for time", "seconds": 1.5, "error": None, "behind": None}
    row = {"name": "signal_loudness", "n_columns": 1, "increase": 0.321, "se": 0.012}
    run.metrics |= {
        "details": {"judged_by": "mae", "race": [{"candidate": "gp", **lap}, late]},
        "importance": {"n_tracks": 9, "n_repeats": 5, "n_columns": 30, "by_set": [row], "by_feature": [row]},
        "notes": ["all labels are by one person"],
        "versions": {"numpy": "2.9"},
    }
    run.metrics["out_of_fold"] |= {"coverage": 0.87, "interval_width": 3.2}
    run.save()

    html = as_lead.get(f"/runs/{run.pk}/").content.decode()

    for shown in ("skipped for time", "0.321", "0.87", "All labels are by one person", "numpy 2.9", "Lowest MAE"):
        assert shown in html
    assert html.count(">chosen<") == 1


def test_a_cell_of_the_confusion_matrix_opens_its_tracks(as_lead):
    there = PredictionFactory(track__title="There", true_level=5, level=7, lower=5.2, upper=8.1)
    PredictionFactory(run=there.run, track__title="Elsewhere", true_level=5, level=5)
    url = f"/runs/{there.run.pk}/tracks/"

    html = as_lead.get(url, {"true": 5, "predicted": 7}).content.decode()

    assert "There" in html
    assert "5.2 – 8.1" in html
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
