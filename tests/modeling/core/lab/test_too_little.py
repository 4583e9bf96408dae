"""What experiments on people, genres, curves and windows say of data that do not allow them."""

from dataclasses import replace

import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.dataset import evaluation_slice
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.data import TooLittleData
from modeling.core.lab.experiments import ANSWERS
from tests.modeling.core.lab.planted import lab_data, labels_by, silent

N = 150
ASKED = {
    "annotators": {"recipe": "ridge_thresholds"},
    "annotator_clusters": {},
    "without_annotator": {},
    "search": {"n_trials": 2, "n_epochs": 1},
    "genre_models": {"min_tracks": 20},
    "learning_curve": {"n_points": 3, "n_repeats": 1},
    "label_noise_ceiling": {},
    "windows_maximum": {},
}


def complete(level=None):
    """Tracks that all these experiments can be asked of."""
    level = np.random.default_rng(0).integers(2, 10, N) if level is None else np.asarray(level)
    rows = np.arange(len(level))
    data = lab_data(
        level=level,
        annotations=labels_by(level, {"ann": (rows, 0, 0.7), "bob": (rows, 1, 0.7)}),
        genres=[("rock",) if row % 2 else ("pop",) for row in rows],
    )
    windows = {int(row): np.stack([data.dataset.X[row], data.dataset.X[row] - 1]) for row in rows}
    return replace(data, windows=windows)


def one_artist():
    data = complete()
    return replace(data, dataset=replace(data.dataset, groups=["she"] * N))


def ask(name, data, **options):
    return ANSWERS[name](EXPERIMENTS[name](**ASKED[name], **options), data, on_progress=silent, folder=None)


def without_times(findings):
    return [
        [cell for column, cell in zip(table.columns, row, strict=True) if column.kind != "seconds"]
        for table in findings.tables
        for row in table.rows
    ]


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: complete().tracks(np.arange(9)), "label more"),
        (lambda: complete(level=[5] * N), "same level"),
        (one_artist, "by one artist"),
        (lambda: complete().tracks(np.arange(0)), "features"),
    ],
)
def test_nothing_is_learnt_from_too_few_tracks_levels_or_artists(name, make, what):
    with pytest.raises(TooLittleData, match=what):
        ask(name, make())


@pytest.mark.parametrize(
    ("name", "lacks", "what"),
    [
        ("annotators", {"annotations": Annotations.none()}, "import labels with their annotators"),
        ("annotator_clusters", {"annotations": Annotations.none()}, "import labels with their annotators"),
        ("without_annotator", {"annotations": Annotations.none()}, "import labels with their annotators"),
        ("label_noise_ceiling", {"annotations": Annotations.none()}, "let several people label"),
        ("genre_models", {"genres": [()] * N}, "import genres"),
        ("windows_maximum", {"windows": {}}, "label tracks of which the whole song is here"),
    ],
)
def test_what_an_experiment_needs_and_is_not_there_is_named_with_what_to_do(name, lacks, what):
    with pytest.raises(TooLittleData, match=what):
        ask(name, replace(complete(), **lacks))


# Two people are one cluster, of which no model is made.
@pytest.mark.parametrize("name", sorted(set(ASKED) - {"search", "annotator_clusters"}))
def test_a_recipe_that_refuses_these_tracks_is_quoted(name):
    with pytest.raises(TooLittleData, match=r"crnn cannot learn from these \d+ tracks: found 6 features"):
        ANSWERS[name](
            EXPERIMENTS[name](**ASKED[name] | {"recipe": "crnn"}), complete(), on_progress=silent, folder=None
        )


@pytest.mark.parametrize("name", sorted(set(ASKED) - {"search"}))
def test_of_tracks_one_by_one_a_single_artist_is_enough(name):
    findings = ask(name, one_artist(), by_artist=False)

    assert findings.conclusions
    assert all(sentence.endswith(".") for sentence in findings.conclusions)


@pytest.mark.parametrize("name", ASKED)
def test_whoever_watches_may_stop_the_work_before_the_first_fit(name, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(share, message):
        raise Stopped

    with pytest.raises(Stopped):
        ANSWERS[name](EXPERIMENTS[name](**ASKED[name]), complete(), on_progress=stop, folder=None)


@pytest.mark.parametrize("name", sorted(set(ASKED) - {"search"}))
def test_the_evaluation_slice_is_not_looked_at(name):
    data = complete()
    in_slice = evaluation_slice(data.dataset.uris)
    labels = data.annotations
    otherwise = replace(
        data,
        dataset=replace(data.dataset, y=np.where(in_slice, 11 - data.dataset.y, data.dataset.y)),
        annotations=replace(labels, level=np.where(in_slice[labels.track], 11 - labels.level, labels.level)),
        windows={row: windows * (-1 if in_slice[row] else 1) for row, windows in data.windows.items()},
    )

    assert in_slice.any()
    assert without_times(ask(name, otherwise)) == without_times(ask(name, data))
