"""Files sent through the browser: what is taken, what is refused and why, and what the import makes of them."""

import csv
import io
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotations.intake import import_job, previews, receiving, uploads
from annotations.intake.audio_kinds import audio_suffix
from annotations.intake.csv_import import MAX_AUDIO_BYTES
from annotations.intake.models import PreviewFetch, Upload, UploadedFile
from annotations.models import Annotation, Track
from energyapp.jobs.claims import JobRefused
from energyapp.jobs.models import Job
from tests.conftest import logged_in
from tests.factories import JobFactory, SucceededJobFactory, TrackFactory

pytestmark = pytest.mark.django_db

MP3, WAV = b"ID3\x04 a song", b"RIFF\0\0\0\0WAVE a tone"
HEADER = "track_uri,energy,annotator_id,track_preview_url,title\n"
MB = 2**20


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.UPLOADS_DIR = settings.MEDIA_ROOT / "uploads"
    return settings.MEDIA_ROOT


@pytest.fixture
def upload(lead):
    return uploads.begin(uploaded_by=lead)


def send(upload, path, content, size=None):
    return uploads.receive(
        upload=upload, sent_as=path, size=len(content) if size is None else size, content=ContentFile(content)
    )


def send_table(upload, *rows, name="labels.csv"):
    return send(upload, name, (HEADER + "\n".join(rows) + "\n").encode())


def run_import(upload):
    """The upload after a worker has done its job."""
    job = uploads.finish(upload=upload, requested_by=upload.uploaded_by)
    import_job.import_upload(job.pk)
    job.refresh_from_db()
    assert job.status == Job.Status.SUCCEEDED, job.error
    return Upload.objects.begun().get(pk=upload.pk)


def refusals(upload):
    with upload.report.open(encoding="utf-8", newline="") as file:
        return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}


# ---- One file


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("song.mp3", b"PK\x03\x04 a zip", "it is no audio file but a zip archive"),
        ("song.mp3", b"These are words.", "it is no audio file but text: 'These are wo'; expected MP3"),
        ("song.wav", b"RIFF\0\0\0\0AVI LIST", "it is no audio file"),
        ("cover.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "it is no audio file but a JPEG picture"),
        ("list.m3u", b"#EXTM3U\nhttp://x", "expected MP3, Ogg Vorbis, Opus, FLAC, WAV, AIFF or M4A"),
        ("song.mp3", b"", "it is empty (0 bytes)"),
        ("labels.csv", b"", "it is empty (0 bytes)"),
        ("labels.csv", b"name,energy\na,1\n", "it has no column 'track_uri'. Its first line is 'name,energy'."),
        ("labels.csv", b"track_uri;energy\na;1\n", "looks separated by semicolons. Save it with commas."),
        ("LABELS.CSV", b"\xef\xbb\xbftrack_uri;energy\na;1\n", "looks separated by semicolons"),
        ("labels.csv", b"track_uri,track_uri\na,b\n", "it names the column 'track_uri' twice"),
        (
            "labels.csv",
            b"PK\x03\x04 an Excel file",
            "it is a spreadsheet of an office program (xlsx), or a zip archive",
        ),
    ],
)
def test_a_file_that_is_of_no_use_is_refused_with_the_reason(upload, path, content, reason):
    file = send(upload, path, content)

    assert reason in file.problem
    assert str(upload.folder) not in file.problem
    assert upload.files.get() == file


@pytest.mark.parametrize(("path", "n_bytes"), [("song.mp3", MAX_AUDIO_BYTES), ("labels.csv", uploads.MAX_TABLE_BYTES)])
def test_a_file_that_is_too_large_is_refused_before_it_is_looked_at(upload, path, n_bytes):
    file = uploads.receive(upload=upload, sent_as=path, size=n_bytes + MB, content=None)

    assert file.problem == f"it has {n_bytes // MB + 1}.0 MB; at most {n_bytes // MB} MB are taken"
    assert not upload.folder.exists()


