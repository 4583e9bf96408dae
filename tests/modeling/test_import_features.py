"""Ready feature columns from files, for tracks that are there."""

import csv
import gzip
from io import StringIO
from itertools import islice

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotations.models import Track
from modeling import imports
from modeling.core.feature_sets import FEATURE_SETS
from modeling.management.commands.import_features import IMPORTABLE
from modeling.models import FeatureVector
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db

SPOTIFY = FEATURE_SETS["spotify"]


@pytest.fixture
def import_csv(tmp_path):
    def run(rows, *, header=("track_uri", *SPOTIFY.columns), feature_set="spotify", **options) -> str:
        path = tmp_path / "features.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        out = StringIO()
        call_command("import_features", feature_set, path, stdout=out, **options)
        return out.getvalue()

    return run


@pytest.fixture
def refusals(tmp_path):
    def read() -> dict[int, str]:
        with (tmp_path / "features.refused.csv").open(newline="") as file:
            return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}

    return read


def values_of(track, feature_set=SPOTIFY):
    return np.frombuffer(track.feature_vectors.get(feature_set=feature_set.key).values, "<f4").tolist()


def spotify_row(uri, *, start=0.0):
    """Every number is one that Spotify could have said; `start` is the danceability."""
    return [uri, start, 0.5, 7, -6.5, 1, *[0.25] * 5, 128, 4]


@pytest.mark.parametrize("name", IMPORTABLE)
def test_every_set_can_be_imported_by_the_names_of_its_columns(import_csv, name):
    columns, track = FEATURE_SETS[name].columns, TrackFactory()
    numbers = [i % 2 for i in range(len(columns))]

    # Backwards, and with a column of somebody else's.
    header = [*reversed(columns), "popularity", "track_uri"]
    out = import_csv([[*reversed(numbers), "high", track.uri]], header=header, feature_set=name)

    assert out == f"1 rows: 1 {name} vectors stored, 0 refused.\n"
    assert values_of(track, FEATURE_SETS[name]) == numbers


def test_a_second_import_replaces_the_vector(import_csv):
    track = TrackFactory()
    import_csv([spotify_row(track.uri)])

    import_csv([spotify_row(track.uri, start=0.5)])

    assert values_of(track)[0] == 0.5
    assert FeatureVector.objects.count() == 1


def test_of_two_rows_for_a_track_the_later_counts_in_one_batch_and_in_two(import_csv, monkeypatch):
    track = TrackFactory()
    rows = [spotify_row(track.uri, start=start) for start in (0.25, 0.5, 0.75)]

    for batch_size in (2, 500):
        monkeypatch.setattr(imports, "BATCH_SIZE", batch_size)
        assert import_csv(rows) == "3 rows: 1 spotify vectors stored, 2 replaced by a later row, 0 refused.\n"
        assert values_of(track)[0] == 0.75


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("loud", "danceability is 'loud'; expected a number"),
        ("", "danceability is ''; expected a number"),
        ("nan", "danceability is 'nan'; expected a finite number"),
        ("-inf", "danceability is '-inf'; expected a finite number"),
        ("1e400", "danceability is '1e400'; expected a finite number"),
        ("1e39", "danceability is '1e39'; expected a finite number of single precision"),
        ("0\0", "danceability holds a zero byte"),
    ],
)
def test_a_bad_number_is_told_and_stops_no_other_row(import_csv, refusals, cell, reason):
    bad, good = TrackFactory(), TrackFactory()

    out = import_csv([[bad.uri, cell, *spotify_row("")[2:]], spotify_row(good.uri)])

    assert out.startswith("2 rows: 1 spotify vectors stored, 1 refused.\nRefused rows with their reasons: ")
    assert reason in refusals()[2]
    assert FeatureVector.objects.get().track == good


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("danceability", "1.5", "a number from 0 to 1"),
        ("valence", "-0.01", "a number from 0 to 1"),
        ("loudness", "96", "a number from -100 to 20"),
        ("tempo", "-1", "a number from 0 to 400"),
        ("key", "6.5", "a whole number from -1 to 11"),
        ("mode", "0.5", "a whole number from 0 to 1"),
        ("time_signature", "12", "a whole number from 0 to 7"),
    ],
)
def test_a_number_that_spotify_never_says_is_refused(import_csv, refusals, column, cell, expected):
    row = spotify_row(TrackFactory().uri)
    row[1 + SPOTIFY.columns.index(column)] = cell

    import_csv([row])

    assert refusals() == {2: f"{column} is '{cell}'; expected {expected}"}
    assert not FeatureVector.objects.exists()


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("track_id", "03ZnP4f6xyY6sDrPX3fz83"),
        ("id", "03ZnP4f6xyY6sDrPX3fz83"),
        ("uri", "spotify:track:03ZnP4f6xyY6sDrPX3fz83"),
        ("uri", "https://open.spotify.com/track/03ZnP4f6xyY6sDrPX3fz83?si=1"),
    ],
)
def test_a_file_without_our_uris_may_name_tracks_by_spotifys_id(import_csv, refusals, column, cell):
    uri = TrackFactory(uri="spotify:track:03ZnP4f6xyY6sDrPX3fz83")
    link = TrackFactory(uri="https://open.spotify.com/intl-de/track/03ZnP4f6xyY6sDrPX3fz83")
    numbers = spotify_row("")[1:]

    out = import_csv([[cell, *numbers], ["1285n66OGGUB3Bnh6c18nS", *numbers]], header=(column, *SPOTIFY.columns))

    assert out.startswith("2 rows: 1 spotify vectors stored, 1 refused.\n")
    assert values_of(uri) == values_of(link) == numbers
    assert refusals() == {3: "there is no track '1285n66OGGUB3Bnh6c18nS'; import the tracks first"}


