"""Tracks and labels from files: what is new is stored once, what is bad is told and stops nothing else."""

import csv
import os
import subprocess
import sys
import tracemalloc
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from annotations.intake import csv_import as imports
from annotations.intake import previews
from annotations.intake.csv_rows import RefusedRows
from annotations.intake.models import PreviewFetch
from annotations.models import Annotation, Genre, Track, User
from tests.factories import AnnotationFactory, AnnotatorFactory
from tests.processes import database_url

pytestmark = pytest.mark.django_db

ROOT = Path(settings.BASE_DIR)
HEADER = "energy,track_uri,track_preview_url,annotator_id,genres,title,artist"


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def audio_dir(tmp_path):
    """Files as they come; whether they can be decoded is for the workers to find out."""
    folder = tmp_path / "audio"
    (folder / "album").mkdir(parents=True)
    for name in ("one.wav", "two.mp3", "album/three.ogg"):
        (folder / name).write_bytes(f"the bytes of {name}".encode())
    return folder


@pytest.fixture
def import_csv(tmp_path):
    """`import_csv("7,t:1,,a1,,,", ...)`: what the command prints for a file of these rows."""

    def run(*rows: str, header: str = HEADER, **options) -> str:
        path = tmp_path / "labels.csv"
        path.write_text("\n".join([header, *rows, ""]), encoding="utf-8", errors="surrogateescape")
        out = StringIO()
        call_command("import_tracks", path, stdout=out, **options)
        return out.getvalue()

    return run


@pytest.fixture
def refusals(tmp_path):
    """Line -> reason, as the report says."""

    def read() -> dict[int, str]:
        path = tmp_path / "labels.refused.csv"
        if not path.exists():
            return {}
        with path.open(encoding="utf-8", newline="") as file:
            return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}

    return read


def all_tables():
    """Every row of every table of the product."""
    models = [model for app in ("annotations", "modeling", "jobs") for model in apps.get_app_config(app).get_models()]
    return {model: list(model.objects.order_by("pk").values()) for model in [*models, Track.genres.through]}


