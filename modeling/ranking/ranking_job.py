"""What a worker does with a ranking. Not loaded by the web process."""

from __future__ import annotations


def rank(job_id: int) -> None:
    raise NotImplementedError(job_id)
