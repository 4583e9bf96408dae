"""Two runs side by side: paired differences worked out by hand, what differs, who may see which track, and downloads."""

import csv
import io
from math import sqrt

import numpy as np
import pytest

from modeling.core.comparison import Both, carefully_paired, paired
from modeling.dashboard.comparison import differences, moved_most, shared_tracks
from modeling.models import TrainingRun
from tests.factories import (
    AnnotationFactory,
    FlagFactory,
    GenreFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    """Four tracks of four artists that both had held out, out-of-fold; one each of its own, and one of the slice."""
    a, b = TrainingRunFactory(), TrainingRunFactory()
    techno = GenreFactory(name="techno")
    for number, (truth, before, after) in enumerate([(5, 5, 5), (5, 7, 6), (9, 9, 9), (9, 7, 7)]):
        track = TrackFactory(title=f"Track {number}")
        if number < 2:
            track.genres.add(techno)
        both(a, b, track, truth, before, after)
    PredictionFactory(run=a)
    PredictionFactory(run=b)
    both(a, b, TrackFactory(title="In the slice"), 3, 3, 8, part="slice")
    return a, b


def both(a, b, track, truth, before, after, part="out-of-fold"):
    PredictionFactory(run=a, track=track, part=part, true_level=truth, level=before, score=before, lower=1, upper=10)
    PredictionFactory(run=b, track=track, part=part, true_level=truth, level=after, score=after, lower=1, upper=6)


def address(a, b, chart="", part="out_of_fold"):
    return f"/runs/compare/{f'{chart}.csv' if chart else ''}?a={a.pk}&b={b.pk}&part={part}"


def table(client, a, b, chart, part="out_of_fold"):
    response = client.get(address(a, b, chart, part))
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.content.decode())))


# ---- Numbers


def test_differences_are_paired_and_of_shared_tracks_only(as_lead, pair):
    a, b = pair
    rows = {row["Measure"]: row for row in table(as_lead, a, b, "measures")}

    # Errors 0, 2, 0, 2 and 0, 1, 0, 2: of level 5 half a level less, of level 9 as much.
    assert float(rows["Macro-MAE"][f"Run {a.pk}"]) == 1.0
    assert float(rows["Macro-MAE"][f"Run {b.pk}"]) == 0.75
    assert float(rows["Macro-MAE"]["Change"]) == -0.25
    assert float(rows["MAE"]["Change"]) == -0.25
    # Of four differences 0, -1, 0, 0 the standard error of the mean is 0.5 / sqrt(4).
    assert float(rows["MAE"]["± of it"]) == pytest.approx(0.25)
    assert float(rows["MAE"]["from"]) == pytest.approx(-0.25 - 1.96 * 0.25)
    assert rows["MAE"]["So"] == "no clear difference"
    assert [float(rows["Within 1"][name]) for name in (f"Run {a.pk}", f"Run {b.pk}", "Change")] == [0.5, 0.75, 0.25]
    assert float(rows["In 90 % interval"]["Change"]) == -0.5  # the tracks of level 9 are above 6
    assert float(rows["Width of it"]["Change"]) == -4.0


def test_levels_and_genres_are_compared_alone(as_lead, pair):
    levels = table(as_lead, *pair, "by_level")
    (genre,) = table(as_lead, *pair, "by_genre")

    assert [(row["Level"], row["Tracks"], float(row["Change"])) for row in levels] == [
        ("Level 5", "2", -0.5),
        ("Level 9", "2", 0.0),
    ]
    assert float(levels[0]["± of it"]) == pytest.approx(0.5)
    assert (genre["Genre"], genre["Tracks"], float(genre["Change"])) == ("techno", "2", -0.5)


def test_the_slice_is_apart(as_lead, pair):
    (moved,) = table(as_lead, *pair, "moved", part="slice")
    (level,) = table(as_lead, *pair, "by_level", part="slice")

    assert (moved["Track"], moved["So"], float(moved["Change"])) == ("In the slice", "farther", 5.0)
    # One track says nothing of how far chance moves it.
    assert (level["± of it"], level["from"], level["So"]) == ("", "", "no clear difference")


def test_the_matrices_are_of_the_same_tracks_and_their_difference_has_signs(as_lead, pair):
    html = as_lead.get(address(*pair)).content.decode()

    assert "label 5, predicted 6: +1" in html
    assert "label 5, predicted 7: −1" in html
    rows = table(as_lead, *pair, "matrix_difference")
    assert [rows[4][f"Predicted {level}"] for level in (5, 6, 7)] == ["0", "1", "-1"]
    assert sum(int(value) for name, value in table(as_lead, *pair, "matrix_a")[4].items() if name != "Label") == 2


def test_both_are_held_against_the_levels_of_the_newer_whichever_comes_first(pair):
    a, b = pair
    track = a.predictions.get(track__title="Track 0").track
    b.predictions.filter(track=track).update(true_level=6)

    forth, back = shared_tracks(a, b, "out_of_fold"), shared_tracks(b, a, "out_of_fold")

    assert sorted(forth.both.truth) == sorted(back.both.truth) == [5, 6, 9, 9]
    assert forth.n_relabelled == back.n_relabelled == 1
    assert (forth.n_only_before, forth.n_only_after) == (1, 1)


def test_tracks_of_an_artist_err_together():
    was, now = [2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]

    alone = paired(was, now, strata=[5] * 4, clusters=list("abcd"))
    together = paired(was, now, strata=[5] * 4, clusters=list("aabb"))

    assert alone.change == together.change == -1.0
    assert together.se > alone.se