def all_files(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def levels():
    """(uri, alias) -> the current level."""
    return {(a.track.uri, a.annotator.alias): a.level for a in Annotation.objects.current()}


# ---- What is stored


def test_a_row_becomes_a_track_with_its_genres_and_a_label_by_its_annotator(import_csv, audio_dir):
    out = import_csv('7,t:1,one.wav,a1,"Techno, deep house",One,Anna', audio_dir=audio_dir)

    track, label = Track.objects.get(), Annotation.objects.get()
    assert out == ("1 row: 1 new track, 0 completed, 1 new label, 0 changed labels, 0 unchanged, 0 refused.\n")
    assert (track.uri, track.title, track.artist, track.is_synthetic) == ("t:1", "One", "Anna", False)
    assert [genre.name for genre in track.genres.all()] == ["deep house", "techno"]
    assert (label.track, label.level, label.source) == (track, 7, Annotation.Source.IMPORT)
    assert label.annotator.alias == "a1"


def test_audio_is_copied_under_the_name_of_its_bytes_and_waits_for_features(import_csv, audio_dir):
    import_csv(",t:1,one.wav,,,,", ",t:2,album/three.ogg,,,,", audio_dir=audio_dir)

    for track, name in zip(Track.objects.order_by("uri"), ["one.wav", "album/three.ogg"], strict=True):
        assert track.audio_state == Track.AudioState.WAITING
        assert track.audio.name == f"audio/{track.sha256[:2]}/{track.sha256}{Path(name).suffix}"
        assert track.audio.read() == (audio_dir / name).read_bytes()


def test_a_link_is_kept_as_audio_that_is_not_fetched(import_csv):
    import_csv("7,t:1,https://p.example/1.mp3,a1,,,")

    track = Track.objects.get()
    assert (track.preview_url, track.audio_state) == ("https://p.example/1.mp3", Track.AudioState.NOT_FETCHED)
    assert not track.audio


def test_a_file_with_only_tracks_is_fine(import_csv):
    out = import_csv("t:1,One", "t:2,Two", header="track_uri,title")

    assert "2 new tracks, 0 completed, 0 new labels, 0 changed labels, 0 unchanged" in out
    assert not User.objects.exists()


def test_columns_may_come_in_any_order_and_others_are_left_alone(import_csv):
    import_csv("a1,0.4,t:1,7", header="annotator_id,danceability,track_uri,energy")

    assert levels() == {("t:1", "a1"): 7}


@pytest.mark.parametrize(("cell", "level"), [("1", 1), ("10", 10), (" 7 ", 7), ("7.0", 7), ("07", 7)])
def test_whole_numbers_from_1_to_10_are_levels(import_csv, cell, level):
    import_csv(f"{cell},t:1,,a1,,,")

    assert levels() == {("t:1", "a1"): level}


def test_what_several_rows_know_about_a_track_is_put_together(import_csv, audio_dir):
    import_csv("3,t:1,,a1,rock,,", "4,t:1,one.wav,a2,indie,One,", "5,t:1,,a3,,Another,Anna", audio_dir=audio_dir)

    track = Track.objects.get()
    assert (track.title, track.artist, track.audio_state) == ("One", "Anna", Track.AudioState.WAITING)
    assert {genre.name for genre in track.genres.all()} == {"rock", "indie"}


def test_what_was_missing_is_completed_and_what_is_known_stays(import_csv, audio_dir):
    import_csv(",t:1,https://p.example/1.mp3,,,One,")

    out = import_csv(",t:1,one.wav,,,Other title,Anna", audio_dir=audio_dir)

    track = Track.objects.get()
    assert "0 new tracks, 1 completed" in out
    assert (track.title, track.artist, track.audio_state) == ("One", "Anna", Track.AudioState.WAITING)


# ---- Again


def test_importing_the_same_file_again_changes_nothing(import_csv, audio_dir, media):
    rows = [
        "7,t:1,one.wav,a1,techno,One,Anna",
        "4,t:1,one.wav,a2,techno,One,Anna",
        "3,t:2,https://p.example/2,a1,,,",
        ",t:3,two.mp3,,rock,,",
        "8,t:1,one.wav,a1,,,",
        "0,t:4,,a1,,,",
    ]
    import_csv(*rows, audio_dir=audio_dir)
    tables, files = all_tables(), all_files(media)

    out = import_csv(*rows, audio_dir=audio_dir)

    assert out.startswith("6 rows: 0 new tracks, 0 completed, 0 new labels, 0 changed labels, 4 unchanged, 2 refused.")
    assert all_tables() == tables
    assert all_files(media) == files


def test_a_level_that_changed_in_the_file_supersedes_the_old_annotation(import_csv):
    import_csv("7,t:1,,a1,,,", "2,t:2,,a1,,,")

    out = import_csv("9,t:1,,a1,,,", "2,t:2,,a1,,,")

    assert "0 new labels, 1 changed label, 1 unchanged" in out
    assert levels() == {("t:1", "a1"): 9, ("t:2", "a1"): 2}
    assert [a.level for a in Annotation.objects.filter(track__uri="t:1").order_by("pk")] == [7, 9]


def test_a_level_that_is_changed_back_in_the_file_is_changed_back(import_csv):
    for level in (5, 7, 5):
        import_csv(f"{level},t:1,,a1,,,")

    assert levels() == {("t:1", "a1"): 5}
    assert [a.level for a in Annotation.objects.order_by("pk")] == [5, 7, 5]


def test_a_relabel_by_hand_outlives_another_import_of_the_same_file(import_csv):
    import_csv("5,t:1,,a1,,,")
    imported = Annotation.objects.get()
    AnnotationFactory(track=imported.track, annotator=imported.annotator, level=8, supersedes=imported)

    assert "1 unchanged" in import_csv("5,t:1,,a1,,,")
    assert levels() == {("t:1", "a1"): 8}


def test_of_two_levels_by_the_same_annotator_the_first_counts_and_the_second_is_told(import_csv, refusals):
    out = import_csv("5,t:1,,a1,,,", "7,t:1,,a1,,,", "5,t:1,,a1,,,", "7,t:1,,a2,,,")

    assert "2 new labels, 0 changed labels, 1 unchanged, 1 refused" in out
    assert levels() == {("t:1", "a1"): 5, ("t:1", "a2"): 7}
    assert refusals() == {3: "energy is 7; line 2 says 5 for the same track and annotator"}


def test_contradictions_are_found_across_batches(import_csv, refusals, monkeypatch):
    monkeypatch.setattr(imports, "BATCH_SIZE", 2)

    import_csv("5,t:1,,a1,,,", "5,t:2,,a1,,,", "5,t:3,,a1,,,", "6,t:1,,a1,,,")

    assert list(refusals()) == [5]
    assert levels()["t:1", "a1"] == 5


# ---- Annotators


def test_annotators_that_exist_by_alias_are_reused(import_csv):
    known = AnnotatorFactory(alias="a1")

    import_csv("7,t:1,,a1,,,", "7,t:2,,a2,,,")

    assert Annotation.objects.get(track__uri="t:1").annotator == known
    assert User.objects.count() == 2


@pytest.mark.parametrize("password", ["", "!imported", "imported", "a1", "None"])
def test_an_imported_annotator_never_logs_in(import_csv, rf, client, password):
    import_csv("7,t:1,,a1,,,")
    user = User.objects.get()

    assert not user.has_usable_password()
    for username in (user.username, user.alias):
        assert authenticate(rf.post("/"), username=username, password=password) is None
    client.post("/log-in/", {"username": user.username, "password": password})
    assert "_auth_user_id" not in client.session


def test_an_alias_like_a_username_does_not_take_over_that_account(import_csv, annotator):
    import_csv(f"7,t:1,,{annotator.username},,,")

    assert Annotation.objects.get().annotator != annotator
    annotator.refresh_from_db()
    assert annotator.alias is None


# ---- Bad rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        *(
            (f"{level},t:2,,a1,,,", f"energy is '{level}'; expected a whole number from 1 to 10")
            for level in ["0", "11", "x", "7.5", "", "NaN", "inf", "1e400", "-1", "1_0", "٧", "7e0", "1000"]
        ),
        ("7,t:2,,,,,", "a label needs an annotator_id; it is empty"),
        ("7,,,a1,,,", "track_uri is empty"),
        (f"7,{'u' * 256},,a1,,,", "track_uri has 256 characters; at most 255 are kept"),
        (f"7,t:2,,{'a' * 101},,,", "annotator_id has 101 characters; at most 100 are kept"),
        (f"7,t:2,,a1,,{'t' * 301},", "title has 301 characters; at most 300 are kept"),
        (f"7,t:2,https://{'p' * 2000},a1,,,", "track_preview_url has 2008 characters; at most 2000 are kept"),
        ("7,t:2,../x.wav,a1,,,", "leads out of"),
        ("7,t:2,/etc/passwd,a1,,,", "leads out of"),
        ("7,t:2,way-out.wav,a1,,,", "leads out of"),
        ("7,t:2,no.wav,a1,,,", "there is no file 'no.wav'"),
        ("7,t:2,album,a1,,,", "there is no file 'album'"),
        ("7,t:2,one.wav/two.wav,a1,,,", "there is no file"),
        ("7,t:2,itself.wav,a1,,,", "itself.wav"),
        (f"7,t:2,{'n' * 300},a1,,,", "cannot be read: File name too long"),
        ("7,t:2,huge.wav,a1,,,", "is larger than 50 MB"),
        ("7,t:2,a\0b.wav,a1,,,", "track_preview_url holds a zero byte"),
        *(
            (f"7,t:2,{scheme}://x/y.mp3,a1,,,", "expected https:// or a file name")
            for scheme in ["http", "ftp", "file"]
        ),
        ("7,t:2,,a1,caf\udce9,,", "genres holds bytes that are not UTF-8"),
        ("7,t:2,,a1", "has 4 cells; the first line has 7"),
        ('7,t:2,,a1,,"open,', "is a quote left open?"),
    ],
)
def test_a_bad_row_is_told_and_stops_no_other(import_csv, refusals, audio_dir, row, reason):
    (audio_dir.parent / "x.wav").write_bytes(b"a secret")
    (audio_dir / "way-out.wav").symlink_to(audio_dir.parent / "x.wav")
    (audio_dir / "itself.wav").symlink_to("itself.wav")
    with (audio_dir / "huge.wav").open("wb") as file:
        file.truncate(50 * 2**20 + 1)

    out = import_csv("5,t:1,one.wav,a1,,,", row, "6,t:3,two.mp3,a2,,,", audio_dir=audio_dir)

    assert out.startswith("3 rows: 2 new tracks, 0 completed, 2 new labels, 0 changed labels, 0 unchanged, 1 refused.")
    assert levels() == {("t:1", "a1"): 5, ("t:3", "a2"): 6}
    assert list(refusals()) == [3]
    assert reason in refusals()[3]