@pytest.mark.parametrize(
    ("sent", "known_as"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/../passwd.mp3", "etc/passwd.mp3"),
        ("..\\..\\windows\\a.mp3", "windows/a.mp3"),
        ("a\x1b[2J\u202e.mp3", "a[2J.mp3"),
        ("Dvořák — Živě.mp3", "Dvořák — Živě.mp3"),
        ("Beyonce\u0301.mp3", "Beyoncé.mp3"),
        ("音楽/一.mp3", "音楽/一.mp3"),
        ("n" * 2000 + ".mp3", "n" * 500),
        ("..", ""),
    ],
)
def test_no_name_leads_anywhere(upload, media, sent, known_as):
    file = send(upload, sent, MP3)

    assert (file.path, file.problem) == (known_as, "")
    assert [path for path in media.rglob("*") if path.is_file()] == [upload.audio_folder / f"{file.sha256}.mp3"]


def test_the_same_file_sent_again_is_one_file(upload):
    assert send(upload, "a.mp3", MP3) == send(upload, "a.mp3", MP3)
    assert send(upload, "a.mp3", b"words") == send(upload, "a.mp3", b"words")
    assert send_table(upload, "t:1,,,,") == send_table(upload, "t:1,,,,")
    assert list(upload.files.values_list("path", "problem").filter(problem="")) == [("a.mp3", ""), ("labels.csv", "")]


def test_another_file_of_the_same_name_is_refused_unless_its_folder_tells_them_apart(upload):
    send(upload, "a.mp3", MP3)

    assert "another file of this name" in send(upload, "a.mp3", MP3 + b"!").problem
    assert send(upload, "album/a.mp3", MP3 + b"!").problem == ""


def test_a_second_table_is_refused(upload):
    send_table(upload, "t:1,,,,", name="one.csv")

    assert send_table(upload, "t:2,,,,", name="two.csv").problem == (
        "one CSV can be imported at a time, and one.csv came before it"
    )


