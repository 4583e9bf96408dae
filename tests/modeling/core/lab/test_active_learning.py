from dataclasses import replace

import numpy as np
import pytest

from modeling.core import replay
from modeling.core.acquisition import STRATEGIES
from modeling.core.benchmarks import acquisition as benchmark
from modeling.core.dataset import evaluation_slice
from modeling.core.lab import savings
from modeling.core.lab.catalogue import ActiveLearning
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import active_learning
from modeling.core.lab.experiments.active_learning import answer
from modeling.core.lab.report import Report
from modeling.core.lab.running import run_experiment
from modeling.core.lab.savings import recommended_in, savings_of, standings_of
from modeling.core.lab.text import report_text
from modeling.core.replay import Curves
from tests.modeling.core.lab.planted import column, lab_data, labels_by, silent

QUICK = {"n_repeats": 6, "batch": 10, "strategies": ("k_center",)}


def ask(data, *, on_progress=silent, **options):
    return answer(ActiveLearning(**QUICK | options), data, on_progress=on_progress)


def rare_in_a_corner(n=210, *, seed=0):
    """Nearly all tracks are of 5 and 6; those of 1 and 10 lie far out, each side in its own direction, and no two alike."""
    rng = np.random.default_rng(seed)
    level = rng.choice([1, 5, 6, 10], n, p=[0.04, 0.46, 0.46, 0.04])
    data = lab_data(level=level)
    X = rng.normal(0, 1, (n, 6))
    X[:, 0] += (level == 6) * 1.0
    X[:, 1] += (level == 10) * 8
    X[:, 2] += (level == 1) * 8
    return replace(data, dataset=replace(data.dataset, X=X))