def test_a_file_name_without_an_audio_dir_is_told(import_csv, refusals):
    import_csv("7,t:1,one.wav,a1,,,")

    assert "say where it lies with --audio-dir" in refusals()[2]


def test_a_link_inside_the_folder_is_followed(import_csv, audio_dir):
    (audio_dir / "same.wav").symlink_to(audio_dir / "one.wav")

    import_csv(",t:1,same.wav,,,,", audio_dir=audio_dir)

    assert Track.objects.get().audio.read() == b"the bytes of one.wav"


def test_the_report_names_the_right_line_after_quoted_line_breaks(import_csv, refusals):
    import_csv('7,t:1,,a1,,"One\nin\nthree lines",', "0,t:2,,a1,,,")

    assert list(refusals()) == [5]


def test_the_command_ends_with_where_the_refused_rows_are(import_csv, tmp_path):
    out = import_csv("0,t:1,,a1,,,")

    assert out.endswith(f"Refused rows with their reasons: {tmp_path / 'labels.refused.csv'}\n")


def test_a_formula_in_a_refused_row_is_reported_as_text(import_csv, tmp_path):
    import_csv("=cmd|calc,t:1,,a1,,,")

    (row,) = csv.DictReader((tmp_path / "labels.refused.csv").open(newline=""))
    assert row["row"] == "'=cmd|calc,t:1,,a1,,,"


