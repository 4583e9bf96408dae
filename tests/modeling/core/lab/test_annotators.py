import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.lab.catalogue import Annotators
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments.annotators import answer
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent

N = 360
LEVEL = np.random.default_rng(5).integers(3, 9, N)
# Ann and bob labelled tracks of their own, and cleo and dora those of both.
ANN, BOB, CLEO, DORA = range(0, 120), range(120, 230), range(70, 185), range(240, 330)


def ask(data, **options):
    return answer(Annotators(recipe="ridge_thresholds", **options), data, on_progress=silent)


@pytest.fixture(scope="module")
def found():
    annotations = labels_by(
        LEVEL, {"ann": (ANN, 2, 0.3), "bob": (BOB, -2, 0.3), "cleo": (CLEO, 0, 0.3), "dora": (DORA, 0, 0.3)}
    )
    return ask(lab_data(level=LEVEL, annotations=annotations), n_annotators=3)


def test_a_biased_persons_model_wins_on_own_labels_and_loses_on_the_rest(found):
    table = found.tables[0]
    by_name = dict(zip(column(table, "Labels of"), table.rows, strict=True))
    own, rest = (dict(zip(by_name, column(table, name), strict=True)) for name in ("own", "rest"))
    gain, gain_on_rest = (dict(zip(by_name, column(table, f"{on} less common"), strict=True)) for on in ("own", "rest"))

    assert set(by_name) == {"ann", "bob", "cleo", "ensemble"}
    for name in ("ann", "bob"):
        assert own[name].value < 0.9
        assert gain[name].value < -4 * gain[name].se
        assert rest[name].value > 1.5
    assert gain_on_rest["ann"].value > 0
    assert rest["ann"].value > own["ann"].value + 1
    assert found.conclusions[0].startswith("On their own labels, 3 of 3 people")


def test_opposite_biases_cancel_in_the_mean_vote(found):
    together = found.tables[1]
    error = dict(zip(column(together, "Model"), column(together, "macro-MAE"), strict=True))

    assert error["ensemble"].value < min(error["ann"].value, error["bob"].value) - 0.5
    # Dora alone labelled tracks that none of the three did; a fifth of them is in the evaluation slice.
    assert 55 < int(together.caption.split()[0]) < 100


def test_the_thesis_stands_beside_by_rank(found):
    assert column(found.tables[0], "thesis, own") == [0.72, 0.88, 0.99, None]
    assert column(found.tables[0], "thesis, rest") == [1.16, 1.28, 1.12, 1.26]


def test_the_rest_are_others_labels_of_tracks_that_person_did_not_label(found):
    note = next(note for note in found.notes if note.startswith("the rest are"))

    counted = {name: int(n) for name, n in (part.split() for part in note.split(": ")[1].split(", "))}
    # Bob's and dora's labels, and cleo's but for those of tracks 70 to 119, which ann labelled.
    assert counted["ann"] == pytest.approx((110 + 65 + 90) * 0.8, abs=25)


def test_one_person_alone_has_no_rest_and_no_others_to_draw_from():
    findings = ask(lab_data(level=LEVEL, annotations=labels_by(LEVEL, {"ann": (range(N), 1, 0.5)})))

    assert column(findings.tables[0], "rest") == [None, None]
    assert findings.tables[1].rows == ()
    assert any("nothing can be said of the rest" in said for said in findings.conclusions)
    assert any("1 people have a model in place of 4" in note for note in findings.notes)


@pytest.mark.parametrize(
    ("annotations", "what"),
    [
        (Annotations.none(), "nobody is known to have labelled"),
        (Annotations(range(20), ["ann"] * 20, [3, 7] * 10), "the person with the most gave"),
        (Annotations(range(200), ["ann"] * 200, [5] * 200), "needs 30 labels of several levels"),
    ],
)
def test_without_people_who_labelled_enough_it_says_what_to_do(annotations, what):
    with pytest.raises(TooLittleData, match=what):
        ask(lab_data(level=LEVEL, annotations=annotations))


def test_the_same_seed_gives_the_same_figures():
    annotations = labels_by(LEVEL, {"ann": (ANN, 1, 1), "bob": (BOB, -1, 1)})
    data = lab_data(level=LEVEL, annotations=annotations)

    assert ask(data, seed=3) == ask(data, seed=3)
