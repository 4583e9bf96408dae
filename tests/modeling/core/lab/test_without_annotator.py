from dataclasses import replace

import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.lab import comparison
from modeling.core.lab.catalogue import WithoutAnnotator
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import without_annotator
from modeling.core.lab.experiments.without_annotator import answer
from modeling.core.lab.words import verdict
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent

N = 400
LEVEL = np.random.default_rng(5).integers(2, 10, N)
EVERYTHING = np.arange(N)
PEOPLE = ("ann", "bob", "cleo", "dora")
CONSENSUS, OTHERS, TRACKS = range(3)


def two_of_four(**of_person):
    """Each track is labelled by two of four people, whose bias and noise are usual but for those that are named."""
    by = np.array([np.random.default_rng(row).permutation(len(PEOPLE))[:2] for row in range(N)])
    return labels_by(
        LEVEL,
        {
            name: (np.flatnonzero((by == number).any(axis=1)), *of_person.get(name, (0, 0.7)))
            for number, name in enumerate(PEOPLE)
        },
    )


def at_random(labels, name):
    rng = np.random.default_rng(0)
    return replace(
        labels, level=np.where(labels.annotator == name, rng.integers(1, 11, len(labels.level)), labels.level)
    )


def ask(annotations, **options):
    return answer(WithoutAnnotator(**options), lab_data(level=LEVEL, annotations=annotations), on_progress=silent)


def gain(findings, judge, name, row=0):
    return column(findings.tables[judge], name)[row]


def is_clear(estimate):
    return abs(estimate.value) > 2 * estimate.se


def test_leaving_out_who_answers_at_random_helps_and_debiasing_does_as_much():
    findings = ask(at_random(two_of_four(), "ann"), annotator="ann")

    for judge in (CONSENSUS, OTHERS, TRACKS):
        without, debiased = (gain(findings, judge, f"{way} less all") for way in ("without", "debiased"))
        assert without.value < 0
        assert is_clear(without)
        assert debiased.value < 0
        assert verdict(gain(findings, judge, "both less debiased")) != "better"
    assert findings.conclusions[0].startswith("Leaving out ann: -")
    assert "(better); debiasing" in findings.conclusions[0]
    assert gain(findings, 3, "scale") < 0.5


def test_with_opposite_biases_debiasing_helps_and_leaving_one_out_makes_it_worse():
    labels = labels_by(
        LEVEL,
        {
            "ann": (EVERYTHING[EVERYTHING % 3 != 0], 2, 0.5),
            "bob": (EVERYTHING[EVERYTHING % 3 != 1], -2, 0.5),
            "cleo": (EVERYTHING[EVERYTHING % 3 != 2], 0, 0.5),
        },
    )

    findings = ask(labels, annotator="ann")

    # The tracks' levels are the truth that was planted.
    debiased, without, between = (
        gain(findings, TRACKS, name) for name in ("debiased less all", "without less all", "without less debiased")
    )
    assert debiased.value < 0 < without.value
    assert is_clear(debiased)
    assert is_clear(without)
    assert between.value == pytest.approx(without.value - debiased.value)
    assert 1.5 < gain(findings, 3, "bias") < 2.5
    assert "(worse), but -" in findings.conclusions[0]  # by the others, of whom bob labels too low
    assert " (better) by the others' labels; debiasing" in findings.conclusions[0]


def test_who_moves_the_whole_scale_is_better_left_out_and_the_judge_who_was_moved_along_is_contradicted():
    findings = ask(two_of_four(ann=(3, 0.7)), annotator="ann")

    assert gain(findings, TRACKS, "without less debiased").value < -0.2
    assert gain(findings, OTHERS, "without less debiased").value < -0.1
    assert gain(findings, CONSENSUS, "without less debiased").value > 0
    assert "(better) by the others' labels and -" in findings.conclusions[0]
    assert any("moves the whole scale" in note for note in findings.notes)


def test_without_a_difference_between_people_no_gain_is_found():
    findings = ask(two_of_four(), annotator="ann")

    assert not is_clear(gain(findings, TRACKS, "without less all"))
    assert "not clearly different" in findings.conclusions[0]


def test_whoever_is_left_out_the_ways_that_leave_nobody_out_have_the_same_figures():
    labels = two_of_four(ann=(1, 0.7))
    findings = ask(labels)

    by_consensus = findings.tables[CONSENSUS]
    assert column(by_consensus, "Left out") == [*column(findings.tables[3], "Annotator"), "all of these"]
    assert len(set(column(by_consensus, "all labels"))) == len(set(column(by_consensus, "debiased"))) == 1
    assert len(set(column(findings.tables[OTHERS], "all labels"))) == 4
    assert "4 rows are compared" in findings.conclusions[-1]


