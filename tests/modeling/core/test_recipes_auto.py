import json

import numpy as np
import pytest

from modeling.core.metrics import macro_mae, mae
from modeling.core.recipes import auto
from modeling.core.recipes.auto import LEADERS, Auto
from modeling.core.recipes.single import SINGLE_RECIPES

CANDIDATES = ("ridge_thresholds", "ordinal_logit", "svr", "baseline")


def tracks(n=240, p=12, seed=0):
    rng = np.random.default_rng(seed)
    y = np.clip(np.round(rng.normal(5.5, 1.8, n)), 1, 10)
    return y[:, None] * np.eye(1, p) + rng.normal(0, 1.3, (n, p)), y, np.arange(n) // 3


@pytest.fixture(scope="module")
def raced():
    X, y, groups = tracks()
    return Auto(candidates=CANDIDATES).fit(X, y, groups=groups)


def test_the_race_says_what_raced_with_errors_and_paired_differences(raced):
    laps = raced.details["race"]

    assert [lap["candidate"] for lap in laps][:4] == list(CANDIDATES)
    assert {lap["outcome"] for lap in laps} == {"raced"}
    best = min(laps, key=lambda lap: lap["error"])
    assert best["behind"] == best["behind_se"] == 0
    for lap in laps:
        assert lap["error"] - best["error"] == pytest.approx(lap["behind"])
        assert 0 < lap["error_se"] < 0.5
        assert lap["seconds"] >= 0
    assert json.loads(json.dumps(raced.details)) == raced.details
    assert raced.details["judged_by"] == "macro_mae"


def test_the_best_is_kept_and_the_baseline_is_not(raced):
    laps = {lap["candidate"]: lap for lap in raced.details["race"]}
    best = min(laps, key=lambda name: laps[name]["error"])

    assert laps["baseline"]["behind"] > 2 * laps["baseline"]["behind_se"]
    assert raced.details["chosen"] == ("mean_of_models" if best == LEADERS else best)


def test_what_is_kept_is_that_recipe_fitted_alone(raced):
    X, y, groups = tracks()
    alone = auto.CANDIDATES[raced.details["chosen"]](**raced.details["chosen_config"]).fit(X, y, groups=groups)

    assert np.array_equal(raced.predict(X), alone.predict(X))
    assert np.array_equal(raced.predict_score(X), alone.predict_score(X))


def test_a_mean_takes_members_as_they_raced_and_does_not_fit_them_again(monkeypatch):
    X, y, groups = tracks()
    svr = SINGLE_RECIPES["svr"]
    fits = []
    fit_scorer = svr.fit_scorer
    monkeypatch.setattr(svr, "fit_scorer", lambda self, *given: fits.append(self) or fit_scorer(self, *given))

    found = Auto(candidates=("svr", "baseline", "ridge_thresholds")).fit(X, y, groups=groups)

    assert found.details["race"][-1]["candidate"] == LEADERS
    assert len(fits) == found.n_folds + 1


def test_without_time_only_the_first_candidate_races_and_the_rest_is_named():
    X, y, groups = tracks(n=90)

    found = Auto(candidates=("ridge_thresholds", "svr", "ordinal_logit"), time_budget_s=0).fit(X, y, groups=groups)

    assert found.details["chosen"] == "ridge_thresholds"
    assert [lap["outcome"] for lap in found.details["race"]] == ["raced", "skipped for time", "skipped for time"]
    assert found.details["race"][1]["error"] is None
    assert found.notes[-1].startswith("svr, ordinal_logit left the race for want of time (0 s)")


@pytest.mark.parametrize(
    ("time_budget_s", "n_fits_expected", "outcome"), [(59, 1, "skipped for time"), (60, 6, "raced")]
)
def test_a_candidate_whose_fits_would_not_all_end_in_time_is_left_out_after_the_first(
    time_budget_s, n_fits_expected, outcome, monkeypatch
):
    """A clock that only the second candidate's fits move on, by ten seconds each; there are six."""
    X, y, groups = tracks(n=90)
    now, n_fits = 0.0, 0
    monkeypatch.setattr(auto.time, "monotonic", lambda: now)

    def slowly(self, tracks, rng, fit=SINGLE_RECIPES["svr"].fit_scorer):
        nonlocal now, n_fits
        now, n_fits = now + 10, n_fits + 1
        return fit(self, tracks, rng)

    monkeypatch.setattr(SINGLE_RECIPES["svr"], "fit_scorer", slowly)

    found = Auto(candidates=("ridge_thresholds", "svr"), time_budget_s=time_budget_s).fit(X, y, groups=groups)

    assert n_fits == n_fits_expected
    lap = found.details["race"][1]
    assert (lap["candidate"], lap["outcome"], lap["seconds"]) == ("svr", outcome, 10.0 * n_fits)
    assert (lap["error"] is None) == (outcome != "raced")


def test_rounding_is_judged_by_mae():
    X, y, groups = tracks(n=90)

    found = Auto(candidates=("ridge_thresholds", "svr"), decision="lowest_mae").fit(X, y, groups=groups)

    assert found.details["judged_by"] == "mae"
    expected = mae(y, np.floor(found.intervals.score + 0.5))
    assert min(lap["error"] for lap in found.details["race"]) == pytest.approx(expected)


def test_cuts_are_judged_on_folds_they_were_not_placed_on(raced):
    """The same cuts judged on the tracks they were placed on look better than they are, over enough data sets."""
    flattery = []
    for seed in range(6):
        X, y, groups = tracks(n=120, seed=seed)
        found = Auto(candidates=("ridge_thresholds",), seed=seed).fit(X, y, groups=groups)
        flattered = macro_mae(y, found.thresholds.predict(found.intervals.score))
        flattery.append(found.details["race"][0]["error"] - flattered)

    assert np.mean(flattery) > 0.01


@pytest.mark.parametrize("candidates", [(), ("rigde_thresholds",), ("auto",)])
def test_unknown_candidates_are_refused(candidates):
    with pytest.raises(ValueError, match=r"found candidates .*; expected some of"):
        Auto(candidates=candidates)
