"""What a worker does with an upload: import its table, then make tracks of the audio that no row of it names."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path, PurePosixPath

from django.db import transaction

from annotations.intake.audio_store import store_audio
from annotations.intake.csv_import import ImportCounts, counted, import_tracks
from annotations.intake.csv_rows import RefusedRows, RowRefused
from annotations.intake.history_import import import_history, is_history
from annotations.intake.models import Upload, UploadedFile
from annotations.intake.uploads import PATIENCE_WITH_FAILED, clean_path
from annotations.models import Track
from energyapp.jobs.claims import Claim, JobRefused, NotClaimed

BATCH_SIZE = 50
# Share of the work, for the progress bar.
TABLE_SHARE = 0.9
FILES_GONE = f"Files of this import are gone: those of one that failed are kept for {PATIENCE_WITH_FAILED.days} days. Send them again."
ADDED_UP = ("new_tracks", "completed_tracks", "new_annotations", "changed_annotations")


def import_upload(job_id: int) -> None:
    """Import the upload of this job. Done again after an interruption it comes to the same end and the same counts."""
    try:
        with Claim(job_id) as claim:
            upload = Upload.objects.get(job=job_id)
            try:
                _Import(upload, claim).run()
            except FileNotFoundError as problem:
                raise JobRefused(FILES_GONE) from problem
            shutil.rmtree(upload.audio_folder, ignore_errors=True)
    except NotClaimed:
        return  # delivered twice, or taken over


class _Import:
    def __init__(self, upload: Upload, claim: Claim) -> None:
        self.upload, self.claim = upload, claim
        self.audio = UploadedAudio(upload)

    def run(self) -> None:
        sentences: list[str] = []
        totals: dict[str, int] = {}
        if table := self.upload.files.filter(is_table=True, problem="").first():
            counts = self._import_table(table.stored)
            sentences.append(str(counts))
            totals |= vars(counts)
        if files := self.audio.not_named():
            n_new = self._import_files(files, share_before=TABLE_SHARE if table else 0)
            sentences.append(f"{counted(len(files), 'audio file')} without a row: {counted(n_new, 'new track')}.")
            totals |= {"files": len(files), "files_known": len(files) - n_new}
        with transaction.atomic():
            Upload.objects.filter(pk=self.upload.pk).update(counts=self.upload.counts | totals)
            self.claim.succeed(" ".join(sentences))

    def _import_table(self, table: Path) -> ImportCounts:
        n_lines, n_done = _n_lines(table), 0

        def on_stored(batch: ImportCounts) -> None:
            nonlocal n_done
            n_done += batch.rows
            told = {name: getattr(batch, name) for name in ADDED_UP}
            self._add(rows_told=batch.rows - batch.unchanged, **told)
            self.claim.report(TABLE_SHARE * n_done / n_lines, f"{counted(n_done, 'row')} imported")

        # The token: an attempt that was given up for dead may still be writing to its own report.
        with RefusedRows(self.upload.folder / f"refused-{self.claim.token.hex[:8]}.csv") as refused:
            if is_history(table):
                counts = import_history(table, refused=refused, on_stored=on_stored)
            else:
                counts = import_tracks(
                    table, audio_dir=None, refused=refused, find_audio=self.audio.find, on_stored=on_stored
                )
        if refused.count:
            refused.path.replace(self.upload.report)
        # To this attempt the rows that an earlier one had stored are unchanged.
        counts.unchanged = counts.rows - counts.refused - self.upload.counts.get("rows_told", 0)
        for name in ADDED_UP:
            setattr(counts, name, self.upload.counts.get(name, 0))
        return counts

    def _import_files(self, files: list[UploadedFile], *, share_before: float) -> int:
        """The number of tracks that these files have become."""
        for start in range(0, len(files), BATCH_SIZE):
            share = share_before + (1 - share_before) * start / len(files)
            self.claim.report(share, f"{start:,} of {counted(len(files), 'audio file')} imported")
            self._store_files(files[start : start + BATCH_SIZE])
        return self.upload.counts.get("files_new", 0)

    def _store_files(self, files: list[UploadedFile]) -> None:
        by_bytes = {file.sha256: file for file in reversed(files)}  # of several with the same bytes the first
        known = set(Track.objects.filter(sha256__in=by_bytes).values_list("sha256", flat=True))
        # Before the transaction: copying takes its time, and on SQLite nobody could label meanwhile.
        new = {digest: store_audio(by_bytes[digest].stored)[0] for digest in sorted(by_bytes.keys() - known)}
        with transaction.atomic():
            made = [_make_track(by_bytes[digest], name) for digest, name in new.items()]
            self._add(files_new=sum(made))

    def _add(self, **counts: int) -> None:
        """Count what was done, in the transaction that does it: an attempt that dies leaves its counts to the next."""
        self.upload.refresh_from_db(fields=["counts"])  # what a transaction that was rolled back has added is not so
        for name, n in counts.items():
            self.upload.counts[name] = self.upload.counts.get(name, 0) + n
        self.upload.save(update_fields=["counts"])


def _make_track(file: UploadedFile, audio: str) -> bool:
    """Whether there was none of these bytes yet."""
    _, is_new = Track.objects.get_or_create(
        uri=f"file:{file.sha256}",
        defaults={
            "title": PurePosixPath(file.path).stem[:300],
            "preview_url": file.path,
            "audio": audio,
            "sha256": file.sha256,
            "audio_state": Track.AudioState.WAITING,
        },
    )
    return is_new


class UploadedAudio:
    """Finds the uploaded file that a row means, and knows in the end which no row has named."""

    def __init__(self, upload: Upload) -> None:
        self._by_name = defaultdict(list)
        self._named: set[str] = set()
        for file in upload.files.filter(is_table=False):
            self._by_name[PurePosixPath(file.path).name].append(file)

    def find(self, preview: str) -> Path:
        """The file at this path, or at one that ends with it: what the sender's folder is called need not be in the CSV."""
        wanted = clean_path(preview)
        found = [
            file for file in self._by_name.get(PurePosixPath(wanted).name, []) if f"/{file.path}".endswith(f"/{wanted}")
        ]
        if not found:
            raise RowRefused(
                f"the file {preview[:80]!r} was not among the files that were sent; send it together with the CSV"
            )
        usable = {file.sha256: file for file in found if not file.problem}
        self._named |= usable.keys()
        if not usable:
            raise RowRefused(f"the file {preview[:80]!r} was not taken: {found[0].problem}")
        if len(usable) > 1:
            raise RowRefused(
                f"{preview[:80]!r} may be {' or '.join(file.path for file in found[:3])}; name its folder too"
            )
        return next(iter(usable.values())).stored

    def not_named(self) -> list[UploadedFile]:
        files = [file for files in self._by_name.values() for file in files if not file.problem]
        return [file for file in files if file.sha256 not in self._named]


def _n_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b"")) or 1