def test_the_report_of_an_earlier_import_is_removed_when_nothing_is_refused(import_csv, tmp_path):
    import_csv("0,t:1,,a1,,,")

    import_csv("1,t:1,,a1,,,")

    assert not (tmp_path / "labels.refused.csv").exists()


# ---- Bad files


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("energy;track_uri\n5;t:1\n", "looks separated by semicolons"),
        ("energy\ttrack_uri\n5\tt:1\n", "looks separated by tabs"),
        ("energy,uri\n5,t:1\n", "has no column 'track_uri'"),
        ("energy,track_uri,energy\n5,t:1,5\n", "names the column 'energy' twice"),
    ],
)
def test_a_file_of_another_kind_is_one_error_and_leaves_no_report(tmp_path, content, reason):
    path = tmp_path / "labels.csv"
    path.write_text(content)

    with pytest.raises(CommandError, match=reason):
        call_command("import_tracks", path)

    assert list(tmp_path.iterdir()) == [path]
    assert not Track.objects.exists()


def test_a_file_or_folder_that_is_not_there_is_one_error(tmp_path, import_csv):
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_tracks", tmp_path / "no.csv")
    with pytest.raises(CommandError, match="There is no folder"):
        import_csv(audio_dir=tmp_path / "no")


def test_where_no_report_can_be_written_nothing_is_imported(import_csv, tmp_path):
    (tmp_path / "labels.refused.csv").mkdir()

    with pytest.raises(CommandError, match=r"cannot be written to .* Nothing was imported; .* --refused"):
        import_csv("7,t:1,,a1,,,", "0,t:2,,a1,,,")
    assert not Track.objects.exists()

    import_csv("7,t:1,,a1,,,", "0,t:2,,a1,,,", refused=tmp_path / "elsewhere.csv")
    assert (tmp_path / "elsewhere.csv").exists()