def pure_noise(n=200, *, seed=0):
    data = lab_data(n, seed=seed)
    X = np.random.default_rng(seed + 100).normal(size=data.dataset.X.shape)
    return replace(data, dataset=replace(data.dataset, X=X))


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """Intervals are coarser, and the tests over sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "N_DRAWS", 50)
        yield


@pytest.fixture(scope="module")
def in_a_corner():
    return ask(rare_in_a_corner())


def test_where_rare_levels_lie_in_a_corner_the_strategy_that_goes_there_is_recommended(in_a_corner):
    standings, needed, _ = in_a_corner.tables  # too few tracks to play back second opinions

    assert recommended_in(standings) == "k_center"
    assert standings_of(standings)[0].area_less.value < -0.1
    assert all(saving.needed < saving.n_random for saving in savings_of(needed) if saving.needed)
    said, why, *_ = in_a_corner.conclusions
    assert said.startswith("k_center would have needed ")
    assert "% fewer" in said
    assert "(better)" in why


def test_of_features_that_say_nothing_no_saving_is_said():
    findings = ask(pure_noise())

    assert recommended_in(findings.tables[0]) == "random"
    assert findings.conclusions[0].startswith("No saving on your data: k_center did best in half of the repeats")


def test_the_curve_stands_in_the_table_and_in_the_chart(in_a_corner):
    table, chart = in_a_corner.tables[2], in_a_corner.charts[0]

    assert column(table, "labels")[:3] == [20, 30, 40]
    assert [series.name for series in chart.series] == ["random", "k_center"]
    for series in chart.series:
        assert [cell.value for cell in column(table, series.name)] == list(series.y)
        assert [cell.se for cell in column(table, series.name)] == list(series.se)
    assert column(table, "random")[0] == column(table, "k_center")[0]  # the same labels at the start


def test_one_more_opinion_is_weighed_against_one_new_track_with_simulated_and_with_real_people(monkeypatch):
    monkeypatch.setattr(active_learning, "MAX_BATCHES", 3)
    level = np.random.default_rng(0).integers(2, 10, 190)
    people = {name: (range(190), bias, 1.0) for name, bias in {"ann": 0.0, "bob": 1.0, "cleo": -1.0}.items()}
    data = lab_data(level=level, annotations=labels_by(level, people))

    findings = ask(data, n_repeats=4, batch=5)

    assert [table.title.partition(", ")[2] for table in findings.tables[::3]] == [
        "",
        "opinions of simulated annotators",
        "your annotators' opinions",
    ]
    assert [table.best is None for table in findings.tables[::3]] == [False, True, True]
    for table in findings.tables[3::3]:
        assert set(column(table, "Strategy")) == {"random", "random_mix", "relabel_or_new"}
    assert len(findings.charts) == 3
    of_simulated, of_people = findings.conclusions[-2:]
    assert of_simulated.startswith("One more opinion or one new track, opinions of simulated annotators: ")
    assert of_people.startswith("One more opinion or one new track, your annotators' opinions: ")


def test_where_few_tracks_have_several_labels_it_is_said_how_many_it_takes(monkeypatch):
    monkeypatch.setattr(active_learning, "MAX_BATCHES", 3)
    level = np.random.default_rng(0).integers(2, 10, 190)
    rows = [row for row, uri in enumerate(lab_data(190).dataset.uris.tolist()) if not evaluation_slice([uri])[0]]
    twice = labels_by(level, {"ann": (range(190), 0, 1), "bob": (rows[:7], 0, 1)})

    few_twice = ask(lab_data(level=level, annotations=twice), n_repeats=4, batch=5)
    few_tracks = ask(lab_data(150), n_repeats=4)

    assert [table.title for table in few_twice.tables[3:]] == [
        f"{title}{savings.SIMULATED}" for title in (savings.STANDINGS, savings.SAVINGS, savings.CURVE)
    ]
    assert "played back where 100 tracks have several labels; here 7 have" in " ".join(few_twice.notes)
    assert "second opinions are played back from 172 tracks on, and there are" in " ".join(few_tracks.notes)


def test_opinions_that_cannot_be_played_back_leave_the_rest_as_it_is(monkeypatch):
    monkeypatch.setattr(active_learning, "MAX_BATCHES", 3)
    level = np.random.default_rng(0).integers(2, 10, 190)
    said_twice = labels_by(level, {"ann": (np.repeat(range(190), 2), 0, 1)})

    findings = ask(lab_data(level=level, annotations=said_twice), n_repeats=4, batch=5)

    assert len(findings.tables) == 6
    assert "your annotators' opinions, cannot be played back: found two labels of a track" in " ".join(findings.notes)


def test_a_report_is_the_same_again_and_survives_json():
    reports = [run_experiment(ActiveLearning(**QUICK | {"n_repeats": 4}), pure_noise(130)) for _ in range(2)]

    assert reports[0].findings == reports[1].findings
    assert Report.from_json(reports[0].to_json()).to_json() == reports[0].to_json()
    assert "nan" not in report_text(reports[0])


def test_no_strategy_ever_gets_to_see_a_track_of_the_evaluation_slice(monkeypatch):
    data, seen, key_of = pure_noise(160), set(), replay.keys
    uri_of = dict(zip(key_of(data.dataset.uris).tolist(), data.dataset.uris.tolist(), strict=True))

    def spy(pool, n, seed):
        seen.update(uri_of[key] for key in pool.key.tolist())
        return STRATEGIES["random"](pool, n, seed)

    monkeypatch.setitem(STRATEGIES, "k_center", spy)
    ask(data, n_repeats=4)

    in_slice = {uri for uri in data.dataset.uris.tolist() if evaluation_slice([uri])[0]}
    assert in_slice
    assert len(seen) > 100
    assert not seen & in_slice


def test_a_strategy_is_chosen_by_half_of_the_repeats_and_judged_by_the_other():
    lucky = np.array([-0.9, 0.1, -0.8, 0.2, -0.9, 0.1])  # only in those repeats that it is chosen by
    steady = np.array([-0.3, -0.3, -0.2, -0.3, -0.3, -0.2])

    both = savings.Choice.of({"lucky": lucky, "steady": steady})

    assert (both.candidate, both.recommended) == ("lucky", "random")
    assert both.judged.value == pytest.approx(0.4 / 3)
    assert savings.Choice.of({"steady": steady}).recommended == "steady"
    assert savings.Choice.of({"steady": steady[:2]}).recommended == "random"  # one repeat says nothing of chance


def test_rare_levels_may_be_thinned_to_choose_from_but_are_judged_by_all(monkeypatch):
    given = {}
    play = active_learning.replay
    monkeypatch.setattr(active_learning, "replay", lambda *tracks, **how: given.update(how) or play(*tracks, **how))

    findings = ask(rare_in_a_corner(), n_repeats=4, thin_rare=True)

    assert given["thin"] == {1: 0.25, 2: 0.25, 9: 0.25, 10: 0.25}
    assert "of levels 1, 2, 9, 10 25% of the tracks were left" in findings.notes[-1]


def test_of_a_large_library_so_many_tracks_are_drawn_that_it_is_done_in_minutes(monkeypatch):
    monkeypatch.setattr(active_learning, "MAX_TRACKS", 110)

    findings = ask(pure_noise(), n_repeats=4)

    assert any("110 of" in note for note in findings.notes)


def test_progress_is_told_at_each_training_and_whoever_watches_may_stop(monkeypatch):
    shares = []

    class Stopped(Exception):
        pass

    def stop_after_five(share, message):
        shares.append(share)
        if len(shares) == 5:
            raise Stopped

    with pytest.raises(Stopped):
        ask(pure_noise(), on_progress=stop_after_five)

    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 0.1


@pytest.mark.parametrize(
    ("data", "options", "what"),
    [
        (lab_data(9), {}, "label more"),
        (lab_data(level=[5] * 200), {}, "same level"),
        (lab_data(100), {"batch": 20}, "batches of 20, 153 are needed: label more, or ask for smaller batches"),
        (lab_data(200), {"recipe": "annotator_ensemble"}, "annotator_ensemble cannot learn from these"),
    ],
)
def test_too_little_is_refused_with_what_to_do(data, options, what):
    with pytest.raises(TooLittleData, match=what):
        ask(data, **options)


def test_the_benchmark_says_of_each_strategy_whether_it_reached_what_was_aimed_at():
    sizes = np.arange(20, 301, 20)
    slow, fast = (np.stack([2 + off - slope * sizes for off in (-0.01, 0.0, 0.01)]) for slope in (0.002, 0.004))
    curves = Curves(sizes, {"random": slow, "fast": fast, "slower": slow + 0.1 + np.array([[0.0], [0.02], [0.0]])})

    as_is, thinned = (list(benchmark.savings_markdown(curves, is_thinned=of)) for of in (False, True))

    assert thinned[2].startswith("| fast | -0.320 ± 0.000 | 50 (50 to 50) | 80 (80 to 80) | 100 (100 to 100) | met |")
    assert [line.split(" | ")[-1] for line in as_is[2:]] == ["met |", "MISSED |"]
    assert "| 253 (" in thinned[3]
    assert benchmark.recommendation(curves).startswith("Recommended: random. fast had the lowest area in half")
    assert "| 300 | 1.400 ± 0.006 |" in list(benchmark.curves_markdown(curves))[-1]


def test_artists_may_be_left_apart():
    data = pure_noise(160)
    one_artist = replace(data, dataset=replace(data.dataset, groups=["she"] * 160))

    assert ask(one_artist, n_repeats=4, by_artist=False).conclusions
    with pytest.raises(TooLittleData, match="by one artist"):
        ask(one_artist)