def test_no_more_files_are_taken_than_an_upload_may_have(upload, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    for name in ("1.mp3", "2.mp3"):
        send(upload, name, MP3)

    with pytest.raises(uploads.UploadRefused, match="At most 2 files"):
        send(upload, "3.mp3", MP3)
    send(upload, "2.mp3", MP3)  # its answer was lost on the way


def test_the_database_holds_what_an_upload_may_be(upload):
    def refused(**fields):
        with pytest.raises(IntegrityError), transaction.atomic():
            UploadedFile.objects.create(upload=upload, **fields)

    UploadedFile.objects.create(upload=upload, path="a.csv", is_table=True, stored_as="1.csv")
    refused(path="a.csv", stored_as="2.mp3")
    refused(path="b.csv", is_table=True, stored_as="2.csv")
    refused(path="c.mp3")
    refused(path="c.mp3", stored_as="3.mp3", problem="it is empty")


def test_whatever_the_decoder_opens_is_taken(shared_data):
    from modeling.core import decoding

    for path in sorted((shared_data / "formats").glob("*.*")):
        try:
            decoding.load(path)
        except decoding.AudioError:
            continue
        with path.open("rb") as file:
            assert audio_suffix(file.read(12)), path


# ---- Starting the import


def test_an_upload_without_any_file_is_not_imported(upload, lead):
    with pytest.raises(uploads.UploadRefused, match="nothing was sent"):
        uploads.finish(upload=upload, requested_by=lead)


def test_an_upload_of_nothing_but_refused_files_says_why(upload, lead):
    send(upload, "notes.txt", b"words")

    with pytest.raises(uploads.UploadRefused, match=r"no file could be taken\. notes\.txt: it is no audio file"):
        uploads.finish(upload=upload, requested_by=lead)


def test_audio_is_not_imported_without_the_table_that_was_meant_to_come_with_it(upload, lead):
    send(upload, "labels.csv", b"name;energy\n")
    send(upload, "a.mp3", MP3)

    with pytest.raises(uploads.UploadRefused, match=r"Nothing was imported or kept. labels.csv: it has no column"):
        uploads.finish(upload=upload, requested_by=lead)
    assert not Job.objects.exists()


def test_an_import_that_is_asked_for_twice_is_one_job(upload, lead):
    send(upload, "a.mp3", MP3)

    jobs = {uploads.finish(upload=upload, requested_by=lead) for _ in range(2)}

    assert jobs == {Job.objects.get(kind="import", key=str(upload.pk), requested_by=lead)}
    with pytest.raises(uploads.UploadRefused, match="imported already"):
        send(upload, "b.mp3", MP3)


def test_an_import_that_failed_can_be_started_again(upload, lead):
    send(upload, "a.mp3", MP3)
    job = uploads.finish(upload=upload, requested_by=lead)
    Job.objects.filter(pk=job.pk).update(status="failed", finished_at=timezone.now())

    assert run_import(upload).job != job
    assert Track.objects.exists()


# ---- The import


def test_rows_get_the_files_they_name_and_other_files_become_tracks(upload, media):
    send_table(upload, "t:1,7,a1,one.mp3,One", "t:2,,,https://p.example/2.mp3,", "t:3,5,a1,Beyoncé.wav,")
    send(upload, "music/one.mp3", MP3)
    send(upload, "music/Beyonce\u0301.wav", WAV)
    send(upload, "music/03 Alone.ogg", b"OggS alone")

    done = run_import(upload)

    one, two, three, alone = Track.objects.order_by("pk")
    assert (one.title, one.audio.read(), one.audio_state) == ("One", MP3, "waiting")
    assert (two.preview_url, two.audio_state) == ("https://p.example/2.mp3", "not fetched")
    assert three.audio.read() == WAV
    assert (alone.title, alone.uri) == ("03 Alone", f"file:{alone.sha256}")
    assert (alone.audio.read(), alone.audio_state) == (b"OggS alone", "waiting")
    assert Annotation.objects.count() == 2
    assert done.job.message == (
        "3 rows: 3 new tracks, 0 completed, 2 new labels, 0 changed labels, 0 unchanged, 0 refused. "
        "1 audio file without a row: 1 new track."
    )
    assert done.tables[0].stored.exists()
    assert not done.audio_folder.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_alone_is_imported_with_or_without_a_byte_order_mark(upload, encoding):
    send(upload, "labels.csv", (HEADER + "t:ä,7,a1,,\n").encode(encoding))

    assert run_import(upload).counts["new_annotations"] == 1
    assert Track.objects.get().uri == "t:ä"


def test_audio_that_is_known_already_is_told_and_makes_no_second_track(upload):
    send(upload, "a.mp3", MP3)
    digest = send(upload, "copy of a.mp3", MP3).sha256
    send(upload, "b.wav", WAV)
    TrackFactory(sha256=digest)

    counts = run_import(upload).counts

    assert (counts["files"], counts["files_new"], counts["files_known"]) == (3, 1, 2)
    assert Track.objects.count() == 2


def test_audio_that_came_alone_and_comes_again_with_its_csv_is_one_track(lead):
    alone = uploads.begin(uploaded_by=lead)
    send(alone, "a.mp3", MP3)
    send(alone, "b.wav", WAV)
    run_import(alone)
    tracks = set(Track.objects.values_list("pk", flat=True))

    def send_both():
        upload = uploads.begin(uploaded_by=lead)
        send_table(upload, "t:1,7,a1,a.mp3,A song", "t:2,5,a1,b.wav,", "t:3,4,a1,b.wav,")
        send(upload, "a.mp3", MP3)
        send(upload, "b.wav", WAV)
        return run_import(upload)

    first, again = send_both(), send_both()

    # Of two rows that name one file the first takes its track.
    assert list(Track.objects.order_by("uri").values_list("uri", "title")) == [
        ("t:1", "A song"),
        ("t:2", "b"),
        ("t:3", ""),
    ]
    assert tracks == set(Track.objects.filter(uri__in=["t:1", "t:2"]).values_list("pk", flat=True))
    assert (first.counts["new_tracks"], first.counts["completed_tracks"], first.counts["unchanged"]) == (1, 2, 0)
    assert (again.counts["new_tracks"], again.counts["completed_tracks"], again.counts["unchanged"]) == (0, 0, 3)
    assert Annotation.objects.count() == 3


def test_a_row_that_calls_its_track_by_its_bytes_keeps_it(lead):
    alone = uploads.begin(uploaded_by=lead)
    uri = f"file:{send(alone, 'a.mp3', MP3).sha256}"
    run_import(alone)

    both = uploads.begin(uploaded_by=lead)
    send_table(both, "t:1,,,a.mp3,", f"{uri},,,,")
    send(both, "a.mp3", MP3)
    run_import(both)

    assert sorted(Track.objects.values_list("uri", flat=True)) == [uri, "t:1"]


def test_rows_that_cannot_be_taken_are_reported_and_their_files_are_no_tracks(upload):
    send_table(
        upload,
        "t:1,99,a1,one.mp3,",
        "t:2,7,a1,missing.mp3,",
        "t:3,7,a1,words.mp3,",
        "t:4,7,a1,same.mp3,",
        "t:5,7,a1,one.mp3,",
        "=1+1",
    )
    send(upload, "one.mp3", MP3)
    send(upload, "words.mp3", b"words")
    send(upload, "x/same.mp3", WAV)
    send(upload, "y/same.mp3", WAV + b"!")

    done = run_import(upload)

    assert refusals(done) == {
        2: "energy is '99'; expected a whole number from 1 to 10",
        3: "the file 'missing.mp3' was not among the files that were sent; send it together with the CSV",
        4: f"the file 'words.mp3' was not taken: {upload.files.get(path='words.mp3').problem}",
        5: "'same.mp3' may be x/same.mp3 or y/same.mp3; name its folder too",
        7: "has 1 cells; the first line has 5",
    }
    assert "'=1+1" in done.report.read_text()
    assert (done.counts["rows"], done.counts["refused"], done.counts["new_tracks"]) == (6, 5, 1)
    assert Track.objects.get().uri == "t:5"


def test_an_import_that_was_interrupted_comes_to_the_same_end_and_the_same_counts(upload, monkeypatch):
    monkeypatch.setattr("annotations.intake.csv_import.BATCH_SIZE", 2)
    monkeypatch.setattr(import_job, "BATCH_SIZE", 1)
    send_table(upload, *(f"t:{i % 5},{i},a{i},," for i in range(1, 9)))
    for i in range(4):
        send(upload, f"{i}.mp3", MP3 + bytes([i]))
    job = uploads.finish(upload=upload, requested_by=upload.uploaded_by)
    store, n_stored = import_job.store_audio, 0

    def die_in_the_third(path):
        nonlocal n_stored
        n_stored += 1
        if n_stored == 3:
            raise SystemExit  # as a worker that is told to stop
        return store(path)

    monkeypatch.setattr(import_job, "store_audio", die_in_the_third)
    with pytest.raises(SystemExit):
        import_job.import_upload(job.pk)
    assert Track.objects.count() == 7
    import_job.import_upload(job.pk)

    upload.refresh_from_db()
    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.SUCCEEDED, 2)
    assert Track.objects.count() == 9
    assert {name: upload.counts[name] for name in ("rows", "new_tracks", "new_annotations", "unchanged")} == {
        "rows": 8,
        "new_tracks": 5,
        "new_annotations": 8,
        "unchanged": 0,
    }
    assert (upload.counts["files_new"], upload.counts["files_known"]) == (4, 0)


