from dataclasses import replace

import numpy as np
import pytest

from annotations.clusters import Clusters
from modeling.core.annotations import Annotations
from modeling.core.dataset import evaluation_slice
from modeling.core.lab.catalogue import AnnotatorClusters
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import annotator_clusters
from modeling.core.lab.experiments.annotator_clusters import answer
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent

N = 400
EVERYTHING = np.arange(N)
RNG = np.random.default_rng(5)
LEVEL, TASTE = RNG.uniform(3, 8, N), RNG.normal(0, 1.3, N)
"""What all hear in a track, and what some like to be there and others do not."""
FIRST, SECOND = ("ann", "bob", "cleo"), ("dora", "emil", "fay")


def schools(taste=1.0, noise=0.6):
    """Six people, each with a bias, of whom three hear more energy where the others hear less; each labelled half of the tracks."""
    heard = dict.fromkeys(FIRST, LEVEL + taste * TASTE) | dict.fromkeys(SECOND, LEVEL - taste * TASTE)
    each = []
    for seed, (name, level) in enumerate(heard.items()):
        rows = np.random.default_rng([7, seed]).choice(N, N // 2, replace=False)
        each.append(labels_by(level, {name: (rows, seed / 5 - 0.5, noise)}, seed=seed))
    return Annotations(
        *(np.concatenate([getattr(of, part) for of in each]) for part in ("track", "annotator", "level"))
    )


def data_with(annotations):
    """Half of the features follow what all hear, half the taste."""
    data = lab_data(level=np.round(LEVEL), annotations=annotations)
    X = np.column_stack([LEVEL] * 3 + [TASTE] * 3) + np.random.default_rng(6).normal(0, 0.8, (N, 6))
    return replace(data, dataset=replace(data.dataset, X=X))


def ask(annotations, **options):
    return answer(AnnotatorClusters(**options), data_with(annotations), on_progress=silent)


@pytest.fixture(scope="module")
def found():
    return ask(schools())


def test_two_schools_are_two_clusters_whose_models_win_on_their_own_labels_and_lose_on_the_others(found):
    table = found.tables[0]

    assert {frozenset(people.split(", ")) for people in column(table, "people")} == {
        frozenset(FIRST),
        frozenset(SECOND),
    }
    assert sum(column(table, "labels")) == pytest.approx(0.8 * 1200, rel=0.1)
    for gain in column(table, "own less common"):
        assert gain.value < -4 * gain.se
    for loss in column(table, "others less common"):
        assert loss.value > 4 * loss.se
    assert found.conclusions[0].startswith("On their own labels, 2 of 2 clusters")


def test_each_model_is_shown_on_each_clusters_labels(found):
    own, crossed = found.tables[0], found.tables[1]

    assert column(crossed, "Model of") == ["cluster 1", "cluster 2"]
    assert [crossed.rows[0][1], crossed.rows[1][2]] == column(own, "own")
    assert crossed.rows[0][2] == own.rows[0][6]  # of two clusters the other is everybody else


def test_who_labels_alike_is_shown_with_how_much(found):
    people = found.tables[2]

    assert set(column(people, "Annotator")) == {*FIRST, *SECOND}
    assert all(
        own > 0.2 > other
        for own, other in zip(column(people, "like the cluster"), column(people, "like others"), strict=True)
    )
    assert column(people, "labels") == sorted(column(people, "labels"), reverse=True)
    assert all(shared <= n for shared, n in zip(column(people, "shared labels"), column(people, "labels"), strict=True))


def test_people_who_label_alike_are_one_cluster_and_there_is_nothing_to_compare():
    findings = ask(schools(taste=0))

    assert (
        "6 people share enough tracks to compare, and nothing speaks for more than one cluster"
        in findings.conclusions[0]
    )
    assert [table.title for table in findings.tables] == ["Who labels alike"]
    assert column(findings.tables[0], "like others") == [None] * 6


@pytest.mark.parametrize(
    ("annotations", "what"),
    [
        (Annotations.none(), "nobody is known to have labelled|Nobody is known to have labelled"),
        (
            Annotations(range(200), ["ann"] * 200, [3, 7] * 100),
            "none of 1 people labelled 10 tracks that others labelled too",
        ),
        (
            labels_by(LEVEL, {"ann": (EVERYTHING[:200], 0, 1), "bob": (EVERYTHING[200:], 0, 1)}),
            "Let several people label the same tracks",
        ),
    ],
)
def test_with_too_few_shared_tracks_it_says_what_to_do(annotations, what):
    with pytest.raises(TooLittleData, match=what):
        ask(annotations)


def test_labels_of_one_level_are_one_cluster():
    labels = schools()

    findings = ask(replace(labels, level=np.full_like(labels.level, 5)))

    assert "one cluster" in findings.conclusions[0]


def test_who_shares_too_few_tracks_is_in_no_cluster_and_counts_among_everybody():
    labels = schools()
    few = Annotations([*labels.track, *range(5)], [*labels.annotator, *["gil"] * 5], [*labels.level, *[5] * 5])

    findings = ask(few)

    cluster = dict(zip(*(column(findings.tables[2], name) for name in ("Annotator", "cluster")), strict=True))
    assert cluster["gil"] == "in no cluster"
    assert any(note.startswith("1 person labelled fewer than 10 tracks") for note in findings.notes)
    # The others' labels are those of the other cluster and gil's.
    assert findings.tables[1].rows[0][2] != findings.tables[0].rows[0][6]


def test_a_cluster_of_too_few_labels_has_no_model_and_without_any_it_is_refused(monkeypatch):
    def alone(track, annotator, level, *, seed):
        n = int(np.max(annotator)) + 1
        return Clusters(np.where(np.arange(n) == n - 1, 1, 0), 2, np.eye(n))

    monkeypatch.setattr(annotator_clusters, "cluster_annotators", alone)
    labels = labels_by(
        LEVEL, {"ann": (EVERYTHING, 0, 1), "bob": (EVERYTHING[:200], 0, 1), "cleo": (EVERYTHING[:20], 0, 1)}
    )

    findings = ask(labels)

    assert column(findings.tables[0], "Cluster") == ["cluster 1"]
    assert any("no model of cluster 2 (" in note for note in findings.notes)
    assert len(findings.tables) == 2  # nothing to cross
    with pytest.raises(TooLittleData, match="none of 2 clusters gave that many"):
        ask(labels_by(LEVEL, {"ann": (EVERYTHING[:25], 0, 1), "bob": (EVERYTHING[:20], 0, 1)}))


def test_the_same_seed_gives_the_same_figures():
    labels = schools(noise=1.2)

    assert ask(labels, seed=3) == ask(labels, seed=3)


def test_a_recipe_that_refuses_the_labels_is_quoted():
    with pytest.raises(TooLittleData, match=r"crnn cannot learn from these \d+ tracks: found 6 features"):
        ask(schools(), recipe="crnn")


def test_the_evaluation_slice_is_not_looked_at(found):
    labels = schools()
    in_slice = evaluation_slice(data_with(labels).dataset.uris)

    otherwise = ask(replace(labels, level=np.where(in_slice[labels.track], 11 - labels.level, labels.level)))

    assert in_slice.any()
    assert otherwise == found