def test_the_report_is_never_written_over_the_file_itself(import_csv, tmp_path):
    with pytest.raises(CommandError, match="that is the file to import"):
        import_csv("7,t:1,,a1,,,", refused=tmp_path / "labels.csv")

    assert "7,t:1" in (tmp_path / "labels.csv").read_text()


# ---- Interrupted, at once, large


def test_an_interrupted_import_keeps_whole_batches_and_is_completed_by_another(import_csv, monkeypatch):
    monkeypatch.setattr(imports, "BATCH_SIZE", 2)
    rows = [f"{level},t:{level},,a1,techno,," for level in range(1, 6)]

    def interrupted(*args):
        if Track.objects.count() == 4:  # in the second batch, whose tracks are there but not its labels
            raise KeyboardInterrupt
        return store_annotations(*args)

    store_annotations = imports._store_annotations
    monkeypatch.setattr(imports, "_store_annotations", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_csv(*rows)
    monkeypatch.undo()
    assert (Track.objects.count(), Annotation.objects.count()) == (2, 2)

    assert "3 new tracks, 0 completed, 3 new labels, 0 changed labels, 2 unchanged" in import_csv(*rows)
    assert levels() == {(f"t:{level}", "a1"): level for level in range(1, 6)}


def test_audio_whose_copying_was_interrupted_is_copied_again(import_csv, audio_dir):
    import_csv(",t:1,one.wav,,,,", audio_dir=audio_dir)
    track = Track.objects.get()
    with default_storage.open(track.audio.name, "wb") as file:
        file.write(b"the by")
    Track.objects.all().delete()

    import_csv(",t:1,one.wav,,,,", audio_dir=audio_dir)

    assert Track.objects.get().audio.read() == b"the bytes of one.wav"


def test_a_batch_that_another_import_has_overtaken_is_looked_at_again(import_csv, monkeypatch):
    def overtaken(*args, **kwargs):
        monkeypatch.undo()
        raise IntegrityError("UNIQUE constraint failed: annotations_track.uri")

    monkeypatch.setattr(imports, "_store_annotations", overtaken)

    assert import_csv("7,t:1,,a1,,,").startswith("1 row: 1 new track, 0 completed, 1 new label,")


@pytest.mark.services
@pytest.mark.postgres  # both insert the same keys at the same moment
@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_store_everything_once(transactional_db, tmp_path):
    path = tmp_path / "labels.csv"
    rows = [f'{i % 10 + 1},t:{i},,a{i % 3},"techno, rock",Title {i},' for i in range(2_000)]
    path.write_text("\n".join([HEADER, *rows, ""]))

    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "energyapp.settings"}
    both = [
        subprocess.Popen(
            [sys.executable, "manage.py", "import_tracks", path, "--refused", tmp_path / f"refused-{n}.csv"],
            cwd=ROOT,
            env={**environ, "ENERGYAPP_DATABASE_URL": database_url(connection.settings_dict)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]

    assert [(process.communicate(timeout=120)[1], process.returncode) for process in both] == [("", 0)] * 2
    assert (Track.objects.count(), Annotation.objects.count(), User.objects.count()) == (2_000, 2_000, 3)
    assert Track.genres.through.objects.count() == 4_000


def label_file(path: Path, n_rows: int) -> Path:
    with path.open("w") as file:
        file.write(f"{HEADER}\n")
        file.writelines(f'{i % 12},t:{i},https://p.example/{i},a{i % 7},"techno, rock",,\n' for i in range(n_rows))
    return path


def test_a_batch_takes_as_many_queries_whatever_it_holds(tmp_path, django_assert_max_num_queries):
    path = label_file(tmp_path / "labels.csv", imports.BATCH_SIZE)

    with django_assert_max_num_queries(30), RefusedRows(tmp_path / "refused.csv") as refused:
        imports.import_tracks(path, audio_dir=None, refused=refused)

    with django_assert_max_num_queries(15), RefusedRows(tmp_path / "refused.csv") as refused:
        imports.import_tracks(path, audio_dir=None, refused=refused)


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(
        imports, "_store", lambda batch, store: imports.ImportCounts(rows=len(batch), unchanged=len(batch))
    )

    def peak_bytes(n_rows: int) -> int:
        path = label_file(tmp_path / f"{n_rows}.csv", n_rows)
        tracemalloc.start()
        try:
            with RefusedRows(tmp_path / "refused.csv") as refused:
                counts = imports.import_tracks(path, audio_dir=None, refused=refused)
            assert counts.unchanged + counts.refused == counts.rows == n_rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak_bytes(1_001)

    assert peak_bytes(10_001) < small * 2


# ---- Real files


def test_the_music_of_the_shared_data_imports_fully(shared_data, tmp_path, refusals):
    music = shared_data / "music"
    with RefusedRows(tmp_path / "labels.refused.csv") as refused:
        counts = imports.import_tracks(music / "annotations.csv", audio_dir=music, refused=refused)

    assert counts == imports.ImportCounts(rows=69, new_tracks=41, new_annotations=69)
    assert Track.objects.filter(audio_state=Track.AudioState.WAITING).count() == 41
    assert User.objects.count() == 6
    assert all(default_storage.exists(track.audio.name) for track in Track.objects.all())


def test_the_labels_of_the_shared_data_import_fully(shared_data, tmp_path):
    with RefusedRows(tmp_path / "refused.csv") as refused:
        counts = imports.import_tracks(shared_data / "emomusic" / "annotations.csv", audio_dir=None, refused=refused)

    assert counts == imports.ImportCounts(rows=924, new_tracks=552, new_annotations=924)
    assert Annotation.objects.current().count() == 924
    assert Genre.objects.exists()


def test_a_track_whose_preview_could_not_be_fetched_takes_a_file_instead(import_csv, audio_dir):
    import_csv(",t:1,https://example.org/gone.mp3,,,,")
    Track.objects.update(
        audio_state=Track.AudioState.UNREACHABLE, audio_problem="The server says that the file is gone (404)"
    )

    import_csv(",t:1,one.wav,,,,", audio_dir=audio_dir)

    track = Track.objects.get()
    assert (track.audio_state, track.audio_problem) == (Track.AudioState.WAITING, "")


def test_a_mended_link_is_fetched_in_place_of_the_one_that_led_nowhere(import_csv):
    import_csv(",t:1,https://example.org/tpyo.mp3,,,,")
    Track.objects.update(
        audio_state=Track.AudioState.UNREACHABLE, audio_problem="The server says that the file is gone (404)"
    )

    again = import_csv(",t:1,https://example.org/tpyo.mp3,,,,")
    mended = import_csv(",t:1,https://example.org/typo.mp3,,,,")

    track = Track.objects.get()
    assert "0 completed" in again
    assert "1 completed" in mended
    assert (track.preview_url, track.audio_state) == ("https://example.org/typo.mp3", Track.AudioState.NOT_FETCHED)


def test_a_mended_link_of_a_preview_that_waits_for_its_turn_asks_the_new_server(import_csv):
    import_csv(",t:1,https://old.example.org/a.mp3,,,,")
    previews.take_up_wanted_tracks()

    import_csv(",t:1,https://new.example.org/a.mp3,,,,")
    previews.take_up_wanted_tracks()

    assert [fetch.host_id for fetch in PreviewFetch.objects.all()] == ["new.example.org:443"]


@pytest.mark.parametrize("better", ["one.wav", "https://example.org/mended.mp3"])
def test_a_track_whose_audio_cannot_be_used_takes_a_better_one(import_csv, audio_dir, better):
    import_csv(",t:1,two.mp3,,,,", audio_dir=audio_dir)
    Track.objects.update(audio_state=Track.AudioState.BAD, audio_problem="The track is silent", features_attempts=1)

    same = import_csv(",t:1,two.mp3,,,,", audio_dir=audio_dir)
    other = import_csv(f",t:1,{better},,,,", audio_dir=audio_dir)

    track = Track.objects.get()
    assert "0 completed" in same
    assert "1 completed" in other
    assert track.audio_state in {Track.AudioState.WAITING, Track.AudioState.NOT_FETCHED}
    assert (track.audio_problem, track.features_attempts, track.preview_url) == ("", 0, better)
    assert bool(track.audio) == better.endswith(".wav")