def test_a_level_of_one_track_is_not_taken_to_be_known():
    """Of levels 5 and 9 with two tracks each and 1 with one, whose own spread nobody knows."""
    was, now, level = [2.0, 1.0, 2.0, 1.0, 3.0], [1.0, 1.0, 1.0, 1.0, 1.0], [5, 5, 9, 9, 1]

    plain = paired(was, now, strata=level, clusters=range(5))
    careful = carefully_paired(was, now, strata=level, clusters=range(5))

    # The spread of two tracks of each is variance 1/2 about their mean, over the three levels: sqrt(1/2 (1/2 + 1/2 + 1)) / 3.
    assert careful.se == pytest.approx(sqrt(0.5 * 2) / 3)
    assert careful.se > plain.se
    assert careful.change == plain.change == pytest.approx(-1.0)


def test_what_is_clear_is_more_than_chance():
    levels = np.full(40, 5)
    after = np.where(np.arange(40) % 10 == 0, 7, 5)
    both_ways = Both(levels, np.full(40, 7), after, np.arange(40))

    found = both_ways.mae()

    assert found.is_clear
    assert found.high < 0
    assert not Both(levels, after, after, np.arange(40)).mae().is_clear


# ---- Tracks, as blind as elsewhere


def test_tracks_that_moved_most_come_first_and_each_says_whether_it_got_closer(pair, lead):
    found, n_covered = moved_most(shared_tracks(*pair, "out_of_fold"), lead)

    assert (str(found[0].track), found[0].change, found[0].verdict) == ("Track 1", -1.0, "closer")
    assert n_covered == 0


def test_what_a_lead_is_still_to_hear_or_about_to_label_is_covered_in_page_and_download(as_lead, lead, pair):
    a, _ = pair
    flagged = a.predictions.get(track__title="Track 1").track
    FlagFactory(annotation__track=flagged)
    LeaseFactory(annotator=lead, track=a.predictions.get(track__title="Track 2").track)

    html = as_lead.get(address(*pair)).content.decode()
    rows = table(as_lead, *pair, "moved")

    assert {row["Track"] for row in rows} == {"Track 0", "Track 3"}
    assert "Track 1" not in html
    assert "Track 2" not in html
    assert "2 more that moved as far are not shown" in html

    AnnotationFactory(annotator=lead, track=flagged)
    assert "Track 1" in as_lead.get(address(*pair)).content.decode()


# ---- What differs


def test_what_differs_is_said_and_what_is_the_same_is_not():
    a = TrainingRunFactory(recipe="gp", options={"decision": "lowest_mae"}, n_annotations=9448)
    b = TrainingRunFactory(recipe="svr", options={}, n_annotations=9760)
    b.metrics |= {"versions": {"numpy": "2.9"}}

    found = {what: of_both for what, *of_both in differences(a, b)}

    assert found == {
        "Recipe": ["gp", "svr"],
        "Option decision": ["lowest_mae", "–"],
        "Labels": ["9,448", "9,760"],
        "Library numpy": ["–", "2.9"],
    }


def test_two_that_were_made_alike_say_so(as_lead):
    a, b = TrainingRunFactory.create_batch(2)

    html = as_lead.get(address(a, b)).content.decode()

    assert "Nothing in common" in html
    assert "recipe, options, features, data and code are the same" in html


# ---- Which two


def test_the_newest_is_held_against_the_one_in_use_unless_it_is_said(as_lead):
    first, _, newest = TrainingRunFactory.create_batch(3)
    assert as_lead.get("/runs/compare/").context["a"].pk == newest.pk - 1

    PromotionFactory(run=first)

    context = as_lead.get("/runs/compare/").context
    assert (context["a"], context["b"]) == (first, newest)
    assert as_lead.get("/runs/compare/", {"b": first.pk}).context["a"] == newest


@pytest.mark.parametrize(("a", "b", "said"), [(0, 0, "Both are run"), (0, 99, "Run 99 is not here")])
def test_what_cannot_be_compared_is_refused_with_a_sentence(a, b, said, as_lead):
    runs = TrainingRunFactory.create_batch(2)
    chosen = {"a": runs[a].pk, "b": runs[b].pk if b < 2 else b}

    response = as_lead.get("/runs/compare/", chosen)

    assert response.status_code == 404
    assert said in response.content.decode()
    assert as_lead.get("/runs/compare/measures.csv", chosen).status_code == 404


def test_a_chart_or_part_that_they_do_not_share_is_not_found(as_lead, pair):
    assert as_lead.get(address(*pair, "nonsense")).status_code == 404
    assert as_lead.get(address(*TrainingRunFactory.create_batch(2), "measures")).status_code == 404
    assert as_lead.get(address(*pair, part="nonsense")).context["part"] == "slice"


def test_few_tracks_are_said_to_be_too_few(as_lead, pair):
    assert "4 tracks by 4 artists are too few to tell which is better" in as_lead.get(address(*pair)).content.decode()


def test_a_second_look_reads_no_predictions(as_lead, pair, django_assert_max_num_queries):
    as_lead.get(address(*pair))

    with django_assert_max_num_queries(10):
        as_lead.get(address(*pair))


def test_an_annotator_compares_nothing(as_annotator, pair):
    assert as_annotator.get(address(*pair)).status_code == 403
    assert as_annotator.get(address(*pair, "moved")).status_code == 403
    assert TrainingRun.objects.count() == 2
