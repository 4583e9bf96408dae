"""An import that somebody calls off: what it has stored stays, and it can be asked for again."""

import pytest
from django.db import transaction
from django.utils import timezone

from annotations.intake import import_job
from annotations.models import Track
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from tests.factories import JobFactory, UploadedFileFactory, UploadFactory

pytestmark = pytest.mark.django_db

N_ROWS = 1_200  # more than the batch of 500 that is stored at once


@pytest.fixture
def upload():
    upload = UploadFactory(job=JobFactory(kind="import"), counts={}, table=None)
    table = UploadedFileFactory(upload=upload, path="labels.csv", is_table=True, stored_as="0" * 64 + ".csv")
    upload.folder.mkdir(parents=True)
    table.stored.write_text("track_uri,title\n" + "".join(f"row:{n},Title {n}\n" for n in range(N_ROWS)))
    return upload


@pytest.fixture
def cancel_after_the_first_batch(monkeypatch):
    add = import_job._Import._add

    def and_cancel(self, **counts):
        add(self, **counts)
        # A batch is counted in its own transaction; Lea has hers.
        transaction.on_commit(lambda: jobs.cancel(job=self.upload.job, by="Lea"))

    monkeypatch.setattr(import_job._Import, "_add", and_cancel)


@pytest.mark.django_db(transaction=True)
def test_what_was_stored_stays_and_importing_again_completes_it(
    upload, cancel_after_the_first_batch, as_lead, monkeypatch
):
    import_job.import_upload(upload.job_id)

    assert Job.objects.get().status == Job.Status.CANCELLED
    assert 0 < Track.objects.count() < N_ROWS
    html = as_lead.get(f"/import/{upload.pk}/").content.decode()
    assert "What was imported until then stays" in html

    monkeypatch.undo()
    as_lead.post(f"/import/{upload.pk}/finish/")
    upload.refresh_from_db()
    import_job.import_upload(upload.job_id)

    upload.refresh_from_db()
    assert Track.objects.count() == N_ROWS
    assert (upload.job.status, upload.counts["new_tracks"]) == (Job.Status.SUCCEEDED, N_ROWS)


def test_the_list_says_cancelled(as_lead):
    job = JobFactory(
        kind="import", status=Job.Status.CANCELLED, finished_at=timezone.now(), message="Cancelled by Lea."
    )
    UploadFactory(job=job)

    assert '<span class="chip">cancelled</span>' in as_lead.get("/import/").content.decode()