def test_a_message_that_is_delivered_twice_does_nothing_the_second_time(upload):
    send(upload, "a.mp3", MP3)
    done = run_import(upload)

    import_job.import_upload(done.job.pk)

    assert Upload.objects.get().counts == done.counts


# ---- What is left over


def test_uploads_that_nobody_finished_are_removed_after_a_day(lead, media):
    old, new, imported = (uploads.begin(uploaded_by=lead) for _ in range(3))
    for each in (old, new, imported):
        send(each, "a.mp3", MP3)
    Upload.objects.filter(pk=imported.pk).update(job=SucceededJobFactory(kind="import"))
    Upload.objects.exclude(pk=new.pk).update(created_at=timezone.now() - uploads.PATIENCE - timedelta(minutes=1))
    (media / "uploads" / "being-sent.part").touch()

    uploads.remove_stale_uploads()

    assert set(Upload.objects.all()) == {new, imported}
    assert not old.folder.exists()
    assert new.audio_folder.exists()
    assert not imported.audio_folder.exists()
    assert (media / "uploads" / "being-sent.part").exists()


def test_the_audio_of_a_failed_import_is_kept_for_a_week_in_which_it_can_be_imported_again(lead, media):
    recent, old = (uploads.begin(uploaded_by=lead) for _ in range(2))
    for each, days in ((recent, 6), (old, 8)):
        send(each, "a.mp3", MP3)
        failed_at = timezone.now() - timedelta(days=days)
        job = JobFactory(kind="import", key=str(each.pk), status=Job.Status.FAILED, finished_at=failed_at)
        Upload.objects.filter(pk=each.pk).update(job=job)

    uploads.remove_stale_uploads()

    assert recent.audio_folder.exists()
    assert not old.audio_folder.exists()


