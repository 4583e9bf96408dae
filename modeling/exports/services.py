"""Asking for an export, writing it, and making room again."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
from dataclasses import asdict

from django.conf import settings
from django.db import transaction
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from annotations.models import User
from energyapp.jobs import services as jobs
from energyapp.jobs.claims import Claim, JobRefused, NotClaimed
from energyapp.webhooks.services import announce
from modeling.exports.models import Export
from modeling.exports.tables import Options
from modeling.exports.writing import Written, write_table

KEPT_FOR = dt.timedelta(days=7)
# The last step of an export ends it; what reports before must not say 100 %.
WRITING_SHARE = 0.99


@transaction.atomic
def request_export(*, requested_by: User, table: str, format: str, options: Options) -> Export:
    """An export that a worker is to write; asked for twice while it goes on is one."""
    asked = f"{table} {format} {sorted(asdict(options).items())}"
    key = f"{table} {hashlib.sha256(asked.encode()).hexdigest()[:16]}"
    job, is_new = jobs.request(kind="export", key=key, requested_by=requested_by)
    if not is_new:
        return job.export
    return Export.objects.create(job=job, requested_by=requested_by, table=table, format=format, **asdict(options))


def run(job_id: int) -> None:
    """Write the export of this job, for a worker."""
    try:
        with Claim(job_id) as claim:
            _write(Export.objects.get(job=job_id), claim)
    except NotClaimed:
        return  # delivered twice, or taken over


def _write(export: Export, claim: Claim) -> None:
    settings.EXPORTS_DIR.mkdir(parents=True, exist_ok=True)
    # The token: an attempt that was given up for dead may still be writing to its own file.
    path = settings.EXPORTS_DIR / f"{export.pk}-{claim.token.hex[:8]}.{export.format}"
    options = Options(is_pseudonymous=export.is_pseudonymous, feature_set=export.feature_set)
    try:
        written = write_table(
            export.table,
            options,
            path,
            format=export.format,
            on_progress=lambda share, message: claim.report(WRITING_SHARE * share, message),
        )
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise
        raise JobRefused("The disk is full. Make room, then ask again.") from problem
    try:
        _end(export, claim, path.name, written)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@transaction.atomic
def _end(export: Export, claim: Claim, file: str, written: Written) -> None:
    Export.objects.filter(pk=export.pk).update(file=file, **written._asdict())
    announce("export.ready", {"export": export.pk, "table": export.table, "format": export.format, **written._asdict()})
    claim.succeed(f"{written.n_rows:,} rows, {filesizeformat(written.n_bytes)}")


def make_room() -> None:
    """Remove the files of exports that have been there long enough, and what attempts that died have left."""
    old = timezone.now() - KEPT_FOR
    for export in Export.objects.exclude(file="").filter(removed_at=None, job__finished_at__lt=old):
        export.path.unlink(missing_ok=True)
        Export.objects.filter(pk=export.pk).update(removed_at=timezone.now())
    if settings.EXPORTS_DIR.is_dir():
        wanted = set(Export.objects.filter(removed_at=None).values_list("file", flat=True))
        for path in settings.EXPORTS_DIR.iterdir():
            if path.name not in wanted and path.stat().st_mtime < old.timestamp():
                path.unlink(missing_ok=True)
