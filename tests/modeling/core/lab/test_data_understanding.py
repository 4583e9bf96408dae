import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.lab.catalogue import DataUnderstanding
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments.data_understanding import answer
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent


def ask(data):
    return answer(DataUnderstanding(), data, on_progress=silent)


def tables(findings):
    return {table.title: table for table in findings.tables}


def test_levels_are_counted_beside_those_of_the_thesis():
    table = tables(ask(lab_data(level=[2, 2, 3, 5.5])))["Tracks by level"]

    assert column(table, "tracks") == [0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 4]
    assert column(table, "share")[1] == 0.5
    assert column(table, "thesis, tracks")[5] == 10_983
    assert column(table, "thesis, share")[5] == pytest.approx(0.257, abs=0.001)


def test_a_track_counts_in_each_of_its_genres_and_those_without_are_noted():
    findings = ask(lab_data(level=[2, 4, 8], genres=[("rock", "pop"), ("rock",), ()]))

    table = tables(findings)["Tracks by genre"]
    assert column(table, "Genre") == ["rock", "pop"]
    assert [estimate.value for estimate in column(table, "mean level")] == [3.0, 2.0]
    assert "1 of 3 labelled tracks have no genre" in findings.notes


def test_an_annotators_bias_shows_on_the_same_tracks_and_not_on_others():
    level = np.repeat([3, 7], 50)
    annotations = labels_by(
        level, {"ann": (range(100), 0, 0), "bob": (range(30), 2, 0), "cleo": (range(50, 100, 10), 0, 0)}
    )

    findings = ask(lab_data(level=level, annotations=annotations))

    people, shared = (
        tables(findings)["How each annotator uses the scale"],
        tables(findings)["The same tracks, labelled by others"],
    )
    assert column(people, "Annotator") == ["ann", "bob", "cleo"]
    assert column(people, "at 5") == [0.0, 1.0, 0.0]
    higher = dict(zip(column(shared, "Annotator"), column(shared, "higher by"), strict=True))
    assert higher["bob"].value == 2
    assert higher["cleo"].value == 0  # labels high, as others do these tracks
    assert any("bob +2.00 ± 0.00" in said and "cleo" not in said for said in findings.conclusions)
    assert [series.name for series in findings.charts[2].series] == [
        "own labels",
        "own, shared tracks",
        "others, shared tracks",
    ]


def test_tracks_are_counted_by_labels_and_by_how_far_these_lie_apart():
    annotations = Annotations([0, 0, 0, 1, 1, 2], list("abcaba"), [3, 4, 8, 5, 5, 9])

    found = tables(ask(lab_data(level=[4, 5, 9, 6], annotations=annotations)))

    labels, apart = found["Tracks by number of labels"], found["How far labels of a track lie apart"]
    assert list(zip(column(labels, "Labels"), column(labels, "tracks"), strict=True)) == [
        ("0", 1),
        ("1", 1),
        ("2", 1),
        ("3", 1),
    ]
    assert list(zip(column(apart, "Levels apart"), column(apart, "tracks"), strict=True)) == [("0", 1), ("5", 1)]


def test_missing_audio_is_told_by_state():
    findings = ask(lab_data(level=[3, 4], audio_states={"ready": 6, "missing": 2}))

    assert column(tables(findings)["Audio of the whole library"], "share") == [0.75, 0.25]
    assert "2 of the library's 8 tracks (25%) have no audio ready." in findings.conclusions


def test_without_people_genres_or_audio_it_says_so():
    findings = ask(lab_data(level=[4]))

    assert [table.title for table in findings.tables] == ["Tracks by level", "Tracks by genre"]
    assert any("not known who labelled" in note for note in findings.notes)
    assert "nothing is known of the library's audio" in findings.notes


def test_without_labelled_tracks_it_says_what_to_do():
    data = lab_data(n=6)

    with pytest.raises(TooLittleData, match="label some, or import"):
        ask(data.tracks(np.zeros(6, bool)))