def test_tables_that_a_failed_job_has_left_are_removed_after_a_week(media):
    folder = media / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    for name, days in (("scoring-a.csv", 6), ("scoring-b.csv", 8)):
        (folder / name).touch()
        left_at = (timezone.now() - timedelta(days=days)).timestamp()
        os.utime(folder / name, (left_at, left_at))

    uploads.remove_stale_uploads()

    assert [path.name for path in folder.iterdir()] == ["scoring-a.csv"]


# ---- The pages


def post_files(client, *files, follow=True):
    return client.post(
        "/import/", {"files": [SimpleUploadedFile(name, content) for name, content in files]}, follow=follow
    )


def text(response):
    return " ".join(response.content.decode().split())


def test_a_plain_form_with_a_hundred_files_begins_the_import(as_lead, lead):
    table = (HEADER + "\n".join(f"t:{i},7,a1,{i}.mp3," for i in range(100))).encode()

    response = post_files(as_lead, ("labels.csv", table), *((f"{i}.mp3", MP3 + bytes([i])) for i in range(100)))

    upload = Upload.objects.get()
    assert response.redirect_chain == [(f"/import/{upload.pk}/", 302)]
    assert "labels.csv and 100 audio files" in text(response)
    assert (upload.job.status, upload.uploaded_by) == (Job.Status.QUEUED, lead)
    import_job.import_upload(upload.job.pk)
    assert Track.objects.exclude(audio="").count() == 100


def test_a_plain_form_with_nothing_in_it_is_told_what_to_choose(as_lead):
    assert "Choose a CSV, audio files, or both" in text(post_files(as_lead))


def test_a_form_with_too_many_files_or_bytes_is_told_so(as_lead, monkeypatch):
    files = [(f"{i}.mp3", MP3) for i in range(receiving.MAX_REQUEST_FILES + 1)]
    assert "without JavaScript at most 101 files and 200 MB" in text(post_files(as_lead, *files))

    monkeypatch.setattr(receiving, "MAX_REQUEST_BYTES", 100)
    assert "Nothing was taken" in text(post_files(as_lead, ("a.mp3", MP3)))
    assert not UploadedFile.objects.exists()


def test_nginx_lets_through_what_the_application_takes():
    limits = re.findall(r"client_max_body_size (\w+);", (Path(settings.BASE_DIR) / "deploy/nginx.conf").read_text())

    of_files = f"{receiving.MAX_REQUEST_BYTES // MB}m"
    assert limits == ["1m", of_files, of_files]


