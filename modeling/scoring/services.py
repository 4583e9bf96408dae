"""What the pages ask for: tracks of a CSV to be scored, the curve of a song."""

from __future__ import annotations

import hashlib
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.db import transaction

from annotations.intake.csv_rows import FileRefused
from annotations.intake.uploads import MAX_TABLE_BYTES, MB, PART_SUFFIX
from annotations.models import Track, User
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job
from modeling.models import TrainingRun
from modeling.scoring.models import Scoring
from modeling.scoring.taking_in import own_columns


def request_scoring(*, name: str, content: File, requested_by: User) -> Scoring:
    """Keep the file, and have a worker take its rows in. The same file, sent again meanwhile, is the same scoring.

    Raises
    ------
    FileRefused
        It is too large, empty, or no CSV with the columns that are needed.
    """
    if (content.size or 0) > MAX_TABLE_BYTES:
        raise FileRefused(f"it has {content.size / MB:,.0f} MB; at most {MAX_TABLE_BYTES // MB} MB are taken")
    settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True)
    part = settings.UPLOADS_DIR / f"{uuid4().hex}{PART_SUFFIX}"
    digest = hashlib.sha256()
    try:
        with part.open("wb") as file:
            for chunk in content.chunks():
                digest.update(chunk)
                file.write(chunk)
        try:
            columns = own_columns(part)
        except FileRefused as refusal:
            raise FileRefused(str(refusal).replace(str(part), "it")) from None
        scoring = Scoring(requested_by=requested_by, name=name[:300], digest=digest.hexdigest(), columns=columns)
        part.replace(scoring.table)
    finally:
        part.unlink(missing_ok=True)
    return _request(scoring)


@transaction.atomic
def _request(scoring: Scoring) -> Scoring:
    job, is_new = jobs.request(kind="score", key=scoring.digest, requested_by=scoring.requested_by)
    if not is_new:
        return Scoring.objects.get(job=job)
    scoring.job = job
    scoring.save()
    return scoring


def curve_job(run: TrainingRun, track: Track) -> Job | None:
    """The newest that was asked to draw this curve."""
    return Job.objects.filter(kind="curve", key=str(track.pk), arguments={"run": run.pk}).first()


def request_curve(*, run: TrainingRun, track: Track, requested_by: User) -> Job:
    """Have a worker draw a curve; asked for twice is once."""
    job, _ = jobs.request(kind="curve", key=str(track.pk), arguments={"run": run.pk}, requested_by=requested_by)
    return job
