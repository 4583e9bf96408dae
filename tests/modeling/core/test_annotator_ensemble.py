import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.recipes import RECIPES
from modeling.core.recipes.annotator_ensemble import AnnotatorEnsemble

N = 240


def labelled(seed=0):
    """Tracks whose true level is in the features; ann hears it two levels too high, bob two too low, cleo labels little."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, 9, N)
    X = (truth[:, None] + rng.normal(0, 0.8, (N, 6))).astype(np.float32)
    row = np.arange(N)
    track = np.concatenate([row[: N // 2], row[N // 2 :], row[:8]])
    annotator = np.repeat(["ann", "bob", "cleo"], [N // 2, N // 2, 8])
    shift = np.repeat([2, -2, 0], [N // 2, N // 2, 8])
    return X, truth.astype(float), row // 3, Annotations(track, annotator, truth[track] + shift)


def test_the_mean_vote_of_opposite_people_is_the_truth_in_between():
    X, truth, groups, annotations = labelled()

    recipe = AnnotatorEnsemble(decision="lowest_mae").fit(X, truth, groups=groups, annotations=annotations)

    votes = [scorer.predict(X).mean() - truth.mean() for scorer in recipe.scorer.scorers]
    assert votes == pytest.approx([2, -2], abs=0.3)
    assert np.mean(np.abs(recipe.predict(X) - truth)) < 0.5
    assert recipe.details == {"n_labels": {"ann": 120, "bob": 120}}
    assert recipe.notes == ["2 people vote in place of 4: no more have 30 labels"]


def test_cuts_take_out_what_those_who_vote_have_in_common():
    X, truth, groups, annotations = labelled()
    only_ann = {"n_annotators": 1, "min_labels": 100}

    recipe = AnnotatorEnsemble(**only_ann).fit(X, truth, groups=groups, annotations=annotations)
    rounded = AnnotatorEnsemble(**only_ann, decision="lowest_mae").fit(X, truth, groups=groups, annotations=annotations)

    assert np.mean(np.abs(recipe.predict(X) - truth)) < 0.7
    assert np.mean(np.abs(rounded.predict(X) - truth)) > 1.5


def test_a_held_out_score_is_by_members_that_know_no_track_of_the_artist():
    _, truth, groups, annotations = labelled()
    noise = np.random.default_rng(1).normal(size=(N, 80)).astype(np.float32)

    recipe = AnnotatorEnsemble(member="svr").fit(noise, truth, groups=groups, annotations=annotations)

    assert abs(np.corrcoef(recipe.intervals.score, truth)[0, 1]) < 0.25
    assert np.corrcoef(recipe.predict_score(noise), truth)[0, 1] > 0.5


@pytest.mark.parametrize("member", ["ridge_thresholds", "xgboost", "svr"])
def test_a_saved_ensemble_predicts_exactly_the_same_and_the_same_seed_gives_the_same(member, tmp_path):
    X, truth, groups, annotations = labelled()
    weight = np.repeat([0.0, 1.0], [40, N - 40])
    given = {"groups": groups, "annotations": annotations, "sample_weight": weight}
    recipe = AnnotatorEnsemble(member=member, seed=3, resampling="random_over").fit(X, truth, **given)
    again = RECIPES["annotator_ensemble"](**recipe.config).fit(X, truth, **given)
    recipe.save(tmp_path)

    loaded = AnnotatorEnsemble.load(tmp_path)

    for other in (again, loaded):
        assert np.array_equal(other.predict_score(X), recipe.predict_score(X))
        assert np.array_equal(other.predict(X), recipe.predict(X))
        assert (other.details, other.notes) == (recipe.details, recipe.notes)
    assert recipe.details["n_labels"]["ann"] == 80  # tracks without weight are as if not there
    with np.load(tmp_path / "annotator_ensemble.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (None, "needs annotations, and was given none"),
        (Annotations.none(), "found 0 labels by the person with the most"),
        (Annotations([0, 1, 2], ["ann"] * 3, [4, 5, 6]), "found 3 labels by the person with the most"),
        (Annotations(range(50), ["ann"] * 50, [4] * 50), "of two levels"),
    ],
)
def test_without_people_who_labelled_enough_it_is_refused_with_what_to_do(annotations, message):
    X, truth, groups, _ = labelled()

    with pytest.raises(ValueError, match=message):
        AnnotatorEnsemble().fit(X, truth, groups=groups, annotations=annotations)


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="found member 'auto'; expected one of"):
        AnnotatorEnsemble(member="auto")
    with pytest.raises(ValueError, match="found 0 annotators"):
        AnnotatorEnsemble(n_annotators=0)
