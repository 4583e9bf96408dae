from dataclasses import replace

import numpy as np
import pytest

from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset, evaluation_slice
from modeling.core.lab.data import LabData, TooLittleData

from .odd import odd_data


def small(X, sets, **known):
    X = np.asarray(X, np.float32)
    names = [str(row) for row in range(len(X))]
    dataset = Dataset(X=X, y=np.arange(1, len(X) + 1), groups=names, uris=names)
    return LabData(dataset, sets, [(name,) for name in names], **known)


def test_tracks_take_their_genres_annotations_and_windows_along():
    data = small(
        [[1, 2], [3, 4], [5, 6]],
        {"a@1": (0, 2)},
        annotations=Annotations([0, 2, 2], ["ann", "ann", "bob"], [1, 3, 4]),
        windows={0: np.ones((2, 2)), 2: np.zeros((3, 2))},
    )

    kept = data.tracks(np.array([2, 1]))

    assert kept.dataset.X.tolist() == [[5, 6], [3, 4]]
    assert kept.genres == [("2",), ("1",)]
    assert kept.annotations.track.tolist() == [0, 0]
    assert kept.annotations.level.tolist() == [3, 4]
    assert {row: of_track.shape for row, of_track in kept.windows.items()} == {0: (3, 2)}
    assert data.tracks(np.array([False, True, False])).dataset.uris.tolist() == ["1"]


def test_development_is_all_that_is_not_in_the_evaluation_slice():
    data = odd_data()

    development = data.development()

    assert not evaluation_slice(development.dataset.uris).any()
    assert len(development.dataset.y) == (~evaluation_slice(data.dataset.uris)).sum()
    n_in_slice = len(data.dataset.y) - len(development.dataset.y)
    assert development.notes[-1].startswith(f"{n_in_slice} tracks of the evaluation slice")


def test_usual_sets_are_those_that_nearly_all_tracks_have():
    assert odd_data().usual_sets() == ("signal@2", "spotify@1", "transfer@1")
    assert odd_data().sets_named("spotify") == ("spotify@1",)
    assert odd_data().sets_named("rare") == ()


def test_using_leaves_out_what_is_missing_or_says_nothing_and_counts_it():
    data = odd_data()

    used = data.using()

    assert used.columns_of_set == {"signal@2": (0, 2), "spotify@1": (2, 4), "transfer@1": (4, 7)}
    assert used.dataset.columns == tuple(f"column_{number}" for number in (0, 3, 4, 5, 6, 7, 8))
    assert not np.isnan(used.dataset.X).any()
    assert set(data.dataset.uris) - set(used.dataset.uris) == {"track:3", "track:5", "track:8", "track:20"}
    assert used.notes == (
        "3 labelled tracks without signal@2 or spotify@1 or transfer@1: left out",
        "1 column that many tracks lack a value of: left out",
        "1 track with single values missing: left out",
        "1 column that is the same in all tracks: left out",
        f"{len(used.dataset.y)} tracks of {len(np.unique(used.dataset.groups))} artists are left, with 7 features of signal@2,"
        " spotify@1, transfer@1",
    )


def test_using_some_sets_keeps_the_tracks_that_lack_others():
    used = odd_data().using(["transfer@1"])

    assert len(used.dataset.y) == 120
    [note] = used.notes
    assert note.startswith("120 tracks of ")
    assert note.endswith(" are left, with 3 features of transfer@1")


def test_only_keeps_all_tracks_and_the_columns_of_these_sets():
    used = odd_data().using()

    only = used.only(["transfer@1", "signal@2"])

    assert only.columns_of_set == {"transfer@1": (0, 3), "signal@2": (3, 5)}
    assert np.array_equal(only.dataset.X[:, :3], used.dataset.X[:, 4:7])
    assert np.array_equal(only.dataset.y, used.dataset.y)


def test_windows_lose_the_same_columns_as_tracks():
    data = small([[1, 7], [3, 7], [5, 7]], {"a@1": (0, 2)}, windows={1: np.array([[1.0, 2.0], [3.0, 4.0]])})

    assert data.using().windows[1].tolist() == [[1], [3]]


@pytest.mark.parametrize(
    ("X", "sets", "keys", "message"),
    [
        ([[np.nan], [np.nan]], {"a@1": (0, 1)}, (), "features of all of: no set"),
        ([[1, np.nan], [np.nan, 2]], {"a@1": (0, 1), "b@1": (1, 2)}, ("a@1", "b@1"), "features of all of: a@1, b@1"),
        ([[4, 4], [4, 4]], {"a@1": (0, 2)}, (), "nothing to learn from"),
        ([], {}, (), "no set"),
    ],
)
def test_using_says_what_is_missing_where_nothing_is_left(X, sets, keys, message):
    with pytest.raises(TooLittleData, match=message):
        small(np.reshape(X, (len(X), -1)) if X else np.empty((0, 0)), sets).using(keys)


def test_a_set_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ValueError, match=r"found feature set 'mood@1'; expected some of \['signal@2'"):
        odd_data().using(["mood@1"])


def test_sets_must_lie_side_by_side():
    with pytest.raises(ValueError, match="sets side by side"):
        replace(odd_data(), columns_of_set={"signal@2": (0, 4), "spotify@1": (5, 10)})


def test_saved_data_are_the_same_when_loaded(tmp_path):
    data = replace(
        odd_data(),
        annotations=Annotations([0, 2], ["ann", "bob"], [4, 5]),
        windows={4: np.ones((2, 10)), 7: np.zeros((1, 10))},
        audio_states={"ready": 100, "missing": 20},
        notes=("something was left out",),
    )
    data.save(tmp_path / "data.npz")

    loaded = LabData.load(tmp_path / "data.npz")

    assert loaded.digest() == data.digest()
    assert loaded.genres == data.genres
    assert loaded.notes == data.notes
    assert loaded.columns_of_set == data.columns_of_set
    assert loaded.windows.keys() == data.windows.keys()


def test_the_digest_sees_every_part():
    data = odd_data()
    others = [
        data.tracks(np.arange(119)),
        replace(data, genres=[("rock",), *data.genres[1:]]),
        replace(data, annotations=Annotations([0], ["ann"], [4])),
        replace(data, windows={0: np.ones((1, 10))}),
        replace(data, audio_states={"ready": 1}),
        replace(data, columns_of_set={"signal@3": (0, 10)}),
    ]

    assert odd_data().digest() == data.digest()
    assert len({each.digest() for each in [data, *others]}) == len(others) + 1


def test_a_plain_dataset_gets_its_sets_from_the_names_of_its_columns(tmp_path):
    data = odd_data()
    plain = replace(data.dataset, columns=tuple(f"{'ab'[number > 3]}_{number}" for number in range(10)))
    mixed = replace(data.dataset, columns=tuple(f"{'ab'[number % 2]}_{number}" for number in range(10)))
    plain.save(tmp_path / "plain.npz")

    assert LabData.of_dataset(plain).columns_of_set == {"a": (0, 4), "b": (4, 10)}
    assert LabData.of_dataset(mixed).columns_of_set == {"features": (0, 10)}
    assert LabData.load(tmp_path / "plain.npz").columns_of_set == {"a": (0, 4), "b": (4, 10)}
