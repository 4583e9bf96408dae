"""Files that somebody sends through the browser: checked one by one as they come, imported when all are here."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from unicodedata import normalize
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotations.intake.audio_kinds import audio_suffix, describe
from annotations.intake.csv_import import MAX_AUDIO_BYTES
from annotations.intake.csv_rows import FileRefused, read_rows
from annotations.intake.models import Upload, UploadedFile
from annotations.models import User
from energyapp.jobs import services as jobs
from energyapp.jobs.models import Job

MB = 2**20
MAX_FILES = 5_000
MAX_TABLE_BYTES = 200 * MB
PART_SUFFIX = ".part"
# An upload that nobody finishes is removed after this.
PATIENCE = timedelta(days=1)
# After this nobody is expected to import again what failed; the files may be sent again.
PATIENCE_WITH_FAILED = timedelta(days=7)
# After either the import can be asked for again.
GIVEN_UP = (Job.Status.FAILED, Job.Status.CANCELLED)


class UploadRefused(Exception):
    """The upload cannot go on. The message says why, for people."""


def begin(*, uploaded_by: User) -> Upload:
    return Upload.objects.create(uploaded_by=uploaded_by)


def receive(*, upload: Upload, sent_as: str, size: int, content: File | None) -> UploadedFile:
    """Check one file and keep it, or the reason why not. Sending the same again changes nothing.

    Parameters
    ----------
    sent_as
        Its path on the sender's machine: only words, no file of ours gets this name.
    content
        None for a file whose size alone forbids it: such need not be sent.

    Raises
    ------
    UploadRefused
        No further file is taken, whatever it is.
    """
    path = clean_path(sent_as)
    file = UploadedFile(upload=upload, path=path[:500], is_table=path.lower().endswith(".csv"))
    try:
        _check_size(size, MAX_TABLE_BYTES if file.is_table else MAX_AUDIO_BYTES)
        if content is None:
            raise FileRefused("its content was not sent")
        file.stored_as = _store_table(upload, content) if file.is_table else _store_audio(upload, content)
    except FileRefused as problem:
        file.problem = str(problem)[:300]
    return _remember(file)


@transaction.atomic
def finish(*, upload: Upload, requested_by: User) -> Job:
    """Start the import; after one that failed or was cancelled, start it anew. Asking twice is asking once.

    Raises
    ------
    UploadRefused
        There is nothing to import, or not all that belongs together.
    """
    upload = Upload.objects.select_for_update().get(pk=upload.pk)
    if upload.job and upload.job.status not in GIVEN_UP:
        return upload.job
    _refuse_what_makes_no_import(upload)
    upload.job, _ = jobs.request(kind="import", key=str(upload.pk), requested_by=requested_by)
    upload.save(update_fields=["job"])
    return upload.job


def remove_stale_uploads() -> None:
    """Remove what nobody finished, and what killed processes left behind."""
    for upload in Upload.objects.filter(job=None, created_at__lt=timezone.now() - PATIENCE):
        shutil.rmtree(upload.folder, ignore_errors=True)
        upload.delete()
    given_up = Q(job__status__in=GIVEN_UP, job__finished_at__lt=timezone.now() - PATIENCE_WITH_FAILED)
    for upload in Upload.objects.filter(Q(job__status=Job.Status.SUCCEEDED) | given_up):
        shutil.rmtree(upload.audio_folder, ignore_errors=True)
    _remove_older(f"*{PART_SUFFIX}", PATIENCE)
    _remove_older(
        "*.csv", PATIENCE_WITH_FAILED
    )  # of jobs that have no folder for it; those that ended well have removed theirs


def _remove_older(pattern: str, patience: timedelta) -> None:
    for path in settings.UPLOADS_DIR.glob(pattern):
        with suppress(FileNotFoundError):  # whoever wrote it has ended in this moment
            if path.stat().st_mtime < (timezone.now() - patience).timestamp():
                path.unlink()


# ---- Checks


def clean_path(sent: str) -> str:
    """A path as it is shown and compared: one spelling of each letter, nothing invisible, no way upwards.

    >>> clean_path("..\\\\..\\\\etc/passwd"), clean_path("/music/./Beyonce\\u0301.mp3\\0")
    ('etc/passwd', 'music/Beyoncé.mp3')
    """
    # Macs send an accent as a letter of its own, while a CSV mostly has it in one.
    visible = "".join(letter for letter in normalize("NFC", sent) if letter.isprintable())
    return "/".join(part for part in re.split(r"[\\/]", visible) if part.strip(". "))


def _check_size(size: int, limit: int) -> None:
    if not size:
        raise FileRefused("it is empty (0 bytes)")
    if size > limit:
        raise FileRefused(f"it has {size / MB:,.1f} MB; at most {limit // MB} MB are taken")


def _refuse_what_makes_no_import(upload: Upload) -> None:
    # Without its CSV all audio would become tracks of their own, which nobody asked for.
    if table := upload.files.filter(is_table=True).exclude(problem="").first():
        raise UploadRefused(
            f"Nothing was imported or kept. {table.path}: {table.problem}. Mend it and choose all files again."
        )
    if upload.files.filter(problem="").exists():
        return
    if not (refused := [f"{file.path}: {file.problem}" for file in upload.files.all()[:3]]):
        raise UploadRefused("Choose a CSV, audio files, or both: nothing was sent.")
    raise UploadRefused(f"Nothing was imported: no file could be taken. {'; '.join(refused)}")


# ---- Keeping


def _store_table(upload: Upload, content: File) -> str:
    name = _store(upload.folder, content, ".csv")
    try:
        next(read_rows(upload.folder / name, required=("track_uri",)), None)
    except FileRefused as problem:
        raise FileRefused(str(problem).replace(str(upload.folder / name), "it")) from None
    return name


def _store_audio(upload: Upload, content: File) -> str:
    head = content.read(12)
    if not (suffix := audio_suffix(head)):
        raise FileRefused(
            f"it is no audio file but {describe(head)}; expected MP3, Ogg Vorbis, Opus, FLAC, WAV, AIFF or M4A"
        )
    return _store(upload.audio_folder, content, suffix)


def _store(folder: Path, content: File, suffix: str) -> str:
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    name = digest.hexdigest() + suffix
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{uuid4().hex}{PART_SUFFIX}"
    with part.open("wb") as file:
        for chunk in content.chunks():
            file.write(chunk)
    part.replace(folder / name)
    return name


@transaction.atomic
def _remember(file: UploadedFile) -> UploadedFile:
    # Locked: of two requests at once only one can bring the table, and none brings a file once the import has begun.
    upload = Upload.objects.select_for_update().get(pk=file.upload_id)
    if upload.job_id:
        raise UploadRefused("This upload is being imported already. Begin another for further files.")
    if known := upload.files.filter(path=file.path, stored_as=file.stored_as, problem=file.problem).first():
        return known
    if upload.files.count() >= MAX_FILES:
        raise UploadRefused(f"At most {MAX_FILES:,} files are taken at once. Import the others afterwards.")
    if not file.problem and (conflict := _conflict(upload, file)):
        file.stored_as, file.problem = "", conflict
    file.save()
    return file


def _conflict(upload: Upload, file: UploadedFile) -> str:
    """Why it cannot stand beside the files that are here already."""
    taken = upload.files.filter(problem="")
    if taken.filter(path=file.path).exists():
        return "another file of this name, with other bytes, came before it; rename one of them"
    if file.is_table and (first := taken.filter(is_table=True).first()):
        return f"one CSV can be imported at a time, and {first.path} came before it"[:300]
    return ""