def test_our_own_uri_counts_where_a_file_has_several_names(import_csv):
    ours, other = TrackFactory(), TrackFactory(uri="spotify:track:03ZnP4f6xyY6sDrPX3fz83")

    header = ("id", "track_id", *SPOTIFY.columns, "track_uri")
    import_csv([["1", "03ZnP4f6xyY6sDrPX3fz83", *spotify_row("")[1:], ours.uri]], header=header)

    assert ours.feature_vectors.exists()
    assert not other.feature_vectors.exists()


def test_an_unknown_track_and_a_short_row_are_told(import_csv, refusals):
    import_csv([spotify_row("test:nobody"), spotify_row("test:short")[:-1]])

    assert refusals() == {
        2: "there is no track 'test:nobody'; import the tracks first",
        3: "has 12 cells; the first line has 13",
    }
    assert not Track.objects.exists()


def test_a_row_that_is_refused_leaves_the_vector_that_is_there(import_csv):
    track = TrackFactory()
    import_csv([spotify_row(track.uri)])

    import_csv([[track.uri, "nan", *spotify_row("")[2:]]])

    assert values_of(track)[0] == 0


def test_a_missing_column_is_one_error(import_csv, tmp_path):
    with pytest.raises(CommandError, match="has no column 'tempo', 'time_signature'"):
        import_csv([], header=("track_uri", *SPOTIFY.columns[:-2]))
    with pytest.raises(CommandError, match="has no column 'track_uri'"):
        import_csv([], header=SPOTIFY.columns)

    assert not (tmp_path / "features.refused.csv").exists()


def test_a_compressed_file_is_one_error_that_says_how_to_unpack_it(tmp_path):
    path = tmp_path / "features.csv.gz"
    path.write_bytes(gzip.compress(b"track_uri"))

    with pytest.raises(CommandError, match=f"{path} is compressed. Unpack it first: gunzip -k {path}"):
        call_command("import_features", "spotify", path)


def test_a_set_or_a_file_that_is_not_there_is_one_error(tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_features", "spotify", str(tmp_path / "no.csv"))
    with pytest.raises(CommandError, match="invalid choice: 'deezer'"):
        call_command("import_features", "deezer", str(tmp_path / "no.csv"))


def test_the_report_of_an_earlier_import_is_removed_when_nothing_is_refused(import_csv, tmp_path):
    import_csv([spotify_row("test:nobody")])

    import_csv([spotify_row(TrackFactory().uri)])

    assert not (tmp_path / "features.refused.csv").exists()


def test_a_batch_takes_as_many_queries_whatever_it_holds(import_csv, django_assert_max_num_queries):
    tracks = TrackFactory.create_batch(300)

    with django_assert_max_num_queries(12):
        import_csv([spotify_row(track.uri) for track in tracks])

    assert FeatureVector.objects.count() == 300


def test_the_transfer_features_of_the_shared_data_import_fully(import_csv, shared_data):
    with (shared_data / "emomusic" / "tracks.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    Track.objects.bulk_create(Track(uri=f"emomusic:{row[0]}") for row in rows)

    out = import_csv(
        [[f"emomusic:{row[0]}", *row[1:]] for row in rows],
        header=["track_uri", *header[1:]],
        feature_set="transfer",
    )

    assert out == "552 rows: 552 transfer vectors stored, 0 refused.\n"


def test_spotify_features_as_they_go_round_import_but_for_rows_with_gaps(tmp_path, shared_data):
    path = tmp_path / "tracks.csv"
    with gzip.open(shared_data / "spotify" / "tracks_20k.csv.gz", "rt", encoding="utf-8", newline="") as file:
        path.write_text("".join(islice(file, 2001)), newline="")
    with path.open(newline="") as file:
        rows = {row["track_id"]: row for row in csv.DictReader(file)}
    Track.objects.bulk_create(Track(uri=f"spotify:track:{key}") for key in rows)
    n_gaps = sum(not row["time_signature"] for row in rows.values())
    out = StringIO()

    call_command("import_features", "spotify", path, stdout=out)

    assert n_gaps > 50
    assert out.getvalue().startswith(f"2000 rows: {2000 - n_gaps} spotify vectors stored, {n_gaps} refused.\n")
    key, row = next(iter(rows.items()))
    values = values_of(Track.objects.get(uri=f"spotify:track:{key}"))
    assert values == [np.float32(row[column]) for column in SPOTIFY.columns]
