"""Where the model is blind, counted by hand; and which tracks of such a level or genre may be assigned."""

import random

import pytest

from annotations.evaluation_slice import in_evaluation_slice
from modeling.ranking import coverage
from modeling.ranking.coverage import FEW_LABELS, LARGE_ERROR, N_DRAWN, Row
from tests.factories import (
    AnnotationFactory,
    AssignmentFactory,
    GenreFactory,
    PredictionFactory,
    ReferenceFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db


def run_with(out_of_fold, slice_=None):
    parts = {"out_of_fold": out_of_fold} | ({"slice": slice_} if slice_ else {})
    return TrainingRunFactory(metrics=parts)


def predicted(run, level, n=1, **track):
    tracks = TrackFactory.create_batch(n, peaks=b"", **track)
    for each in tracks:
        PredictionFactory(run=run, track=each, part="final", true_level=None, level=level)
    return tracks


def uris(*, in_slice):
    return (uri for n in range(10_000) if in_evaluation_slice(uri := f"drawn:{n}") == in_slice)


# ---- What is counted


def test_a_level_has_the_labelled_tracks_of_both_held_out_parts_and_the_error_out_of_fold():
    run = run_with(
        {"by_level": [{"level": 4, "n": 30, "mae": 1.0}, {"level": 5, "n": 40, "mae": 0.5}]},
        {"by_level": [{"level": 4, "n": 10, "mae": 2.0}]},
    )
    predicted(run, 4, n=2)
    predicted(run, 5)

    found = {row.id: row for row in coverage.levels(run)}

    assert found[4] == Row(4, "Level 4", 40, 1.0, 2)
    assert found[5] == Row(5, "Level 5", 40, 0.5, 1)
    assert found[6] == Row(6, "Level 6", 0, None, 0)
    assert len(found) == 10


def test_unlabelled_tracks_are_those_that_somebody_could_be_given_now():
    run = run_with({"by_level": []})
    predicted(run, 3)
    predicted(run, 3, audio_state="waiting")
    ReferenceFactory(track=predicted(run, 3)[0])
    AnnotationFactory(track=predicted(run, 3)[0])
    predicted(TrainingRunFactory(), 3)  # another run

    assert next(row.n_open for row in coverage.levels(run) if row.id == 3) == 1
    assert coverage.of_level(run, 3).count() == 1


def test_a_genre_has_its_labelled_tracks_of_now_and_the_error_of_the_run():
    run = run_with({"by_genre": [{"name": "techno", "n": 25, "mae": 0.8}]})
    techno, folk = GenreFactory(name="techno"), GenreFactory(name="folk")
    GenreFactory(name="of no track")
    for track in TrackFactory.create_batch(3, peaks=b""):
        track.genres.set([techno])
    both = TrackFactory(peaks=b"")
    both.genres.set([techno, folk])
    AnnotationFactory(track=both)
    AnnotationFactory(track=both)

    assert coverage.genres(run) == [Row(techno.pk, "techno", 1, 0.8, 3), Row(folk.pk, "folk", 1, None, 0)]
    assert coverage.genres(None)[0].error is None


@pytest.mark.parametrize(
    ("n_labelled", "error", "why"),
    [
        (FEW_LABELS - 1, 0.1, "few labels"),
        (FEW_LABELS, 0.1, ""),
        (FEW_LABELS, LARGE_ERROR, ""),
        (FEW_LABELS, LARGE_ERROR + 0.01, "large error"),
        (FEW_LABELS, None, ""),
        (0, None, "few labels"),
    ],
)
def test_blind_is_what_has_few_labels_or_a_large_error(n_labelled, error, why):
    assert Row(1, "Level 1", n_labelled, error, 0).why_blind == why


def test_blind_levels_come_first_and_otherwise_in_their_order():
    well_known = [{"level": level, "n": 50, "mae": 0.5} for level in range(1, 10)]
    well_known[6]["mae"] = 2.0

    assert [row.id for row in coverage.levels(run_with({"by_level": well_known}))] == [7, 10, 1, 2, 3, 4, 5, 6, 8, 9]


def test_the_table_says_the_same_as_csv():
    rows = [Row(4, "Level 4", 40, 1.25, 2), Row(6, "Level 6", 0, None, 0)]

    assert coverage.table(rows, name="Level").csv().splitlines() == [
        "Level,Labelled tracks,Mean error,Unlabelled tracks,Blind",
        "Level 4,40,1.25,2,",
        "Level 6,0,,0,few labels",
    ]


# ---- What is drawn


def test_no_track_of_the_evaluation_slice_is_ever_drawn():
    run, inside, outside = run_with({"by_level": []}), uris(in_slice=True), uris(in_slice=False)
    for _ in range(8):
        predicted(run, 3, uri=next(inside))
    free = [predicted(run, 3, uri=next(outside))[0] for _ in range(5)]

    for seed in range(20):
        drawn = coverage.draw(coverage.of_level(run, 3), dice=random.Random(seed))
        assert set(drawn.track_ids) == {track.pk for track in free}
    assert drawn.why_fewer == "13 without a label, of these 8 in the evaluation slice, left to chance"


def test_fifty_of_more_are_drawn_each_once_and_not_always_the_same():
    techno, outside = GenreFactory(), uris(in_slice=False)
    for _ in range(N_DRAWN + 10):
        TrackFactory(uri=next(outside), peaks=b"").genres.add(techno)

    first, second = (coverage.draw(coverage.of_genre(techno), dice=random.Random(seed)) for seed in (1, 2))

    assert len(set(first.track_ids)) == N_DRAWN
    assert set(first.track_ids) != set(second.track_ids)
    assert first.why_fewer == ""


def test_what_somebody_is_asked_to_label_already_is_not_drawn():
    run = run_with({"by_level": []})
    outside = uris(in_slice=False)
    asked, free = (predicted(run, 3, uri=next(outside))[0] for _ in range(2))
    AssignmentFactory(track=asked)

    drawn = coverage.draw(coverage.of_level(run, 3))

    assert drawn.track_ids == [free.pk]
    assert drawn.why_fewer == "2 without a label, of these 1 assigned already"