def test_a_script_sends_files_one_by_one(as_lead, media):
    begun = as_lead.post("/import/", {"one_by_one": "1"}).json()

    def add(path, **fields):
        response = as_lead.post(begun["files"], {"path": path, "size": 1, **fields})
        assert response.status_code == 200
        return response.json()["problem"]

    assert add("a/one.mp3", content=SimpleUploadedFile("x", MP3)) == ""
    assert add("zero.mp3", content=SimpleUploadedFile("x", b"")) == "it is empty (0 bytes)"
    assert add("huge.mp3", size=51 * MB) == "it has 51.0 MB; at most 50 MB are taken"
    assert add("absent.mp3") == "its content was not sent"
    assert not list((media / "uploads").glob("*.part"))
    assert as_lead.post(begun["finish"], follow=True).redirect_chain[-1][0] == f"/import/{Upload.objects.get().pk}/"

    response = as_lead.post(begun["files"], {"path": "b.mp3", "size": 1, "content": SimpleUploadedFile("x", MP3)})
    assert (response.status_code, response.json()["problem"][:35]) == (409, "This upload is being imported alrea")
    assert as_lead.post(begun["files"], {}).status_code == 400


def test_of_a_file_that_is_too_large_no_more_is_written_than_may_be(as_lead, monkeypatch, media):
    monkeypatch.setattr(receiving, "MAX_TABLE_BYTES", 100_000)
    monkeypatch.setattr(uploads, "MAX_AUDIO_BYTES", 100_000)
    written = []
    monkeypatch.setattr(receiving.ToUploadsFolder, "file_complete", lambda self, size: written.append(self.part.tell()))

    post_files(as_lead, ("huge.mp3", bytes(MB)))

    assert 100_000 <= written[0] < 200_000


def test_nobody_adds_files_to_the_upload_of_another(as_admin, upload):
    response = as_admin.post(f"/import/{upload.pk}/files/", {"path": "a", "size": 1})

    assert response.status_code == 404


@pytest.mark.parametrize("path", ["/import/", "/import/{}/files/"])
def test_a_forged_request_is_refused(lead, upload, path):
    client = Client(enforce_csrf_checks=True)
    client.force_login(lead)

    response = client.post(path.format(upload.pk), {"path": "a", "size": 1, "files": SimpleUploadedFile("a.mp3", MP3)})

    assert response.status_code == 403
    assert Upload.objects.count() == 1
    assert not UploadedFile.objects.exists()


def test_an_annotator_sends_nothing_and_nothing_of_it_is_read(as_annotator, media):
    assert post_files(as_annotator, ("a.mp3", MP3)).status_code == 403
    assert not media.exists()


def test_the_report_shows_what_was_refused_and_can_be_downloaded(as_lead, upload):
    send_table(upload, "t:1,7,a1,,", "t:2,99,a1,,", "=cmd(),1,2,3")
    send(upload, "<b>.mp3", b"words")
    run_import(upload)

    html = as_lead.get(f"/import/{upload.pk}/").content.decode()
    response = as_lead.get(f"/import/{upload.pk}/refused.csv")

    assert "energy is &#x27;99&#x27;" in html
    assert "&lt;b&gt;.mp3" in html
    assert response["Content-Disposition"] == 'attachment; filename="labels.refused.csv"'
    assert response["Content-Type"] == "text/csv"
    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert rows[0] == ["line", "reason", "row"]
    assert rows[2][2] == "'=cmd(),1,2,3"


def test_an_import_without_refused_rows_has_no_report(as_lead, upload):
    send_table(upload, "t:1,7,a1,,")
    run_import(upload)

    assert as_lead.get(f"/import/{upload.pk}/refused.csv").status_code == 404
    assert "Refused rows" not in as_lead.get(f"/import/{upload.pk}/").content.decode()


