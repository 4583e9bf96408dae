"""An import whose worker is killed in the middle, for real: the next one brings it to the same end."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from annotations.intake import uploads
from annotations.intake.models import Upload
from annotations.models import Annotation, Track
from energyapp.jobs import services as jobs
from energyapp.jobs.models import HEARTBEAT_TIMEOUT, Job
from tests.factories import LeadFactory
from tests.processes import start_held_worker, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("celery_on_redis"),
]

PATIENCE_S = 90
# Several batches of 500.
N_ROWS, N_FILES = 4_000, 40


@pytest.mark.postgres  # the transaction under way must be undone, and its locks must go, with the worker
def test_an_import_whose_worker_is_killed_is_done_once_by_the_next(start_workers, redis_url, tmp_path):
    upload = uploads.begin(uploaded_by=LeadFactory())
    rows = [
        f"t:{i // 2},{i % 10 + 1},a{i % 2},{i}.mp3" if i < 20 else f"t:{i // 2},{i % 10 + 1},a{i % 2},"
        for i in range(N_ROWS)
    ]
    send(upload, "labels.csv", "\n".join(["track_uri,energy,annotator_id,track_preview_url", *rows, "broken"]).encode())
    for i in range(N_FILES):
        send(upload, f"{i}.mp3", b"ID3" + bytes([i]) * 100)
    # It tells of each batch inside its transaction: the first is stored, and the second gets no further.
    held = {"at": 0.2, "by": tmp_path / "held"}
    victim = start_held_worker("intake", redis_url=redis_url, database=connection.settings_dict, **held)
    job = uploads.finish(upload=upload, requested_by=upload.uploaded_by)
    wait_until(Track.objects.exists, timeout_s=PATIENCE_S, what="the moment to kill")
    victim.kill()
    assert Job.objects.get().status == Job.Status.RUNNING
    assert 0 < Track.objects.count() < N_ROWS / 2

    start_workers("intake")
    Job.objects.update(heartbeat_at=timezone.now() - HEARTBEAT_TIMEOUT - timedelta(seconds=1))
    jobs.reap()
    wait_until(lambda: not Job.objects.get().is_live, timeout_s=PATIENCE_S, what="the import's end")

    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.SUCCEEDED, 2), job.error
    n_named = 10  # of two rows of a track the first one's file is its audio
    counts = Upload.objects.get().counts
    assert {name: counts[name] for name in ("rows", "refused", "unchanged", "new_tracks", "new_annotations")} == {
        "rows": N_ROWS + 1,
        "refused": 1,
        "unchanged": 0,
        "new_tracks": N_ROWS / 2,
        "new_annotations": N_ROWS,
    }
    assert Annotation.objects.count() == N_ROWS
    assert Track.objects.exclude(audio="").count() == n_named + N_FILES - 20
    assert counts["files_new"] == N_FILES - 20
    assert upload.report.read_text().count("\n") == 2
    # These go after the job has ended.
    wait_until(lambda: not upload.audio_folder.exists(), timeout_s=PATIENCE_S, what="the end of the files sent")


def send(upload: Upload, path: str, content: bytes) -> None:
    assert not uploads.receive(upload=upload, sent_as=path, size=len(content), content=ContentFile(content)).problem
