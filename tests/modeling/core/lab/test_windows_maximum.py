from dataclasses import replace

import numpy as np
import pytest

from modeling.core.lab.catalogue import WindowsMaximum
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments.windows_maximum import answer
from tests.modeling.core.lab.planted import column, lab_data, silent

N, N_WINDOWS = 300, 6


def songs(*, truth_is, seed=0):
    """Songs whose level is the maximum (or mean) of their windows' energy; the loudest part is any of the windows.

    Every third track is a clip: one window, which tells its level.
    """
    rng = np.random.default_rng(seed)
    energy = np.clip(rng.uniform(2, 9, N)[:, None] + rng.normal(0, 1.5, (N, N_WINDOWS)), 1, 10)
    energy[::3] = energy[::3, :1]
    level = np.clip(np.round(truth_is(energy, axis=1)), 1, 10).astype(int)
    features = energy[:, :, None] + rng.normal(0, 0.2, (N, N_WINDOWS, 3))
    data = lab_data(level=level, n_features=3)
    return replace(
        data,
        dataset=replace(data.dataset, X=features[:, 0]),
        windows={row: features[row] for row in range(N) if row % 3},
    )


def ask(data, **options):
    return answer(WindowsMaximum(**options), data, on_progress=silent)


def test_the_maximum_wins_where_annotators_judge_by_the_most_energetic_part():
    findings = ask(songs(truth_is=np.max))

    table = findings.tables[0]
    gain = dict(zip(column(table, "Score of a track"), column(table, "less loudest 30 s"), strict=True))
    assert gain["maximum"].value < -4 * gain["maximum"].se
    assert column(table, "Score of a track")[table.best] == "maximum"
    assert any("maximum against loudest 30 s" in said and "(better)" in said for said in findings.conclusions)


def test_the_mean_wins_where_annotators_judge_by_the_whole():
    table = ask(songs(truth_is=np.mean)).tables[0]

    assert column(table, "Score of a track")[table.best] == "mean"


def test_a_maximum_lies_higher_and_cuts_make_up_for_it():
    findings = ask(songs(truth_is=np.mean))

    shift = dict(
        zip(
            column(findings.tables[2], "Score of a track"),
            column(findings.tables[2], "above loudest 30 s"),
            strict=True,
        )
    )
    assert shift["maximum"].value > 1
    maximum = findings.matrices[1]
    counts = np.array(maximum.counts)
    bias = sum(counts[t, p] * (p - t) for t in range(10) for p in range(10)) / counts.sum()
    assert abs(bias) < 0.25


def test_only_tracks_of_several_windows_are_judged_and_clips_score_the_same_each_way():
    findings = ask(songs(truth_is=np.max))

    n_long = int(findings.conclusions[0].split()[0])
    assert np.sum(findings.matrices[0].counts) == n_long
    assert n_long == pytest.approx(200 * 0.8, abs=20)


def test_damaged_windows_are_left_out_and_said_so():
    data = songs(truth_is=np.max)
    data.windows[1][2, 0] = np.nan
    data.windows[2][0, 0] = np.nan

    findings = ask(replace(data, dataset=replace(data.dataset, uris=[f"song:{row}" for row in range(N)])))

    assert any("windows with missing values" in note for note in findings.notes)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: replace(data, windows={}), "0 labelled tracks have features of several"),
        (
            lambda data: replace(data, windows={row: data.windows[row] for row in (1, 2, 4)}),
            "label tracks of which the whole",
        ),
        (lambda data: data.tracks(np.arange(8)), "label more"),
        (
            lambda data: replace(data, windows={row: rows[:1] for row, rows in data.windows.items()}),
            "0 labelled tracks",
        ),
    ],
)
def test_without_windows_it_says_what_to_do(change, what):
    with pytest.raises(TooLittleData, match=what):
        ask(change(songs(truth_is=np.max)))
