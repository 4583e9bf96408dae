"""An export of the history makes the same labels anywhere, and contradictions are told instead of stored."""

import csv
from io import StringIO

import pytest
from django.core.management import call_command

from annotations.intake.csv_rows import RefusedRows
from annotations.intake.history_import import import_history
from annotations.models import Annotation, Track, User
from modeling.exports.label_tables import HISTORY_COLUMNS
from tests.factories import AnnotationFactory, AnnotatorFactory, TrackFactory

pytestmark = pytest.mark.django_db

ROOT = "11111111-1111-4111-8111-111111111111"
CHANGE = "22222222-2222-4222-8222-222222222222"
ROW = {
    "submission_id": ROOT,
    "track_uri": "t:1",
    "title": "One",
    "artist": "Anna",
    "genres": "house,techno",
    "annotator_id": "a1",
    "energy": "7",
    "source": "label",
    "stream": "gold",
    "listened_s": "12.5",
    "created_at": "2026-03-01T10:00:00+01:00",
}


@pytest.fixture
def history(tmp_path):
    """`history(row, ...)`: import these, each given as what differs from ROW; what was refused, by line."""

    def run(*rows: dict) -> dict[int, str]:
        path, report = tmp_path / "history.csv", tmp_path / "refused.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [column.name for column in HISTORY_COLUMNS], restval="")
            writer.writeheader()
            writer.writerows(ROW | row for row in rows)
        with RefusedRows(report) as refused:
            run.counts = import_history(path, refused=refused)
        if not report.exists():
            return {}
        with report.open(newline="") as file:
            return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}

    return run


def change(**also) -> dict:
    return {"submission_id": CHANGE, "supersedes": ROOT, "energy": "4", "source": "relabel", **also}


def test_a_label_is_as_it_was_with_what_it_changed(history):
    assert history({}, change()) == {}

    first, second = Annotation.objects.order_by("pk")
    assert (second.supersedes, second.level, second.source) == (first, 4, "relabel")
    assert (first.stream, first.listened_s, first.answered_s) == ("gold", 12.5, None)
    assert first.created_at.isoformat() == "2026-03-01T09:00:00+00:00"
    assert (first.track.title, first.track.artist) == ("One", "Anna")
    assert {genre.name for genre in first.track.genres.all()} == {"house", "techno"}
    assert str(history.counts) == (
        "2 rows: 1 new track, 0 completed, 1 new label, 1 changed label, 0 unchanged, 0 refused."
    )


def test_the_same_file_again_changes_nothing(history):
    history({}, change())

    assert history({}, change()) == {}

    assert Annotation.objects.count() == 2
    assert history.counts.unchanged == 2


def test_a_file_goes_on_where_another_has_ended(history):
    history({})

    assert history({}, change()) == {}

    assert Annotation.objects.current().get().level == 4


def test_labels_never_become_those_of_an_account(history):
    account = AnnotatorFactory(username="a1")

    history({})

    assert not account.annotations.exists()
    assert Annotation.objects.get().annotator.alias == "a1"


def test_a_link_is_fetched_and_a_files_name_is_only_noted(history):
    links = {"track_uri": "t:2", "track_preview_url": "https://previews.example/2.mp3", "submission_id": CHANGE}

    history({"track_preview_url": "one.ogg"}, links)

    assert list(Track.objects.order_by("uri").values_list("audio_state", "preview_url")) == [
        ("none", "one.ogg"),
        ("not fetched", "https://previews.example/2.mp3"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"submission_id": "7"}, "submission_id is '7'; expected a UUID"),
        ({"supersedes": "7"}, "supersedes is '7'; expected a UUID"),
        ({"energy": "11"}, "energy is '11'; expected a whole number from 1 to 10"),
        ({"energy": ""}, "energy is ''; expected a whole number from 1 to 10"),
        ({"annotator_id": ""}, "annotator_id has 0 characters; expected 1 to 100"),
        ({"source": "x"}, "source is 'x'; expected one of label, review, import, relabel"),
        ({"listened_s": "-1"}, "listened_s is '-1'; expected seconds, or nothing"),
        ({"listened_s": "nan"}, "listened_s is 'nan'; expected seconds, or nothing"),
        (
            {"created_at": "yesterday"},
            "created_at is 'yesterday'; expected a time like 2026-11-23T10:00:00+00:00",
        ),
        (
            {"created_at": "2026-03-01T10:00:00"},
            "created_at is '2026-03-01T10:00:00', without its time zone; expected one like +00:00 at its end",
        ),
        ({"created_at": "2999-01-01T00:00:00Z"}, "created_at is '2999-01-01T00:00:00Z', which is still to come"),
        ({"supersedes": CHANGE}, f"supersedes {CHANGE}, which is neither here nor in a row above"),
    ],
)
def test_a_row_that_cannot_be_says_what_was_found_and_stops_no_other(history, row, reason):
    good = {"submission_id": "33333333-3333-4333-8333-333333333333", "track_uri": "t:9"}

    assert history(row, good) == {2: reason}

    assert Annotation.objects.get().track.uri == "t:9"


def test_what_contradicts_what_is_here_is_refused(history):
    history({})
    other = "44444444-4444-4444-8444-444444444444"

    refused = history(
        {"energy": "2"},  # another label under the same id
        {"submission_id": other},  # a second beginning
        change(annotator_id="a2"),
        change(),
        {"submission_id": other, "supersedes": ROOT},  # of what is superseded by now
    )

    assert refused == {
        2: f"submission_id {ROOT} is that of another label: imported:a1: One is 7",
        3: "a1 has a label of this track already, which this one does not supersede",
        4: f"supersedes {ROOT}, which is another annotator's or of another track: imported:a1: One is 7",
        6: f"supersedes {ROOT}, which another label has superseded already",
    }
    assert Annotation.objects.current().get().level == 4


def test_an_import_recognises_it(tmp_path):
    label = AnnotationFactory(track=TrackFactory(uri="t:1"), annotator__alias="a1", level=3)
    file = tmp_path / "history.csv"
    call_command("export_table", "history", file, stdout=StringIO())
    out = StringIO()

    call_command("import_tracks", file, stdout=out)

    assert "1 unchanged, 0 refused" in out.getvalue()
    assert Annotation.objects.get() == label
    assert User.objects.filter(alias="a1").count() == 1
