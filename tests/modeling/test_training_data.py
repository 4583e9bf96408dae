"""What a training learns from when labels or features are odd, and what it refuses with a sentence."""

import tracemalloc

import numpy as np
import pytest
from django.conf import settings

from annotations.levels import levels_of
from annotations.models import Annotation, AnnotatorExclusion, Track
from energyapp.jobs.claims import JobRefused
from energyapp.jobs.models import Job
from modeling.core import artifacts
from modeling.core.dataset import in_evaluation_slice
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.recipes import RECIPES
from modeling.feature_matrix import UnusableFeatures
from modeling.models import FeatureVector
from modeling.training_data import NotEnoughLabels, read_training_data
from tests.factories import AnnotationFactory, AnnotatorFactory, LeadFactory, TrackFactory
from tests.modeling.training_library import SPOTIFY, add_features, train

pytestmark = pytest.mark.django_db


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


def test_who_is_left_out_of_training_is_not_learnt_from_and_counts_for_the_level_that_people_see(library):
    """Else to leave somebody out would move macro-MAE by moving what predictions are held against."""
    label = Annotation.objects.filter(level=2).first()
    left_out = AnnotationFactory(track=label.track, level=9)
    AnnotatorExclusion.objects.create(annotator=left_out.annotator, is_excluded=True, decided_by=LeadFactory())

    data = read_training_data()

    assert left_out.pk not in {each.pk for each in data.labels}
    shown = levels_of(Annotation.objects.counted())
    assert dict(zip(data.track_ids, data.true_level.tolist(), strict=True)) == shown
    assert shown[label.track_id] == 6


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