def test_no_model_knows_the_artist_of_a_track_it_is_judged_by_or_a_label_of_who_is_left_out(monkeypatch):
    data = lab_data(level=LEVEL, annotations=two_of_four())
    artist_of = {row.tobytes(): artist for row, artist in zip(data.dataset.X, data.dataset.groups, strict=True)}
    asked, learnt = [], []

    def watched(recipe, known, rows, labels, by_artist):
        model = comparison.fit(recipe, known, rows, labels, by_artist)
        predict = model.predict
        learnt.append(set(labels.annotator.tolist()))

        def predicting(X):
            asked.append({artist_of[row.tobytes()] for row in X})
            assert asked[-1].isdisjoint(known.groups.tolist())
            return predict(X)

        model.predict = predicting
        return model

    monkeypatch.setattr(without_annotator, "fit", watched)
    answer(WithoutAnnotator(annotator="ann"), data, on_progress=silent)

    assert len(asked) == 4 * 4
    assert learnt == [set(PEOPLE)] * 2 + [set(PEOPLE) - {"ann"}] * 2 + learnt[4:]


def test_nobody_named_those_with_the_most_labels_or_the_most_biased_are_tried():
    labels = two_of_four(cleo=(2, 0.5), dora=(-1, 0.5))

    most_labels, most_biased = (
        ask(labels, n_annotators=1, tried_first=first) for first in ("most_labels", "most_biased")
    )

    counts = {name: int(np.sum(labels.annotator == name)) for name in PEOPLE}
    assert column(most_biased.tables[0], "Left out") == ["cleo"]
    assert counts[column(most_labels.tables[0], "Left out")[0]] >= max(counts.values()) - 10


def test_of_two_people_both_are_tried_and_not_both_together():
    findings = ask(labels_by(LEVEL, {"ann": (EVERYTHING, 0, 1), "bob": (EVERYTHING, 0, 1)}))

    assert column(findings.tables[0], "Left out") == ["ann", "bob"]
    assert any(said.startswith("Whoever judges, leaving out is clearly better for ") for said in findings.conclusions)


def test_a_name_that_nobody_has_is_refused_with_the_names_there_are():
    with pytest.raises(TooLittleData, match=r"Found annotator 'Ann'; these labelled .*: (ann|bob|cleo|dora), .*\.$"):
        ask(two_of_four(), annotator="Ann")


def test_of_many_names_only_some_are_listed():
    people = {f"p{number:02}": (EVERYTHING[number::30], 0, 1) for number in range(30)}

    with pytest.raises(TooLittleData, match=r"p\d\d and 10 more\.$"):
        ask(labels_by(LEVEL, people), annotator="ann")


@pytest.mark.parametrize(
    ("annotations", "what"),
    [
        (Annotations.none(), "nobody is known to have labelled"),
        (Annotations(range(200), ["ann"] * 200, [3, 7] * 100), "all labels are by ann"),
        (Annotations([*range(200), 3], ["ann"] * 200 + ["bob"], [5] * 201), "200 labels|1 levels"),
    ],
)
def test_with_one_person_or_one_level_it_says_what_to_do(annotations, what):
    with pytest.raises(TooLittleData, match=what):
        ask(annotations)


def test_whose_labels_are_nearly_all_cannot_be_left_out():
    labels = labels_by(LEVEL, {"ann": (EVERYTHING, 0, 1), "bob": (EVERYTHING[:8], 0, 1)})

    with pytest.raises(
        TooLittleData, match=r"^Without the labels of ann \d+ tracks .* let others label more tracks\.$"
    ):
        ask(labels, annotator="ann")
    findings = ask(labels)
    assert column(findings.tables[0], "Left out") == ["bob"]
    assert any(note.startswith("Without the labels of ann") and note.endswith("not tried") for note in findings.notes)


def test_who_shares_no_tracks_is_said_to_have_a_bias_that_cannot_be_told():
    findings = ask(
        labels_by(LEVEL, {"ann": (EVERYTHING[:200], 2, 0.5), "bob": (EVERYTHING[200:], 0, 0.5)}), annotator="ann"
    )

    assert any("ann (0): their biases cannot be told" in note for note in findings.notes)
    n_labels, n_alone = (gain(findings, 3, name) for name in ("labels", "of tracks alone"))
    assert n_labels == n_alone > 150


def test_tracks_whose_level_nobody_is_known_to_have_given_are_left_out_and_counted():
    findings = ask(
        labels_by(LEVEL, {"ann": (EVERYTHING[:300], 0, 1), "bob": (EVERYTHING[:300], 0, 1)}), annotator="ann"
    )

    assert any("tracks have a level and no labels by people: left out" in note for note in findings.notes)


def test_the_same_seed_gives_the_same_figures_and_a_nameless_annotator_is_one_like_others():
    labels = two_of_four()
    nameless = replace(labels, annotator=np.where(labels.annotator == "bob", "", labels.annotator))

    first, second = (ask(nameless, seed=3, n_annotators=1) for _ in range(2))

    assert first == second
    assert len(ask(nameless, n_annotators=4, n_folds=2).tables[0].rows) == 4
