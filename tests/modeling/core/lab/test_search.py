import numpy as np
import pytest

from modeling.core.lab.catalogue import Search
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import search
from modeling.core.lab.experiments.search import answer
from tests.modeling.core.lab.planted import column, lab_data, silent


class Stopped(Exception):
    """By whoever watches the progress."""


def ask(data, *, folder=None, on_progress=silent, **options):
    asked = Search(**{"n_trials": 12, "n_epochs": 1, "n_folds": 2, **options})
    return answer(asked, data, on_progress=on_progress, folder=folder)


@pytest.fixture
def planted(monkeypatch):
    """Networks whose error is known: the nearer to two layers and a rate of 1e-4, the lower. Counts how many were fitted."""
    fitted, thesis = [], {"n_layers": 3, "learning_rate": 1.16e-4}

    def score(self, options, known, held, seed):
        fitted.append(dict(options))
        options = thesis | options
        error = abs(options["n_layers"] - 2) + abs(np.log10(options["learning_rate"]) + 4)
        return self.data.dataset.y[held] + error * np.resize([1, -1], held.sum())

    monkeypatch.setattr(search._Search, "score", score)
    return fitted


def trials(findings):
    return next(table for table in findings.tables if table.title == "All settings").rows


def test_the_search_finds_the_planted_setting_and_what_matters(planted):
    findings = ask(lab_data(120), n_trials=25)

    best = min(trials(findings), key=lambda row: row[-1].value)
    assert best[1] == 2
    assert 3e-5 < float(best[4]) < 3e-4
    importance = {row[0]: row[1] for row in findings.tables[2].rows}
    assert importance["n_layers"] + importance["learning_rate"] > 0.8
    assert sum(importance.values()) == pytest.approx(1)
    assert any("settings err more than one level for all tracks" in said for said in findings.conclusions) == any(
        row[-1].value > 2 for row in trials(findings)
    )
    assert column(findings.tables[0], "thesis") == [0.816, None, 0.932]


def test_a_search_that_was_stopped_goes_on_after_its_last_finished_trial_and_finds_the_same(planted, tmp_path):
    data = lab_data(120)
    whole = trials(ask(data, n_trials=14))
    n_whole = len(planted)

    def stop(share, message):
        if message == "setting 12 of 14, fold 2":
            raise Stopped

    with pytest.raises(Stopped):
        ask(data, n_trials=14, folder=tmp_path, on_progress=stop)
    n_before = len(planted) - n_whole
    resumed = trials(ask(data, n_trials=14, folder=tmp_path))

    assert resumed == whole
    n_of_judging = 2
    assert n_whole == 14 * 2 + n_of_judging
    assert n_before == 11 * 2 + 1
    assert len(planted) - n_whole - n_before == 3 * 2 + n_of_judging


def test_other_tracks_or_another_seed_are_another_search(planted, tmp_path):
    first = trials(ask(lab_data(120), folder=tmp_path, n_trials=3))

    assert trials(ask(lab_data(120), folder=tmp_path, n_trials=3, seed=1)) != first
    ask(lab_data(120, seed=1), folder=tmp_path, n_trials=3)

    assert len(list(tmp_path.glob("search-*.log"))) == 3


def test_the_search_never_sees_the_tracks_its_winner_is_judged_by(monkeypatch):
    asked_of, data = [], lab_data(120)

    def score(self, options, known, held, seed):
        asked_of.append((set(self.data.dataset.uris[known]), set(self.data.dataset.uris[held])))
        return np.full(held.sum(), 5.0)

    monkeypatch.setattr(search._Search, "score", score)
    findings = ask(data, n_trials=2)

    *of_search, of_winner, of_thesis = asked_of
    searched = set.union(*(known | held for known, held in of_search))
    assert of_winner == of_thesis
    assert of_winner[0] == searched
    assert not searched & of_winner[1]
    artist = dict(zip(data.dataset.uris, data.dataset.groups, strict=True))
    assert not {artist[uri] for uri in searched} & {artist[uri] for uri in of_winner[1]}
    assert "all settings did the same: nothing can be said of what matters" in findings.notes


def test_real_networks_are_searched_and_the_winner_judged():
    findings = ask(lab_data(110, n_features=3), n_trials=2, n_epochs=3)

    assert len(trials(findings)) == 2
    judged = findings.tables[1]
    assert column(judged, "Setting") == ["best of the search", "the thesis's setting"]
    assert all(0 <= error.value < 5 for error in column(judged, "macro-MAE"))
    assert np.sum(findings.matrices[0].counts) == int(judged.caption.split()[0])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (lab_data(12), "this experiment needs 20"),
        (lab_data(level=[5] * 60), "same level"),
        (lab_data(level=[5] * 117 + [8] * 3), "Some tracks are kept out of the search"),
    ],
)
def test_too_little_is_refused_with_what_to_do(data, what):
    with pytest.raises(TooLittleData, match=what):
        ask(data)
