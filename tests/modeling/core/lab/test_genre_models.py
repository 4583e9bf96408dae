from dataclasses import replace

import numpy as np
import pytest

from modeling.core.lab.catalogue import GenreModels
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments.genre_models import answer
from tests.modeling.core.lab.planted import column, lab_data, silent

N = 400


def two_genres(*, reversed_slope):
    """Rock in which the feature rises with the level, and folk in which it falls (or rises as well)."""
    data = lab_data(N, noise=1.0)
    folk = np.arange(N) % 2 == 1
    X = data.dataset.X.copy()
    if reversed_slope:
        X[folk] = 11 - X[folk]
    genres = [("folk",) if row else ("rock",) for row in folk]
    return replace(data, dataset=replace(data.dataset, X=X), genres=genres)


def ask(data, **options):
    return answer(GenreModels(**options), data, on_progress=silent)


def test_where_features_mean_something_else_in_a_genre_its_model_is_clearly_better():
    findings = ask(two_genres(reversed_slope=True))

    table = findings.tables[0]
    assert column(table, "Genre") == ["folk", "rock", "all of these"] or column(table, "Genre") == [
        "rock",
        "folk",
        "all of these",
    ]
    assert all(gain.value < -4 * gain.se for gain in column(table, "genre less common model"))
    assert all(error.value < 1 for error in column(table, "genre model"))
    assert "is better in 2 of 2 genres" in findings.conclusions[0]


def test_where_genres_are_alike_the_common_model_of_as_many_tracks_is_as_good():
    findings = ask(two_genres(reversed_slope=False))

    gain = column(findings.tables[0], "genre less common, as many")[-1]
    assert abs(gain.value) < 3 * gain.se
    assert abs(gain.value) < 0.15


def test_small_genres_are_left_out_and_said_so():
    data = two_genres(reversed_slope=False)
    genres = [(*names, "jazz") if row < 10 else names for row, names in enumerate(data.genres)]

    findings = ask(replace(data, genres=genres))

    assert "jazz" not in column(findings.tables[0], "Genre")
    assert any("jazz (" in note and "left out" in note for note in findings.notes)


def test_a_genre_by_one_artist_cannot_be_held_out_and_is_said_so():
    data = two_genres(reversed_slope=False)
    groups = data.dataset.groups.copy()
    groups[:60] = "one"
    genres = [("solo",) if row < 60 else names for row, names in enumerate(data.genres)]

    findings = ask(replace(data, dataset=replace(data.dataset, groups=groups), genres=genres), min_tracks=30)

    assert any(note.startswith("solo: too few") for note in findings.notes)


@pytest.mark.parametrize(
    ("genres", "what"),
    [([()] * N, "no track has a genre"), ([("rock",)] * 20 + [()] * (N - 20), "the largest, rock, has")],
)
def test_without_genres_it_says_what_to_do(genres, what):
    with pytest.raises(TooLittleData, match=what):
        ask(replace(two_genres(reversed_slope=False), genres=genres))


def test_progress_comes_before_every_fit_and_may_stop():
    shares = []

    def stop(share, message):
        shares.append(share)
        if len(shares) == 5:
            raise KeyboardInterrupt(message)

    with pytest.raises(KeyboardInterrupt):
        answer(GenreModels(), two_genres(reversed_slope=True), on_progress=stop)
    assert shares == sorted(shares)
