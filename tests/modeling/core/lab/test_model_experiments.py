"""The experiments that compare models: what they answer, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from modeling.core.dataset import evaluation_slice
from modeling.core.decisions import round_to_level
from modeling.core.lab import thesis
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.data import LabData, TooLittleData
from modeling.core.lab.experiments.coarser_scale import SCALES
from modeling.core.lab.report import Report
from modeling.core.lab.running import run_experiment
from modeling.core.lab.text import report_text
from modeling.core.recipes import RECIPES
from modeling.core.recipes.network import Network

from .odd import odd_data

QUICK = {
    "class_dependence": {},
    "feature_sets": {"recipe": "ridge_thresholds"},
    "network_resampling": {"n_epochs": 1, "least_neighbors": 3, "most_neighbors": 4},
    "final": {"recipes": ("baseline", "ridge_thresholds")},
    "decisions": {"recipes": ("ridge_thresholds", "svr")},
    "coarser_scale": {},
}
each_experiment = pytest.mark.parametrize("name", QUICK)


def ask(name, data, **options):
    on_progress = options.pop("on_progress", lambda share, message: None)
    asked = EXPERIMENTS[name](**{"n_folds": 2, **QUICK[name], **options})
    return run_experiment(asked, data, on_progress=on_progress)


@pytest.fixture(scope="module")
def answered():
    """Each experiment, asked once of data with everything that real data are."""
    found: dict[str, Report] = {}
    with pytest.MonkeyPatch.context() as patch:
        # Rounded networks need these for intervals alone, which are not looked at: a third of the time is left.
        patch.setattr(Network, "_score_unknown", lambda self, known, X, rng: np.full(len(X), known.y.mean()))
        yield lambda name: found.get(name) or found.setdefault(name, ask(name, odd_data()))


def cells(table, column):
    return [row[[each.name for each in table.columns].index(column)] for row in table.rows]


def changed(data, **fields):
    return replace(data, dataset=replace(data.dataset, **fields))


# ---- All of them


@each_experiment
def test_an_answer_has_sentences_tables_matrices_and_notes_and_survives_json(answered, name):
    report = answered(name)

    assert Report.from_json(report.to_json()).to_json() == report.to_json()
    assert report.findings.conclusions
    assert report.findings.matrices
    assert report.to_csv()
    text = report_text(report)
    assert "nan" not in text.replace("resonance", "")
    for sentence in report.findings.conclusions:
        assert sentence.endswith(".")


@each_experiment
def test_what_was_left_out_of_odd_data_is_said(answered, name):
    notes = " ".join(answered(name).findings.notes)

    if name != "class_dependence":  # it takes Spotify's set alone, which is complete where it is there
        assert "1 column that many tracks lack a value of: left out" in notes
        assert "1 column that is the same in all tracks: left out" in notes
    assert "without" in notes


@each_experiment
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: changed(data, y=np.full(120, 4.0)), "same level"),
        (lambda data: data.tracks(np.arange(9)), "label"),
        (lambda data: changed(data, groups=np.full(120, "one")), "one artist"),
        (lambda data: changed(data, X=np.full((120, 10), np.nan)), "Compute or import"),
        (lambda data: changed(data, X=np.ones((120, 10))), "nothing to learn from"),
    ],
    ids=["one level", "nine labels", "one artist", "no features", "constant features"],
)
def test_too_little_is_refused_before_any_fit(name, make, message):
    with pytest.raises(TooLittleData, match=message):
        ask(name, make(odd_data()), on_progress=lambda share, message: pytest.fail(message))


@each_experiment
def test_work_may_be_stopped_before_the_first_fit(name):
    class Cancelled(Exception):
        pass

    def cancel(share, message):
        assert share == 0
        raise Cancelled

    with pytest.raises(Cancelled):
        ask(name, odd_data(), on_progress=cancel)


@pytest.mark.parametrize("name", sorted(set(QUICK) - {"final"}))
def test_the_evaluation_slice_is_not_looked_at(monkeypatch, name):
    seen = set()
    fit_all = {recipe: kind.fit for recipe, kind in RECIPES.items()}

    class Stop(Exception):
        pass

    def watched(self, X, y, **about):
        seen.update(row.tobytes() for row in X)
        if len(seen) > 60:
            raise Stop
        return fit_all[self.name](self, X, y, **about)

    for kind in RECIPES.values():
        monkeypatch.setattr(kind, "fit", watched)
    data = odd_data()
    with pytest.raises(Stop):
        ask(name, data, sets=("transfer@1",))

    judged = {row[6:9].tobytes() for row in data.dataset.X[evaluation_slice(data.dataset.uris)]}
    assert seen
    assert not seen & judged


# ---- One by one


def test_class_dependence_takes_spotify_s_features_where_they_are_there(answered):
    notes = answered("class_dependence").findings.notes

    assert "learnt from spotify@1; the thesis here used Spotify's features alone" in notes
    others = ask("class_dependence", odd_data().using(["transfer@1"])).findings.notes
    assert "learnt from transfer@1; the thesis here used Spotify's features alone" in others


def test_class_dependence_counts_large_errors_as_its_matrices_do(answered):
    findings = answered("class_dependence").findings
    table, _ = findings.tables

    for matrix, large, distance in zip(
        findings.matrices, cells(table, "large errors"), cells(table, "distance when wrong"), strict=True
    ):
        counts = np.array(matrix.counts)
        off = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
        assert large.value == pytest.approx(counts[off >= 3].sum() / counts.sum())
        assert distance.value == pytest.approx((counts * off).sum() / counts[off > 0].sum())
    less = cells(table, "less xgboost")[1]
    assert f"the difference is {less.value * 100:+.1f} ± {less.se * 100:.1f} points" in findings.conclusions[0]


def test_feature_sets_are_tried_in_every_combination_on_the_same_tracks(answered):
    (table,) = answered("feature_sets").findings.tables

    names = cells(table, "Feature sets")
    assert len(names) == 7
    assert names[-1] == "signal@2 + spotify@1 + transfer@1"
    assert cells(table, "features") == [2, 2, 3, 4, 5, 5, 7]
    assert cells(table, "thesis") == [1.03, 1.04, 1.03, 0.99, 0.98, 0.98, 0.98]
    n_tracks = {sum(map(sum, matrix.counts)) for matrix in answered("feature_sets").findings.matrices}
    assert len(n_tracks) == 1
    development = odd_data().development()
    n_rare, n = int(development.has("rare@1").sum()), len(development.dataset.y)
    notes = answered("feature_sets").findings.notes
    assert f"rare@1 is left out; {n_rare} of {n} tracks have it: name it in `sets` to compare on these" in notes


def test_too_many_feature_sets_are_refused_with_what_to_do():
    X = np.random.default_rng(0).normal(size=(120, 10))
    five = LabData(
        replace(odd_data().dataset, X=X),
        {f"{name}@1": (2 * i, 2 * i + 2) for i, name in enumerate("abcde")},
        [()] * 120,
    )

    with pytest.raises(TooLittleData, match="5 sets have 31 combinations: name at most 4 of a@1, b@1"):
        ask("feature_sets", five)
    (table,) = ask("feature_sets", five, sets=("b@1", "e@1")).findings.tables
    assert cells(table, "Feature sets") == ["b@1", "e@1", "b@1 + e@1"]


def test_a_single_feature_set_is_shown_without_claims():
    findings = ask("feature_sets", odd_data().using(["transfer@1"])).findings

    assert findings.conclusions[0].startswith("transfer@1 is the only set there is")


def test_the_network_is_resampled_in_each_way_beside_the_thesis(answered):
    findings = answered("network_resampling").findings
    (table,) = findings.tables

    assert cells(table, "Resampling") == [
        "none",
        "random_over",
        *(f"{method}, {k} neighbours" for method in ("smote", "smote_tomek") for k in (3, 4)),
    ]
    assert cells(table, "thesis") == [None, 0.843, 0.830, 0.832, 0.831, 0.849]
    assert [series.x for series in findings.charts[0].series] == [(3, 4), (3, 4)]


def test_final_models_learn_from_development_tracks_and_are_judged_on_the_slice(answered):
    data = odd_data().using()
    in_slice = evaluation_slice(data.dataset.uris)
    known, held = data.dataset.rows(~in_slice), data.dataset.rows(in_slice)
    model = RECIPES["ridge_thresholds"](seed=0).fit(known.X, known.y, groups=known.groups)
    error = np.abs(model.predict(held.X) - round_to_level(held.y))

    overall, pairs, *_ = answered("final").findings.tables

    assert cells(overall, "MAE")[1].value == pytest.approx(error.mean())
    assert cells(overall, "thesis") == [1.30, None]
    assert cells(overall, "thesis MAE") == [0.89, None]
    one, other = cells(pairs, "less ridge_thresholds")[0], cells(pairs, "less baseline")[1]
    assert one.value == -other.value
    assert one.se == pytest.approx(other.se)


def test_final_gives_the_baseline_spotify_s_features_alone(answered):
    data = odd_data().using()
    in_slice = evaluation_slice(data.dataset.uris)
    spotify = data.only(["spotify@1"]).dataset
    known = spotify.rows(~in_slice)
    level = RECIPES["baseline"](seed=0).fit(known.X, known.y, groups=known.groups).predict(spotify.X[in_slice])

    (overall, *_) = answered("final").findings.tables

    assert cells(overall, "MAE")[0].value == pytest.approx(np.abs(level - data.dataset.y[in_slice]).mean())
    assert "baseline learns from spotify@1 alone, as in the thesis" in answered("final").findings.notes
    without = ask("final", odd_data().using(["transfer@1"])).findings.notes
    assert any(note.startswith("baseline learns from the same features as the others") for note in without)


def test_final_counts_a_track_in_each_of_its_genres_and_shows_levels_beside_the_thesis_s(answered):
    tables = {table.title: table for table in answered("final").findings.tables}
    data = odd_data().using()
    in_slice = data.tracks(evaluation_slice(data.dataset.uris))
    n_rock = sum("rock" in names for names in in_slice.genres)

    genre = tables["By genre"]
    assert {name: n for name, n, *_ in genre.rows if name != "Jazz"} == {"pop": n_rock, "rock": n_rock}
    assert dict(zip(cells(genre, "Genre"), cells(genre, "thesis MAE"), strict=True))["Jazz"] == 0.69

    level = tables["ridge_thresholds by level"]
    assert len(level.rows) == 10
    assert cells(level, "thesis MAE") == [figures.mae for figures in thesis.NETWORK_BY_LEVEL.values()]
    assert sum(cells(level, "tracks")) == len(in_slice.dataset.y)
    assert level.rows[0][1:6] == (0, None, None, None, None)


def test_final_says_what_intervals_hold_overall_and_on_each_level(answered):
    overall, by_level = answered("final").findings.tables[-2:]

    assert overall.title == "Intervals for 90%"
    shares = [each.value for each in cells(by_level, "ridge_thresholds")[:-1]]
    counts = cells(by_level, "tracks")[:-1]
    assert np.average(shares, weights=counts) == pytest.approx(cells(overall, "labels held")[1].value)
    assert 0.6 < cells(overall, "labels held")[1].value <= 1


def test_final_tells_unknown_artists_apart(answered):
    data = odd_data().using().dataset
    in_slice = evaluation_slice(data.uris)
    n_unknown = sum(artist not in set(data.groups[~in_slice]) for artist in data.groups[in_slice])

    titles = [table.title for table in answered("final").findings.tables]

    assert 0 < n_unknown < in_slice.sum()
    assert f"Of these, {n_unknown} tracks by unknown artists" in titles


def test_final_needs_some_tracks_in_the_slice():
    data = odd_data()
    few = np.flatnonzero(evaluation_slice(data.dataset.uris))[9:]

    with pytest.raises(TooLittleData, match=r"[0-9] labelled tracks with features are in the evaluation slice"):
        ask("final", data.tracks(np.setdiff1d(np.arange(120), few)))


def test_decisions_differ_by_how_the_same_scores_are_read(answered):
    findings = answered("decisions").findings
    (table,) = findings.tables

    for cuts, rounded, gain in zip(
        cells(table, "macro-MAE, cuts"), cells(table, "macro-MAE, rounded"), cells(table, "gain"), strict=True
    ):
        assert gain.value == pytest.approx(cuts.value - rounded.value)
    assert len(findings.matrices) == 4
    assert findings.charts[0].x_names == ("ridge_thresholds", "svr")
    assert findings.charts[0].series[0].y == tuple(each.value for each in cells(table, "gain"))


def test_levels_are_read_as_pairs_and_as_low_middle_and_high():
    level = np.arange(1, 11)

    _, pairs, three = SCALES
    assert pairs.read(level).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert three.read(level).tolist() == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3]


def test_a_coarser_scale_is_set_against_constants_and_chance(answered):
    findings = answered("coarser_scale").findings
    table, *levels = findings.tables

    y = odd_data().development().using().dataset.y
    share = np.array([(y <= 3).mean(), (y > 3).mean()])
    assert cells(table, "best constant") == [1.5, 1.0, 0.5]  # of levels 2..7, pairs 1..4, and thirds 1 and 2
    assert cells(table, "commonest")[2] == pytest.approx(share.max())
    assert cells(table, "by chance")[2] == pytest.approx((share**2).sum())
    three = np.array(findings.matrices[2].counts)
    assert cells(table, "right")[2].value == pytest.approx(np.trace(three) / three.sum())
    assert findings.matrices[2].labels == ("1-3", "4-7", "8-10")
    low = levels[2].rows[0]
    assert low[2].value == pytest.approx(three[0, 0] / three[0].sum())
    assert low[3] == pytest.approx(three[0, 0] / three[:, 0].sum())
