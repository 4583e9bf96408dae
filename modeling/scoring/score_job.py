"""What a worker does with a scoring: take its rows in. The rest comes by itself: previews, features, predictions."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from annotations.intake.csv_import import counted
from energyapp.jobs.claims import Claim, JobRefused, NotClaimed
from modeling.scoring.models import Scoring
from modeling.scoring.taking_in import no_files, take_in


def take_rows_in(job_id: int) -> None:
    """Take in the rows of this job's scoring. Done again after an interruption it goes on where it was."""
    try:
        with Claim(job_id) as claim:
            scoring = Scoring.objects.get(job=job_id)
            n_lines = _n_lines(scoring)
            n_rows = take_in(scoring, scoring.table, find_audio=no_files, on_taken=partial(_report, claim, n_lines))
            with transaction.atomic():
                claim.succeed(f"{counted(n_rows, 'row')} taken in")
            scoring.table.unlink(missing_ok=True)
    except NotClaimed:
        return  # delivered twice, or taken over


def _report(claim: Claim, n_lines: int, n_rows: int) -> None:
    claim.report(n_rows / n_lines, f"{counted(n_rows, 'row')} taken in")


def _n_lines(scoring: Scoring) -> int:
    try:
        with scoring.table.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(partial(file.read, 2**20), b"")) or 1
    except OSError as problem:
        raise JobRefused(f"The file is gone ({problem.strerror}). Send it again.") from problem