def test_an_upload_that_was_not_finished_has_no_page(as_lead, upload):
    assert as_lead.get(f"/import/{upload.pk}/").status_code == 404


def test_tracks_are_counted_by_their_audio_with_the_most_frequent_reasons(as_lead):
    for n, reason in ((3, "the server says 404"), (1, "<the link leads to a page>")):
        TrackFactory.create_batch(n, audio_state="unreachable", audio_problem=reason, audio="")
    for i in range(7):
        TrackFactory(audio_state="bad", audio_problem=f"reason {i}")

    html = text(as_lead.get("/import/"))

    assert '?state=unreachable">Preview cannot be fetched</a>' in html
    assert "3 × the server says 404</li><li>1 × &lt;the link leads to a page&gt;" in html
    assert "2 × something else" in html


def test_previews_that_wait_for_another_try_are_counted_with_the_last_answer(as_lead, upload):
    send_table(upload, *(f"t:{i},,,https://p.example/{i}.mp3," for i in range(3)))
    run_import(upload)
    previews.take_up_wanted_tracks()
    PreviewFetch.objects.filter(track__uri__in=["t:0", "t:1"]).update(attempts=1, last_answer="the server says 503")

    assert "2 × waits for another try: the server says 503" in text(as_lead.get("/import/"))
    assert "3 previews are being fetched in the background" in text(as_lead.get(f"/import/{upload.pk}/"))


@pytest.mark.parametrize(
    ("rows", "chip"),
    [
        (["t:1,99,a1,,"], '<span class="chip warn">nothing taken</span> <small class="nowrap">1 refused</small>'),
        (["t:0,,,,", "t:1,99,a1,,"], '<span class="chip warn">nothing taken</span> <small class="nowrap">1 refused'),
        (["t:1,9,a1,,", "t:2,99,a1,,"], '<span class="chip good">done</span> <small class="nowrap">1 refused</small>'),
        (["t:0,,,,"], '<span class="chip good">done</span></td>'),
    ],
)
def test_an_import_that_took_nothing_is_not_said_to_be_done(as_lead, upload, rows, chip):
    TrackFactory(uri="t:0")
    send_table(upload, *rows)
    run_import(upload)

    assert chip in text(as_lead.get("/import/"))


def test_previews_that_could_not_be_fetched_are_tried_again(as_lead):
    TrackFactory(audio_state="unreachable", audio_problem="gone", audio="", preview_url="https://p.example/1.mp3")
    TrackFactory(audio_state="bad", audio_problem="silent")

    response = as_lead.post("/import/try-again/", follow=True)

    assert "Previews that are tried again: 1." in text(response)
    assert sorted(Track.objects.values_list("audio_state", flat=True)) == ["bad", "not fetched"]


def test_a_stored_file_that_has_gone_fails_the_job_and_not_the_page(as_lead, upload):
    send(upload, "a.mp3", MP3)
    job = uploads.finish(upload=upload, requested_by=upload.uploaded_by)
    shutil.rmtree(upload.folder)

    with pytest.raises(JobRefused):
        import_job.import_upload(job.pk)

    job.refresh_from_db()
    assert "kept for 7 days. Send them again." in job.message
    assert "Import again" in as_lead.get(reverse("upload", args=[upload.pk])).content.decode()


def test_the_pages_take_the_same_number_of_queries_for_any_number_of_imports(lead, django_assert_max_num_queries):
    for _ in range(25):
        each = uploads.begin(uploaded_by=lead)
        send_table(each, "t:1,,,,")
        for name in ("a.mp3", "b.mp3", "c.txt"):
            send(each, name, MP3 if name.endswith("mp3") else b"words")
        uploads.finish(upload=each, requested_by=lead)
    client = logged_in(lead)

    with django_assert_max_num_queries(17):
        assert client.get("/import/").content.count(b"labels.csv</a><small>2 audio files</small>") == 20
    with django_assert_max_num_queries(14):
        client.get(f"/import/{each.pk}/")
